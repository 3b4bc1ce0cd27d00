//! What attackers say in HTTP/1.1: requests without end that are not waited for, and requests that
//! never end.

use std::net::SocketAddr;

use super::{Attacker, Filler, PIECE_BYTES, Says, Told};
use crate::http::{Head, HttpError, Response};

/// Requests one after the other, without waiting for answers.
#[derive(Debug)]
pub(crate) struct Pipelined {
    requests: Says<Vec<u8>>,
    /// How many may be unanswered.
    window: u64,
    /// How many there are in all.
    limit: u64,
    reads: bool,
    said: u64,
    answered: u64,
}

impl Pipelined {
    /// As many as fit, without end.
    pub(crate) fn endless(requests: Says<Vec<u8>>) -> Self {
        Self {
            requests,
            window: u64::MAX,
            limit: u64::MAX,
            reads: true,
            said: 0,
            answered: 0,
        }
    }

    /// No more than so many unanswered.
    pub(crate) fn with_window(self, window: u64) -> Self {
        Self { window, ..self }
    }

    /// No more than so many in all.
    pub(crate) fn with_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Answers are left where they are.
    pub(crate) fn unread(self) -> Self {
        Self {
            reads: false,
            ..self
        }
    }
}

impl Attacker for Pipelined {
    fn say(&mut self, buf: &mut Vec<u8>) {
        while buf.len() < PIECE_BYTES
            && self.said < self.limit
            && self.said - self.answered < self.window
        {
            let said = self.said;
            self.requests
                .with(said, |request| buf.extend_from_slice(request));
            self.said += 1;
        }
    }

    fn hear(&mut self, bytes: &[u8], told: &mut Told) -> Result<usize, String> {
        let mut used = 0;
        loop {
            let parsed = Response::parse(&bytes[used..]);
            let Some((response, taken)) = parsed.map_err(|error| error.to_string())? else {
                return Ok(used);
            };
            used += taken;
            // An interim answer is none.
            if response.head.status >= 200 {
                self.answered += 1;
                told.answer(response.head.status, &response.body);
            }
        }
    }

    fn reads(&self) -> bool {
        self.reads
    }
}

/// The beginning of something, and filler after it. What comes back is read: an error, or a stream
/// that never ends.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// What is said first, once.
    start: Vec<u8>,
    filler: Filler,
    /// The answer is a stream, whose bytes are of no interest.
    is_streaming: bool,
}

impl Unfinished {
    /// `start`, and then filler.
    pub(crate) fn new(start: impl Into<Vec<u8>>, filler: Filler) -> Self {
        Self {
            start: start.into(),
            filler,
            is_streaming: false,
        }
    }
}

impl Attacker for Unfinished {
    fn say(&mut self, buf: &mut Vec<u8>) {
        if self.start.is_empty() {
            self.filler.say(buf);
        } else {
            buf.append(&mut self.start);
        }
    }

    fn hear(&mut self, bytes: &[u8], told: &mut Told) -> Result<usize, String> {
        let mut used = 0;
        while !self.is_streaming && used < bytes.len() {
            match Response::parse(&bytes[used..]) {
                Ok(None) if !is_open_stream(&bytes[used..]) => return Ok(used),
                Ok(None) | Err(HttpError::Endless) => {
                    told.opened += 1;
                    self.is_streaming = true;
                }
                Ok(Some((response, taken))) => {
                    told.answer(response.head.status, &response.body);
                    used += taken;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(if self.is_streaming { bytes.len() } else { used })
    }
}

/// Whether an answer has begun that goes on for as long as its reader stays.
fn is_open_stream(bytes: &[u8]) -> bool {
    let Ok(Some((head, _))) = Head::parse(bytes) else {
        return false;
    };
    let kind = head.field("content-type").unwrap_or_default();
    head.status == 200 && kind.starts_with("text/event-stream")
}

/// A request that asks to be told of a session's events as they come.
pub(crate) fn event_stream(host: SocketAddr, session: &str, query: &str) -> Vec<u8> {
    format!(
        "GET /api/sessions/{session}/events{query} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"
    )
    .into_bytes()
}

/// An event stream that is not read.
#[derive(Debug)]
pub(crate) struct Deaf {
    request: Vec<u8>,
}

impl Deaf {
    /// Asks with this request.
    pub(crate) fn new(request: Vec<u8>) -> Self {
        Self { request }
    }
}

impl Attacker for Deaf {
    fn say(&mut self, buf: &mut Vec<u8>) {
        buf.append(&mut self.request);
    }

    fn hear(&mut self, bytes: &[u8], _: &mut Told) -> Result<usize, String> {
        Ok(bytes.len())
    }

    fn reads(&self) -> bool {
        false
    }
}

/// A `POST` to a path; `fields` are more header lines, each ended by CRLF.
pub(crate) fn post(host: SocketAddr, path: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A publish to a session, so many bytes in all where it can be: its payload is padded.
pub(crate) fn publish(host: SocketAddr, session: &str, bytes: usize) -> Vec<u8> {
    let path = format!("/api/sessions/{session}/events");
    let body = |padding: usize| format!(r#"{{"type":"flood","data":"{}"}}"#, "x".repeat(padding));
    let bare = post(host, &path, "", &body(10)).len() - 10;
    let request = post(host, &path, "", &body(bytes.saturating_sub(bare)));
    // A length of another number of digits is one byte more.
    let over = request.len().saturating_sub(bytes);
    let padding = bytes.saturating_sub(bare + over);
    post(host, &path, "", &body(padding))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7400))
    }

    #[test]
    fn a_publish_is_as_long_as_asked() {
        for bytes in [160, 200, 1_000] {
            assert_eq!(publish(host(), "hostile-0", bytes).len(), bytes);
        }
        let least = publish(host(), "s", 0);
        let text = String::from_utf8(least).expect("text");
        assert!(text.ends_with("\r\n\r\n{\"type\":\"flood\",\"data\":\"\"}"));
        assert!(text.contains("Content-Length: 26\r\n"), "{text}");
    }

    #[test]
    fn a_window_is_filled_and_opened_by_answers() {
        let mut attacker = Pipelined::endless(Says::Same(b"R".to_vec())).with_window(3);
        let (mut buf, mut told) = (Vec::new(), Told::default());
        attacker.say(&mut buf);
        attacker.say(&mut buf);
        assert_eq!(buf, b"RRR");
        let answers = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\
            HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusyHTTP/1.1 2";
        let used = attacker.hear(answers, &mut told).expect("sound");
        assert_eq!(&answers[used..], b"HTTP/1.1 2");
        buf.clear();
        attacker.say(&mut buf);
        assert_eq!(buf, b"RR");
        assert_eq!((told.answers, told.refusals.total()), (1, 1));
        assert_eq!(told.first_refusal(), Some("503 busy"));
    }

    #[test]
    fn a_limit_ends_it_and_without_one_a_piece_is_full() {
        let numbered = Says::Numbered(Box::new(|number| number.to_string().into_bytes()));
        let mut attacker = Pipelined::endless(numbered).with_limit(12);
        let mut buf = Vec::new();
        attacker.say(&mut buf);
        attacker.say(&mut buf);
        assert_eq!(buf, b"01234567891011");
        assert!(attacker.reads() && !attacker.unread().reads());
        let mut attacker = Pipelined::endless(Says::Same(vec![b'R'; 160]));
        buf.clear();
        attacker.say(&mut buf);
        assert!((PIECE_BYTES..PIECE_BYTES + 160).contains(&buf.len()));
    }

    #[test]
    fn what_is_unfinished_hears_errors_and_streams() {
        let mut attacker = Unfinished::new("GET", Filler::Bytes(2));
        let mut buf = Vec::new();
        for _ in 0..3 {
            attacker.say(&mut buf);
        }
        assert_eq!(buf, b"GETaa");
        let mut told = Told::default();
        let error = b"HTTP/1.1 408 Slow\r\nContent-Length: 2\r\n\r\nno";
        assert_eq!(attacker.hear(&error[..30], &mut told), Ok(0));
        assert_eq!(attacker.hear(error, &mut told), Ok(error.len()));
        assert_eq!(told.first_refusal(), Some("408 no"));
        let stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
            Transfer-Encoding: chunked\r\n\r\n5\r\n:";
        assert_eq!(attacker.hear(stream, &mut told), Ok(stream.len()));
        assert_eq!(attacker.hear(b"\r\nwhatever", &mut told), Ok(10));
        assert_eq!((told.opened, told.refusals.total()), (1, 1));
    }
}
