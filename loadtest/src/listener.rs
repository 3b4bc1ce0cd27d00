//! What the server says to one subscriber of one session, in any form: bytes in, [`Heard`] values and replies out.
//!
//! It judges nothing but syntax: whether a gap or a number is right is for others to say. It must never know sockets
//! or clocks.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event_stream::StreamEvent;
use crate::http::{Framing, Head, HttpError, Response, parse_chunk};
use crate::kind::Kind;
use crate::partial::Partial;
use crate::websocket::{self, Frame, FrameError, Opcode};

/// What is wrong with what a subscriber was told.
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

/// A loss that the server owns up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    /// These numbers are no longer retained, both ends missing.
    Range {
        /// The first missing number.
        first: u64,
        /// The last missing number.
        last: u64,
    },
    /// The cursor is from another life of the log.
    Reset,
    /// So many events were dropped before what comes next.
    Dropped(u64),
}

/// What bytes amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// It listens from here on.
    Opened,
    /// The life of the log that what follows is from.
    Epoch(&'a str),
    /// A whole answer to a poll, after what was in it.
    Answered,
    /// An event; only logs have numbers.
    Event {
        /// Its position in the log.
        number: Option<u64>,
        /// The event as it was sent, payload included.
        text: &'a [u8],
    },
    /// Events are missing here.
    Hole(Hole),
}

/// The only part of an event that a subscriber cares for.
#[derive(Deserialize)]
struct Numbered {
    number: Option<u64>,
}

/// What a socket says that is no event of a log, as far as anybody cares.
#[derive(Deserialize)]
struct Notice<'t> {
    #[serde(borrow)]
    action: Option<Cow<'t, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'t, str>>,
    #[serde(borrow)]
    data: Option<&'t RawValue>,
    count: Option<u64>,
    success: Option<bool>,
}

/// The data of a gap, and of a welcome.
#[derive(Deserialize)]
struct Details<'t> {
    #[serde(borrow)]
    epoch: Option<Cow<'t, str>>,
    from: Option<u64>,
    to: Option<u64>,
    reset: Option<bool>,
}

impl Details<'_> {
    fn parse(text: &str) -> Result<Details<'_>, ReaderError> {
        serde_json::from_str(text).map_err(|_| ReaderError::Event)
    }

    fn hole(&self) -> Result<Hole, ReaderError> {
        match (self.from, self.to, self.reset) {
            (Some(first), Some(last), None) if first <= last => Ok(Hole::Range { first, last }),
            (None, None, Some(true)) => Ok(Hole::Reset),
            _ => Err(ReaderError::Event),
        }
    }
}

/// One subscriber's end of a connection.
#[derive(Debug)]
pub(crate) struct Listener {
    kind: Kind,
    /// Past the head of a WebSocket or event stream.
    is_open: bool,
    is_chunked: bool,
    /// Its filter is in force: what came before may be anybody's.
    is_filtered: bool,
    /// What it says once the handshake is accepted.
    hello: Option<String>,
    partial: Partial,
    /// An event stream's text without its chunks, not yet understood.
    text: Vec<u8>,
}

impl Listener {
    /// A listener that has sent its request and heard nothing.
    pub(crate) fn new(kind: Kind, session: &str) -> Self {
        let (partial, text) = (Partial::default(), Vec::new());
        Self {
            kind,
            is_open: false,
            is_chunked: false,
            is_filtered: false,
            hello: kind.hello(session),
            partial,
            text,
        }
    }

    /// Takes what was received and tells `each` what that amounts to; what must be sent back is appended to `replies`.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        mut each: impl FnMut(Heard<'_>) -> Result<(), ReaderError>,
    ) -> Result<(), ReaderError> {
        let mut partial = std::mem::take(&mut self.partial);
        let fed = partial.feed(bytes, |rest| self.take(rest, replies, &mut each));
        self.partial = partial;
        fed
    }

    fn take(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Heard<'_>) -> Result<(), ReaderError>,
    ) -> Result<usize, ReaderError> {
        match (self.kind, self.is_open) {
            (Kind::Poll, _) => take_answer(bytes, each),
            (_, false) => self.take_head(bytes, replies, each),
            (Kind::Websocket | Kind::Room | Kind::Live, true) => {
                self.take_frame(bytes, replies, each)
            }
            (Kind::Sse, true) => self.take_stream(bytes, each),
        }
    }

    fn take_head(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Heard<'_>) -> Result<(), ReaderError>,
    ) -> Result<usize, ReaderError> {
        let Some((head, used)) = Head::parse(bytes)? else {
            return Ok(0);
        };
        let is_accepted = if self.kind.is_websocket() {
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
        if let Some(epoch) = head.field("fanfare-epoch") {
            each(Heard::Epoch(epoch))?;
        }
        if let Some(hello) = self.hello.take() {
            websocket::encode_text(&hello, replies);
        } else if self.kind != Kind::Room {
            // A room is open once it is subscribed, who filters once that is answered.
            each(Heard::Opened)?;
        }
        Ok(used)
    }

    fn take_frame(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Heard<'_>) -> Result<(), ReaderError>,
    ) -> Result<usize, ReaderError> {
        let Some((frame, used)) = Frame::parse(bytes)? else {
            return Ok(0);
        };
        match frame.opcode {
            Opcode::Text => self.take_text(frame.payload, replies, each)?,
            Opcode::Binary => return Err(FrameError::Opcode.into()),
            Opcode::Ping => websocket::encode_control(Opcode::Pong, frame.payload, replies),
            Opcode::Pong => {}
            Opcode::Close => {
                return Err(ReaderError::Closed(websocket::close_code(frame.payload)));
            }
        }
        Ok(used)
    }

    fn take_text(
        &mut self,
        text: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Heard<'_>) -> Result<(), ReaderError>,
    ) -> Result<(), ReaderError> {
        if self.kind.has_cursor() {
            let event: Numbered = serde_json::from_slice(text).map_err(|_| ReaderError::Event)?;
            if event.number.is_some() {
                let number = event.number;
                return each(Heard::Event { number, text });
            }
        }
        let said: Notice<'_> = serde_json::from_slice(text).map_err(|_| ReaderError::Event)?;
        let details = || Details::parse(said.data.map_or("{}", RawValue::get));
        match (said.action.as_deref(), said.kind.as_deref()) {
            (Some("welcome"), _) => {
                if let Some(epoch) = details()?.epoch {
                    each(Heard::Epoch(&epoch))?;
                }
                if let Some(message) = self.kind.on_welcome() {
                    websocket::encode_text(message, replies);
                }
                Ok(())
            }
            (Some("subscribed"), _) => each(Heard::Opened),
            (Some("gap"), _) | (None, Some("fanfare:gap")) => each(Heard::Hole(details()?.hole()?)),
            (Some("heartbeat" | "reconnect"), _) => Ok(()),
            (None, Some("filterResponse")) if said.success == Some(true) => {
                self.is_filtered = true;
                each(Heard::Opened)
            }
            (None, Some("fanfare:dropped")) => {
                let count = said.count.ok_or(ReaderError::Event)?;
                each(Heard::Hole(Hole::Dropped(count)))
            }
            (None, Some(name)) if self.kind == Kind::Live && !is_reply(name) => {
                if self.is_filtered {
                    each(Heard::Event { number: None, text })?;
                }
                Ok(())
            }
            _ => Err(ReaderError::Event),
        }
    }

    fn take_stream(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(Heard<'_>) -> Result<(), ReaderError>,
    ) -> Result<usize, ReaderError> {
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
            let whole = &text[done..done + taken];
            done += taken;
            match event.data {
                Some(data) if event.name == Some("fanfare:gap") => {
                    each(Heard::Hole(Details::parse(data)?.hole()?))?;
                }
                Some(_) => {
                    let number = event.id.and_then(|id| id.rsplit_once(':'));
                    let number = number.and_then(|(_, digits)| digits.parse().ok());
                    let number = Some(number.ok_or(ReaderError::Event)?);
                    each(Heard::Event {
                        number,
                        text: whole,
                    })?;
                }
                None => {}
            }
        }
        self.text.extend_from_slice(&text[done..]);
        Ok(used)
    }
}

/// Whether the live dialect says so in reply to its client.
fn is_reply(name: &str) -> bool {
    matches!(name, "filterResponse" | "error")
}

fn take_answer(
    bytes: &[u8],
    each: &mut impl FnMut(Heard<'_>) -> Result<(), ReaderError>,
) -> Result<usize, ReaderError> {
    let Some((response, used)) = Response::parse(bytes)? else {
        return Ok(0);
    };
    if response.head.status != 200 {
        return Err(ReaderError::Status(response.head.status));
    }
    if let Some(epoch) = response.head.field("fanfare-epoch") {
        each(Heard::Epoch(epoch))?;
    }
    if let Some(gap) = response.head.field("fanfare-gap") {
        each(Heard::Hole(parse_gap(gap).ok_or(ReaderError::Event)?))?;
    }
    let events: Vec<&RawValue> =
        serde_json::from_slice(&response.body).map_err(|_| ReaderError::Event)?;
    for event in events {
        let Numbered { number } =
            serde_json::from_str(event.get()).map_err(|_| ReaderError::Event)?;
        let number = Some(number.ok_or(ReaderError::Event)?);
        let text = event.get().as_bytes();
        each(Heard::Event { number, text })?;
    }
    each(Heard::Answered)?;
    Ok(used)
}

/// `3-9` or `reset`, as the header field says it.
fn parse_gap(text: &str) -> Option<Hole> {
    if text == "reset" {
        return Some(Hole::Reset);
    }
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(Hole::Range { first, last })
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
