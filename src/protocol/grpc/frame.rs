//! Length-prefixed messages (PROTOCOL-HTTP2, "Length-Prefixed-Message"), in requests and responses alike.
//!
//! ```text
//!   byte 0            bytes 1–4
//!  ┌─────────────────┬────────────────────┬───────────┐
//!  │ Compressed-Flag │ length, big-endian │ the bytes │
//!  └─────────────────┴────────────────────┴───────────┘
//! ```
//!
//! Messages are never compressed: we offer `identity` alone. Where they end has nothing to do with where
//! DATA frames or chunks end.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::status::{Code, Status};
use crate::protocol::Parsed;

/// What precedes the bytes of a message: flag and length.
pub const MESSAGE_HEADER_BYTES: usize = 5;

const FLAG_PLAIN: u8 = 0;
const FLAG_COMPRESSED: u8 = 1;

/// A message, in the buffer it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'b> {
    /// Its bytes, without the header.
    pub bytes: &'b [u8],
}

/// Why there is no message, and can be none after it: the call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// It says that it is compressed.
    Compressed,
    /// Its flag is neither 0 nor 1. A client's gRPC-web trailers are among these.
    UnknownFlag(u8),
    /// It says that it has more bytes than are allowed.
    TooLong {
        /// The bytes it is said to have.
        bytes: usize,
        /// The bytes it may have.
        bytes_max: usize,
    },
}

impl MessageError {
    /// How a call that sent this ends.
    pub fn status(self) -> Status {
        match self {
            // compression.md, test case 6: the flag without an encoding MUST fail with INTERNAL.
            // Whoever named an encoding was refused by its fields already.
            Self::Compressed | Self::UnknownFlag(_) => {
                Status::new(Code::Internal, self.to_string())
            }
            // statuscodes.md: "received message was larger than configured limit".
            Self::TooLong { .. } => Status::new(Code::ResourceExhausted, self.to_string()),
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed => f.write_str(
                "a message's Compressed-Flag is set, but no grpc-encoding was agreed upon",
            ),
            Self::UnknownFlag(flag) => write!(f, "a message's Compressed-Flag is {flag}"),
            Self::TooLong { bytes, bytes_max } => {
                write!(
                    f,
                    "a message has {bytes} bytes; at most {bytes_max} are allowed"
                )
            }
        }
    }
}

/// Finds the message at the front of `buf`, of at most `message_bytes_max` bytes.
///
/// Its header is judged as soon as it is there: a message that cannot be accepted is not waited for.
#[inline]
pub fn parse_message(
    buf: &[u8],
    message_bytes_max: usize,
) -> Result<Parsed<Message<'_>>, MessageError> {
    let Some((&[flag, length @ ..], rest)) = buf.split_first_chunk::<MESSAGE_HEADER_BYTES>() else {
        return Ok(Parsed::Partial);
    };
    match flag {
        FLAG_PLAIN => {}
        FLAG_COMPRESSED => return Err(MessageError::Compressed),
        flag => return Err(MessageError::UnknownFlag(flag)),
    }
    let bytes = u32::from_be_bytes(length) as usize;
    if bytes > message_bytes_max {
        return Err(MessageError::TooLong {
            bytes,
            bytes_max: message_bytes_max,
        });
    }
    Ok(match rest.get(..bytes) {
        Some(message) => Parsed::Complete(Message { bytes: message }, MESSAGE_HEADER_BYTES + bytes),
        None => Parsed::Partial,
    })
}

/// How a call ends whose client stopped within a message.
pub fn truncated() -> Status {
    Status::new(Code::Internal, "the call ended within a message")
}

/// Appends a message.
pub fn put_message(out: &mut BytesMut, bytes: &[u8]) {
    put_frame(out, FLAG_PLAIN, bytes);
}

/// Appends what has the form of a message, with this flag. Everything we send is far below 4 GiB.
pub(super) fn put_frame(out: &mut BytesMut, flag: u8, bytes: &[u8]) {
    debug_assert!(u32::try_from(bytes.len()).is_ok());
    out.reserve(MESSAGE_HEADER_BYTES + bytes.len());
    out.put_u8(flag);
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_partial_until_its_last_byte() {
        let bytes = b"\0\0\0\0\x03abcrest";
        for end in 0..8 {
            assert_eq!(parse_message(&bytes[..end], 3), Ok(Parsed::Partial));
        }
        let message = Message { bytes: b"abc" };
        assert_eq!(parse_message(bytes, 3), Ok(Parsed::Complete(message, 8)));
    }

    #[test]
    fn five_bytes_are_enough_to_refuse() {
        let too_long = MessageError::TooLong {
            bytes: 4,
            bytes_max: 3,
        };
        assert_eq!(parse_message(b"\0\0\0\0\x04", 3), Err(too_long));
        assert_eq!(too_long.status().code, Code::ResourceExhausted);
        assert_eq!(
            parse_message(b"\x01\0\0\0\0", 3),
            Err(MessageError::Compressed)
        );
        assert_eq!(MessageError::Compressed.status().code, Code::Internal);
        for flag in 2..=u8::MAX {
            let error = MessageError::UnknownFlag(flag);
            assert_eq!(parse_message(&[flag, 0, 0, 0, 0], 3), Err(error));
            assert_eq!(error.status().code, Code::Internal);
        }
    }

    #[test]
    fn what_is_put_is_parsed() {
        let mut out = BytesMut::new();
        for length in [0, 1, 255, 256, 65_536] {
            out.clear();
            let bytes = vec![7; length];
            put_message(&mut out, &bytes);
            let message = Message { bytes: &bytes };
            let parsed = parse_message(&out, length);
            assert_eq!(parsed, Ok(Parsed::Complete(message, 5 + length)));
        }
    }
}
