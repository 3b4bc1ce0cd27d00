//! One event in each encoding of a live subscription: whole frames, ready for the kernel or a
//! stream.
//!
//! The shard calls this at most once per event and encoding, however many subscribers there are.

use bytes::{BufMut as _, BytesMut};

use super::{Dialect, Dialects, Encoding, EventEncoding, dispatch};
use crate::hub::{Event, EventName, Number};
use crate::protocol::grpc::{self, Kind, Status};
use crate::protocol::websocket::encode_text;

/// What a chunk has beside its data, at most: a size of 16 digits and two line ends.
const CHUNK_OVERHEAD_BYTES: usize = 16 + 4;

/// Where one message ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Envelope {
    /// A WebSocket's text frame.
    WebSocket,
    /// A line.
    Line,
    /// A line, in a chunk of HTTP/1.1.
    ChunkedLine,
    /// A message of gRPC, or of binary gRPC-web.
    Grpc,
    /// The same, in a chunk of HTTP/1.1.
    ChunkedGrpc,
    /// A message of gRPC-web, as base64 text.
    WebText,
    /// The same, in a chunk of HTTP/1.1.
    ChunkedWebText,
}

impl Envelope {
    /// How a call's messages travel.
    pub const fn of_call(kind: Kind) -> Self {
        match kind {
            Kind::Grpc | Kind::Web => Self::Grpc,
            Kind::WebText => Self::WebText,
        }
    }

    /// The same in chunks of HTTP/1.1.
    pub const fn chunked(self) -> Self {
        match self {
            Self::Line => Self::ChunkedLine,
            Self::Grpc => Self::ChunkedGrpc,
            Self::WebText => Self::ChunkedWebText,
            Self::WebSocket | Self::ChunkedLine | Self::ChunkedGrpc | Self::ChunkedWebText => self,
        }
    }

    /// Appends one message.
    pub fn put(self, message: &[u8], out: &mut BytesMut) {
        match self {
            Self::WebSocket => encode_text(out, message),
            Self::Line => {
                let begin = out.len();
                out.extend_from_slice(message);
                // A payload keeps its white space, and may have line feeds.
                put_on_one_line(&mut out[begin..]);
                out.put_u8(b'\n');
            }
            Self::Grpc => grpc::put_message(out, message),
            Self::WebText => {
                let mut framed = BytesMut::with_capacity(message.len() + 5);
                grpc::put_message(&mut framed, message);
                grpc::put_text(out, &framed);
            }
            Self::ChunkedLine => put_chunk(Self::Line, message, out),
            Self::ChunkedGrpc => put_chunk(Self::Grpc, message, out),
            Self::ChunkedWebText => put_chunk(Self::WebText, message, out),
        }
    }

    /// Appends the end of a gRPC-web response: its trailers, and the last chunk (RFC 9112 §7.1).
    /// Nothing for a envelope that ends otherwise.
    pub fn put_end(self, status: &Status, out: &mut BytesMut) {
        let mut trailers = BytesMut::new();
        match self {
            Self::WebSocket | Self::Line => return,
            Self::ChunkedLine => {}
            Self::Grpc | Self::ChunkedGrpc => grpc::put_trailers(&mut trailers, status),
            Self::WebText | Self::ChunkedWebText => {
                let mut framed = BytesMut::new();
                grpc::put_trailers(&mut framed, status);
                grpc::put_text(&mut trailers, &framed);
            }
        }
        match self {
            Self::Grpc | Self::WebText => out.extend_from_slice(&trailers),
            Self::WebSocket
            | Self::Line
            | Self::ChunkedLine
            | Self::ChunkedGrpc
            | Self::ChunkedWebText => {
                put_chunk_bytes(&trailers, out);
                out.extend_from_slice(b"0\r\n\r\n");
            }
        }
    }
}

/// Each envelope has an encoding of its own.
impl EventEncoding for Envelope {
    const COUNT: usize = Self::ChunkedWebText as usize + 1;

    fn index(self) -> usize {
        self as usize
    }
}

/// Appends a message as a chunk of its own (RFC 9112 §7.1): its size is known before, so that
/// nothing is copied twice.
fn put_chunk(envelope: Envelope, message: &[u8], out: &mut BytesMut) {
    use std::fmt::Write as _;
    let framed = message.len() + grpc::MESSAGE_HEADER_BYTES;
    let bytes = match envelope {
        Envelope::Line => message.len() + 1,
        Envelope::WebText => framed.div_ceil(3) * 4,
        Envelope::Grpc => framed,
        // Nothing else is put in chunks.
        Envelope::WebSocket
        | Envelope::ChunkedLine
        | Envelope::ChunkedGrpc
        | Envelope::ChunkedWebText => return,
    };
    out.reserve(bytes + CHUNK_OVERHEAD_BYTES);
    // Writing to a growing buffer cannot fail.
    let _ = write!(out, "{bytes:x}\r\n");
    let begin = out.len();
    envelope.put(message, out);
    debug_assert_eq!(out.len() - begin, bytes);
    out.extend_from_slice(b"\r\n");
}

fn put_chunk_bytes(bytes: &[u8], out: &mut BytesMut) {
    use std::fmt::Write as _;
    // A chunk of nothing would be the last one.
    if !bytes.is_empty() {
        // Writing to a growing buffer cannot fail.
        let _ = write!(out, "{:x}\r\n", bytes.len());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
impl Encoding {
    /// Two that differ.
    pub const TWO: [Self; 2] = [Self::Live(()), Self::Sysadm(())];
}

impl Dialects {
    /// Appends an event as one frame for the client that published it.
    pub fn encode_own_event(
        &self,
        encoding: Encoding,
        event: &Event,
        correlation_id: &str,
        out: &mut BytesMut,
    ) {
        dispatch!(self, Encoding, encoding, |dialect, encoding| {
            Dialect::encode_own_event(dialect, encoding, event, correlation_id, out);
        });
    }

    /// Appends the news that `count` events were dropped, because the client was too slow, as one
    /// frame.
    pub fn encode_dropped(&self, encoding: Encoding, count: u64, out: &mut BytesMut) {
        dispatch!(self, Encoding, encoding, |dialect, encoding| {
            Dialect::encode_dropped(dialect, encoding, count, out);
        });
    }
}

/// Takes the line breaks out of JSON text, for streams in which a line is a message. Valid JSON has
/// them only between tokens (RFC 8259 §7), so a space says the same.
pub(super) fn put_on_one_line(json: &mut [u8]) {
    for byte in json {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Appends an event's name as a JSON string.
pub fn put_event_name(out: &mut Vec<u8>, name: &EventName) {
    let json = name.as_json();
    if json.first() == Some(&b'"') {
        out.extend_from_slice(json);
    } else {
        put_text(out, &name.to_text());
    }
}

/// Appends a text as a JSON string.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    // Writing text to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends an event's number in decimal digits.
pub fn put_number(out: &mut BytesMut, number: Number) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// How many digits [`put_number`] writes.
pub const fn number_digits(number: Number) -> usize {
    match number.checked_ilog10() {
        Some(log) => log as usize + 1,
        None => 1,
    }
}
