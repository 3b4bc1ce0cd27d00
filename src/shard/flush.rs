//! Bytes out: what a tick put into send queues goes to the kernel at its end.
//!
//! A write takes microseconds, and while a flush lasts nobody is heard: so there is an end to the writes of one
//! flush. Whoever it did not come to is in the *backlog*, which shares the next flush with those who have something
//! to send only since then. So an answer does not wait until an event has gone to everyone, and what
//! comes meanwhile for one who waits joins the same write.

use super::{ConnectionId, Effect, Shard};
use crate::connection::SendQueue;
use crate::limits::SEND_QUEUE_PAUSE_BYTES;
use crate::time::Now;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// So many bytes were taken, and more may be.
    Sent(usize),
    /// So many bytes were taken, and no more will be until [`Shard::writable`].
    Blocked(usize),
    /// The socket failed.
    Broken,
}

impl Shard {
    /// Offers connections' unsent bytes to `write`, until they are taken or refused, or so many were offered that
    /// others must have their turn: then the shard [has more work](Self::has_more_work).
    ///
    /// Whoever finds room in its queue goes on with the input it holds: what comes of that ends this tick once
    /// more, for nobody knows when there is another.
    pub fn flush(&mut self, now: Now, mut write: impl FnMut(ConnectionId, &SendQueue) -> Flushed) {
        let mut writes = self.slices.writes.max(2);
        let share = if self.backlog.is_empty() {
            0
        } else {
            writes / 2
        };
        writes = share + self.flush_dirty(now, writes - share, &mut write);
        writes = self.flush_backlog(now, writes, &mut write);
        if self.has_left_over() {
            self.show_news(now);
        }
        self.flush_dirty(now, writes, &mut write);
        self.flush_urgent(now, &mut write);
        self.backlog.append(&mut self.dirty);
        self.update_gauge();
    }

    /// Whether there should be another tick as soon as sockets and mail have been looked at, even if
    /// nothing has come.
    pub fn has_more_work(&self) -> bool {
        self.hub.is_broadcasting()
            || !self.backlog.is_empty()
            || !self.unserved.is_empty()
            || self.overview.has_work()
            || self.has_left_over()
    }

    /// Whether something came up after the end of the tick.
    fn has_left_over(&self) -> bool {
        !self.resumed.is_empty() || !self.grouped.is_empty() || self.hub.has_woken()
    }

    /// Writes to those whom the flush did not come to, and for whom too much would wait otherwise. That is for
    /// this shard to prevent, not for a subscriber who takes all that it is offered.
    fn flush_urgent(
        &mut self,
        now: Now,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) {
        if self.urgent.is_empty() {
            return;
        }
        let mut urgent = std::mem::take(&mut self.urgent);
        for index in urgent.drain(..) {
            self.flush_one(now, index, write);
        }
        if self.urgent.is_empty() {
            self.urgent = urgent;
        }
        self.flush_inner(now);
    }

    /// Writes to those who became dirty since the last flush. Answers how many writes of `writes` are left.
    fn flush_dirty(
        &mut self,
        now: Now,
        mut writes: usize,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) -> usize {
        loop {
            // Streams first, so that what they have to say is one write of their connection.
            self.flush_inner(now);
            if writes == 0 {
                return 0;
            }
            let Some(index) = self.dirty.pop_front() else {
                return writes;
            };
            writes -= usize::from(self.flush_one(now, index, write));
        }
    }

    /// The same, to those whom earlier flushes did not come to.
    fn flush_backlog(
        &mut self,
        now: Now,
        mut writes: usize,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) -> usize {
        while writes > 0
            && let Some(index) = self.backlog.pop_front()
        {
            writes -= usize::from(self.flush_one(now, index, write));
        }
        writes
    }

    /// Writes to one connection. No if it need not be: it was written to meanwhile, or is gone and its place
    /// another's.
    pub(super) fn flush_one(
        &mut self,
        now: Now,
        index: u32,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) -> bool {
        let Some(entry) = self.connections.get_mut(index as usize) else {
            return false;
        };
        if entry.stream.is_some() || entry.relay.is_some() {
            return false;
        }
        let was_dirty = std::mem::take(&mut entry.dirty);
        if !was_dirty || entry.blocked || entry.finished {
            return false;
        }
        let id = ConnectionId {
            index,
            serial: entry.serial,
        };
        if entry.connection.has_streams() {
            entry.connection.pump();
            self.serve_streams(now, index);
        }
        self.offer(now, id, write);
        self.finish_if_done(now, id);
        true
    }

    /// Offers one connection's unsent bytes.
    fn offer(
        &mut self,
        now: Now,
        id: ConnectionId,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) {
        let Some(entry) = self.entry(id) else {
            return;
        };
        if entry.connection.send_queue.is_empty() {
            return;
        }
        let flushed = write(id, &entry.connection.send_queue);
        let metrics = &self.metrics[self.id.index()];
        metrics.writes.add(1);
        match flushed {
            Flushed::Sent(bytes) => {
                metrics.bytes_sent.add(bytes as u64);
                self.sent(now, id.index, bytes);
            }
            Flushed::Blocked(bytes) => {
                metrics.bytes_sent.add(bytes as u64);
                if let Some(entry) = self.entry(id) {
                    entry.blocked = true;
                    entry.connection.blocked(now);
                }
                self.sent(now, id.index, bytes);
                self.judge_slow(now, id.index);
            }
            Flushed::Broken => self.remove(now, id.index),
        }
    }

    /// The kernel takes bytes again.
    pub fn writable(&mut self, id: ConnectionId) {
        if let Some(entry) = self.entry(id) {
            entry.blocked = false;
            self.touch(id.index);
        }
    }

    pub(super) fn sent(&mut self, now: Now, index: u32, bytes: usize) {
        let Some(entry) = self.connections.get_mut(index as usize) else {
            return;
        };
        let was_paused = entry.connection.send_queue.len() >= SEND_QUEUE_PAUSE_BYTES;
        entry.connection.sent(bytes, now);
        let empty = entry.connection.send_queue.is_empty();
        if was_paused && entry.connection.send_queue.len() < SEND_QUEUE_PAUSE_BYTES {
            self.consume_held(now, index);
        }
        if empty {
            self.pull(index);
        }
        self.list(index);
    }

    fn finish_if_done(&mut self, now: Now, id: ConnectionId) {
        let Some(entry) = self.entry(id) else {
            return;
        };
        if entry.finished
            || !entry.connection.is_closing()
            || !entry.connection.send_queue.is_empty()
        {
            return;
        }
        if entry.connection.input_ended() {
            self.remove(now, id.index);
            return;
        }
        entry.finished = true;
        entry.connection.linger(now);
        self.effects.push_back(Effect::Finish(id));
        self.touch(id.index);
    }
}
