//! The order of a tick, once everything that came has been received: events meet their readers,
//! then bytes meet the kernel. The contract with the driver is at the top of the [module](super).

use super::{ConnectionId, Flushed, Shard};
use crate::connection::SendQueue;
use crate::time::Now;

impl Shard {
    /// Ends a tick: broadcasts go on by a slice, sessions that were given events show them to their
    /// readers, and subscribers' events enter their send queues.
    pub fn end_tick(&mut self, now: Now) {
        self.hub.continue_broadcasts(now);
        self.end_readers(now);
        self.show_logs(now);
        self.settle_groups(now);
        self.relieve(now);
    }

    /// Shows woken logs to their readers, until none is woken and no connection may go on.
    fn show_logs(&mut self, now: Now) {
        let mut scratch = std::mem::take(&mut self.scratch.shown);
        loop {
            self.hub.take_woken(&mut scratch.woken);
            for session in scratch.woken.drain(..) {
                self.hub.trim(now, session);
                scratch.readers.clear();
                self.hub.connections(session, &mut scratch.readers);
                for &index in &scratch.readers {
                    self.show(now, index);
                }
            }
            self.hub.end_tick();
            self.end_readers(now);
            if self.connections.resumed() == 0 {
                break;
            }
            // What came behind a poll may itself publish: then there is another round.
            for _ in 0..self.connections.resumed() {
                if let Some(index) = self.connections.next_resumed() {
                    self.go_on(now, index);
                }
            }
        }
        self.scratch.shown = scratch;
        debug_assert!(
            !self.hub.has_news(),
            "an answer was given, and the rest not"
        );
    }

    /// Offers connections' unsent bytes to `write`, until they are taken or refused, or so many
    /// were offered that others must have their turn: then the shard [has more
    /// work](Self::has_more_work). So it has if the queue of a connection that holds input has
    /// drained: that input is served in its turn.
    pub fn flush(&mut self, now: Now, mut write: impl FnMut(ConnectionId, &SendQueue) -> Flushed) {
        let mut writes = self.slices.writes.max(2);
        let share = if self.connections.has_backlog() {
            writes / 2
        } else {
            0
        };
        writes = share + self.flush_dirty(now, writes - share, &mut write);
        writes = self.flush_backlog(now, writes, &mut write);
        self.flush_dirty(now, writes, &mut write);
        self.flush_urgent(now, &mut write);
        self.connections.leave_rest();
        self.update_gauge();
    }

    /// Whether there should be another tick as soon as sockets and mail have been looked at, even
    /// if nothing has come.
    pub fn has_more_work(&self) -> bool {
        self.hub.is_broadcasting()
            || self.connections.has_backlog()
            || self.connections.has_unserved()
            || self.overview.has_work()
            || self.came_up()
    }

    /// Whether something came up after the end of the tick that the end of another one sees to.
    fn came_up(&self) -> bool {
        self.connections.resumed() > 0 || self.fanout.addressed() > 0 || self.hub.has_woken()
    }

    /// The next thing to do to a socket.
    pub fn next_effect(&mut self) -> Option<super::Effect> {
        self.connections.next_effect()
    }
}
