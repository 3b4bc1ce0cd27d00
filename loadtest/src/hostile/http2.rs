//! What attackers say in HTTP/2: many streams at once, streams whose windows stay shut, headers
//! without end.
//!
//! Of an answer's header block only the first byte is looked at, as everywhere here: `:status: 200`
//! is one, and the words of a refusal are in its body.

use std::collections::HashMap;

use super::{Attacker, PIECE_BYTES, Says, Told};
use crate::rpc::http2::{self, Frame, PAYLOAD_BYTES_MAX, STATUS_OK, WINDOW_BYTES};
use crate::rpc::put_varint;

/// Header fields by their place in the static table (RFC 7541 appendix A).
const METHOD_GET: u8 = 0x82;
const METHOD_POST: u8 = 0x83;
const SCHEME_HTTP: u8 = 0x86;
const AUTHORITY: u8 = 1;
const PATH: u8 = 4;

/// A request's header block; `fields` are more header fields, their names in lower case.
pub(crate) fn block(is_post: bool, path: &str, host: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let method = if is_post { METHOD_POST } else { METHOD_GET };
    let mut block = vec![method, SCHEME_HTTP];
    for (name, value) in [(PATH, path), (AUTHORITY, host)] {
        // RFC 7541 §6.2.2: a literal with a name that is known, and not to be remembered.
        block.push(name);
        put_text(value, &mut block);
    }
    for (name, value) in fields {
        block.push(0);
        put_text(name, &mut block);
        put_text(value, &mut block);
    }
    block
}

/// RFC 7541 §5.2, a string as it is; its length takes up to 7 bits, and what is left follows in
/// groups of 7.
fn put_text(text: &str, buf: &mut Vec<u8>) {
    let length = text.len();
    if let Some(short) = u8::try_from(length).ok().filter(|short| *short < 0x7f) {
        buf.push(short);
    } else {
        buf.push(0x7f);
        // RFC 7541 §5.1: the rest as protocol buffers write it.
        put_varint(length as u64 - 0x7f, buf);
    }
    buf.extend_from_slice(text.as_bytes());
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its header block.
    pub(crate) block: Vec<u8>,
    /// What follows; at most a stream's window.
    pub(crate) body: Vec<u8>,
    /// Whether that is all.
    pub(crate) ends: bool,
}

/// How a client of HTTP/2 behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Streams at a time.
    pub(crate) streams: u64,
    /// Streams in all.
    pub(crate) limit: u64,
    /// What each stream may bring; none keeps every answer in the server.
    pub(crate) window: u32,
    /// Whether the socket is read once it is open.
    pub(crate) reads: bool,
}

/// How it stands with a stream that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Not refused so far.
    Good,
    /// Refused, and the server has not said why.
    Refused,
    /// Refused, and counted with the reason.
    Counted,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Streams {
    calls: Says<Call>,
    habits: Habits,
    /// Acknowledgements and windows, to be said before anything else.
    control: Vec<u8>,
    began: u64,
    open: HashMap<u32, Fate>,
    /// What the connection may still send.
    send_window: i64,
}

impl Streams {
    /// A client with these habits.
    pub(crate) fn new(calls: Says<Call>, habits: Habits) -> Self {
        let mut control = http2::PREFACE.to_vec();
        http2::encode_settings(habits.window, &mut control);
        // The connection's own window is never what holds an answer back.
        http2::encode_window_update(0, (1 << 30) - u32::from(WINDOW_BYTES), &mut control);
        Self {
            calls,
            habits,
            control,
            began: 0,
            open: HashMap::new(),
            send_window: WINDOW_BYTES.into(),
        }
    }

    fn begin(&mut self, buf: &mut Vec<u8>) -> bool {
        let stream = u32::try_from(self.began * 2 + 1).unwrap_or(u32::MAX);
        let window = self.send_window;
        let sent = self.calls.with(self.began, |call| {
            let length = i64::try_from(call.body.len()).unwrap_or(i64::MAX);
            if length > window {
                return None;
            }
            if call.body.is_empty() && call.ends {
                http2::encode_whole(stream, &call.block, buf);
                return Some(0);
            }
            http2::encode_headers(stream, &call.block, buf);
            let mut pieces = call.body.chunks(PAYLOAD_BYTES_MAX).peekable();
            while let Some(piece) = pieces.next() {
                let is_last = pieces.peek().is_none();
                http2::encode_data(stream, piece, call.ends && is_last, buf);
            }
            Some(length)
        });
        let Some(sent) = sent else {
            return false;
        };
        self.send_window -= sent;
        self.began += 1;
        self.open.insert(stream, Fate::Good);
        true
    }

    fn take(&mut self, frame: Frame<'_>, told: &mut Told) -> Result<(), String> {
        match frame {
            Frame::Headers(stream, block, ends) => {
                self.take_headers(stream, block, ends, told);
                self.end_if(ends, stream);
            }
            Frame::Data(stream, bytes, ends) => {
                if !bytes.is_empty() {
                    let length = u32::try_from(bytes.len()).unwrap_or_default();
                    http2::encode_window_update(0, length, &mut self.control);
                    if !ends && self.habits.window > 0 {
                        http2::encode_window_update(stream, length, &mut self.control);
                    }
                }
                match self.open.get_mut(&stream) {
                    Some(fate @ Fate::Refused) => {
                        *fate = Fate::Counted;
                        told.refusals.add(&String::from_utf8_lossy(bytes));
                    }
                    Some(Fate::Good) if ends => told.answers += 1,
                    _ => {}
                }
                self.end_if(ends, stream);
            }
            // RFC 9113 §8.1: after a whole answer it only says that the rest is not wanted.
            Frame::Reset(stream, code) => {
                if self.open.remove(&stream) == Some(Fate::Good) {
                    told.refusals.add(&format!("RST_STREAM, code {code}"));
                }
            }
            Frame::Settings(_) => http2::encode_settings_ack(&mut self.control),
            Frame::Ping(payload) => http2::encode_pong(payload, &mut self.control),
            Frame::GoAway(code) => return Err(format!("GOAWAY, code {code}")),
            Frame::WindowUpdate(0, more) => self.send_window += i64::from(more),
            Frame::WindowUpdate(..) | Frame::Other => {}
        }
        Ok(())
    }

    fn take_headers(&mut self, stream: u32, block: &[u8], ends: bool, told: &mut Told) {
        let Some(fate) = self.open.get_mut(&stream) else {
            return;
        };
        if block.first() == Some(&STATUS_OK) {
            told.opened += 1;
            told.answers += u64::from(ends);
        } else if ends {
            // Trailers of a stream that was open, or a refusal without a body.
            told.refusals.add("an end without 200");
        } else {
            *fate = Fate::Refused;
        }
    }

    fn end_if(&mut self, ends: bool, stream: u32) {
        if ends {
            self.open.remove(&stream);
        }
    }
}

impl Attacker for Streams {
    fn say(&mut self, buf: &mut Vec<u8>) {
        buf.append(&mut self.control);
        while buf.len() < PIECE_BYTES
            && self.began < self.habits.limit
            && (self.open.len() as u64) < self.habits.streams
            && self.begin(buf)
        {}
    }

    fn hear(&mut self, bytes: &[u8], told: &mut Told) -> Result<usize, String> {
        Frame::take_all(bytes, |frame| self.take(frame, told))
    }

    fn reads(&self) -> bool {
        self.habits.reads
    }
}

/// A client whose first request has headers without end, up to so many bytes.
#[derive(Debug)]
pub(crate) struct EndlessHeaders {
    host: String,
    left: usize,
    control: Vec<u8>,
    has_begun: bool,
}

/// Bytes of each part of headers without end.
const PART_BYTES: usize = 1_000;

impl EndlessHeaders {
    /// Never ends its headers, of which it sends so many bytes.
    pub(crate) fn new(host: &str, bytes: usize) -> Self {
        let mut control = http2::PREFACE.to_vec();
        http2::encode_settings(WINDOW_BYTES.into(), &mut control);
        Self {
            host: host.to_owned(),
            left: bytes,
            control,
            has_begun: false,
        }
    }
}

impl Attacker for EndlessHeaders {
    fn say(&mut self, buf: &mut Vec<u8>) {
        // Nothing may come between the parts (RFC 9113 §6.10), so settings are acknowledged never.
        buf.append(&mut self.control);
        let value = "h".repeat(PART_BYTES);
        while self.left >= PART_BYTES && buf.len() < PIECE_BYTES {
            self.left -= PART_BYTES;
            let is_first = !std::mem::replace(&mut self.has_begun, true);
            let block = if is_first {
                block(false, "/healthz", &self.host, &[("x-pad", &value)])
            } else {
                let mut part = vec![0];
                put_text("x-pad", &mut part);
                put_text(&value, &mut part);
                part
            };
            http2::encode_headers_part(1, &block, is_first, buf);
        }
    }

    fn hear(&mut self, bytes: &[u8], told: &mut Told) -> Result<usize, String> {
        Frame::take_all(bytes, |frame| {
            match frame {
                Frame::GoAway(code) => return Err(format!("GOAWAY, code {code}")),
                Frame::Reset(_, code) => told.refusals.add(&format!("RST_STREAM, code {code}")),
                Frame::Headers(_, block, _) if block.first() != Some(&STATUS_OK) => {
                    told.refusals.add("a stream that is not 200");
                }
                _ => {}
            }
            Ok(())
        })
    }
}

#[cfg(test)]
#[path = "http2_tests.rs"]
mod tests;
