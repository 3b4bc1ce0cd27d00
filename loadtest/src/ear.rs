//! One listener of a [`Crowd`](crate::crowd): whichever way it listens, bytes become whole messages, and what must be
//! said next.
//!
//! Bytes in, messages and replies out. It must never know sockets or clocks, nor what a message means: who is entitled to
//! it is in the [`Ledger`](crate::ledger).

use serde::Deserialize;

use crate::event_stream::StreamEvent;
use crate::frames::FrameCounter;
use crate::http::{Framing, Head, Response, parse_chunk};
use crate::kind::Kind;
use crate::partial::Partial;
use crate::websocket;

/// What a listener takes note of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// The handshake or event stream was accepted.
    Opened,
    /// A frame, an event of a stream, or the body of an answer.
    Message(&'a [u8]),
}

/// What a poll's next request has of its last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// The number of the last event, as `last_event`.
    Number,
    /// `Last-Modified` and `Etag`, as `If-Modified-Since` and `If-None-Match`.
    Validators,
}

/// How one listens.
#[derive(Debug)]
enum Way {
    /// A WebSocket, every frame of which is kept until it was looked at.
    WebSocket(FrameCounter),
    /// Server-sent events; the text without its chunks that is not yet understood.
    EventStream { is_chunked: bool, text: Vec<u8> },
    /// Long polls, each asking for what comes after the last answer.
    Polls { request: String, cursor: Cursor },
}

/// The listener.
#[derive(Debug)]
pub(crate) struct Ear {
    way: Way,
    is_open: bool,
    partial: Partial,
}

/// The only part of an event that a cursor needs.
#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

impl Ear {
    /// A listener of a session, and the request that it begins with.
    pub(crate) fn of(kind: Kind, host: &str, session: &str) -> (Self, Vec<u8>) {
        let way = match kind {
            Kind::Poll => {
                let path = format!("/api/sessions/{session}/events");
                return Self::polls(&path, host, Cursor::Number);
            }
            Kind::Sse => Way::EventStream {
                is_chunked: false,
                text: Vec::new(),
            },
            Kind::Websocket | Kind::Room | Kind::Live => Way::WebSocket(FrameCounter::new(true)),
        };
        (Self::new(way, false), kind.request(host, session, None))
    }

    /// Long polls, the first of which asks for no history.
    pub(crate) fn polls(path: &str, host: &str, cursor: Cursor) -> (Self, Vec<u8>) {
        let first = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
        let request = match cursor {
            Cursor::Number => format!("{path}?last_event={{}} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Cursor::Validators => format!("{path} HTTP/1.1\r\nHost: {host}\r\n"),
        };
        (Self::new(Way::Polls { request, cursor }, true), first)
    }

    fn new(way: Way, is_open: bool) -> Self {
        let partial = Partial::default();
        Self {
            way,
            is_open,
            partial,
        }
    }

    /// Takes what was received, and tells `each` of what is whole; what must be sent is appended to `replies`.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut partial = std::mem::take(&mut self.partial);
        let fed = partial.feed(bytes, |rest| self.take(rest, replies, each));
        self.partial = partial;
        fed
    }

    fn take(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result<(), String>,
    ) -> Result<usize, String> {
        if !self.is_open {
            return self.take_head(bytes, replies, each);
        }
        match &mut self.way {
            Way::WebSocket(counter) => take_frames(counter, bytes, replies, each),
            Way::EventStream { is_chunked, text } => {
                take_stream(*is_chunked, text, bytes, replies, each)
            }
            Way::Polls { request, cursor } => take_answer(request, *cursor, bytes, replies, each),
        }
    }

    fn take_head(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result<(), String>,
    ) -> Result<usize, String> {
        let Some((head, used)) = Head::parse(bytes).map_err(|error| error.to_string())? else {
            return Ok(0);
        };
        let is_accepted = match &mut self.way {
            Way::WebSocket(_) | Way::Polls { .. } => websocket::is_accepted(&head),
            Way::EventStream { is_chunked, .. } => {
                let framing = head.framing().map_err(|error| error.to_string())?;
                *is_chunked = framing == Framing::Chunked;
                let media_type = head.field("content-type").unwrap_or_default();
                head.status == 200 && media_type.starts_with("text/event-stream")
            }
        };
        if !is_accepted {
            return Err(format!("not accepted: {}", head.status));
        }
        self.is_open = true;
        each(Heard::Opened, replies)?;
        Ok(used)
    }
}

/// Takes everything.
fn take_frames(
    counter: &mut FrameCounter,
    bytes: &[u8],
    replies: &mut Vec<u8>,
    each: &mut impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result<(), String>,
) -> Result<usize, String> {
    let mut said = Ok(());
    let mut more = Vec::new();
    let fed = counter.feed(bytes, replies, |counted| {
        if let (Ok(()), Some(frame)) = (&said, counted.kept) {
            said = each(Heard::Message(frame), &mut more);
        }
    });
    replies.append(&mut more);
    said?;
    fed.map_err(|error| error.to_string())?;
    Ok(bytes.len())
}

fn take_stream(
    is_chunked: bool,
    text: &mut Vec<u8>,
    bytes: &[u8],
    replies: &mut Vec<u8>,
    each: &mut impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result<(), String>,
) -> Result<usize, String> {
    let (data, used) = if is_chunked {
        match parse_chunk(bytes).map_err(|error| error.to_string())? {
            None => return Ok(0),
            Some(chunk) => chunk,
        }
    } else {
        (bytes, bytes.len())
    };
    text.extend_from_slice(data);
    let mut done = 0;
    while let Some((event, taken)) =
        StreamEvent::parse(&text[done..]).map_err(|error| error.to_string())?
    {
        if event.data.is_some() {
            each(Heard::Message(&text[done..done + taken]), replies)?;
        }
        done += taken;
    }
    text.drain(..done);
    Ok(used)
}

/// Takes an answer with one event, and asks for the next.
fn take_answer(
    request: &str,
    cursor: Cursor,
    bytes: &[u8],
    replies: &mut Vec<u8>,
    each: &mut impl FnMut(Heard<'_>, &mut Vec<u8>) -> Result<(), String>,
) -> Result<usize, String> {
    let Some((response, used)) = Response::parse(bytes).map_err(|error| error.to_string())? else {
        return Ok(0);
    };
    let (head, body) = (&response.head, &*response.body);
    if head.status != 200 {
        return Err(format!("a poll was answered {}", head.status));
    }
    if head.field("fanfare-gap").is_some() {
        return Err("told of a gap".to_owned());
    }
    each(Heard::Message(body), replies)?;
    let lacks = || "a poll's answer does not say what to ask for next".to_owned();
    replies.extend_from_slice(b"GET ");
    match cursor {
        Cursor::Number => {
            let events: Vec<Numbered> = serde_json::from_slice(body).map_err(|_| lacks())?;
            let [event] = &events[..] else {
                return Err(format!("a poll was answered {} events", events.len()));
            };
            replies.extend_from_slice(request.replace("{}", &event.number.to_string()).as_bytes());
        }
        Cursor::Validators => {
            let since = head.field("last-modified").ok_or_else(lacks)?;
            let tag = head.field("etag").ok_or_else(lacks)?;
            let fields = format!("If-Modified-Since: {since}\r\nIf-None-Match: {tag}\r\n\r\n");
            replies.extend([request.as_bytes(), fields.as_bytes()].concat());
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages, whether it was opened, and replies, of a transcript in pieces.
    fn hear(
        mut ear: Ear,
        transcript: &[u8],
        piece: usize,
    ) -> Result<(Vec<String>, bool, String), String> {
        let (mut messages, mut is_open, mut replies) = (Vec::new(), false, Vec::new());
        for bytes in transcript.chunks(piece) {
            ear.feed(bytes, &mut replies, &mut |heard, _| {
                match heard {
                    Heard::Opened => is_open = true,
                    Heard::Message(text) => {
                        messages.push(String::from_utf8_lossy(text).into_owned());
                    }
                }
                Ok(())
            })?;
        }
        let replies = String::from_utf8_lossy(&replies).into_owned();
        Ok((messages, is_open, replies))
    }

    #[test]
    fn a_poll_asks_for_what_comes_after_its_answer() {
        let answer = |body: &str| {
            let length = body.len();
            format!(
                "HTTP/1.1 200 OK\r\nLast-Modified: Sat\r\nEtag: 3\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        let body = r#"[{"type":"a","data":{},"number":41}]"#;
        for piece in [1, 7, 1_000] {
            for (cursor, next) in [
                (
                    Cursor::Number,
                    "GET /x?last_event=41 HTTP/1.1\r\nHost: h\r\n\r\n",
                ),
                (
                    Cursor::Validators,
                    "GET /x HTTP/1.1\r\nHost: h\r\nIf-Modified-Since: Sat\r\nIf-None-Match: 3\r\n\r\n",
                ),
            ] {
                let (ear, first) = Ear::polls("/x", "h", cursor);
                assert_eq!(first, b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
                let two = answer(body).repeat(2);
                let heard = hear(ear, two.as_bytes(), piece).expect("sound");
                assert_eq!(heard, (vec![body.to_owned(); 2], false, next.repeat(2)));
            }
        }
        let number = || Ear::polls("/x", "h", Cursor::Number).0;
        for body in ["[]", r#"[{"number":1},{"number":2}]"#, "x"] {
            hear(number(), answer(body).as_bytes(), 99).expect_err(body);
        }
        let gone = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n";
        hear(number(), gone, 99).expect_err("no answer");
    }

    #[test]
    fn events_of_a_stream_are_whole() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
        let event = "id: e:1\ndata: 1\n\n";
        let plain = format!("{head}\r\n{event}: comment\n\n{event}");
        let chunked =
            format!("{head}Transfer-Encoding: chunked\r\n\r\n11\r\n{event}\r\n11\r\n{event}\r\n");
        for transcript in [plain, chunked] {
            for piece in [1, 10, 1_000] {
                let (ear, _) = Ear::of(Kind::Sse, "h", "s");
                let found = hear(ear, transcript.as_bytes(), piece).expect("sound");
                assert_eq!(found, (vec![event.to_owned(); 2], true, String::new()));
            }
        }
    }

    #[test]
    fn a_refusal_is_noticed() {
        let refusal = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";
        for kind in [Kind::Live, Kind::Sse] {
            let (ear, _) = Ear::of(kind, "h", "s");
            hear(ear, refusal, 99).expect_err("refused");
        }
    }
}
