//! Streams of HTTP/2: each has a connection of its own here, and what it reads from and writes to is not a
//! socket but another connection of this shard, its *parent*.
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
            let Some(entry) = self.connections.get_mut(parent as usize) else {
                return served;
            };
            match entry.connection.next_stream() {
                None => break,
                Some(StreamNews::Opened(new)) => self.open_stream(now, parent, new),
                Some(StreamNews::Ready(index)) => self.serve_stream(now, index),
            }
            served += 1;
        }
        let entry = self.connections.get(parent as usize);
        if entry.is_some_and(|entry| entry.connection.is_held_up()) {
            // What there is now is sent first, and then the rest of it finds room.
            self.wake_parent(parent);
        }
        served
    }

    fn open_stream(&mut self, now: Now, parent: u32, mut new: NewStream) {
        if self.connections.len() >= self.connections_max {
            // The client may try again, elsewhere (RFC 9113 §8.7).
            new.socket.refuse();
            self.wake_parent(parent);
            return;
        }
        let carrier = self.connections.get(parent as usize);
        let network = carrier.map_or(Network::LOOPBACK, |entry| entry.connection.network());
        let (connection, mut socket) = Connection::of_stream(new, now, network);
        let identity = self.new_identity(now);
        let ConnectionId { index, .. } = self.insert(connection, identity);
        if let Some(entry) = self.connections.get_mut(parent as usize) {
            entry.connection.attach_stream(index, &mut socket);
        }
        if let Some(entry) = self.connections.get_mut(index as usize) {
            entry.stream = Some(Box::new(Stream {
                parent,
                socket,
                served: None,
                is_early: false,
            }));
            entry.opening = true;
        }
        self.metrics().http2_streams.add(1);
        self.go_on(now, index);
        // At a hundred thousand calls a second, deadlines of calls that are over would pile up.
        if let Some(entry) = self.connections.get_mut(index as usize) {
            entry.opening = false;
            self.touch(index);
        }
    }

    /// Reads what a stream has, as long as its connection wants it.
    pub(super) fn serve_stream(&mut self, now: Now, index: u32) {
        loop {
            let Some(id) = self.id_of(index) else {
                return;
            };
            let Some(entry) = self.connections.get_mut(index as usize) else {
                return;
            };
            let Some(stream) = &mut entry.stream else {
                return;
            };
            let parent = stream.parent;
            if entry.finished {
                return;
            }
            if entry.unserved || !entry.connection.wants_input() && !entry.connection.input_ended()
            {
                entry.paused = true;
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
                    let entry = self.connections.get(index as usize);
                    if entry.is_none_or(|entry| entry.connection.is_closing()) {
                        // Its answer is ready: whether anybody still wants it shows when it is sent.
                        break;
                    }
                }
                StreamRead::Data(data) => {
                    // The peer is told that there is room again.
                    self.wake_parent(parent);
                    let mut bytes = std::mem::take(&mut self.scratch.stream_input);
                    bytes.clear();
                    bytes.extend_from_slice(&data);
                    self.take_in(now, id, &mut bytes);
                    self.scratch.stream_input = bytes;
                }
            }
        }
        if let Some(entry) = self.connections.get_mut(index as usize)
            && entry.blocked
        {
            // It may have been woken because there is room: the next write will tell.
            entry.blocked = false;
            self.touch(index);
        }
    }

    pub(super) fn stream_mut(&mut self, index: u32) -> Option<&mut Stream> {
        self.connections
            .get_mut(index as usize)?
            .stream
            .as_deref_mut()
    }

    /// Hands the bytes of all connections without a socket to whoever takes them.
    pub(super) fn flush_inner(&mut self, now: Now) {
        while let Some(index) = self.dirty_inner.pop_front() {
            let Some(entry) = self.connections.get_mut(index as usize) else {
                continue;
            };
            entry.dirty = false;
            let is_relay = entry.relay.is_some();
            match self.id_of(index) {
                Some(id) if is_relay => self.flush_relay(now, id),
                _ => self.flush_stream(now, index),
            }
        }
    }

    fn flush_stream(&mut self, now: Now, index: u32) {
        let Some(entry) = self.connections.get_mut(index as usize) else {
            return;
        };
        let (Some(stream), false) = (&mut entry.stream, entry.blocked) else {
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
                entry.blocked = true;
                entry.connection.blocked(now);
                self.acknowledge_relay(index, bytes);
                self.sent(now, index, bytes);
                self.judge_slow(now, index);
            }
            StreamWrite::Broken => self.remove(now, index),
        }
        self.wake_parent(parent);
    }

    /// Everything was said on a stream. Dropping it tells who is still sending its request to stop, by a reset without
    /// an error (RFC 9113 §8.1). Clients that find such a reset together with the answer may forget the answer, as
    /// curl before 8 does, so it follows a moment later. Nothing more of the request is read meanwhile: there is no
    /// room for more of it than its window.
    fn end_stream(&mut self, now: Now, index: u32, is_early: bool) {
        let Some(entry) = self.connections.get_mut(index as usize) else {
            return;
        };
        if !is_early {
            self.remove(now, index);
            return;
        }
        if let Some(stream) = &mut entry.stream {
            stream.is_early = true;
        }
        entry.finished = true;
        entry.connection.await_reset(now);
        self.touch(index);
    }

    /// A connection's streams have something for it to send.
    pub(super) fn wake_parent(&mut self, parent: u32) {
        if let Some(entry) = self.connections.get_mut(parent as usize)
            && !entry.dirty
            && !entry.blocked
            && !entry.finished
        {
            entry.dirty = true;
            self.dirty.push_back(parent);
        }
    }

    /// A stream's connection is gone; dropping its socket tells the peer, if it does not know.
    pub(super) fn drop_stream(&mut self, id: ConnectionId, stream: &Stream) {
        self.metrics().http2_streams.sub(1);
        let parent = stream.parent;
        self.abandon(id, stream.served.as_ref());
        if let Some(entry) = self.connections.get_mut(parent as usize) {
            entry.connection.detach_stream(id.index);
            if stream.is_early {
                entry.connection.nudge_peer();
            }
        }
        self.wake_parent(parent);
    }

    /// Drops the streams of a connection that is gone.
    pub(super) fn remove_streams(&mut self, now: Now, parent: &Connection) {
        for &index in parent.streams() {
            self.remove(now, index);
        }
    }
}
