//! One stream as a socket: what a connection reads from and writes to, if it is one of many on another.

use std::fmt;
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};

use super::super::{Ending, SendQueue};
use crate::protocol::grpc::{ACCEPT_ENCODING, Kind, Status};
use crate::protocol::http1::ResponseHead;

/// A stream that was just opened.
#[derive(Debug)]
pub struct NewStream {
    /// The request's head.
    pub(super) head: http::request::Parts,
    /// Whether there is no body.
    pub(super) ended: bool,
    /// Where its body comes from and its answer goes.
    pub socket: StreamSocket,
}

/// What a connection on a stream reads from and writes to.
pub struct StreamSocket {
    recv: Option<RecvStream>,
    send: Send,
    waker: Waker,
}

enum Send {
    /// Nothing was sent yet.
    Head(SendResponse<Bytes>),
    Body(SendStream<Bytes>),
    /// The stream is ended from our side.
    Done,
}

/// What a look at a stream's input finds.
#[derive(Debug)]
pub enum StreamRead {
    /// A part of the body.
    Data(Bytes),
    /// The end of it.
    End,
    /// Nothing, until the stream is woken.
    Pending,
    /// The peer has given the stream up, or broke it.
    Broken,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamWrite {
    /// So many bytes were taken: all.
    Sent(usize),
    /// So many bytes were taken, and more will be when the stream is woken.
    Blocked(usize),
    /// The peer has given the stream up.
    Broken,
}

impl fmt::Debug for StreamSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSocket").finish_non_exhaustive()
    }
}

impl NewStream {
    pub(super) fn new(request: Request<RecvStream>, response: SendResponse<Bytes>) -> Self {
        let (head, recv) = request.into_parts();
        let ended = recv.is_end_stream();
        Self {
            head,
            ended,
            socket: StreamSocket {
                recv: (!ended).then_some(recv),
                send: Send::Head(response),
                waker: Waker::noop().clone(),
            },
        }
    }
}

impl StreamSocket {
    /// Has `waker` woken from now on when there is something to read, or room to write.
    pub(super) fn attach(&mut self, waker: Waker) {
        self.waker = waker;
    }

    /// Whether the head was sent.
    pub fn has_begun(&self) -> bool {
        !matches!(self.send, Send::Head(_))
    }

    /// Reads a part of the body.
    pub fn read(&mut self) -> StreamRead {
        let mut task = Task::from_waker(&self.waker);
        let Some(recv) = &mut self.recv else {
            return if self.is_reset() {
                StreamRead::Broken
            } else {
                StreamRead::Pending
            };
        };
        match recv.poll_data(&mut task) {
            Poll::Pending => StreamRead::Pending,
            Poll::Ready(Some(Ok(data))) => {
                // It is ours now, and bounded by what its connection may hold.
                let _ = recv.flow_control().release_capacity(data.len());
                StreamRead::Data(data)
            }
            Poll::Ready(Some(Err(_))) => StreamRead::Broken,
            Poll::Ready(None) => {
                self.recv = None;
                // From now on only this tells of a peer that gives the stream up.
                if self.is_reset() {
                    return StreamRead::Broken;
                }
                StreamRead::End
            }
        }
    }

    fn is_reset(&mut self) -> bool {
        let mut task = Task::from_waker(&self.waker);
        let reset = match &mut self.send {
            Send::Head(response) => response.poll_reset(&mut task),
            Send::Body(stream) => stream.poll_reset(&mut task),
            Send::Done => return false,
        };
        reset.is_ready()
    }

    /// Turns a new stream down before anything came of it.
    pub fn refuse(&mut self) {
        if let Send::Head(response) = &mut self.send {
            response.send_reset(Reason::REFUSED_STREAM);
        }
    }

    /// Offers unsent bytes, and after the last of them the end, if it has come.
    pub fn write(&mut self, queue: &SendQueue, is_call: bool, ending: Ending<'_>) -> StreamWrite {
        let Ok(head_bytes) = self.begin(queue, is_call, ending) else {
            return StreamWrite::Broken;
        };
        let Send::Body(stream) = &mut self.send else {
            return StreamWrite::Sent(head_bytes);
        };
        let body_bytes = queue.len() - head_bytes;
        let Ok(sent) = put_body(stream, queue, head_bytes, &self.waker) else {
            return StreamWrite::Broken;
        };
        if sent < body_bytes {
            return StreamWrite::Blocked(head_bytes + sent);
        }
        let ended = match ending {
            Ending::Open => return StreamWrite::Sent(queue.len()),
            Ending::Plain => stream.send_data(Bytes::new(), true),
            Ending::Call(status) => stream.send_trailers(trailers(status)),
        };
        self.send = Send::Done;
        match ended {
            Ok(()) => StreamWrite::Sent(queue.len()),
            Err(_) => StreamWrite::Broken,
        }
    }

    /// Sends the head if it was not sent; how many bytes of the queue it is.
    fn begin(
        &mut self,
        queue: &SendQueue,
        is_call: bool,
        ending: Ending<'_>,
    ) -> Result<usize, h2::Error> {
        let Send::Head(response) = &mut self.send else {
            return Ok(0);
        };
        if is_call {
            let mut head = Response::new(());
            let fields = head.headers_mut();
            let is_over = queue.is_empty() && matches!(ending, Ending::Call(_));
            if let (Ending::Call(status), true) = (ending, is_over) {
                // Nothing but the status: one frame says it all ("Trailers-Only").
                *fields = trailers(status);
            }
            let content_type = HeaderValue::from_static(Kind::Grpc.content_type());
            fields.insert(http::header::CONTENT_TYPE, content_type);
            let (name, accepts) = ACCEPT_ENCODING;
            fields.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(accepts),
            );
            let stream = response.send_response(head, is_over)?;
            self.send = if is_over {
                Send::Done
            } else {
                Send::Body(stream)
            };
            return Ok(0);
        }
        // A response's head is written whole, into one chunk.
        let Some(text) = queue.chunks().next() else {
            return Ok(0);
        };
        let Some(read) = ResponseHead::read(text) else {
            response.send_reset(Reason::INTERNAL_ERROR);
            self.send = Send::Done;
            return Ok(queue.len());
        };
        let bytes = read.bytes;
        let is_over = queue.len() == bytes && matches!(ending, Ending::Plain);
        let stream = response.send_response(head_of(&read), is_over)?;
        self.send = if is_over {
            Send::Done
        } else {
            Send::Body(stream)
        };
        Ok(bytes)
    }
}

/// Sends as much of the queue, behind its first `skip` bytes, as the peer has room for.
fn put_body(
    stream: &mut SendStream<Bytes>,
    queue: &SendQueue,
    skip: usize,
    waker: &Waker,
) -> Result<usize, h2::Error> {
    let wanted = queue.len() - skip;
    let mut sent = 0;
    while sent < wanted {
        stream.reserve_capacity(wanted - sent);
        let room = stream.capacity().min(wanted - sent);
        if room == 0 {
            let mut task = Task::from_waker(waker);
            match stream.poll_capacity(&mut task) {
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Ready(None) => return Err(Reason::CANCEL.into()),
                Poll::Pending => break,
            }
        }
        for part in queue.range(skip + sent..skip + sent + room) {
            stream.send_data(part, false)?;
        }
        sent += room;
    }
    Ok(sent)
}

fn head_of(read: &ResponseHead<'_>) -> Response<()> {
    let mut head = Response::new(());
    // Both were written by this server; what it never writes is left out.
    *head.status_mut() = StatusCode::from_u16(read.status).unwrap_or_default();
    for (name, value) in &read.fields {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            head.headers_mut().append(name, value);
        }
    }
    head
}

fn trailers(status: &Status) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(3);
    let code = HeaderValue::from(status.code as u16);
    fields.insert(HeaderName::from_static("grpc-status"), code);
    if !status.message.is_empty()
        && let Ok(message) = HeaderValue::from_str(&status.encoded_message().to_string())
    {
        fields.insert(HeaderName::from_static("grpc-message"), message);
    }
    fields
}
