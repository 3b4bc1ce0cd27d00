//! A peer that speaks HTTP/2: `h2`'s client over memory, polled by hand, so that it lives in the
//! node's time.
//!
//! What it reads, and when, is the test's to say ([`Call::appetite`]): a call whose appetite is
//! nothing leaves its window exhausted. Misbehaviour that `h2`'s client is too polite for is
//! written with [`frame`].

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes, BytesMut};
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::node::TestNode;

/// The bytes that begin every connection (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame, whatever it means.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = [&length[1..], &[kind, flags]].concat();
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A frame as it was received: type, flags, stream, payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The whole frames of what a peer received.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            break;
        };
        bytes = rest;
        frames.push(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload: payload.to_vec(),
        });
    }
    frames
}

/// The reason of the last GOAWAY among what a peer received.
pub(crate) fn goodbye(bytes: &[u8]) -> Option<Reason> {
    let frames = frames(bytes);
    let last = frames.iter().rev().find(|frame| frame.kind == 7)?;
    let code = last.payload[4..8].try_into().expect("four bytes");
    Some(Reason::from(u32::from_be_bytes(code)))
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With its last byte, or its trailers.
    Complete,
    /// By a reset, or with its connection.
    Reset(Reason),
}

/// One stream of a client.
pub(crate) struct Call {
    response: Option<ResponseFuture>,
    send: Option<SendStream<Bytes>>,
    unsent: BytesMut,
    half_closes: bool,
    recv: Option<RecvStream>,
    /// How many bytes it is going to read; no window is opened for others.
    pub(crate) appetite: usize,
    pub(crate) head: Option<http::response::Parts>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) end: Option<End>,
}

/// A client's end of one connection.
pub(crate) struct Client {
    /// The peer, as the node knows it.
    pub(crate) peer: usize,
    pipe: Pipe,
    requests: SendRequest<Bytes>,
    connection: Option<Connection<Pipe, Bytes>>,
    /// Why the connection ended, if it has.
    pub(crate) ended: Option<Result<(), Reason>>,
    pub(crate) calls: Vec<Call>,
}

impl Client {
    /// Connects to that shard with large windows.
    pub(crate) fn connect(node: &mut TestNode, shard: usize) -> Self {
        Self::connect_with(node, shard, 1 << 20)
    }

    /// Connects to that shard; every stream has a window of so many bytes, the connection has
    /// plenty.
    pub(crate) fn connect_with(node: &mut TestNode, shard: usize, window: u32) -> Self {
        let mut builder = Builder::new();
        builder
            .initial_window_size(window)
            .initial_connection_window_size(1 << 30)
            .enable_push(false);
        let peer = node.connect(shard);
        Self::over(peer, &builder)
    }

    /// Speaks HTTP/2 for a peer that is connected.
    pub(crate) fn over(peer: usize, builder: &Builder) -> Self {
        let pipe = Pipe::default();
        let handshake = pin!(builder.handshake(pipe.clone()));
        let Poll::Ready(Ok((requests, connection))) = poll(|task| handshake.poll(task)) else {
            panic!("a client begins without being answered");
        };
        Self {
            peer,
            pipe,
            requests,
            connection: Some(connection),
            ended: None,
            calls: Vec::new(),
        }
    }

    /// Opens a stream, whose request has a body to come unless it `ends`. No if the connection
    /// takes none.
    pub(crate) fn try_open(&mut self, request: Request<()>, ends: bool) -> Option<usize> {
        let (response, send) = self.requests.send_request(request, ends).ok()?;
        self.calls.push(Call {
            response: Some(response),
            send: (!ends).then_some(send),
            unsent: BytesMut::new(),
            half_closes: false,
            recv: None,
            appetite: usize::MAX,
            head: None,
            body: Vec::new(),
            trailers: None,
            end: None,
        });
        Some(self.calls.len() - 1)
    }

    /// Opens a stream.
    #[track_caller]
    pub(crate) fn open(&mut self, request: Request<()>, ends: bool) -> usize {
        self.try_open(request, ends)
            .expect("a stream may be opened")
    }

    /// Sends a part of a request's body, as the server's windows allow.
    pub(crate) fn send(&mut self, call: usize, bytes: &[u8]) {
        self.calls[call].unsent.extend_from_slice(bytes);
    }

    /// Ends a request's body.
    pub(crate) fn half_close(&mut self, call: usize) {
        self.calls[call].half_closes = true;
    }

    /// Gives a stream up.
    pub(crate) fn cancel(&mut self, call: usize) {
        let call = &mut self.calls[call];
        if let Some(send) = &mut call.send {
            send.send_reset(Reason::CANCEL);
        }
        (call.response, call.recv, call.send) = (None, None, None);
        call.end.get_or_insert(End::Reset(Reason::CANCEL));
    }

    /// Moves bytes both ways, once. No if there were none.
    pub(crate) fn turn(&mut self, node: &mut TestNode) -> bool {
        let received = std::mem::take(&mut node.peers[self.peer].received);
        self.pipe.buffers(|buffers| {
            buffers.input.extend_from_slice(&received);
            buffers.over = node.peers[self.peer].is_over();
        });
        self.poll_connection();
        let mut progress = !received.is_empty();
        for call in &mut self.calls {
            progress |= call.turn();
        }
        self.poll_connection();
        let output = self.pipe.buffers(|buffers| buffers.output.split());
        node.send(self.peer, &output);
        progress || !output.is_empty()
    }

    fn poll_connection(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        if let Poll::Ready(end) = poll(|task| Pin::new(&mut *connection).poll(task)) {
            let reason = |error: h2::Error| error.reason().unwrap_or(Reason::INTERNAL_ERROR);
            self.ended = Some(end.map_err(reason));
            self.connection = None;
        }
    }

    /// Lets node and client come to rest.
    pub(crate) fn settle(&mut self, node: &mut TestNode) {
        settle(node, &mut [self]);
    }
}

/// Lets a node and its clients come to rest.
pub(crate) fn settle(node: &mut TestNode, clients: &mut [&mut Client]) {
    loop {
        let mut progress = false;
        for client in &mut *clients {
            progress |= client.turn(node);
        }
        node.settle();
        let news = clients
            .iter()
            .any(|client| !node.peers[client.peer].received.is_empty());
        if !progress && !news {
            return;
        }
    }
}

impl Call {
    /// The value of a field of the response's head.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let value = self.head.as_ref()?.headers.get(name)?;
        value.to_str().ok()
    }

    /// The response's status.
    pub(crate) fn status(&self) -> Option<u16> {
        self.head.as_ref().map(|head| head.status.as_u16())
    }

    fn turn(&mut self) -> bool {
        let sent = self.upload();
        if let Some(response) = &mut self.response {
            match poll(|task| Pin::new(response).poll(task)) {
                Poll::Pending => return sent,
                Poll::Ready(Ok(response)) => {
                    let (head, recv) = response.into_parts();
                    (self.head, self.recv) = (Some(head), Some(recv));
                }
                Poll::Ready(Err(error)) => self.fail(&error),
            }
            self.response = None;
        }
        let mut progress = sent;
        while self.download() {
            progress = true;
        }
        progress
    }

    fn upload(&mut self) -> bool {
        let Some(send) = &mut self.send else {
            return false;
        };
        let mut progress = false;
        while !self.unsent.is_empty() {
            send.reserve_capacity(self.unsent.len());
            let room = send.capacity().min(self.unsent.len());
            if room == 0 && poll(|task| send.poll_capacity(task)).is_pending() {
                return progress;
            }
            let part = self.unsent.split_to(room).freeze();
            if send.send_data(part, false).is_err() {
                // The server wants no more of it, whatever it answers.
                self.unsent.clear();
                self.send = None;
                return true;
            }
            progress = true;
        }
        if self.half_closes {
            let _ = send.send_data(Bytes::new(), true);
            self.send = None;
            return true;
        }
        progress
    }

    fn download(&mut self) -> bool {
        let Some(recv) = self.recv.as_mut().filter(|_| self.appetite > 0) else {
            return false;
        };
        match poll(|task| recv.poll_data(task)) {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(data))) => {
                let _ = recv.flow_control().release_capacity(data.len());
                self.appetite = self.appetite.saturating_sub(data.len());
                self.body.extend_from_slice(&data);
                true
            }
            Poll::Ready(Some(Err(error))) => {
                self.fail(&error);
                true
            }
            Poll::Ready(None) => {
                match poll(|task| recv.poll_trailers(task)) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(trailers)) => {
                        self.trailers = trailers;
                        self.end = Some(End::Complete);
                    }
                    Poll::Ready(Err(error)) => self.fail(&error),
                }
                self.recv = None;
                true
            }
        }
    }

    fn fail(&mut self, error: &h2::Error) {
        let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
        self.end.get_or_insert(End::Reset(reason));
        (self.response, self.recv, self.send) = (None, None, None);
    }
}

fn poll<T>(work: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    work(&mut Context::from_waker(Waker::noop()))
}

/// What `h2` reads and writes.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Buffers>>);

#[derive(Default)]
struct Buffers {
    input: BytesMut,
    output: BytesMut,
    /// The server closed its half.
    over: bool,
}

impl Pipe {
    fn buffers<R>(&self, work: impl FnOnce(&mut Buffers) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.buffers(|buffers| {
            let bytes = out.remaining().min(buffers.input.len());
            if bytes == 0 && !buffers.over {
                return Poll::Pending;
            }
            out.put_slice(&buffers.input[..bytes]);
            buffers.input.advance(bytes);
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.buffers(|buffers| buffers.output.extend_from_slice(bytes));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
