//! One subscriber of one session, in any of its three forms, and the audit of what it is told.
//!
//! Bytes in, counts and replies out. Every reader must hear each event exactly once and in order;
//! the numbers say so. It must never know sockets or clocks.

use std::fmt;

use serde::Deserialize;

use crate::event_stream::StreamEvent;
use crate::http::{Framing, Head, HttpError, Response, parse_chunk};
use crate::websocket::{self, Frame, FrameError, Opcode};

/// How a session is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Long polls on kept-alive connections.
    Poll,
    /// A WebSocket.
    Websocket,
    /// Server-sent events.
    Sse,
    /// A room of the pubsub dialect, subscribed to what is published here.
    Room,
}

/// What a reader in a room says once it is welcomed.
const SUBSCRIBE: &str = r#"{"action":"subscribe-event","data":{"eventName":"probe"},"ref":1}"#;

impl Kind {
    /// The request that begins to listen.
    pub(crate) fn request(self, host: &str, session: &str) -> Vec<u8> {
        let fields = match self {
            Self::Poll => String::new(),
            Self::Websocket | Self::Room => websocket::handshake_fields(),
            Self::Sse => "Accept: text/event-stream\r\n".to_owned(),
        };
        let path = match self {
            Self::Room => format!("/pubsub/ws?event_id=probe&session_id={session}"),
            Self::Poll | Self::Websocket | Self::Sse => format!("/api/sessions/{session}/events"),
        };
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").into_bytes()
    }

    /// The word for it on the command line and in tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Websocket => "websocket",
            Self::Sse => "sse",
            Self::Room => "room",
        }
    }
}

/// What is wrong with what a reader was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReaderError {
    /// Not HTTP.
    Http(HttpError),
    /// Not RFC 6455.
    Frame(FrameError),
    /// The session's URL answered with this status.
    Status(u16),
    /// A handshake or event stream that was not accepted as asked.
    NotAccepted,
    /// Not an event with a number.
    Event,
    /// An event was lost, repeated or reordered.
    Order {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The server said there is a hole.
    Gap,
    /// The server closed the WebSocket with this code.
    Closed(u16),
}

impl fmt::Display for ReaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
            Self::Status(status) => write!(f, "answered with status {status}"),
            Self::NotAccepted => f.write_str("handshake or event stream not accepted"),
            Self::Event => f.write_str("not an event with a number"),
            Self::Order { expected, found } => {
                write!(f, "expected event {expected}, found {found}")
            }
            Self::Gap => f.write_str("told of a gap"),
            Self::Closed(code) => write!(f, "closed with code {code}"),
        }
    }
}

impl From<HttpError> for ReaderError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<FrameError> for ReaderError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// What bytes amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Handshakes and event stream heads.
    pub(crate) opened: u64,
    /// Whole answers to polls.
    pub(crate) answers: u64,
    /// Events.
    pub(crate) events: u64,
    /// Bytes taken from sockets.
    pub(crate) bytes: u64,
}

impl std::ops::AddAssign for Progress {
    fn add_assign(&mut self, rhs: Self) {
        self.opened += rhs.opened;
        self.answers += rhs.answers;
        self.events += rhs.events;
        self.bytes += rhs.bytes;
    }
}

/// The only part of an event that a reader cares for.
#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// What a room says, as far as a reader cares for it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said<'t> {
    Event(Numbered),
    #[serde(borrow)]
    Action(Action<'t>),
}

#[derive(Deserialize)]
struct Action<'t> {
    action: &'t str,
}

/// One subscriber.
#[derive(Debug)]
pub(crate) struct Reader {
    kind: Kind,
    /// Past the head of a WebSocket or event stream.
    is_open: bool,
    is_chunked: bool,
    /// Received, not yet understood.
    partial: Vec<u8>,
    /// An event stream's text without its chunks, not yet understood.
    text: Vec<u8>,
    /// The number of the next event; the first one may have any.
    next: Option<u64>,
}

impl Reader {
    /// A reader that has sent its request and heard nothing.
    pub(crate) fn new(kind: Kind) -> Self {
        let (partial, text) = (Vec::new(), Vec::new());
        Self {
            kind,
            is_open: false,
            is_chunked: false,
            partial,
            text,
            next: None,
        }
    }

    /// The number of the last event heard.
    pub(crate) fn last(&self) -> Option<u64> {
        self.next.and_then(|next| next.checked_sub(1))
    }

    /// Takes what was received; what must be sent back is appended to `replies`.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
    ) -> Result<Progress, ReaderError> {
        let mut progress = Progress {
            bytes: bytes.len() as u64,
            ..Progress::default()
        };
        // Nearly always a read ends where a message ends, and nothing is copied.
        let mut held = std::mem::take(&mut self.partial);
        if held.is_empty() {
            let used = self.consume(bytes, replies, &mut progress)?;
            self.partial.extend_from_slice(&bytes[used..]);
        } else {
            held.extend_from_slice(bytes);
            let used = self.consume(&held, replies, &mut progress)?;
            held.drain(..used);
            if !held.is_empty() {
                self.partial = held;
            }
        }
        Ok(progress)
    }

    fn consume(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        progress: &mut Progress,
    ) -> Result<usize, ReaderError> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            let taken = match (self.kind, self.is_open) {
                (Kind::Poll, _) => self.take_answer(rest, progress)?,
                (_, false) => self.take_head(rest, progress)?,
                (Kind::Websocket | Kind::Room, true) => self.take_frame(rest, replies, progress)?,
                (Kind::Sse, true) => self.take_stream(rest, progress)?,
            };
            if taken == 0 {
                break;
            }
            used += taken;
        }
        Ok(used)
    }

    fn take_answer(&mut self, bytes: &[u8], progress: &mut Progress) -> Result<usize, ReaderError> {
        let Some((response, used)) = Response::parse(bytes)? else {
            return Ok(0);
        };
        if response.head.status != 200 {
            return Err(ReaderError::Status(response.head.status));
        }
        if response.head.field("fanfare-gap").is_some() {
            return Err(ReaderError::Gap);
        }
        let events: Vec<Numbered> =
            serde_json::from_slice(&response.body).map_err(|_| ReaderError::Event)?;
        for event in &events {
            self.audit(event.number)?;
        }
        progress.answers += 1;
        progress.events += events.len() as u64;
        Ok(used)
    }

    fn take_head(&mut self, bytes: &[u8], progress: &mut Progress) -> Result<usize, ReaderError> {
        let Some((head, used)) = Head::parse(bytes)? else {
            return Ok(0);
        };
        let is_accepted = if matches!(self.kind, Kind::Websocket | Kind::Room) {
            websocket::is_accepted(&head)
        } else {
            let media_type = head.field("content-type").unwrap_or_default();
            head.status == 200 && media_type.starts_with("text/event-stream")
        };
        if !is_accepted {
            let is_refused = !matches!(head.status, 101 | 200);
            return Err(if is_refused {
                ReaderError::Status(head.status)
            } else {
                ReaderError::NotAccepted
            });
        }
        self.is_open = true;
        self.is_chunked = head.framing()? == Framing::Chunked;
        // A room is open once it is subscribed.
        progress.opened += u64::from(self.kind != Kind::Room);
        Ok(used)
    }

    fn take_frame(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        progress: &mut Progress,
    ) -> Result<usize, ReaderError> {
        let Some((frame, used)) = Frame::parse(bytes)? else {
            return Ok(0);
        };
        match frame.opcode {
            Opcode::Text if self.kind == Kind::Room => {
                self.take_said(frame.payload, replies, progress)?;
            }
            Opcode::Text => {
                let event: Numbered =
                    serde_json::from_slice(frame.payload).map_err(|_| ReaderError::Event)?;
                self.audit(event.number)?;
                progress.events += 1;
            }
            Opcode::Binary => return Err(FrameError::Opcode.into()),
            Opcode::Ping => websocket::encode_control(Opcode::Pong, frame.payload, replies),
            Opcode::Pong => {}
            Opcode::Close => {
                return Err(ReaderError::Closed(websocket::close_code(frame.payload)));
            }
        }
        Ok(used)
    }

    fn take_said(
        &mut self,
        said: &[u8],
        replies: &mut Vec<u8>,
        progress: &mut Progress,
    ) -> Result<(), ReaderError> {
        match serde_json::from_slice(said).map_err(|_| ReaderError::Event)? {
            Said::Event(event) => {
                self.audit(event.number)?;
                progress.events += 1;
            }
            Said::Action(Action { action: "welcome" }) => {
                websocket::encode_text(SUBSCRIBE, replies);
            }
            Said::Action(Action {
                action: "subscribed",
            }) => progress.opened += 1,
            Said::Action(Action {
                action: "heartbeat",
            }) => {}
            Said::Action(Action { action: "gap" }) => return Err(ReaderError::Gap),
            Said::Action(_) => return Err(ReaderError::Event),
        }
        Ok(())
    }

    fn take_stream(&mut self, bytes: &[u8], progress: &mut Progress) -> Result<usize, ReaderError> {
        let used = if self.is_chunked {
            match parse_chunk(bytes)? {
                None => return Ok(0),
                Some((data, used)) => {
                    self.text.extend_from_slice(data);
                    used
                }
            }
        } else {
            self.text.extend_from_slice(bytes);
            bytes.len()
        };
        let text = std::mem::take(&mut self.text);
        let mut done = 0;
        while let Some((event, taken)) =
            StreamEvent::parse(&text[done..]).map_err(|_| ReaderError::Event)?
        {
            done += taken;
            if event.name == Some("fanfare:gap") {
                return Err(ReaderError::Gap);
            }
            if event.has_data {
                let number = event.id.and_then(|id| id.rsplit_once(':'));
                let number = number.and_then(|(_, digits)| digits.parse().ok());
                self.audit(number.ok_or(ReaderError::Event)?)?;
                progress.events += 1;
            }
        }
        self.text.extend_from_slice(&text[done..]);
        Ok(used)
    }

    fn audit(&mut self, found: u64) -> Result<(), ReaderError> {
        if let Some(expected) = self.next
            && expected != found
        {
            return Err(ReaderError::Order { expected, found });
        }
        self.next = Some(found + 1);
        Ok(())
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
