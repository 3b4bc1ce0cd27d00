//! What becomes of connections whose time is up.
//!
//! A shard may be late: the process was stopped, the machine was busy, others had their turn. What
//! a peer did in time counts all the same, so a deadline is served in two steps: [`Shard::due`]
//! names the connections, their sockets are looked at, and [`Shard::expire`] does what is due even
//! now.

use super::{ConnectionId, Flushed, Shard};
use crate::connection::{Connection, Expired, SendQueue};
use crate::limits::{SWEEP_KEYS, SWEEP_LOGINS, SWEEP_SESSIONS};
use crate::time::{Instant, Now};

impl Shard {
    /// When some connection's time is up; perhaps only that of one that has put it off or is gone.
    pub fn next_deadline(&self) -> Instant {
        self.connections.next_deadline()
    }

    /// Appends the connections to whose sockets one should look before [`expire`](Self::expire): at
    /// most [`DEADLINES_SERVED_MAX`](crate::limits::DEADLINES_SERVED_MAX). Some may stand there
    /// twice.
    pub fn due(&mut self, now: Now, looks: &mut Vec<ConnectionId>) {
        while let Some(id) = self.connections.next_due(now.instant) {
            let stream = self.stream_mut(id.index);
            let parent = stream.map(|stream| stream.parent);
            looks.extend(parent.map_or(Some(id), |parent| self.connections.id_of(parent)));
        }
    }

    /// Offers once more what the kernel did not take of a connection's bytes.
    pub fn retry_write(
        &mut self,
        now: Now,
        id: ConnectionId,
        mut write: impl FnMut(ConnectionId, &SendQueue) -> Flushed,
    ) {
        if self.entry(id).is_some_and(|entry| entry.is_blocked()) {
            self.writable(id);
            self.write_to(now, id.index, &mut write);
        }
    }

    /// Serves the deadlines that [`due`](Self::due) found, as far as nothing has happened since.
    pub fn expire(&mut self, now: Now) {
        self.date.update(now.unix_ms);
        while let Some(index) = self.connections.next_expired(now.instant) {
            self.expire_one(now, index);
        }
    }

    fn expire_one(&mut self, now: Now, index: u32) {
        match self.work_on(now, index, Connection::expire) {
            None | Some(Expired::Flush) => {}
            Some(Expired::Poll) => {
                self.refresh_log(now, index);
                self.answer_poll(now, index);
                self.go_on(now, index);
            }
            Some(Expired::Client) => self.expire_client(now, index),
            Some(Expired::Drop) => self.remove(now, index),
            Some(Expired::SlowConsumer) => self.give_up(now, index),
        }
    }

    /// A share of the housekeeping: what has expired is forgotten, gauges are set. To be called
    /// several times a second.
    pub fn sweep(&mut self, now: Now) {
        self.connections.forget_stale_deadlines();
        self.hub.sweep(now, SWEEP_SESSIONS);
        self.spread(now);
        self.end_readers(now);
        self.idempotency.expire(now.instant, SWEEP_KEYS);
        self.logins.expire(now.instant, SWEEP_LOGINS);
        self.sweep_interest(now);
        self.tell_left_out(now);
        self.sweep_overview(now);
        self.relieve(now);
        self.reading.forget_renderings();
        self.update_gauge();
        let metrics = &self.metrics[self.id.index()];
        metrics.sessions.set(self.hub.sessions() as u64);
        let broadcasts = self.hub.broadcasts();
        metrics.broadcasts_pending.set(broadcasts as u64);
        metrics.readers.set(self.hub.readers() as u64);
        metrics.subscriptions.set(self.hub.subscriptions() as u64);
        metrics.retained_bytes.set(self.hub.retained_bytes() as u64);
    }

    /// Everything that the passing of time brings, for who has no sockets to look at: all deadlines
    /// that are due, and a share of the housekeeping.
    pub fn advance(&mut self, now: Now) {
        loop {
            self.due(now, &mut Vec::new());
            if !self.connections.has_due() {
                break;
            }
            self.expire(now);
        }
        self.sweep(now);
    }
}
