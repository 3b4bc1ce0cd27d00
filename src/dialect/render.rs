//! One event in each encoding of a live subscription: whole frames, ready for the kernel or a stream.
//!
//! The shard calls this at most once per event and encoding, however many subscribers there are.

use bytes::{BufMut as _, BytesMut};

use super::Dialects;
use super::stream::{self, Form};
use crate::hub::{Event, EventName, Number};
use crate::protocol::grpc::{self, Code, Kind, Status};
use crate::protocol::websocket::encode_text;

/// What a chunk has beside its data, at most: a size of 16 digits and two line ends.
const CHUNK_OVERHEAD_BYTES: usize = 16 + 4;

/// How events of a live subscription are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `{"args":…,"id":"","name":…,"namespace":"events"}`.
    Sysadm,
    /// One flat object.
    Live,
    /// A message of the stream dialect.
    Stream(Envelope),
}

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

/// The rendering of one event that several envelopes of a form share.
#[derive(Debug, Default)]
pub struct Rendering {
    json: Vec<u8>,
    proto: Vec<u8>,
}

impl Encoding {
    /// How many there are.
    pub const COUNT: usize = 9;

    /// A number of its own, below [`COUNT`](Self::COUNT).
    pub const fn index(self) -> usize {
        match self {
            Self::Sysadm => 0,
            Self::Live => 1,
            Self::Stream(envelope) => 2 + envelope as usize,
        }
    }
}

impl Envelope {
    /// How the messages themselves are written.
    pub const fn form(self) -> Form {
        match self {
            Self::WebSocket | Self::Line | Self::ChunkedLine => Form::Json,
            Self::Grpc | Self::ChunkedGrpc | Self::WebText | Self::ChunkedWebText => Form::Proto,
        }
    }

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
            other => other,
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
                stream::put_on_one_line(&mut out[begin..]);
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

    /// Appends the end of a gRPC-web response: its trailers, and the last chunk (RFC 9112 §7.1). Nothing for a
    /// envelope that ends otherwise.
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
            _ => {
                put_chunk_bytes(&trailers, out);
                out.extend_from_slice(b"0\r\n\r\n");
            }
        }
    }
}

/// Appends a message as a chunk of its own (RFC 9112 §7.1): its size is known before, so that nothing is
/// copied twice.
fn put_chunk(envelope: Envelope, message: &[u8], out: &mut BytesMut) {
    use std::fmt::Write as _;
    let framed = message.len() + grpc::MESSAGE_HEADER_BYTES;
    let bytes = match envelope {
        Envelope::Line => message.len() + 1,
        Envelope::WebText => framed.div_ceil(3) * 4,
        _ => framed,
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

impl Dialects {
    /// Appends an event as one frame. `rendering` is kept between calls for the same event.
    pub fn encode_event(
        &self,
        encoding: Encoding,
        event: &Event,
        rendering: &mut Rendering,
        out: &mut BytesMut,
    ) {
        let Encoding::Stream(envelope) = encoding else {
            let mut text = Vec::with_capacity(256 + event.payload.len());
            match encoding {
                Encoding::Sysadm => self.sysadm.render(event, &mut text),
                _ => self.live.render(event, &mut text),
            }
            encode_text(out, &text);
            return;
        };
        let form = envelope.form();
        let message = match form {
            Form::Json => &mut rendering.json,
            Form::Proto => &mut rendering.proto,
        };
        if message.is_empty() {
            stream::put_event(form, event, None, message);
        }
        envelope.put(message, out);
    }

    /// Appends an event as one frame for the client that published it.
    pub fn encode_own_event(
        &self,
        encoding: Encoding,
        event: &Event,
        correlation_id: &str,
        out: &mut BytesMut,
    ) {
        let Encoding::Stream(envelope) = encoding else {
            return self.encode_event(encoding, event, &mut Rendering::default(), out);
        };
        let mut message = Vec::with_capacity(256 + event.payload.len());
        stream::put_event(envelope.form(), event, Some(correlation_id), &mut message);
        envelope.put(&message, out);
    }

    /// Appends the news that `count` events were dropped, because the client was too slow, as one frame.
    pub fn encode_dropped(&self, encoding: Encoding, count: u64, out: &mut BytesMut) {
        let text = match encoding {
            Encoding::Sysadm => self.sysadm.render_dropped(count),
            Encoding::Live => self.live.render_dropped(count),
            Encoding::Stream(envelope) => {
                let message = format!("{count} events were dropped: this client is too slow");
                let status = Status::new(Code::ResourceExhausted, message);
                let (form, mut message) = (envelope.form(), Vec::new());
                stream::put_reply(
                    form,
                    None,
                    None,
                    &stream::Reply::Error(&status),
                    &mut message,
                );
                return envelope.put(&message, out);
            }
        };
        encode_text(out, text.as_bytes());
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
