//! One subscriber of one session, in any of its forms, and the audit of what it is told.
//!
//! Bytes in, counts and replies out. Every reader must hear each event exactly once and in order;
//! the numbers say so. It must never know sockets or clocks.

use crate::kind::Kind;
use crate::listener::{Heard, Listener};

pub(crate) use crate::listener::ReaderError;

/// What bytes amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Handshakes and event stream heads.
    pub(crate) opened: u64,
    /// Whole answers to polls.
    pub(crate) answers: u64,
    /// Events.
    pub(crate) events: u64,
    /// Bytes taken from sockets.
    pub(crate) bytes: u64,
}

impl std::ops::AddAssign for Progress {
    fn add_assign(&mut self, rhs: Self) {
        self.opened += rhs.opened;
        self.answers += rhs.answers;
        self.events += rhs.events;
        self.bytes += rhs.bytes;
    }
}

/// One subscriber, who forgives nothing.
#[derive(Debug)]
pub(crate) struct Reader {
    listener: Listener,
    /// The number of the next event; the first one may have any.
    next: Option<u64>,
}

impl Reader {
    /// A reader that has sent its request and heard nothing.
    pub(crate) fn new(kind: Kind, session: &str) -> Self {
        Self {
            listener: Listener::new(kind, session),
            next: None,
        }
    }

    /// The number of the last event heard.
    pub(crate) fn last(&self) -> Option<u64> {
        self.next.and_then(|next| next.checked_sub(1))
    }

    /// Takes what was received; what must be sent back is appended to `replies`.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
    ) -> Result<Progress, ReaderError> {
        let mut progress = Progress {
            bytes: bytes.len() as u64,
            ..Progress::default()
        };
        let next = &mut self.next;
        self.listener.feed(bytes, replies, |heard| {
            match heard {
                Heard::Opened => progress.opened += 1,
                Heard::Answered => progress.answers += 1,
                Heard::Epoch(_) => {}
                Heard::Hole(_) => return Err(ReaderError::Gap),
                Heard::Event { number, .. } => {
                    progress.events += 1;
                    if let Some(found) = number {
                        audit(next, found)?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(progress)
    }
}

fn audit(next: &mut Option<u64>, found: u64) -> Result<(), ReaderError> {
    match *next {
        Some(expected) if expected != found => Err(ReaderError::Order { expected, found }),
        _ => {
            *next = Some(found + 1);
            Ok(())
        }
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
