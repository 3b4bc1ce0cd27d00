//! gRPC-web (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>): gRPC for clients that
//! see neither frames nor trailers, over any version of HTTP.
//!
//! Messages are as ever. The status follows the last one as a frame of its own, whose flag has the
//! top bit set; its bytes are lines of a head without the empty line at the end. In text mode all
//! of this is base64, in pieces that are each padded by themselves, wherever it suits their sender.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;

use super::frame::put_frame;
use super::status::{Code, Status};

/// Uncompressed trailers.
const FLAG_TRAILERS: u8 = 0x80;

/// Characters that base64 makes of three bytes.
const GROUP: usize = 4;

/// Appends the frame that ends a body.
pub fn put_trailers(out: &mut BytesMut, status: &Status) {
    let mut lines = format!("grpc-status:{}\r\n", status.code as u8);
    if !status.message.is_empty() {
        lines.push_str("grpc-message:");
        lines.extend(status.encoded_message());
        lines.push_str("\r\n");
    }
    put_frame(out, FLAG_TRAILERS, lines.as_bytes());
}

/// Appends bytes of a body in base64, padded: one frame, or several.
pub fn put_text(out: &mut BytesMut, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * GROUP, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    debug_assert_eq!(written.ok(), Some(out.len() - start));
}

/// A body is not base64, or its last group is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The start of the wrong piece: an index of its bytes.
    pub at: usize,
}

impl TextError {
    /// Returns the status that ends the call.
    pub fn status(self) -> Status {
        Status::new(Code::Internal, self.to_string())
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the body is not padded base64 from byte {} on", self.at)
    }
}

/// Decodes a whole body: padded base64, one piece after the other.
pub fn decode_text(body: &[u8]) -> Result<Vec<u8>, TextError> {
    let mut bytes = Vec::with_capacity(body.len() / GROUP * 3);
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        // Padding stands in the last group of a piece, and nowhere else.
        let end = match memchr::memchr(b'=', rest) {
            Some(padding) => (padding / GROUP + 1) * GROUP,
            None => rest.len(),
        };
        let piece = rest.get(..end).ok_or(TextError { at })?;
        STANDARD
            .decode_vec(piece, &mut bytes)
            .map_err(|_| TextError { at })?;
        at += end;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_lines_in_a_frame() {
        let mut out = BytesMut::new();
        put_trailers(&mut out, &Status::OK);
        assert_eq!(&out[..], b"\x80\0\0\0\x0fgrpc-status:0\r\n");
        out.clear();
        put_trailers(&mut out, &Status::new(Code::NotFound, "50 %\r\nx: y"));
        let lines = b"grpc-status:5\r\ngrpc-message:50 %25%0D%0Ax: y\r\n";
        assert_eq!(&out[5..], lines);
        assert_eq!(&out[..5], [0x80, 0, 0, 0, lines.len() as u8]);
    }

    #[test]
    fn pieces_are_padded_by_themselves() {
        let mut out = BytesMut::new();
        for piece in ["a", "bc", "", "def", "g"] {
            put_text(&mut out, piece.as_bytes());
        }
        assert_eq!(&out[..], b"YQ==YmM=ZGVmZw==");
        assert_eq!(decode_text(&out), Ok(b"abcdefg".to_vec()));
    }

    #[test]
    fn what_is_not_base64_is_refused_where_it_begins() {
        for (body, at) in [
            ("YQ==Y", 4),
            ("YQ==YmM", 4),
            ("YQ=", 0),
            ("Y===", 0),
            ("====", 0),
            ("YQ=a", 0),
            ("YQ==YR==", 4),
            ("YWJj\r\n", 0),
            ("YWJjYQ==Y-Jj", 8),
        ] {
            assert_eq!(
                decode_text(body.as_bytes()),
                Err(TextError { at }),
                "{body}"
            );
        }
    }
}
