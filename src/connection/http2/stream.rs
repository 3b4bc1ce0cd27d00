//! One stream as a socket: what a connection reads from and writes to, if it is one of many on
//! another.

use std::fmt;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};

use super::super::{Ending, SendQueue};
use super::ready::Ready;
use super::request::StreamRequest;
use crate::protocol::grpc::{ACCEPT_ENCODING, Code, ENCODING, Kind, Status, is_compressed};
use crate::protocol::http1::ResponseHead;

/// A stream that was just opened.
#[derive(Debug)]
pub struct NewStream {
    /// The request.
    pub(super) request: Box<StreamRequest>,
    /// Where its body comes from and its answer goes.
    pub socket: StreamSocket,
}

/// What a connection on a stream reads from and writes to.
pub struct StreamSocket {
    recv: Option<RecvStream>,
    send: Send,
    /// Whom to tell, and by which name.
    ready: Option<(Arc<Ready>, u32)>,
    /// Made when it is needed first: most streams are over before they ever wait.
    waker: Option<Waker>,
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
            request: Box::new(StreamRequest::new(head, ended)),
            socket: StreamSocket {
                recv: (!ended).then_some(recv),
                send: Send::Head(response),
                ready: None,
                waker: None,
            },
        }
    }
}

impl StreamSocket {
    /// Has `index` noted from now on when there is something to read, or room to write.
    pub(super) fn attach(&mut self, ready: Arc<Ready>, index: u32) {
        self.ready = Some((ready, index));
    }

    /// Polls; only if that has to be waited for, it is done once more by somebody who can be woken.
    fn poll<T>(&mut self, mut poll: impl FnMut(&mut Self, &mut Task<'_>) -> Poll<T>) -> Poll<T> {
        if self.waker.is_none() {
            let first = poll(self, &mut Task::from_waker(Waker::noop()));
            if first.is_ready() {
                return first;
            }
            let ready = self.ready.as_ref();
            self.waker = ready.map(|(ready, index)| ready.waker(*index));
        }
        let waker = self.waker.take();
        let polled = poll(
            self,
            &mut Task::from_waker(waker.as_ref().unwrap_or(Waker::noop())),
        );
        self.waker = waker;
        polled
    }

    /// Whether the request's body has not ended.
    pub fn has_input(&self) -> bool {
        self.recv.is_some()
    }

    /// Whether the head was sent.
    pub fn has_begun(&self) -> bool {
        !matches!(self.send, Send::Head(_))
    }

    /// Reads a part of the body.
    pub fn read(&mut self) -> StreamRead {
        let polled = self.poll(|socket, task| match &mut socket.recv {
            Some(recv) => recv.poll_data(task).map(Some),
            // When the body has ended, only this tells of a peer that gives the stream up.
            None => socket.poll_reset(task).map(|()| None),
        });
        match polled {
            Poll::Pending => StreamRead::Pending,
            Poll::Ready(Some(Some(Ok(data)))) => {
                if let Some(recv) = &mut self.recv {
                    // It is ours now, and bounded by what its connection may hold.
                    let _ = recv.flow_control().release_capacity(data.len());
                }
                StreamRead::Data(data)
            }
            Poll::Ready(Some(None)) => {
                self.recv = None;
                StreamRead::End
            }
            Poll::Ready(Some(Some(Err(_))) | None) => StreamRead::Broken,
        }
    }

    fn poll_reset(&mut self, task: &mut Task<'_>) -> Poll<()> {
        let reset = match &mut self.send {
            Send::Head(response) => response.poll_reset(task),
            Send::Body(stream) => stream.poll_reset(task),
            Send::Done => return Poll::Pending,
        };
        reset.map(|_| ())
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
        let Ok(sent) = self.put_body(queue, head_bytes) else {
            return StreamWrite::Broken;
        };
        if head_bytes + sent < queue.len() {
            return StreamWrite::Blocked(head_bytes + sent);
        }
        let Send::Body(stream) = &mut self.send else {
            return StreamWrite::Sent(queue.len());
        };
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

    /// Sends as much of the queue, behind its first `skip` bytes, as the peer has room for.
    fn put_body(&mut self, queue: &SendQueue, skip: usize) -> Result<usize, h2::Error> {
        let wanted = queue.len() - skip;
        let mut sent = 0;
        while let Send::Body(stream) = &mut self.send
            && sent < wanted
        {
            stream.reserve_capacity(wanted - sent);
            let room = stream.capacity().min(wanted - sent);
            for part in queue.range(skip + sent..skip + sent + room) {
                stream.send_data(part, false)?;
            }
            sent += room;
            if room > 0 {
                continue;
            }
            let polled = self.poll(|socket, task| match &mut socket.send {
                Send::Body(stream) => stream.poll_capacity(task),
                Send::Head(_) | Send::Done => Poll::Ready(None),
            });
            match polled {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Ready(None) => return Err(Reason::CANCEL.into()),
                Poll::Pending => break,
            }
        }
        Ok(sent)
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
            let unimplemented =
                matches!(ending, Ending::Call(status) if status.code == Code::Unimplemented);
            // compression.md: whoever asked for an encoding learns which there are.
            if !is_over || unimplemented {
                put_field(fields, ACCEPT_ENCODING);
            }
            // Only the one message of a unary answer is ever compressed, so it would be the first.
            if queue.chunks().next().is_some_and(is_compressed) {
                put_field(fields, ENCODING);
            }
            let stream = response.send_response(head, is_over)?;
            self.send = if is_over {
                Send::Done
            } else {
                Send::Body(stream)
            };
            return Ok(0);
        }
        let mut bytes = 0;
        // A response's head is written whole, into one chunk, and an interim one before it into
        // another.
        for text in queue.chunks() {
            let Some(read) = ResponseHead::read(text) else {
                response.send_reset(Reason::INTERNAL_ERROR);
                self.send = Send::Done;
                return Ok(queue.len());
            };
            bytes += read.bytes;
            if (100..200).contains(&read.status) {
                response.send_informational(head_of(&read))?;
                continue;
            }
            let is_over = queue.len() == bytes && matches!(ending, Ending::Plain);
            let stream = response.send_response(head_of(&read), is_over)?;
            self.send = if is_over {
                Send::Done
            } else {
                Send::Body(stream)
            };
            break;
        }
        Ok(bytes)
    }
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

fn put_field(fields: &mut HeaderMap, (name, value): (&'static str, &'static str)) {
    let value = HeaderValue::from_static(value);
    fields.insert(HeaderName::from_static(name), value);
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
