//! The client's half of RFC 6455, as far as a reader of unextended text messages needs it.
//!
//! Bytes in, values out; it must never know sockets, nor share code with the server it reads.

use std::fmt;

use crate::http::Head;

/// The key of RFC 6455 §1.3's example: every handshake may use the same one, and the answer is
/// known without a hash function.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What a server must answer to [`KEY`].
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Largest frame that is read.
const FRAME_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// RFC 6455 §5.3 wants masks that an attacker cannot guess; loopback probes have no attacker.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Header lines that turn a GET into a handshake (RFC 6455 §4.1), each ended by CRLF.
pub(crate) fn handshake_fields() -> String {
    format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\n"
    )
}

/// Whether a head accepts [`handshake_fields`] (RFC 6455 §4.1, the client's checks).
pub(crate) fn is_accepted(head: &Head<'_>) -> bool {
    let upgrade = head.field("upgrade").unwrap_or_default();
    let connection = head.field("connection").unwrap_or_default();
    head.status == 101
        && upgrade.eq_ignore_ascii_case("websocket")
        && connection.eq_ignore_ascii_case("upgrade")
        && head.field("sec-websocket-accept") == Some(ACCEPT)
        && head.field("sec-websocket-extensions").is_none()
}

/// What a frame is for (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    /// A whole text message.
    Text,
    /// A whole binary message; we send none, others do.
    Binary,
    /// The peer is leaving.
    Close,
    /// Wants a pong with the same payload.
    Ping,
    /// Answers a ping of ours; nobody sends one.
    Pong,
}

impl Opcode {
    fn bits(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// Fragmented: events are far smaller than any reason to fragment them.
    Fragmented,
    /// A reserved bit without an extension.
    Reserved,
    /// Continuation, unknown, or binary where text is wanted.
    Opcode,
    /// Servers must not mask (RFC 6455 §5.1).
    Masked,
    /// A length that is too large or not in its shortest form (RFC 6455 §5.2).
    Length,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fragmented => "fragmented frame",
            Self::Reserved => "reserved bit set",
            Self::Opcode => "unexpected opcode",
            Self::Masked => "masked frame from a server",
            Self::Length => "unusable frame length",
        })
    }
}

/// Longest header of a frame from a server: two bytes and the longest form of a length.
pub(crate) const HEADER_BYTES_MAX: usize = 10;

/// The header of one frame from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What the frame is for.
    pub(crate) opcode: Opcode,
    /// Bytes of the header.
    pub(crate) bytes: usize,
    /// Bytes that follow it.
    pub(crate) payload_bytes: usize,
}

impl Header {
    /// Reads the header that `bytes` begins with; `None` means that more bytes are needed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(FrameError::Reserved);
        }
        if first & 0x80 == 0 {
            return Err(FrameError::Fragmented);
        }
        let opcode = match first & 0x0f {
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(FrameError::Opcode),
        };
        if second & 0x80 != 0 {
            return Err(FrameError::Masked);
        }
        let (length, bytes, shortest) = match second {
            126 => match rest.first_chunk::<2>() {
                None => return Ok(None),
                Some(two) => (u64::from(u16::from_be_bytes(*two)), 4, 126),
            },
            127 => match rest.first_chunk::<8>() {
                None => return Ok(None),
                Some(eight) => (u64::from_be_bytes(*eight), HEADER_BYTES_MAX, 1 << 16),
            },
            short => (u64::from(short), 2, 0),
        };
        let is_control = !matches!(opcode, Opcode::Text | Opcode::Binary);
        if length < shortest || length > FRAME_BYTES_MAX || (is_control && length > 125) {
            return Err(FrameError::Length);
        }
        let payload_bytes = usize::try_from(length).map_err(|_| FrameError::Length)?;
        Ok(Some(Self {
            opcode,
            bytes,
            payload_bytes,
        }))
    }
}

/// One frame from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// What it is for.
    pub(crate) opcode: Opcode,
    /// Its bytes.
    pub(crate) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads one frame from the start of `bytes`, and says how many bytes it took.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(header) = Header::parse(bytes)? else {
            return Ok(None);
        };
        let (opcode, end) = (header.opcode, header.bytes + header.payload_bytes);
        let payload = bytes.get(header.bytes..end);
        Ok(payload.map(|payload| (Frame { opcode, payload }, end)))
    }
}

/// RFC 6455 §7.1.5: the code of a close frame's payload; without one it is 1005.
pub(crate) fn close_code(payload: &[u8]) -> u16 {
    let two = payload.first_chunk();
    two.map_or(1005, |two| u16::from_be_bytes(*two))
}

/// Appends a masked control frame; `payload` is at most 125 bytes.
pub(crate) fn encode_control(opcode: Opcode, payload: &[u8], buf: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(125)];
    let length = u8::try_from(payload.len()).unwrap_or(125);
    buf.extend_from_slice(&[0x80 | opcode.bits(), 0x80 | length]);
    put_masked(payload, buf);
}

/// Appends a masked text message; `text` is at most 65,535 bytes.
pub(crate) fn encode_text(text: &str, buf: &mut Vec<u8>) {
    encode_message(Opcode::Text, text.as_bytes(), buf);
}

/// Appends a masked message, which is text or binary; its payload is at most 65,535 bytes.
pub(crate) fn encode_message(opcode: Opcode, payload: &[u8], buf: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(0xffff)];
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let first = 0x80 | opcode.bits();
    if let Ok(short @ ..=125) = u8::try_from(length) {
        buf.extend_from_slice(&[first, 0x80 | short]);
    } else {
        buf.extend_from_slice(&[first, 0xfe]);
        buf.extend_from_slice(&length.to_be_bytes());
    }
    put_masked(payload, buf);
}

fn put_masked(payload: &[u8], buf: &mut Vec<u8>) {
    buf.extend_from_slice(&MASK);
    buf.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}

/// What a server says, for tests.
#[cfg(test)]
pub(crate) mod server {
    /// An answer that accepts [`handshake_fields`](super::handshake_fields).
    pub(crate) const ACCEPTED: &str = "HTTP/1.1 101 x\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    /// A frame with this first byte.
    pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u64;
        let [.., high, low] = length.to_be_bytes();
        let header = match length {
            ..=125 => vec![first, low],
            126..=0xffff => vec![first, 126, high, low],
            _ => [&[first, 127], &length.to_be_bytes()[..]].concat(),
        };
        [header, payload.to_vec()].concat()
    }

    /// A text message.
    pub(crate) fn text(payload: &str) -> Vec<u8> {
        frame(0x81, payload.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::server::{ACCEPTED, frame};
    use super::*;

    #[test]
    fn every_length_is_read_whole_or_not_at_all() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = frame(0x81, &payload);
            let whole = bytes.len();
            for cut in (0..whole.min(16)).chain([whole - 1]) {
                assert_eq!(
                    Frame::parse(&bytes[..cut]),
                    Ok(None),
                    "{length} cut at {cut}"
                );
            }
            bytes.push(0x81);
            let (found, used) = Frame::parse(&bytes).expect("sound").expect("whole");
            assert_eq!((found.opcode, used), (Opcode::Text, whole));
            assert_eq!(found.payload, payload);
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        let cases: [(&[u8], FrameError); 8] = [
            (&[0x01, 0], FrameError::Fragmented),
            (&[0xc1, 0], FrameError::Reserved),
            (&[0x80, 0], FrameError::Opcode),
            (&[0x83, 0], FrameError::Opcode),
            (&[0x81, 0x80], FrameError::Masked),
            (&[0x81, 126, 0, 125], FrameError::Length),
            (
                &[0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
                FrameError::Length,
            ),
            (&[0x89, 126, 0, 126], FrameError::Length),
        ];
        for (bytes, error) in cases {
            assert_eq!(Frame::parse(bytes), Err(error), "{bytes:x?}");
        }
    }

    #[test]
    fn control_frames_are_masked() {
        let mut buf = Vec::new();
        encode_control(Opcode::Pong, b"abcde", &mut buf);
        assert_eq!(buf[..6], [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d]);
        let unmasked: Vec<u8> = buf[6..]
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        assert_eq!(unmasked, b"abcde");
    }

    #[test]
    fn texts_are_masked_with_the_shortest_length() {
        for (length, start) in [
            (0, vec![0x81, 0x80]),
            (125, vec![0x81, 0xfd]),
            (126, vec![0x81, 0xfe, 0, 126]),
        ] {
            let mut buf = Vec::new();
            encode_text(&"t".repeat(length), &mut buf);
            assert_eq!(buf[..start.len()], start);
            assert_eq!(buf.len(), start.len() + 4 + length);
            assert!(
                buf.get(start.len() + 4)
                    .is_none_or(|&byte| byte == b't' ^ 0x37)
            );
        }
    }

    #[test]
    fn an_accepting_head_is_told_from_others() {
        let accepted = |text: &str| {
            let (head, _) = Head::parse(text.as_bytes()).expect("sound").expect("whole");
            is_accepted(&head)
        };
        assert!(accepted(ACCEPTED));
        assert!(!accepted(&ACCEPTED.replace("s3pP", "S3pP")));
        assert!(!accepted(&ACCEPTED.replace("101", "200")));
    }
}
