//! Frames of HTTP/2 (RFC 9113 §4 and §6) and the header block of a gRPC request (RFC 7541).
//!
//! Bytes in, values out. Header blocks of answers are not decoded: whether a call was accepted is
//! their first byte, and how it went is in its message.

use std::fmt;

/// What a client says first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A window that nobody has changed (RFC 9113 §6.9.2).
pub(crate) const WINDOW_BYTES: u16 = 65_535;
/// Longest payload of a frame that we allow, and everybody allows us (RFC 9113 §4.2).
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16_384;
/// The field `:status: 200` (RFC 7541 appendix A, index 8).
pub(crate) const STATUS_OK: u8 = 0x88;

const HEADER_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// `END_STREAM` of DATA and HEADERS; of SETTINGS and PING it is ACK.
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// `SETTINGS_ENABLE_PUSH`.
const ENABLE_PUSH: u16 = 2;
/// `SETTINGS_INITIAL_WINDOW_SIZE`.
const INITIAL_WINDOW_SIZE: u16 = 4;

/// One frame from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A part of a stream's bytes, and whether it is the last.
    Data(u32, &'a [u8], bool),
    /// A stream's headers or trailers, and whether nothing follows.
    Headers(u32, &'a [u8], bool),
    /// A stream is over, with this code.
    Reset(u32, u32),
    /// Wants an acknowledgement; maybe a new initial window.
    Settings(Option<u32>),
    /// Wants the same back.
    Ping([u8; 8]),
    /// No more streams, with this code.
    GoAway(u32),
    /// So many bytes more on a stream; on the connection, if that is 0.
    WindowUpdate(u32, u32),
    /// Acknowledgements, and what is unknown or of no interest.
    Other,
}

/// What is wrong with a frame, or beyond what this client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// Longer than allowed, or not of its type's length.
    Length,
    /// Padding: nobody pads events.
    Padded,
    /// Headers in several frames: those of gRPC are short.
    Continuation,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "not HTTP/2, or a frame of unusable length",
            Self::Padded => "padded frame",
            Self::Continuation => "headers in several frames",
        })
    }
}

impl<'a> Frame<'a> {
    /// Takes all whole frames from the start of `bytes`, one after the other, and says how many
    /// bytes they took.
    ///
    /// # Errors
    ///
    /// What is no frame, or what `each` refuses.
    pub(crate) fn take_all(
        bytes: &'a [u8],
        mut each: impl FnMut(Self) -> Result<(), String>,
    ) -> Result<usize, String> {
        let mut used = 0;
        loop {
            let parsed = Self::parse(&bytes[used..]).map_err(|error| error.to_string())?;
            let Some((frame, taken)) = parsed else {
                return Ok(used);
            };
            used += taken;
            each(frame)?;
        }
    }

    /// Reads one frame from the start of `bytes`, and says how many bytes it took.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(&[l0, l1, l2, kind, flags, s0, s1, s2, s3]) = bytes.first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        if length > PAYLOAD_BYTES_MAX {
            return Err(FrameError::Length);
        }
        let end = HEADER_BYTES + length;
        let Some(payload) = bytes.get(HEADER_BYTES..end) else {
            return Ok(None);
        };
        let stream = number([s0, s1, s2, s3]);
        Ok(Some((Self::of(kind, flags, stream, payload)?, end)))
    }

    fn of(kind: u8, flags: u8, stream: u32, payload: &'a [u8]) -> Result<Self, FrameError> {
        let (ends, is_ack) = (flags & END_STREAM != 0, flags & END_STREAM != 0);
        match kind {
            DATA | HEADERS if flags & PADDED != 0 => Err(FrameError::Padded),
            DATA => Ok(Self::Data(stream, payload, ends)),
            HEADERS if flags & END_HEADERS == 0 || flags & PRIORITY != 0 => {
                Err(FrameError::Continuation)
            }
            HEADERS => Ok(Self::Headers(stream, payload, ends)),
            RST_STREAM => Ok(Self::Reset(stream, number(first(payload)?))),
            SETTINGS | PING if is_ack => Ok(Self::Other),
            SETTINGS => Ok(Self::Settings(initial_window(payload))),
            PING => Ok(Self::Ping(first(payload)?)),
            GOAWAY => {
                let code = payload.get(4..).unwrap_or_default();
                Ok(Self::GoAway(number(first(code)?)))
            }
            WINDOW_UPDATE => Ok(Self::WindowUpdate(stream, number(first(payload)?))),
            CONTINUATION => Err(FrameError::Continuation),
            _ => Ok(Self::Other),
        }
    }
}

fn first<const N: usize>(payload: &[u8]) -> Result<[u8; N], FrameError> {
    payload.first_chunk().copied().ok_or(FrameError::Length)
}

/// 31 bits; the first is reserved.
fn number(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}

fn initial_window(payload: &[u8]) -> Option<u32> {
    let (entries, _) = payload.as_chunks::<6>();
    let named = entries.iter().rev().find_map(|&[n0, n1, value @ ..]| {
        (u16::from_be_bytes([n0, n1]) == INITIAL_WINDOW_SIZE).then_some(value)
    });
    named.map(number)
}

fn put_frame(kind: u8, flags: u8, stream: u32, payload: &[u8], buf: &mut Vec<u8>) {
    debug_assert!(
        payload.len() <= PAYLOAD_BYTES_MAX,
        "a frame is split before"
    );
    // At most 16,384.
    let length = u32::try_from(payload.len()).unwrap_or_default();
    buf.extend_from_slice(&length.to_be_bytes()[1..]);
    buf.extend_from_slice(&[kind, flags]);
    buf.extend_from_slice(&stream.to_be_bytes());
    buf.extend_from_slice(payload);
}

/// Appends our settings: nothing is pushed, and a stream may bring so many bytes before we ask for
/// more.
pub(crate) fn encode_settings(initial_window: u32, buf: &mut Vec<u8>) {
    let mut payload = Vec::new();
    for (name, value) in [(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, initial_window)] {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    put_frame(SETTINGS, 0, 0, &payload, buf);
}

/// Appends the acknowledgement of settings.
pub(crate) fn encode_settings_ack(buf: &mut Vec<u8>) {
    put_frame(SETTINGS, END_STREAM, 0, &[], buf);
}

/// Appends the answer to a ping.
pub(crate) fn encode_pong(payload: [u8; 8], buf: &mut Vec<u8>) {
    put_frame(PING, END_STREAM, 0, &payload, buf);
}

/// Appends so many bytes more for a stream, or for the connection (0).
pub(crate) fn encode_window_update(stream: u32, bytes: u32, buf: &mut Vec<u8>) {
    put_frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes(), buf);
}

/// Appends a part of a stream, at most [`PAYLOAD_BYTES_MAX`] long.
pub(crate) fn encode_data(stream: u32, payload: &[u8], ends: bool, buf: &mut Vec<u8>) {
    let flags = if ends { END_STREAM } else { 0 };
    put_frame(DATA, flags, stream, payload, buf);
}

/// Appends a request's headers.
pub(crate) fn encode_headers(stream: u32, block: &[u8], buf: &mut Vec<u8>) {
    put_frame(HEADERS, END_HEADERS, stream, block, buf);
}

/// Appends the headers of a request without a body.
pub(crate) fn encode_whole(stream: u32, block: &[u8], buf: &mut Vec<u8>) {
    put_frame(HEADERS, END_HEADERS | END_STREAM, stream, block, buf);
}

/// Appends a part of a request's headers, of which more is to follow: the first one, or a later
/// one.
pub(crate) fn encode_headers_part(stream: u32, block: &[u8], is_first: bool, buf: &mut Vec<u8>) {
    let kind = if is_first { HEADERS } else { CONTINUATION };
    put_frame(kind, 0, stream, block, buf);
}

/// The header blocks of a connection that calls one method: the first teaches the server what the
/// others name by number.
#[derive(Debug)]
pub(crate) struct RequestHead {
    first: Vec<u8>,
    is_known: bool,
}

/// `:method: POST`, `:scheme: http`, and the four fields that were taught, oldest first (RFC 7541
/// §2.3.3).
const KNOWN: [u8; 6] = [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe];

impl RequestHead {
    /// For calls of the method at `path`; it and `authority` are at most 126 bytes.
    pub(crate) fn new(path: &str, authority: &str) -> Self {
        let mut first = KNOWN[..2].to_vec();
        // Literals with incremental indexing (RFC 7541 §6.2.1) of :path, :authority and
        // content-type.
        for (name, value) in [(4, path), (1, authority), (31, "application/grpc")] {
            first.push(0x40 | name);
            put_text(value, &mut first);
        }
        // The same, and the name is new.
        first.push(0x40);
        put_text("te", &mut first);
        put_text("trailers", &mut first);
        Self {
            first,
            is_known: false,
        }
    }

    /// The block of the next request.
    pub(crate) fn next(&mut self) -> &[u8] {
        if std::mem::replace(&mut self.is_known, true) {
            &KNOWN
        } else {
            &self.first
        }
    }
}

/// RFC 7541 §5.2, a string as it is, shorter than 127 bytes.
fn put_text(text: &str, buf: &mut Vec<u8>) {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
    debug_assert!(length.is_some(), "{text} is too long");
    buf.push(length.unwrap_or_default());
    buf.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_whole_or_not_at_all() {
        let mut bytes = Vec::new();
        encode_data(5, b"abc", true, &mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(Frame::parse(&bytes[..end]), Ok(None), "{end}");
        }
        let expected = (Frame::Data(5, b"abc", true), bytes.len());
        assert_eq!(Frame::parse(&bytes), Ok(Some(expected)));
        let mut bytes = Vec::new();
        encode_headers(3, &[STATUS_OK], &mut bytes);
        let expected = (Frame::Headers(3, &[STATUS_OK], false), bytes.len());
        assert_eq!(Frame::parse(&bytes), Ok(Some(expected)));
    }

    #[test]
    fn what_a_connection_says_is_understood() {
        let frame = |encode: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            encode(&mut bytes);
            let bytes: &'static [u8] = bytes.leak();
            let parsed = Frame::parse(bytes).expect("sound").expect("whole");
            assert_eq!(parsed.1, bytes.len());
            parsed.0
        };
        let settings = frame(&|buf| encode_settings(77, buf));
        assert_eq!(settings, Frame::Settings(Some(77)));
        assert_eq!(frame(&encode_settings_ack), Frame::Other);
        let update = frame(&|buf| encode_window_update(9, 70_000, buf));
        assert_eq!(update, Frame::WindowUpdate(9, 70_000));
        assert_eq!(frame(&|buf| encode_pong(*b"12345678", buf)), Frame::Other);
        let ping = frame(&|buf| put_frame(PING, 0, 0, b"12345678", buf));
        assert_eq!(ping, Frame::Ping(*b"12345678"));
        let reset = frame(&|buf| put_frame(RST_STREAM, 0, 3, &[0, 0, 0, 7], buf));
        assert_eq!(reset, Frame::Reset(3, 7));
        let leave = frame(&|buf| put_frame(GOAWAY, 0, 0, &[0, 0, 0, 9, 0, 0, 0, 2], buf));
        assert_eq!(leave, Frame::GoAway(2));
        assert_eq!(frame(&|buf| put_frame(0x42, 0, 0, b"?", buf)), Frame::Other);
    }

    #[test]
    fn what_is_not_read_is_refused() {
        let refused = |kind: u8, flags: u8, payload: &[u8]| {
            let mut bytes = Vec::new();
            put_frame(kind, flags, 1, payload, &mut bytes);
            Frame::parse(&bytes).expect_err("refused")
        };
        assert_eq!(refused(DATA, PADDED, &[0]), FrameError::Padded);
        assert_eq!(refused(HEADERS, 0, &[STATUS_OK]), FrameError::Continuation);
        assert_eq!(refused(PING, 0, &[1]), FrameError::Length);
        assert_eq!(refused(GOAWAY, 0, &[1]), FrameError::Length);
        let long = [0, 0x40, 1, 0, 0, 0, 0, 0, 1];
        assert_eq!(Frame::parse(&long), Err(FrameError::Length));
    }

    #[test]
    fn a_head_is_taught_once() {
        let mut head = RequestHead::new("/a", "b:1");
        let first = head.next().to_vec();
        assert!(first.starts_with(&[0x83, 0x86, 0x44, 2, b'/', b'a', 0x41, 3, b'b']));
        assert!(first.ends_with(b"\x40\x02te\x08trailers"));
        assert_eq!(head.next(), KNOWN);
        assert_eq!(head.next(), KNOWN);
    }
}
