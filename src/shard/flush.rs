//! Bytes out: what a tick put into send queues goes to the kernel at its end.
//!
//! A write takes microseconds, and while a flush lasts nobody is heard: so there is an end to the
//! writes of one flush. Connections not reached are in the *backlog*, which shares the next flush
//! with those that have something to send only since then. So an answer does not wait until an
//! event has gone to everyone, and what comes meanwhile for one who waits joins the same write.

use super::connections::{Connections, Entry};
use super::{ConnectionId, Shard};
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
    /// Writes to the connections that became dirty since the last flush. Returns how many writes of
    /// `writes` are left.
    pub(super) fn flush_dirty(
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
            let Some(id) = self.connections.next_dirty() else {
                return writes;
            };
            writes -= usize::from(self.write_in_turn(now, id, write));
        }
    }

    /// Writes to the connections that earlier flushes did not come to. Returns how many writes are
    /// left.
    pub(super) fn flush_backlog(
        &mut self,
        now: Now,
        mut writes: usize,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) -> usize {
        while writes > 0
            && let Some(id) = self.connections.next_of_backlog()
        {
            writes -= usize::from(self.write_in_turn(now, id, write));
        }
        writes
    }

    /// Writes to the connections that the flush did not come to, and for which too much would wait
    /// otherwise. That is for this shard to prevent, not for a subscriber who takes all that it is
    /// offered.
    pub(super) fn flush_urgent(
        &mut self,
        now: Now,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) {
        while let Some(index) = self.connections.next_urgent() {
            self.write_to(now, index, write);
        }
        self.flush_inner(now);
    }

    /// Writes to a connection, whether it is its turn or not.
    pub(super) fn write_to(
        &mut self,
        now: Now,
        index: u32,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) {
        if let Some(id) = self.connections.id_of(index) {
            self.write_entry(now, id, Connections::by_id, write);
        }
    }

    /// Writes to a connection that has been taken from its list. Returns whether there was anything
    /// to write.
    #[inline]
    fn write_in_turn(
        &mut self,
        now: Now,
        id: ConnectionId,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) -> bool {
        self.write_entry(now, id, Connections::take_turn, write)
    }

    /// Offers the unsent bytes of the connection that `find` finds. Returns whether there were any.
    fn write_entry(
        &mut self,
        now: Now,
        id: ConnectionId,
        find: impl FnOnce(&mut Connections, ConnectionId) -> Option<&mut Entry>,
        write: &mut impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) -> bool {
        let Some(mut entry) = find(&mut self.connections, id) else {
            return false;
        };
        if !entry.has_socket() || entry.is_blocked() || entry.is_finished() {
            return false;
        }
        let has_streams = entry.connection.has_streams();
        if has_streams {
            entry.connection.pump();
            self.serve_streams(now, id.index);
            match self.connections.by_id(id) {
                Some(still) => entry = still,
                None => return false,
            }
        }
        // Nothing that follows from a write begins to close a connection but an HTTP/2 client's.
        let may_finish = has_streams || entry.connection.is_closing();
        let is_offered = !entry.connection.send_queue.is_empty();
        if is_offered {
            let flushed = write(id, &entry.connection.send_queue);
            self.note_written(now, id, flushed);
        }
        if may_finish {
            self.finish_if_done(now, id);
        }
        is_offered
    }

    #[inline]
    fn note_written(&mut self, now: Now, id: ConnectionId, flushed: Flushed) {
        let metrics = &self.metrics[self.id.index()];
        metrics.writes.add(1);
        match flushed {
            Flushed::Sent(bytes) => {
                metrics.bytes_sent.add(bytes as u64);
                self.sent(now, id.index, bytes);
            }
            Flushed::Blocked(bytes) => {
                metrics.bytes_sent.add(bytes as u64);
                self.connections.block(now, id.index);
                self.sent(now, id.index, bytes);
                self.judge_slow(now, id.index);
            }
            Flushed::Broken => self.remove(now, id.index),
        }
    }

    /// The kernel takes bytes again.
    pub fn writable(&mut self, id: ConnectionId) {
        if self.connections.has(id) {
            self.connections.set_blocked(id.index, false);
            self.touch(id.index);
        }
    }

    pub(super) fn sent(&mut self, now: Now, index: u32, bytes: usize) {
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        let was_paused = entry.connection.send_queue.len() >= SEND_QUEUE_PAUSE_BYTES;
        entry.connection.sent(bytes, now);
        let connection = &entry.connection;
        let is_empty = connection.send_queue.is_empty();
        if was_paused
            && connection.send_queue.len() < SEND_QUEUE_PAUSE_BYTES
            && (connection.held_bytes() > 0 || connection.is_unheard() || connection.input_ended())
        {
            // Its turn comes as everyone's does.
            self.connections.postpone(index);
        }
        if is_empty {
            self.pull(index);
        }
        self.list(index);
    }

    fn finish_if_done(&mut self, now: Now, id: ConnectionId) {
        let Some(entry) = self.entry(id) else {
            return;
        };
        if entry.is_finished()
            || !entry.connection.is_closing()
            || !entry.connection.send_queue.is_empty()
        {
            return;
        }
        if entry.connection.input_ended() {
            self.remove(now, id.index);
            return;
        }
        entry.connection.linger(now);
        self.connections.finish(id.index);
        self.touch(id.index);
    }
}
