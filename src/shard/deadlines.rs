//! When which connection wants to be looked at.
//!
//! A heap with lazy deletion: a deadline that moves later is found out when the old one comes up. One
//! that moves earlier gets another entry. So a request cycle, which only pushes deadlines back, costs
//! nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ConnectionId;
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

    /// The next connection whose entry is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, ConnectionId)> {
        let Reverse((at, _)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
