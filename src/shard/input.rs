//! Bytes in: through the connection's parser, as often as it finds something.

use super::{ConnectionId, Shard};
use crate::connection::Then;
use crate::limits::SEND_QUEUE_PAUSE_BYTES;
use crate::time::Now;

impl Shard {
    /// Bytes came from a peer. `bytes` may be changed in place (unmasking, chunk decoding) and are
    /// not kept but for what is incomplete.
    pub fn receive(&mut self, now: Now, id: ConnectionId, bytes: &mut [u8]) {
        self.date.update(now.unix_ms);
        self.metrics().bytes_received.add(bytes.len() as u64);
        self.take_in(now, id, bytes);
    }

    /// [`receive`](Self::receive), for bytes that have been counted.
    pub(super) fn take_in(&mut self, now: Now, id: ConnectionId, bytes: &mut [u8]) {
        let Some(entry) = self.entry(id) else {
            return;
        };
        if entry.is_moving() || entry.connection.held_bytes() > 0 {
            entry.connection.hold_more(bytes);
            self.step_held(now, id.index);
            return;
        }
        let kept = self.consume(now, id.index, bytes);
        if let Some(entry) = self.entry(id)
            && !kept.is_empty()
        {
            entry.connection.hold_more(&bytes[kept]);
            self.touch(id.index);
        }
    }

    /// The peer closed its half.
    pub fn end_input(&mut self, now: Now, id: ConnectionId) {
        let Some(entry) = self.entry(id) else {
            return;
        };
        if entry.is_moving() {
            // Its request is still to be answered. The end will be met again at its new home.
            return;
        }
        if entry.is_unserved() {
            // What it sent before is served first.
            entry.connection.end_stream_input();
            return;
        }
        if entry.connection.end_input() || entry.is_finished() {
            self.remove(now, id.index);
        } else {
            self.touch(id.index);
        }
    }

    /// The socket failed.
    pub fn broken(&mut self, now: Now, id: ConnectionId) {
        if self.entry(id).is_some() {
            self.remove(now, id.index);
        }
    }

    /// Whether the socket should be read. After a no, [`Effect::Resume`](super::Effect::Resume)
    /// says when.
    pub fn wants_input(&mut self, id: ConnectionId) -> bool {
        self.connections.wants_input(id)
    }

    /// Whether a connection sent more than its turn came to: [`serve_next`](Self::serve_next) goes
    /// on with it.
    pub fn is_unserved(&self, id: ConnectionId) -> bool {
        let entry = self.connections.get(id.index);
        entry.is_some_and(|entry| entry.serial == id.serial && entry.is_unserved())
    }

    /// Serves the connection whose input has waited longest since its turn was over. Returns
    /// `false` if there is none.
    ///
    /// One call takes at most [`Slices::steps`](super::Slices::steps) requests or messages from one
    /// connection.
    pub fn serve_next(&mut self, now: Now) -> bool {
        let Some(index) = self.connections.next_unserved() else {
            return false;
        };
        self.go_on(now, index);
        self.touch(index);
        true
    }

    /// Goes on with the input that a connection holds, now that it may: its turn or an answer has
    /// come, or its peer has taken what kept it from going on. Ends it if there will be no more.
    pub(super) fn go_on(&mut self, now: Now, index: u32) {
        self.step_held(now, index);
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        if entry.stream.is_some() {
            self.serve_stream(now, index);
            return;
        }
        let is_over = entry.connection.input_ended() && !entry.is_unserved();
        if entry.is_moving() || !is_over {
            return;
        }
        if entry.connection.end_input() {
            self.remove(now, index);
        } else {
            self.touch(index);
        }
    }

    /// Steps through the input that a connection holds.
    pub(super) fn step_held(&mut self, now: Now, index: u32) {
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        let connection = &entry.connection;
        let has_none = connection.held_bytes() == 0 && !connection.is_unheard();
        if entry.is_moving() || entry.is_unserved() || has_none {
            return;
        }
        let mut input = entry.connection.take_input();
        let kept = self.consume(now, index, &mut input);
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        if entry.connection.is_closing() {
            // Whatever was held is of no interest any more.
            return;
        }
        input.truncate(kept.end);
        input.drain(..kept.start);
        entry.connection.hold(input);
        self.touch(index);
    }

    /// Steps through `buf`, until the connection's turn is over; returns the part of it that must
    /// be offered again.
    fn consume(&mut self, now: Now, index: u32, buf: &mut [u8]) -> std::ops::Range<usize> {
        let (mut start, mut steps) = (0, 0);
        loop {
            let rest = start..buf.len();
            if steps >= self.slices.steps.max(1) && !rest.is_empty() {
                self.connections.postpone(index);
                return rest;
            }
            steps += 1;
            match self.connections.get(index) {
                None => return 0..0,
                // Who does not read its answers gets no more of them.
                Some(entry) if entry.connection.send_queue.len() >= SEND_QUEUE_PAUSE_BYTES => {
                    return rest;
                }
                Some(_) => {}
            }
            let step = self.work_on(now, index, |connection, ctx| {
                connection.step(&mut buf[start..], ctx)
            });
            let Some(step) = step else {
                return 0..0;
            };
            start += step.used;
            match step.then {
                Then::Again => {}
                Then::More { keep } => return start..start + keep,
                Then::Streams => steps += self.serve_streams(now, index),
                // The request goes along to the session's home, to be parsed again there.
                Then::Follow(ref follow, _) if self.moves_home(index, follow.home()) => {
                    return rest;
                }
                Then::Open(ref open, _) if self.moves_home(index, open.home) => return rest,
                then => {
                    if !self.carry_on(now, index, then) {
                        return start..buf.len();
                    }
                }
            }
        }
    }

    /// Moves a connection to the home of the session that it is going to read. Returns `false` if
    /// it is there, or cannot move.
    fn moves_home(&mut self, index: u32, hash: Option<u64>) -> bool {
        let home = hash.map(|hash| self.post.placement.home_of_hash(hash));
        let Some(home) = home.filter(|&home| home != self.id) else {
            return false;
        };
        let entry = self.connections.get(index);
        if entry.is_none_or(|entry| entry.stream.is_some()) {
            return false;
        }
        self.connections.move_to(index, home);
        true
    }
}
