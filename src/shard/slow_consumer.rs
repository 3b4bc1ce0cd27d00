//! Clients that take their bytes more slowly than events come for them.

use super::{Shard, context};
use crate::config::SlowConsumer;
use crate::time::Now;

/// What is done about them.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlowConsumerPolicy {
    pub(super) queue_bytes_max: usize,
    pub(super) then: SlowConsumer,
}

impl SlowConsumerPolicy {
    /// The bytes past which no flush passes a subscriber by: only its peer may be too slow.
    pub(super) const fn hurry_above(self) -> usize {
        self.queue_bytes_max / 2
    }
}

impl Shard {
    /// Applies the policy to a live subscriber for whom too much waits. To be called when the
    /// kernel has said that it takes no more.
    pub(super) fn judge_slow(&mut self, now: Now, index: u32) {
        let SlowConsumerPolicy {
            queue_bytes_max,
            then,
        } = self.slow_consumers;
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        let connection = &mut entry.connection;
        if connection.hears().is_none() || connection.send_queue.len() <= queue_bytes_max {
            return;
        }
        let before = connection.send_queue.len();
        let ctx = &mut context!(self, now);
        let dropped = match then {
            SlowConsumer::Disconnect => {
                ctx.metrics.slow_consumers.add(1);
                connection.disconnect_slow(ctx)
            }
            SlowConsumer::DropOldest => connection.drop_oldest(queue_bytes_max, ctx),
        };
        if connection.held_bytes() > 0 && connection.send_queue.len() < before {
            // It may have waited for the queue to become shorter.
            self.connections.resume(index);
        }
        self.metrics().events_dropped.add(dropped);
        self.list(index);
    }

    /// Drops a connection that does not take its bytes.
    pub(super) fn give_up(&mut self, now: Now, index: u32) {
        if let Some(entry) = self.connections.get_mut(index) {
            let dropped = entry.connection.send_queue.drop_events();
            let metrics = self.metrics();
            metrics.slow_consumers.add(1);
            metrics.events_dropped.add(dropped);
        }
        self.remove(now, index);
    }
}
