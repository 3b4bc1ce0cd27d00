//! Streams of HTTP/2: each has a connection of its own here, and what it reads from and writes to
//! is not a socket but another connection of this shard, its *parent*.
//!
//! ```text
//!   parent receives ──► its streams are looked at ──► each one's connection receives
//!   a stream's connection has something to send ──► its stream takes it ──► the parent sends
//! ```
//!
//! A stream is woken (`h2` says so) when it has input, has room again, or is given up by its peer.

use super::relays::Served;
use super::{ConnectionId, Shard};
use crate::auth::Network;
use crate::connection::{
    Connection, Ending, NewStream, StreamNews, StreamRead, StreamSocket, StreamWrite,
};
use crate::time::Now;

/// What a stream's connection reads from and writes to.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) parent: u32,
    socket: StreamSocket,
    /// Where it is served, if it reads a log of another shard.
    pub(super) served: Option<Served>,
    /// It was answered before its request had ended.
    is_early: bool,
}

impl Stream {
    /// Whether the head of a call is to be sent, though there is no message yet.
    pub(super) fn must_begin(&self, connection: &Connection) -> bool {
        connection.begins_at_once() && !self.socket.has_begun()
    }
}

impl Shard {
    /// Sees to the streams of a connection that have something for us. Returns how many there were.
    pub(super) fn serve_streams(&mut self, now: Now, parent: u32) -> usize {
        let mut served = 0;
        loop {
            let Some(entry) = self.connections.get_mut(parent) else {
                return served;
            };
            match entry.connection.next_stream() {
                None => break,
                Some(StreamNews::Opened(new)) => self.open_stream(now, parent, new),
                Some(StreamNews::Ready(index)) => self.serve_stream(now, index),
            }
            served += 1;
        }
        let entry = self.connections.get(parent);
        if entry.is_some_and(|entry| entry.connection.is_held_up()) {
            // What there is now is sent first, and then the rest of it finds room.
            self.connections.wake(parent);
        }
        served
    }

    fn open_stream(&mut self, now: Now, parent: u32, mut new: NewStream) {
        if self.connections.is_full() {
            // The client may try again, elsewhere (RFC 9113 §8.7).
            new.socket.refuse();
            self.connections.wake(parent);
            return;
        }
        let carrier = self.connections.get(parent);
        let network = carrier.map_or(Network::LOOPBACK, |entry| entry.connection.network());
        let (connection, mut socket) = Connection::of_stream(new, now, network);
        let identity = self.new_identity(now);
        let ConnectionId { index, .. } = self.insert(connection, identity);
        if let Some(entry) = self.connections.get_mut(parent) {
            entry.connection.attach_stream(index, &mut socket);
        }
        if let Some(entry) = self.connections.get_mut(index) {
            entry.stream = Some(Box::new(Stream {
                parent,
                socket,
                served: None,
                is_early: false,
            }));
        }
        self.connections.set_opening(index, true);
        self.metrics().http2_streams.add(1);
        self.go_on(now, index);
        self.connections.set_opening(index, false);
        self.touch(index);
    }

    /// Reads what a stream has, as long as its connection wants it.
    pub(super) fn serve_stream(&mut self, now: Now, index: u32) {
        loop {
            let Some(id) = self.connections.id_of(index) else {
                return;
            };
            let Some(entry) = self.connections.get_mut(index) else {
                return;
            };
            let (is_finished, is_unserved) = (entry.is_finished(), entry.is_unserved());
            let Some(stream) = &mut entry.stream else {
                return;
            };
            let parent = stream.parent;
            if is_finished {
                return;
            }
            if is_unserved || !entry.connection.wants_input() && !entry.connection.input_ended() {
                self.connections.pause(index);
                break;
            }
            match stream.socket.read() {
                StreamRead::Pending => break,
                StreamRead::Broken => {
                    self.remove(now, index);
                    return;
                }
                StreamRead::End => {
                    entry.connection.end_stream_input();
                    self.step_held(now, index);
                    let entry = self.connections.get(index);
                    if entry.is_none_or(|entry| entry.connection.is_closing()) {
                        // Its answer is ready: whether anybody still wants it shows when it is
                        // sent.
                        break;
                    }
                }
                StreamRead::Data(data) => {
                    // The peer is told that there is room again.
                    self.connections.wake(parent);
                    let mut bytes = std::mem::take(&mut self.scratch.stream_input);
                    bytes.clear();
                    bytes.extend_from_slice(&data);
                    self.take_in(now, id, &mut bytes);
                    self.scratch.stream_input = bytes;
                }
            }
        }
        if self.connections.is_blocked(index) {
            // It may have been woken because there is room: the next write will tell.
            self.connections.set_blocked(index, false);
            self.touch(index);
        }
    }

    pub(super) fn stream_mut(&mut self, index: u32) -> Option<&mut Stream> {
        self.connections.get_mut(index)?.stream.as_deref_mut()
    }

    /// Hands the bytes of all connections without a socket to whoever takes them.
    pub(super) fn flush_inner(&mut self, now: Now) {
        while let Some(id) = self.connections.next_inner() {
            let entry = self.connections.get(id.index);
            if entry.is_some_and(|entry| entry.relay.is_some()) {
                self.flush_relay(now, id);
            } else {
                self.flush_stream(now, id.index);
            }
        }
    }

    fn flush_stream(&mut self, now: Now, index: u32) {
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        let blocked = entry.is_blocked();
        let (Some(stream), false) = (&mut entry.stream, blocked) else {
            return;
        };
        let parent = stream.parent;
        let connection = &entry.connection;
        let ending = connection.ending();
        let ends = !matches!(ending, Ending::Open);
        let queue = &connection.send_queue;
        let (is_call, at_once) = (connection.is_call(), connection.begins_at_once());
        if is_call && queue.is_empty() && !ends && !at_once {
            // What its head says depends on the answer.
            return;
        }
        match stream.socket.write(queue, is_call, ending) {
            StreamWrite::Sent(bytes) if ends => {
                let is_early = stream.socket.has_input() && !connection.is_call();
                self.sent(now, index, bytes);
                self.end_stream(now, index, is_early);
            }
            StreamWrite::Sent(bytes) => {
                self.acknowledge_relay(index, bytes);
                self.sent(now, index, bytes);
            }
            StreamWrite::Blocked(bytes) => {
                self.connections.block(now, index);
                self.acknowledge_relay(index, bytes);
                self.sent(now, index, bytes);
                self.judge_slow(now, index);
            }
            StreamWrite::Broken => self.remove(now, index),
        }
        self.connections.wake(parent);
    }

    /// Everything was said on a stream. Dropping it tells who is still sending its request to stop,
    /// by a reset without an error (RFC 9113 §8.1). Clients that find such a reset together with
    /// the answer may forget the answer, as curl before 8 does, so it follows a moment later.
    /// Nothing more of the request is read meanwhile: there is no room for more of it than its
    /// window.
    fn end_stream(&mut self, now: Now, index: u32, is_early: bool) {
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        if !is_early {
            self.remove(now, index);
            return;
        }
        if let Some(stream) = &mut entry.stream {
            stream.is_early = true;
        }
        entry.connection.await_reset(now);
        self.connections.finish(index);
        self.touch(index);
    }

    /// A stream's connection is gone; dropping its socket tells the peer, if it does not know.
    pub(super) fn drop_stream(&mut self, id: ConnectionId, stream: &Stream) {
        self.metrics().http2_streams.sub(1);
        let parent = stream.parent;
        self.abandon(id, stream.served.as_ref());
        if let Some(entry) = self.connections.get_mut(parent) {
            entry.connection.detach_stream(id.index);
            if stream.is_early {
                entry.connection.nudge_peer();
            }
        }
        self.connections.wake(parent);
    }

    /// Drops the streams of a connection that is gone.
    pub(super) fn remove_streams(&mut self, now: Now, parent: &Connection) {
        for &index in parent.streams() {
            self.remove(now, index);
        }
    }
}
