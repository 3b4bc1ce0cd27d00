//! Serving ready sockets and deadlines, in order and within bounds.
//!
//! A task reports that its socket is readable. While no other waits it is served at once; when a
//! turn's time is used up, or others wait, it stands in the [ready list](super::ready) until its
//! turn comes. A serving ends after `SERVING_STEPS_MAX` requests or one receive, a turn's receiving
//! after [`RECEIVING_TIME_MAX`]: then the output is sent, and the kernel is asked what else is
//! ready. Both drivers of monoio are served alike.

use super::shard_loop::{ShardLoop, socket};
use crate::limits::{
    GATHER_CONNECTIONS_MIN, GATHER_LOOKS_MAX, GATHER_TALKERS_MAX, RECEIVING_TIME_MAX,
    SERVING_BYTES_MAX, SERVINGS_PER_LOOK, SWEEP_INTERVAL, TICK_INTERVAL,
};
use crate::shard::{ConnectionId, Flushed};
use crate::time::Now;

/// The result of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    /// Nothing.
    Nothing,
    /// All there was.
    All,
    /// As much as was asked for: there may be more.
    Full,
}

impl ShardLoop {
    /// Serves or lists a socket that is readable.
    pub(super) fn readable(&mut self, id: ConnectionId) {
        let Some(slot) = self.slot(id) else {
            return;
        };
        let is_busy = slot.is_busy;
        if is_busy || !self.ready.is_empty() || self.is_late() {
            self.list(id);
        } else {
            self.serve(id);
        }
        self.wake_turn();
    }

    /// Lists a socket to wait for its turn.
    fn list(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slot(id)
            && !slot.listed
        {
            slot.listed = true;
            let is_busy = slot.is_busy;
            self.ready.push(id, is_busy);
        }
    }

    /// Receives once from a socket. One with more input is listed; its task is woken when it has no
    /// more.
    fn serve(&mut self, id: ConnectionId) {
        let bytes_max = if self.ready.is_empty() {
            self.recv_buf.len()
        } else {
            SERVING_BYTES_MAX
        };
        let received = self.receive(id, bytes_max);
        if received != Received::Nothing && self.talkers.len() < GATHER_TALKERS_MAX {
            self.talkers.push(id);
        }
        let reading = self.shard.wants_input(id);
        let is_unserved = self.shard.is_unserved(id);
        let Some(slot) = self.slot(id) else {
            return;
        };
        slot.reading = reading;
        slot.is_busy = is_unserved || received == Received::Full;
        if reading && received == Received::Full {
            self.list(id);
        }
    }

    /// Receives what is there, up to `bytes_max` bytes.
    fn receive(&mut self, id: ConnectionId, bytes_max: usize) -> Received {
        let now = self.now();
        let Some(socket) = socket(&self.slots, id) else {
            return Received::Nothing;
        };
        let buf = &mut self.recv_buf[..bytes_max];
        let received = loop {
            match socket.recv(buf) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                received => break received,
            }
        };
        match received {
            Ok(0) => self.shard.end_input(now, id),
            Ok(received) => {
                self.shard.receive(now, id, &mut buf[..received]);
                return if received == bytes_max {
                    Received::Full
                } else {
                    Received::All
                };
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.shard.broken(now, id),
        }
        Received::Nothing
    }

    /// Whether this turn's time for receiving is used up.
    fn is_late(&mut self) -> bool {
        self.now();
        self.servings += 1;
        if !self.late && self.servings.is_multiple_of(SERVINGS_PER_LOOK) {
            self.late = self.clock.micros().saturating_sub(self.began) >= RECEIVING_MICROS_MAX;
        }
        self.late
    }

    /// Serves the listed sockets, one after the other, until time is up; at least one.
    pub(super) fn serve_ready(&mut self, now: Now) {
        loop {
            let next = self.ready.pop();
            if let Some(id) = next
                && let Some(slot) = self.slot(id)
            {
                slot.listed = false;
                self.serve(id);
                // Its task waits for more.
                let waker = self.slot(id).filter(|slot| slot.reading && !slot.listed);
                let waker = waker.and_then(|slot| slot.waker.clone());
                self.woken.extend(waker);
            }
            let unserved = self.shard.serve_next(now);
            if (next.is_none() && !unserved) || self.is_late() {
                break;
            }
        }
    }

    /// Before a large flush: looks again at sockets that just sent something, until a look finds
    /// nothing. While the flush lasts nothing is received, and each event that came a moment too
    /// late would cost a flush of its own.
    pub(super) fn look_again(&mut self) {
        for _ in 0..GATHER_LOOKS_MAX {
            if self.shard.addressed() < GATHER_CONNECTIONS_MIN || self.late {
                break;
            }
            let mut came = false;
            for place in 0..self.talkers.len() {
                let id = self.talkers[place];
                if self.shard.wants_input(id) {
                    came |= self.receive(id, self.recv_buf.len()) != Received::Nothing;
                }
                if self.is_late() {
                    break;
                }
            }
            if !came {
                break;
            }
        }
        for place in 0..self.talkers.len() {
            let id = self.talkers[place];
            let reading = self.shard.wants_input(id);
            if let Some(slot) = self.slot(id) {
                slot.reading = reading;
            }
        }
        self.talkers.clear();
    }

    /// Serves the deadlines that are due, by the clock. Input that has arrived is in time, and so
    /// is output that the kernel takes now: so the sockets are looked at first.
    pub(super) fn serve_deadlines(&mut self, now: Now) {
        let is_due = self.shard.next_deadline() <= now.instant;
        if is_due && (self.more_due || now.instant.since(self.expired_at) >= TICK_INTERVAL) {
            self.expired_at = now.instant;
            let mut looks = std::mem::take(&mut self.looks);
            self.shard.due(now, &mut looks);
            for id in looks.drain(..) {
                if self.shard.wants_input(id) {
                    self.receive(id, SERVING_BYTES_MAX);
                }
                let slots = &self.slots;
                // If it is still too much, the task that waits for room is there already.
                self.shard.retry_write(now, id, |id, queue| {
                    socket(slots, id).map_or(Flushed::Broken, |socket| socket.send(queue))
                });
            }
            self.looks = looks;
            self.shard.expire(now);
            self.more_due = self.shard.next_deadline() <= now.instant;
        }
        if now.instant.since(self.swept_at) >= SWEEP_INTERVAL {
            self.swept_at = now.instant;
            self.sweep(now);
        }
    }
}

const RECEIVING_MICROS_MAX: u64 = RECEIVING_TIME_MAX.as_micros() as u64;
