//! Leaving politely: what was accepted is told, everyone is told to go, nobody new is taken.

use super::Shard;
use crate::time::Now;

impl Shard {
    /// Begins to leave: everyone is told in the way its protocol allows, nobody new is taken.
    pub fn drain(&mut self, now: Now) {
        // What was accepted is told before anyone is told to leave.
        self.hub.finish_broadcasts(now);
        self.end_tick(now);
        self.draining = true;
        let indices: Vec<u32> = self
            .connections
            .iter()
            .map(|(index, _)| index as u32)
            .collect();
        for index in indices {
            self.drain_connection(now, index);
        }
    }

    pub(super) fn drain_connection(&mut self, now: Now, index: u32) {
        // Spread at random, so that they do not all come back at once.
        let tenth = (self.drain_spread_ms / 10).max(1);
        let retry_ms = tenth + self.ids.below(tenth * 9);
        match self.with(now, index, |connection, ctx| {
            connection.drain(retry_ms, ctx)
        }) {
            Some(true) => self.remove(now, index),
            Some(false) => self.answer_poll(now, index),
            None => {}
        }
    }
}
