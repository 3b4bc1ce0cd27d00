//! When which connection wants to be looked at.
//!
//! A heap with lazy deletion: a deadline that moves later is found out when the old one comes up.
//! One that moves earlier gets another entry. So a request cycle, which only pushes deadlines back,
//! costs nothing. Entries of connections that are gone stay until they come up, or until they are
//! as many as the others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ConnectionId;
use crate::limits::DEADLINES_STALE_MIN;
use crate::time::Instant;

/// Deadlines of one shard's connections.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
}

impl Deadlines {
    pub(super) fn schedule(&mut self, at: Instant, connection: ConnectionId) {
        self.heap.push(Reverse((at, connection)));
    }

    /// Drops what no connection waits for any more, if that is more than what `connections` wait
    /// for.
    pub(super) fn forget_stale(
        &mut self,
        connections: usize,
        mut is_current: impl FnMut(Instant, ConnectionId) -> bool,
    ) {
        if self.heap.len() > 2 * connections + DEADLINES_STALE_MIN {
            self.heap.retain(|&Reverse((at, id))| is_current(at, id));
        }
    }

    /// The earliest entry's time.
    pub(super) fn first(&self) -> Instant {
        let first = self.heap.peek();
        first.map_or(Instant::NEVER, |&Reverse((at, _))| at)
    }

    /// The next connection whose entry is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, ConnectionId)> {
        let Reverse((at, _)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_those_who_left_do_not_pile_up() {
        let mut deadlines = Deadlines::default();
        let id = |serial| ConnectionId { index: 0, serial };
        let at = |serial: u32| Instant::from_millis(1_000 + u64::from(serial));
        for serial in 0..100_000 {
            deadlines.schedule(at(serial), id(serial));
            deadlines.forget_stale(1, |due, other| (due, other) == (at(serial), id(serial)));
            assert!(deadlines.heap.len() <= DEADLINES_STALE_MIN + 2);
        }
        let last = (at(99_999), id(99_999));
        let due = std::iter::from_fn(|| deadlines.pop_due(at(99_999)));
        assert_eq!(due.last(), Some(last), "whoever is there keeps its own");
    }
}
