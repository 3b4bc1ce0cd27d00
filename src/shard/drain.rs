//! Leaving politely: what was accepted is told, everyone is told to go, nobody new is taken.

use super::{Mail, Shard};
use crate::hub::Command;
use crate::time::Now;

impl Shard {
    /// Begins to leave: nobody new is taken, and nothing is accepted any more. As soon as all
    /// shards have come so far, everyone is told in the way its protocol allows.
    ///
    /// Not before: what another shard has accepted may be on its way to readers here, and its
    /// publisher has been told that it is accepted.
    pub fn drain(&mut self, now: Now) {
        if self.sealed {
            return;
        }
        self.sealed = true;
        // Behind whatever this shard has accepted and mailed.
        self.post.send_to_others(|| Mail::Sealed);
        self.leave_if_sealed(now);
    }

    /// Another shard accepts nothing any more, and what it had accepted has been mailed before.
    pub(super) fn sealed_elsewhere(&mut self, now: Now) {
        self.sealed_others += 1;
        self.leave_if_sealed(now);
    }

    /// Whether a command is refused because its events would have nobody to hear them.
    pub(super) fn is_too_late(&self, command: &Command) -> bool {
        let emits = matches!(
            command,
            Command::Publish { .. }
                | Command::Notify { .. }
                | Command::Transition { .. }
                | Command::Resume { .. }
        );
        self.sealed && emits
    }

    fn leave_if_sealed(&mut self, now: Now) {
        if self.sealed && self.sealed_others == self.post.others().count() {
            self.leave(now);
        }
    }

    fn leave(&mut self, now: Now) {
        // What was accepted is told before anyone is told to leave.
        self.hub.finish_broadcasts(now);
        self.end_tick(now);
        self.draining = true;
        let indices: Vec<u32> = self.connections.iter().map(|(index, _)| index).collect();
        for index in indices {
            self.drain_connection(now, index);
        }
    }

    pub(super) fn drain_connection(&mut self, now: Now, index: u32) {
        // Spread at random, so that they do not all come back at once.
        let tenth = (self.drain_spread_ms / 10).max(1);
        let retry_ms = tenth + self.ids.below(tenth * 9);
        match self.work_on(now, index, |connection, ctx| {
            connection.drain(retry_ms, ctx)
        }) {
            Some(true) => self.remove(now, index),
            Some(false) => self.answer_poll(now, index),
            None => {}
        }
    }
}
