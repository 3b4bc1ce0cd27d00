//! One HTTP/2 connection of a client, bytes in and bytes out: windows in both directions, settings,
//! pings; streams that the caller opens, feeds and hears.

use std::collections::{HashMap, VecDeque};

use super::http2::{self, Frame, RequestHead, STATUS_OK, WINDOW_BYTES};
use crate::partial::Partial;

/// How much a stream may bring before we ask for more: what tonic's own client says.
const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// The same for a connection.
const CONNECTION_WINDOW_BYTES: u32 = 5 * 1024 * 1024;

/// What a stream has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brought<'a> {
    /// Bytes of messages.
    Data(&'a [u8]),
    /// It is over, and its status is in trailers that are not read.
    Ended,
    /// It is over, with this code.
    Reset(u32),
}

impl<'a> Brought<'a> {
    /// The bytes of messages.
    ///
    /// # Errors
    ///
    /// The stream is over.
    pub(crate) fn data(self) -> Result<&'a [u8], String> {
        match self {
            Self::Data(bytes) => Ok(bytes),
            Self::Ended => Err("the server ended it".to_owned()),
            Self::Reset(code) => Err(format!("the server reset it, code {code}")),
        }
    }
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
    head: RequestHead,
    /// The beginning of a frame that is not complete.
    partial: Partial,
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
    /// A connection all of whose calls go to this path.
    pub(crate) fn new(path: &str, host: &str) -> Self {
        let mut unsent = http2::PREFACE.to_vec();
        http2::encode_settings(STREAM_WINDOW_BYTES, &mut unsent);
        let more = CONNECTION_WINDOW_BYTES - u32::from(WINDOW_BYTES);
        http2::encode_window_update(0, more, &mut unsent);
        Self {
            head: RequestHead::new(path, host),
            partial: Partial::default(),
            unsent,
            waiting: VecDeque::new(),
            streams: HashMap::new(),
            next_stream: 1,
            send_window: WINDOW_BYTES.into(),
            initial_window: WINDOW_BYTES.into(),
            unreturned: 0,
        }
    }

    /// What is to be sent.
    pub(crate) fn unsent(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Begins a call; its number is 1, 3, 5 and so on. What that takes is among
    /// [`unsent`](Self::unsent).
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

    /// Takes what was received, and tells `each` of what streams have brought.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(u32, Brought<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut partial = std::mem::take(&mut self.partial);
        let fed = partial.feed(bytes, |rest| {
            Frame::take_all(rest, |frame| self.take(frame, &mut each))
        });
        self.partial = partial;
        fed
    }

    fn take(
        &mut self,
        frame: Frame<'_>,
        each: &mut impl FnMut(u32, Brought<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        match frame {
            Frame::Data(stream, bytes, ends) => {
                self.give_back(stream, bytes.len(), ends);
                each(stream, Brought::Data(bytes))?;
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
                each(stream, Brought::Reset(code))
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
        each: &mut impl FnMut(u32, Brought<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        if !ends {
            return Ok(());
        }
        self.streams.remove(&stream);
        each(stream, Brought::Ended)
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
