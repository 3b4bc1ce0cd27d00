//! Length-prefixed messages (PROTOCOL-HTTP2, "Length-Prefixed-Message"), in requests and responses
//! alike.
//!
//! ```text
//!   byte 0            bytes 1–4
//!  ┌─────────────────┬────────────────────┬───────────┐
//!  │ Compressed-Flag │ length, big-endian │ the bytes │
//!  └─────────────────┴────────────────────┴───────────┘
//! ```
//!
//! The encoding of a message whose flag is set is named by its call ([`MessageEncoding`]). Message
//! boundaries have nothing to do with those of DATA frames or chunks.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::compression::{MessageEncoding, deflate, inflate};
use super::error::MessageError;
use super::status::{Code, Status};
use crate::protocol::Parsed;

/// Length of a message's header: flag and length.
pub const MESSAGE_HEADER_BYTES: usize = 5;

const FLAG_PLAIN: u8 = 0;
const FLAG_COMPRESSED: u8 = 1;

/// A message, in the buffer it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'b> {
    /// Its bytes, without the header, as they were sent.
    pub bytes: &'b [u8],
    /// Their encoding.
    pub encoding: MessageEncoding,
}

impl<'b> Message<'b> {
    /// Returns the decoded message, of at most `bytes_max` bytes.
    pub fn decoded(self, bytes_max: usize) -> Result<Cow<'b, [u8]>, MessageError> {
        match self.encoding {
            MessageEncoding::Identity => Ok(Cow::Borrowed(self.bytes)),
            MessageEncoding::Gzip => inflate(self.bytes, bytes_max).map(Cow::Owned),
        }
    }
}

/// Finds the message at the front of `buf`, of at most `message_bytes_max` bytes.
///
/// For a compressed message that bounds its compressed bytes; `encoding` is the one its call named.
/// Its header is judged as soon as it is there: a message that cannot be accepted is not waited
/// for.
#[inline]
pub fn parse_message(
    buf: &[u8],
    message_bytes_max: usize,
    encoding: MessageEncoding,
) -> Result<Parsed<Message<'_>>, MessageError> {
    let Some((&[flag, length @ ..], rest)) = buf.split_first_chunk::<MESSAGE_HEADER_BYTES>() else {
        return Ok(Parsed::Partial);
    };
    let encoding = match (flag, encoding) {
        (FLAG_PLAIN, _) => MessageEncoding::Identity,
        (FLAG_COMPRESSED, MessageEncoding::Gzip) => MessageEncoding::Gzip,
        (FLAG_COMPRESSED, MessageEncoding::Identity) => return Err(MessageError::Compressed),
        (flag, _) => return Err(MessageError::UnknownFlag(flag)),
    };
    let bytes = u32::from_be_bytes(length) as usize;
    if bytes > message_bytes_max {
        return Err(MessageError::TooLong {
            bytes,
            bytes_max: message_bytes_max,
        });
    }
    Ok(match rest.get(..bytes) {
        Some(message) => {
            let bytes_used = MESSAGE_HEADER_BYTES + bytes;
            let bytes = message;
            Parsed::Complete(Message { bytes, encoding }, bytes_used)
        }
        None => Parsed::Partial,
    })
}

/// Returns the status that ends a call whose client stopped within a message.
pub fn truncated() -> Status {
    Status::new(Code::Internal, "the call ended within a message")
}

/// Appends a message.
pub fn put_message(out: &mut BytesMut, bytes: &[u8]) {
    put_frame(out, FLAG_PLAIN, bytes);
}

/// Appends a message as gzip. Returns `false`, with nothing appended, if it would be no smaller.
pub fn put_compressed(out: &mut BytesMut, bytes: &[u8]) -> bool {
    match deflate(bytes) {
        Some(compressed) => {
            put_frame(out, FLAG_COMPRESSED, &compressed);
            true
        }
        None => false,
    }
}

/// Whether the message that begins so is compressed.
pub fn is_compressed(frame: &[u8]) -> bool {
    frame.first() == Some(&FLAG_COMPRESSED)
}

/// Appends a frame in the form of a message, with this flag. Everything we send is far below 4 GiB.
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

    const IDENTITY: MessageEncoding = MessageEncoding::Identity;

    fn plain(bytes: &[u8]) -> Message<'_> {
        let encoding = IDENTITY;
        Message { bytes, encoding }
    }

    #[test]
    fn a_flag_says_whether_a_message_is_compressed() {
        let mut out = BytesMut::new();
        assert!(!put_compressed(&mut out, b"short") && out.is_empty());
        let message = [7; 1_000];
        assert!(put_compressed(&mut out, &message));
        assert!(is_compressed(&out) && !is_compressed(b"\0\0\0\0\0") && !is_compressed(b""));
        let Ok(Parsed::Complete(found, used)) = parse_message(&out, 100, MessageEncoding::Gzip)
        else {
            panic!("no message");
        };
        assert_eq!(used, out.len());
        assert_eq!(found.decoded(1_000).as_deref(), Ok(&message[..]));
        let bytes_max = 999;
        let error = found.decoded(bytes_max).unwrap_err();
        assert_eq!(error, MessageError::Inflated { bytes_max });
        assert_eq!(error.status().code, Code::ResourceExhausted);
        // A call with an encoding need not compress all messages.
        let parsed = parse_message(b"\0\0\0\0\x03abc", 3, MessageEncoding::Gzip);
        assert_eq!(parsed, Ok(Parsed::Complete(plain(b"abc"), 8)));
        assert_eq!(plain(b"abc").decoded(0).as_deref(), Ok(&b"abc"[..]));
        let no_gzip = parse_message(b"\x01\0\0\0\x03abc", 3, MessageEncoding::Gzip);
        let Ok(Parsed::Complete(no_gzip, _)) = no_gzip else {
            panic!("no message");
        };
        let error = no_gzip.decoded(100).unwrap_err();
        assert_eq!(error.status().code, Code::Internal);
    }

    #[test]
    fn a_message_is_partial_until_its_last_byte() {
        let bytes = b"\0\0\0\0\x03abcrest";
        for end in 0..8 {
            assert_eq!(
                parse_message(&bytes[..end], 3, IDENTITY),
                Ok(Parsed::Partial)
            );
        }
        let message = plain(b"abc");
        assert_eq!(
            parse_message(bytes, 3, IDENTITY),
            Ok(Parsed::Complete(message, 8))
        );
    }

    #[test]
    fn five_bytes_are_enough_to_refuse() {
        let too_long = MessageError::TooLong {
            bytes: 4,
            bytes_max: 3,
        };
        assert_eq!(parse_message(b"\0\0\0\0\x04", 3, IDENTITY), Err(too_long));
        assert_eq!(too_long.status().code, Code::ResourceExhausted);
        assert_eq!(
            parse_message(b"\x01\0\0\0\0", 3, IDENTITY),
            Err(MessageError::Compressed)
        );
        assert_eq!(MessageError::Compressed.status().code, Code::Internal);
        for flag in 2..=u8::MAX {
            let error = MessageError::UnknownFlag(flag);
            assert_eq!(parse_message(&[flag, 0, 0, 0, 0], 3, IDENTITY), Err(error));
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
            let message = plain(&bytes);
            let parsed = parse_message(&out, length, IDENTITY);
            assert_eq!(parsed, Ok(Parsed::Complete(message, 5 + length)));
        }
    }
}
