//! Compressed messages (<https://github.com/grpc/grpc/blob/master/doc/compression.md>): gzip (RFC
//! 1952), which all libraries of gRPC have.
//!
//! A message says whether it is compressed, its call names the encoding. An incoming message is
//! inflated up to a bound and no further, whatever it claims; an outgoing one is deflated quickly,
//! and only if that makes it smaller.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::error::MessageError;

/// The name of no encoding.
pub(super) const IDENTITY: &str = "identity";
/// The name of gzip.
pub(super) const GZIP: &str = "gzip";

/// The field that lists the encodings of messages we accept.
pub const ACCEPT_ENCODING: (&str, &str) = ("grpc-accept-encoding", "identity,gzip");

/// The field of an answer that has a compressed message.
pub const ENCODING: (&str, &str) = ("grpc-encoding", GZIP);

/// The encoding of a call's compressed messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MessageEncoding {
    /// None: no message may be compressed.
    #[default]
    Identity,
    /// As gzip.
    Gzip,
}

impl MessageEncoding {
    /// The encoding of this name, in any case.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(IDENTITY.as_bytes()) {
            Some(Self::Identity)
        } else if name.eq_ignore_ascii_case(GZIP.as_bytes()) {
            Some(Self::Gzip)
        } else {
            None
        }
    }
}

/// Inflates a compressed message. Errors if it exceeds `bytes_max` bytes.
pub(super) fn inflate(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, MessageError> {
    let mut bytes = Vec::new();
    // One byte more would be too many, so inflating stops there.
    let mut decoder = MultiGzDecoder::new(compressed).take(bytes_max as u64 + 1);
    decoder
        .read_to_end(&mut bytes)
        .map_err(|_| MessageError::NotGzip)?;
    if bytes.len() > bytes_max {
        return Err(MessageError::Inflated { bytes_max });
    }
    Ok(bytes)
}

/// A message as gzip, if that makes it smaller.
pub(super) fn deflate(message: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    encoder.write_all(message).ok()?;
    let compressed = encoder.finish().ok()?;
    (compressed.len() < message.len()).then_some(compressed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gzip(message: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(message).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn names_are_in_any_case() {
        assert_eq!(MessageEncoding::of(b"GZip"), Some(MessageEncoding::Gzip));
        let identity = Some(MessageEncoding::Identity);
        assert_eq!(MessageEncoding::of(b"identity"), identity);
        for other in ["", "deflate", "gzip,identity", "x-gzip"] {
            assert_eq!(MessageEncoding::of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_bomb_is_not_inflated_further_than_it_may_be() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        let bytes_max = 1_000;
        let error = inflate(&bomb, bytes_max).unwrap_err();
        assert_eq!(error, MessageError::Inflated { bytes_max });
        assert_eq!(inflate(&gzip(&[7; 1_000]), 1_000), Ok(vec![7; 1_000]));
        assert!(inflate(&gzip(&[7; 1_001]), 1_000).is_err());
        // Many small members are no way around it.
        let members = gzip(&[7; 10]).repeat(101);
        let error = inflate(&members, bytes_max).unwrap_err();
        assert_eq!(error, MessageError::Inflated { bytes_max });
    }

    #[test]
    fn what_is_not_gzip_is_refused() {
        let whole = gzip(b"some message, some message");
        for end in 1..whole.len() {
            let cut = inflate(&whole[..end], 100);
            assert_eq!(cut, Err(MessageError::NotGzip), "{end}");
        }
        let mut wrong = whole.clone();
        let at = wrong.len() - 5;
        wrong[at] ^= 1;
        assert_eq!(inflate(&wrong, 100), Err(MessageError::NotGzip), "checksum");
        let more = [&whole[..], b"more"].concat();
        assert_eq!(inflate(&more, 100), Err(MessageError::NotGzip));
        assert_eq!(inflate(b"no", 100), Err(MessageError::NotGzip));
    }

    #[test]
    fn what_does_not_shrink_stays_as_it_is() {
        assert_eq!(deflate(b""), None);
        assert_eq!(deflate(b"short"), None);
        assert!(deflate(&[7; 1_000]).is_some_and(|small| small.len() < 100));
    }

    proptest! {
        #[test]
        fn what_is_deflated_is_inflated(part in prop::collection::vec(any::<u8>(), 0..200), times in 1..50usize) {
            let message = part.repeat(times);
            prop_assert_eq!(inflate(&gzip(&message), message.len()), Ok(message.clone()));
            if let Some(compressed) = deflate(&message) {
                prop_assert_eq!(inflate(&compressed, message.len()), Ok(message));
            }
        }

        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = inflate(&[&[0x1f, 0x8b, 8, 0][..], &bytes].concat(), 100);
        }
    }
}
