//! The server's end of one HTTP/2 connection: `h2`, driven by bytes, and the streams it opened.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;
use h2::server::{Builder, Connection as H2, Handshake};

use super::pipe::Pipe;
use super::ready::Ready;
use super::stream::{NewStream, StreamSocket};
use crate::connection::{Connection, Context, Expired, State, Step, Then, Timer};
use crate::limits::{
    HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_HEADER_LIST_BYTES_MAX, HTTP2_SERVING_BYTES_MAX,
    HTTP2_STREAM_SEND_BYTES_MAX, HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_MAX,
    SEND_QUEUE_PAUSE_BYTES,
};
use crate::protocol::http2::{AbuseBudget, FrameScanner, Verdict};
use crate::time::Now;

/// The server's end of one HTTP/2 connection.
pub(in crate::connection) struct Http2 {
    phase: Phase,
    pipe: Pipe,
    ready: Arc<Ready>,
    scanner: FrameScanner,
    budget: AbuseBudget,
    opened: VecDeque<NewStream>,
    woken: Vec<u32>,
    /// The streams' connections, in no order.
    streams: Vec<u32>,
    ping: Option<h2::PingPong>,
    /// The peer was asked for a sign of life and nothing has come since.
    pinged: bool,
    /// It had a stream since its timer was looked at last.
    served: bool,
    /// It is told to leave as soon as settings are exchanged.
    unwanted: bool,
}

enum Phase {
    /// Settings are exchanged.
    Shaking(Box<Handshake<Pipe, Bytes>>),
    Open(Box<H2<Pipe, Bytes>>),
    /// Everything was said.
    Closed,
}

/// What there is to do for a stream.
#[derive(Debug)]
pub enum StreamNews {
    /// It is new.
    Opened(NewStream),
    /// The connection at this index may have something to read, or room to write.
    Ready(u32),
}

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2")
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

impl Http2 {
    fn new(now: Now, unwanted: bool) -> Self {
        let pipe = Pipe::default();
        let handshake = Builder::new()
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .initial_window_size(HTTP2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HTTP2_HEADER_LIST_BYTES_MAX)
            .max_send_buffer_size(HTTP2_STREAM_SEND_BYTES_MAX)
            .handshake(pipe.clone());
        Self {
            phase: Phase::Shaking(Box::new(handshake)),
            pipe,
            ready: Arc::default(),
            scanner: FrameScanner::new(),
            budget: AbuseBudget::new(now.instant),
            opened: VecDeque::new(),
            woken: Vec::new(),
            streams: Vec::new(),
            ping: None,
            pinged: false,
            served: false,
            unwanted,
        }
    }

    /// Lets `h2` go on with what it has.
    fn drive(&mut self) {
        let mut task = Task::from_waker(Waker::noop());
        loop {
            match &mut self.phase {
                Phase::Shaking(handshake) => match Pin::new(&mut **handshake).poll(&mut task) {
                    Poll::Pending => return,
                    Poll::Ready(Ok(mut connection)) => {
                        self.ping = connection.ping_pong();
                        if self.unwanted {
                            connection.graceful_shutdown();
                        }
                        self.phase = Phase::Open(Box::new(connection));
                    }
                    Poll::Ready(Err(_)) => self.phase = Phase::Closed,
                },
                Phase::Open(connection) => match connection.poll_accept(&mut task) {
                    Poll::Pending => return,
                    Poll::Ready(Some(Ok((request, response)))) => {
                        self.served = true;
                        self.opened.push_back(NewStream::new(request, response));
                    }
                    // Whatever was wrong, `h2` has said goodbye for it.
                    Poll::Ready(Some(Err(_)) | None) => self.phase = Phase::Closed,
                },
                Phase::Closed => return,
            }
        }
    }

    pub(in crate::connection) const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn say_goodbye(&mut self) {
        match &mut self.phase {
            Phase::Open(connection) => connection.graceful_shutdown(),
            Phase::Shaking(_) => self.phase = Phase::Closed,
            Phase::Closed => {}
        }
    }

    /// Asks the peer for a sign of life.
    fn ping(&mut self) {
        if let Some(ping) = &mut self.ping {
            // `h2` sends none before the answer to the last was looked at.
            let _ = ping.poll_pong(&mut Task::from_waker(Waker::noop()));
            self.pinged = ping.send_ping(h2::Ping::opaque()).is_ok();
        }
    }

    fn end_abruptly(&mut self, reason: h2::Reason) {
        if let Phase::Open(connection) = &mut self.phase {
            connection.abrupt_shutdown(reason);
        }
    }
}

impl Connection {
    /// Begins to speak HTTP/2; the preface is the first input. A server that is leaving has told
    /// all others already.
    pub(in crate::connection) fn become_http2(&mut self, ctx: &Context<'_>) {
        self.state = State::Http2(Box::new(Http2::new(ctx.now, ctx.draining)));
        self.arm(Timer::Http2, ctx.now);
    }

    fn http2(&mut self) -> Option<&mut Http2> {
        match &mut self.state {
            State::Http2(peer) => Some(peer),
            _ => None,
        }
    }

    /// Whether this is a connection that has streams.
    pub const fn has_streams(&self) -> bool {
        matches!(self.state, State::Http2(_))
    }

    /// Takes a piece of the input; the streams in it are seen to before the next.
    pub(in crate::connection) fn step_http2(&mut self, buf: &[u8], ctx: &mut Context<'_>) -> Step {
        let buf = &buf[..buf.len().min(HTTP2_SERVING_BYTES_MAX)];
        let keep = Step {
            used: buf.len(),
            then: Then::More { keep: 0 },
        };
        let Some(peer) = self.http2() else {
            return keep;
        };
        if buf.is_empty() || peer.is_closed() {
            // After the goodbye, what the peer was still sending is of no interest.
            return keep;
        }
        peer.pinged = false;
        let frames = peer.scanner.scan(buf);
        if let Verdict::Excessive(_) = peer.budget.received(ctx.now.instant, &frames) {
            peer.end_abruptly(h2::Reason::ENHANCE_YOUR_CALM);
        }
        peer.pipe.receive(buf);
        self.pump();
        Step {
            used: buf.len(),
            then: Then::Streams,
        }
    }

    /// Lets a connection with streams put its frames into the send queue.
    pub fn pump(&mut self) {
        let full = self.send_queue.len() >= SEND_QUEUE_PAUSE_BYTES;
        let Some(peer) = self.http2() else {
            return;
        };
        peer.pipe.set_full(full);
        peer.drive();
        let output = peer.pipe.take_output();
        peer.budget.sent(output.len());
        self.send_queue.push(output);
    }

    /// Whether there are frames that found no room when this was pumped last.
    pub fn is_held_up(&self) -> bool {
        match &self.state {
            State::Http2(peer) => peer.pipe.is_held_up(),
            _ => false,
        }
    }

    /// Bytes that were received and that `h2` has not looked at, because it has too much to send.
    pub(in crate::connection) fn unread_bytes(&self) -> usize {
        match &self.state {
            State::Http2(peer) if !peer.is_closed() => peer.pipe.unread(),
            _ => 0,
        }
    }

    /// The next thing to do for a stream of this connection.
    pub fn next_stream(&mut self) -> Option<StreamNews> {
        let peer = self.http2()?;
        if let Some(opened) = peer.opened.pop_front() {
            return Some(StreamNews::Opened(opened));
        }
        if peer.woken.is_empty() {
            peer.ready.take(&mut peer.woken);
            // In the order in which they were woken.
            peer.woken.reverse();
        }
        peer.woken.pop().map(StreamNews::Ready)
    }

    /// A stream has its connection from now on.
    pub fn attach_stream(&mut self, index: u32, socket: &mut StreamSocket) {
        if let Some(peer) = self.http2() {
            peer.streams.push(index);
            socket.attach(Arc::clone(&peer.ready), index);
        }
    }

    /// A stream's connection is gone.
    pub fn detach_stream(&mut self, index: u32) {
        if let Some(peer) = self.http2() {
            peer.streams.retain(|&other| other != index);
        }
    }

    /// Sends a ping, for a peer that has ended its request behind our answer: then there is nothing
    /// to reset, and curl before 8 looks at the stream it has just closed only when something
    /// comes.
    pub fn nudge_peer(&mut self) {
        if let Some(ping) = self.http2().and_then(|peer| peer.ping.as_mut()) {
            let _ = ping.poll_pong(&mut Task::from_waker(Waker::noop()));
            // One that is under way does as well.
            let _ = ping.send_ping(h2::Ping::opaque());
        }
    }

    /// The connections of all streams.
    pub fn streams(&self) -> &[u32] {
        match &self.state {
            State::Http2(peer) => &peer.streams,
            _ => &[],
        }
    }

    /// Shows that the peer lives, or says goodbye to one that wants nothing any more.
    pub(in crate::connection) fn expire_http2(&mut self, ctx: &Context<'_>) -> Expired {
        let (is_idle, is_read) = (self.send_queue.is_empty(), self.wants_input());
        let Some(peer) = self.http2() else {
            return Expired::Flush;
        };
        if peer.pinged && is_read {
            return Expired::Drop;
        }
        if is_idle {
            peer.pipe.shrink();
        }
        let served = std::mem::replace(&mut peer.served, !peer.streams.is_empty());
        match peer.streams.is_empty() {
            false if is_idle => peer.ping(),
            true if !served => {
                peer.say_goodbye();
                // The goodbye brings a ping along (RFC 9113 §6.8), so that this too must be
                // answered.
                peer.pinged = true;
            }
            // Who makes one call after the other has no stream between two of them.
            _ => {}
        }
        self.pump();
        self.arm(Timer::Http2, ctx.now);
        Expired::Flush
    }

    /// The server is leaving: no more streams.
    pub(in crate::connection) fn drain_http2(&mut self) {
        if let Some(peer) = self.http2() {
            peer.say_goodbye();
            self.pump();
        }
    }
}
