//! Which streams of a connection have something to be looked at.
//!
//! `h2` says so by waking: each stream has a waker that notes its index. Nothing is scheduled by
//! it; the list is looked at after every poll.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The streams that were woken.
#[derive(Debug, Default)]
pub(super) struct Ready(Mutex<Vec<u32>>);

/// Notes one stream.
struct StreamWaker {
    ready: Arc<Ready>,
    index: u32,
}

impl Ready {
    /// A waker that notes `index`.
    pub(super) fn waker(self: &Arc<Self>, index: u32) -> Waker {
        let ready = Arc::clone(self);
        Waker::from(Arc::new(StreamWaker { ready, index }))
    }

    fn note(&self, index: u32) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A stream that is woken twice in a row, which is usual, is looked at once.
        if list.last() != Some(&index) {
            list.push(index);
        }
    }

    /// Appends the streams that were noted to `out`, and forgets them.
    pub(super) fn take(&self, out: &mut Vec<u32>) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.append(&mut list);
    }
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.ready.note(self.index);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.note(self.index);
    }
}
