//! Frames (RFC 6455 §5.2): the header a client sends, judged, and the frames a server sends,
//! written.
//!
//! ```text
//!   byte 0          byte 1
//!  ┌───┬─────┬────────┬──────┬────────┬──────────────────────┬─────────────┐
//!  │FIN│ RSV │ opcode │ MASK │ length │ 16 or 64 bits more   │ masking key │
//!  │ 1 │  3  │   4    │  1   │   7    │ if length is 126/127 │ if MASK: 32 │
//!  └───┴─────┴────────┴──────┴────────┴──────────────────────┴─────────────┘
//! ```
//!
//! A header is judged on its own; rules that need the frames before it (fragmentation) or the role
//! of the peer (masking) are [`Receiver`](super::Receiver)'s.

use bytes::BytesMut;

use super::close::{CloseCode, WebSocketError};
use crate::limits::WEBSOCKET_CONTROL_BYTES_MAX;
use crate::protocol::Parsed;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// Lengths up to here are in the second byte itself.
const LENGTH_7_MAX: u8 = 125;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// The kind of a frame (RFC 6455 §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0x0,
    /// Text, or its first fragment.
    Text = 0x1,
    /// Bytes, or their first fragment.
    Binary = 0x2,
    /// The last frame of its sender.
    Close = 0x8,
    /// Asks for a pong with the same payload.
    Ping = 0x9,
    /// Answers a ping, or comes unasked.
    Pong = 0xa,
}

impl Opcode {
    /// Whether frames of this kind may come between the fragments of a message.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }
}

/// A frame's header, valid by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last fragment of its message, or the only one.
    pub fin: bool,
    /// The kind of the frame.
    pub opcode: Opcode,
    /// The key that masks the payload, if it is masked.
    pub mask_key: Option<[u8; 4]>,
    /// Length of the payload in bytes; below 2^63, and at most 125 for control frames.
    pub payload_bytes: u64,
}

impl FrameHeader {
    /// Reads a header of 2–14 bytes from the front of `buf`.
    ///
    /// The error is always 1002: a reserved bit or opcode, a control frame that is fragmented or
    /// longer than 125 bytes, a length that is not minimal or has its top bit set. Errors of the
    /// first two bytes are reported before the rest has come.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Parsed<Self>, WebSocketError> {
        let &[first, second, ref rest @ ..] = buf else {
            return Ok(Parsed::Partial);
        };
        // RFC 6455 §5.2: MUST be 0 unless an extension gave them a meaning.
        if first & RESERVED != 0 {
            return Err(WebSocketError::protocol("a reserved bit is set"));
        }
        let Some(opcode) = Opcode::from_bits(first & OPCODE) else {
            return Err(WebSocketError::protocol("reserved opcode"));
        };
        let fin = first & FIN != 0;
        let length = second & LENGTH;
        // RFC 6455 §5.5: control frames have at most 125 bytes and are never fragmented.
        if opcode.is_control() && (!fin || length > LENGTH_7_MAX) {
            return Err(WebSocketError::protocol(
                "a control frame is fragmented or longer than 125 bytes",
            ));
        }
        let Parsed::Complete(payload_bytes, length_bytes) = decode_length(length, rest)? else {
            return Ok(Parsed::Partial);
        };
        let (mask_key, key_bytes) = if second & MASK == 0 {
            (None, 0)
        } else if let Some(key) = rest[length_bytes..].first_chunk() {
            (Some(*key), key.len())
        } else {
            return Ok(Parsed::Partial);
        };
        let header = Self {
            fin,
            opcode,
            mask_key,
            payload_bytes,
        };
        Ok(Parsed::Complete(header, 2 + length_bytes + key_bytes))
    }
}

/// Returns the payload length, and the number of bytes it took beyond the second.
#[inline]
fn decode_length(length: u8, rest: &[u8]) -> Result<Parsed<u64>, WebSocketError> {
    // RFC 6455 §5.2: the minimal number of bytes MUST be used, and 64 bits start with a 0.
    const NOT_MINIMAL: WebSocketError = WebSocketError::protocol("payload length is not minimal");
    match length {
        LENGTH_16 => match rest.first_chunk() {
            None => Ok(Parsed::Partial),
            Some(&bytes) => match u16::from_be_bytes(bytes) {
                0..LENGTH_7_END => Err(NOT_MINIMAL),
                length => Ok(Parsed::Complete(u64::from(length), bytes.len())),
            },
        },
        LENGTH_64 => match rest.first_chunk() {
            None => Ok(Parsed::Partial),
            Some(&bytes) => match u64::from_be_bytes(bytes) {
                0..LENGTH_16_END => Err(NOT_MINIMAL),
                length if length >> 63 != 0 => Err(WebSocketError::protocol(
                    "payload length has its top bit set",
                )),
                length => Ok(Parsed::Complete(length, bytes.len())),
            },
        },
        length => Ok(Parsed::Complete(u64::from(length), 0)),
    }
}

/// The shortest length that needs 16 bits.
const LENGTH_7_END: u16 = LENGTH_7_MAX as u16 + 1;
/// The shortest length that needs 64 bits.
const LENGTH_16_END: u64 = 1 << 16;

/// Appends the header of a server's frame, unfragmented and unmasked (RFC 6455 §5.1), whose payload
/// the caller appends: 2, 4 or 10 bytes.
#[inline]
pub fn encode_header(out: &mut BytesMut, opcode: Opcode, payload_bytes: usize) {
    debug_assert!(!opcode.is_control() || payload_bytes <= WEBSOCKET_CONTROL_BYTES_MAX);
    let mut header = [0; 10];
    header[0] = FIN | opcode as u8;
    let header_bytes = if payload_bytes <= usize::from(LENGTH_7_MAX) {
        header[1] = payload_bytes as u8;
        2
    } else if let Ok(length) = u16::try_from(payload_bytes) {
        header[1] = LENGTH_16;
        header[2..4].copy_from_slice(&length.to_be_bytes());
        4
    } else {
        header[1] = LENGTH_64;
        header[2..].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
        10
    };
    out.extend_from_slice(&header[..header_bytes]);
}

/// Appends a text message. `text` must be UTF-8, as the caller's rendered text is.
pub fn encode_text(out: &mut BytesMut, text: &[u8]) {
    debug_assert!(std::str::from_utf8(text).is_ok());
    encode_frame(out, Opcode::Text, text);
}

/// Appends a binary message.
pub fn encode_binary(out: &mut BytesMut, payload: &[u8]) {
    encode_frame(out, Opcode::Binary, payload);
}

/// Appends a ping; a payload beyond 125 bytes is cut.
pub fn encode_ping(out: &mut BytesMut, payload: &[u8]) {
    encode_control(out, Opcode::Ping, payload);
}

/// Appends a pong, the answer to a ping with this payload; beyond 125 bytes it is cut.
pub fn encode_pong(out: &mut BytesMut, payload: &[u8]) {
    encode_control(out, Opcode::Pong, payload);
}

/// Appends a close frame.
///
/// The reason is cut, between characters, to the 123 bytes that fit. A code that must not be on the
/// wire, such as [`CloseCode::NO_STATUS`], makes an empty frame: no code and no reason.
pub fn encode_close(out: &mut BytesMut, code: CloseCode, reason: &str) {
    if !code.is_valid_on_wire() {
        encode_control(out, Opcode::Close, &[]);
        return;
    }
    let code = code.0.to_be_bytes();
    let mut reason_bytes = reason.len().min(WEBSOCKET_CONTROL_BYTES_MAX - code.len());
    while !reason.is_char_boundary(reason_bytes) {
        reason_bytes -= 1;
    }
    encode_header(out, Opcode::Close, code.len() + reason_bytes);
    out.extend_from_slice(&code);
    out.extend_from_slice(&reason.as_bytes()[..reason_bytes]);
}

fn encode_control(out: &mut BytesMut, opcode: Opcode, payload: &[u8]) {
    let payload_bytes = payload.len().min(WEBSOCKET_CONTROL_BYTES_MAX);
    encode_frame(out, opcode, &payload[..payload_bytes]);
}

fn encode_frame(out: &mut BytesMut, opcode: Opcode, payload: &[u8]) {
    encode_header(out, opcode, payload.len());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Parsed<FrameHeader>, WebSocketError> {
        FrameHeader::decode(bytes)
    }

    #[test]
    fn a_header_is_partial_until_its_last_byte() {
        let full = b"\x82\xff\0\0\0\0\0\x01\0\0kkkkrest";
        for end in 0..14 {
            assert_eq!(decode(&full[..end]), Ok(Parsed::Partial), "{end} bytes");
        }
        let header = FrameHeader {
            fin: true,
            opcode: Opcode::Binary,
            mask_key: Some(*b"kkkk"),
            payload_bytes: 65_536,
        };
        assert_eq!(decode(full), Ok(Parsed::Complete(header, 14)));
    }

    #[test]
    fn lengths_are_minimal_both_ways() {
        let mut out = BytesMut::new();
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 40] {
            out.clear();
            encode_header(&mut out, Opcode::Text, length);
            let Ok(Parsed::Complete(header, used)) = decode(&out) else {
                panic!("{length} is refused");
            };
            assert_eq!((header.payload_bytes, used), (length as u64, out.len()));
            assert_eq!((header.fin, header.mask_key), (true, None));
        }
        assert!(decode(&[0x82, 126, 0, 125]).is_err());
        assert!(decode(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]).is_err());
        assert!(decode(&[0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0]).is_err());
        let longest = [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(
            decode(&longest),
            Ok(Parsed::Complete(FrameHeader { payload_bytes, .. }, 10)) if payload_bytes == u64::MAX >> 1
        ));
    }

    #[test]
    fn the_first_two_bytes_decide() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let control = first & 0x08 != 0;
                let known = matches!(first & 0x0f, 0..=2 | 8..=10);
                let fits = !control || (first & 0x80 != 0 && second & 0x7f <= 125);
                let valid = first & 0x70 == 0 && known && fits;
                assert_eq!(
                    decode(&[first, second]).is_ok(),
                    valid,
                    "{first:x} {second:x}"
                );
            }
        }
    }

    #[test]
    fn control_frames_are_cut_to_fit() {
        let mut out = BytesMut::new();
        encode_pong(&mut out, &[7; 200]);
        assert_eq!((&out[..2], out.len()), (&[0x8a, 125][..], 127));

        out.clear();
        // 61 characters of two bytes fit; one byte is left over.
        encode_close(&mut out, CloseCode::NORMAL, &"é".repeat(100));
        assert_eq!(&out[..4], [0x88, 124, 0x03, 0xe8]);
        assert_eq!(std::str::from_utf8(&out[4..]), Ok(&*"é".repeat(61)));

        out.clear();
        encode_close(&mut out, CloseCode::NO_STATUS, "unheard");
        assert_eq!(&out[..], [0x88, 0]);
    }
}
