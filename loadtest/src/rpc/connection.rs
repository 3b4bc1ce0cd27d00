//! One HTTP/2 connection of a client, on a socket that never blocks: windows in both directions, settings,
//! pings; streams that the caller opens, feeds and hears.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::http2::{self, Frame, RequestHead, STATUS_OK, WINDOW_BYTES};
use crate::failure::{During, Failure};
use crate::swarm::connect;

/// How much a stream may bring before we ask for more: what tonic's own client says.
const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// The same for a connection.
const CONNECTION_WINDOW_BYTES: u32 = 5 * 1024 * 1024;

/// What a stream has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// Bytes of messages.
    Data(&'a [u8]),
    /// It is over, and its status is in trailers that are not read.
    Ended,
    /// It is over, with this code.
    Reset(u32),
}

#[derive(Debug)]
struct Stream {
    /// What we may still send; settings can make it negative (RFC 9113 §6.9.2).
    send_window: i64,
    /// What was received and not given back.
    unreturned: u32,
    is_accepted: bool,
}

/// A part of a stream that waits for a window.
#[derive(Debug)]
struct Waiting {
    stream: u32,
    bytes: Vec<u8>,
    ends: bool,
}

/// The connection, all of whose streams call one method.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    head: RequestHead,
    /// The beginning of a frame that is not complete.
    held: Vec<u8>,
    unsent: Vec<u8>,
    waiting: VecDeque<Waiting>,
    streams: HashMap<u32, Stream>,
    next_stream: u32,
    send_window: i64,
    /// Of a stream that is new.
    initial_window: i64,
    unreturned: u32,
}

impl Connection {
    /// Connects, and has `registry` tell of the socket as `token`. `index` spreads own addresses.
    pub(crate) fn connect(
        address: SocketAddr,
        path: &str,
        index: usize,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, Failure> {
        let mut socket = TcpStream::from_std(connect(address, index)?);
        registry
            .register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)
            .during("watching a socket")?;
        let mut unsent = http2::PREFACE.to_vec();
        http2::encode_settings(STREAM_WINDOW_BYTES, &mut unsent);
        let more = CONNECTION_WINDOW_BYTES - u32::from(WINDOW_BYTES);
        http2::encode_window_update(0, more, &mut unsent);
        Ok(Self {
            socket,
            head: RequestHead::new(path, &address.to_string()),
            held: Vec::new(),
            unsent,
            waiting: VecDeque::new(),
            streams: HashMap::new(),
            next_stream: 1,
            send_window: WINDOW_BYTES.into(),
            initial_window: WINDOW_BYTES.into(),
            unreturned: 0,
        })
    }

    /// Begins a call; its number is 1, 3, 5 and so on. Nothing is sent before [`Self::flush`].
    pub(crate) fn call(&mut self) -> u32 {
        let id = self.next_stream;
        self.next_stream += 2;
        http2::encode_headers(id, self.head.next(), &mut self.unsent);
        let stream = Stream {
            send_window: self.initial_window,
            unreturned: 0,
            is_accepted: false,
        };
        self.streams.insert(id, stream);
        id
    }

    /// Says something on a stream, at most a frame of it; the end of the request with `ends`.
    pub(crate) fn say(&mut self, stream: u32, bytes: &[u8], ends: bool) {
        if self.waiting.is_empty() && self.take_window(stream, bytes.len()) {
            http2::encode_data(stream, bytes, ends, &mut self.unsent);
        } else {
            let bytes = bytes.to_vec();
            self.waiting.push_back(Waiting {
                stream,
                bytes,
                ends,
            });
        }
    }

    /// Sends what the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(sent) => {
                    self.unsent.drain(..sent);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).during("sending to the server"),
            }
        }
        Ok(())
    }

    /// Sends and receives what can be, after the socket was said to be ready, and tells `each` of what
    /// streams have brought.
    pub(crate) fn ready(
        &mut self,
        is_closed: bool,
        scratch: &mut [u8],
        mut each: impl FnMut(u32, Heard<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        loop {
            let count = match self.socket.read(scratch) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            let received = &scratch[..count];
            let mut held = std::mem::take(&mut self.held);
            if held.is_empty() {
                let used = self.consume(received, &mut each)?;
                self.held.extend_from_slice(&received[used..]);
            } else {
                held.extend_from_slice(received);
                let used = self.consume(&held, &mut each)?;
                held.drain(..used);
                self.held = held;
            }
            // A short read has emptied the socket, unless its end is behind it (epoll(7), Q9).
            if count < scratch.len() && !is_closed {
                break;
            }
        }
        self.flush().map_err(|failure| failure.to_string())
    }

    fn consume(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(u32, Heard<'_>) -> Result<(), String>,
    ) -> Result<usize, String> {
        Frame::take_all(bytes, |frame| self.take(frame, each))
    }

    fn take(
        &mut self,
        frame: Frame<'_>,
        each: &mut impl FnMut(u32, Heard<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        match frame {
            Frame::Data(stream, bytes, ends) => {
                self.give_back(stream, bytes.len(), ends);
                each(stream, Heard::Data(bytes))?;
                self.end_if(ends, stream, each)
            }
            Frame::Headers(stream, block, ends) => {
                if let Some(state) = self.streams.get_mut(&stream)
                    && !std::mem::replace(&mut state.is_accepted, true)
                    && block.first() != Some(&STATUS_OK)
                {
                    return Err(format!("the call on stream {stream} was refused"));
                }
                self.end_if(ends, stream, each)
            }
            Frame::Reset(stream, code) => {
                self.streams.remove(&stream);
                each(stream, Heard::Reset(code))
            }
            Frame::Settings(window) => {
                http2::encode_settings_ack(&mut self.unsent);
                if let Some(window) = window {
                    let window = i64::from(window);
                    let more = window - self.initial_window;
                    self.initial_window = window;
                    for stream in self.streams.values_mut() {
                        stream.send_window += more;
                    }
                    self.say_waiting();
                }
                Ok(())
            }
            Frame::Ping(payload) => {
                http2::encode_pong(payload, &mut self.unsent);
                Ok(())
            }
            Frame::GoAway(code) => Err(format!("the server wants no more streams, code {code}")),
            Frame::WindowUpdate(stream, more) => {
                match self.streams.get_mut(&stream) {
                    Some(state) => state.send_window += i64::from(more),
                    None if stream == 0 => self.send_window += i64::from(more),
                    // It is over already.
                    None => {}
                }
                self.say_waiting();
                Ok(())
            }
            Frame::Other => Ok(()),
        }
    }

    fn end_if(
        &mut self,
        ends: bool,
        stream: u32,
        each: &mut impl FnMut(u32, Heard<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        if !ends {
            return Ok(());
        }
        self.streams.remove(&stream);
        each(stream, Heard::Ended)
    }

    /// Gives windows back by halves, as everybody does.
    fn give_back(&mut self, stream: u32, bytes: usize, ends: bool) {
        // At most a frame.
        let bytes = u32::try_from(bytes).unwrap_or_default();
        let mut give = |stream: u32, unreturned: &mut u32, window: u32| {
            *unreturned += bytes;
            if *unreturned >= window / 2 {
                http2::encode_window_update(stream, *unreturned, &mut self.unsent);
                *unreturned = 0;
            }
        };
        give(0, &mut self.unreturned, CONNECTION_WINDOW_BYTES);
        if let Some(state) = self.streams.get_mut(&stream)
            && !ends
        {
            give(stream, &mut state.unreturned, STREAM_WINDOW_BYTES);
        }
    }

    fn say_waiting(&mut self) {
        while let Some(first) = self.waiting.pop_front() {
            if !self.take_window(first.stream, first.bytes.len()) {
                self.waiting.push_front(first);
                break;
            }
            http2::encode_data(first.stream, &first.bytes, first.ends, &mut self.unsent);
        }
    }

    /// Takes so much of both windows, if they have it.
    fn take_window(&mut self, stream: u32, bytes: usize) -> bool {
        // At most a frame.
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let Some(state) = self.streams.get_mut(&stream) else {
            // Over: what is said on it is an error of the caller, and lost.
            return true;
        };
        if state.send_window < bytes || self.send_window < bytes {
            return false;
        }
        state.send_window -= bytes;
        self.send_window -= bytes;
        true
    }
}
