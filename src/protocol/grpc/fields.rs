//! The fields that begin a call (PROTOCOL-HTTP2, "Requests"; PROTOCOL-WEB): its kind, its timeout,
//! and whether its messages can be read.
//!
//! A request that is not gRPC is refused in HTTP (415), so that its sender does not take a 200 for
//! success. A malformed gRPC request is refused by a [`Status`] in the form of the call's own kind.

use std::str;
use std::time::Duration;

use super::compression::{ACCEPT_ENCODING, GZIP, IDENTITY, MessageEncoding};
use super::quote::quoted_bytes;
use super::status::{Code, Status};
use crate::protocol::media::media_ranges;

/// Most digits of a timeout (PROTOCOL-HTTP2, `TimeoutValue`).
const TIMEOUT_DIGITS_MAX: usize = 8;

/// The carriage of a call's messages and its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// gRPC over HTTP/2: the status stands in the trailers.
    Grpc,
    /// gRPC-web: the status is the last frame of the body.
    Web,
    /// gRPC-web in base64.
    WebText,
}

impl Kind {
    /// The kind that a `Content-Type` or `Accept` names: one media type, with or without
    /// parameters, in any case (RFC 9110 §8.3.1). Messages are protocol buffers; `+json` and others
    /// are not for us.
    pub fn of_media_type(value: &[u8]) -> Option<Self> {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let name = value[..end].trim_ascii();
        let name = match name.split_last_chunk::<6>() {
            Some((name, format)) if format.eq_ignore_ascii_case(b"+proto") => name,
            _ => name,
        };
        let kinds = [
            (&b"application/grpc"[..], Self::Grpc),
            (b"application/grpc-web", Self::Web),
            (b"application/grpc-web-text", Self::WebText),
        ];
        let found = kinds
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        found.map(|(_, kind)| kind)
    }

    /// The `Content-Type` of an answer of this kind.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web+proto",
            Self::WebText => "application/grpc-web-text+proto",
        }
    }

    /// Whether the status is told within the body.
    pub const fn is_web(self) -> bool {
        matches!(self, Self::Web | Self::WebText)
    }
}

/// The fields of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallFields {
    /// The carriage of the request.
    pub kind: Kind,
    /// The carriage of the answer: as the request, unless an `Accept` of gRPC-web says otherwise.
    pub answer: Kind,
    /// The client's timeout, from the arrival of the fields on. Zero if it has passed.
    pub timeout: Option<Duration>,
    /// The encoding of the client's compressed messages, if it names one.
    pub encoding: MessageEncoding,
    /// Whether the client reads messages that are gzip.
    pub accepts_gzip: bool,
}

/// The refusal of a call by its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallRefusal {
    /// It is not gRPC with protocol buffers: HTTP 415.
    MediaType,
    /// It is malformed gRPC.
    Status {
        /// The carriage of the answer.
        answer: Kind,
        /// The error. With UNIMPLEMENTED goes [`ACCEPT_ENCODING`] (compression.md).
        status: Status,
    },
}

impl CallFields {
    /// Reads all fields of a request: names in any case, values without white space around them.
    ///
    /// A repeated content type must be of the same kind; of other repeated fields each must be
    /// right, and the shortest timeout counts.
    pub fn read<'h>(
        headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Self, CallRefusal> {
        let (mut kind, mut accepted, mut timeout, mut wrong) = (None, None, None, None);
        let (mut encoding, mut accepts_gzip) = (MessageEncoding::Identity, false);
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("content-type") {
                let found = Kind::of_media_type(value).ok_or(CallRefusal::MediaType)?;
                if *kind.get_or_insert(found) != found {
                    return Err(CallRefusal::MediaType);
                }
            } else if name.eq_ignore_ascii_case("accept") {
                for (found, weight) in accepted_kinds(value) {
                    if accepted.is_none_or(|(_, best)| weight > best) {
                        accepted = Some((found, weight));
                    }
                }
            } else if name.eq_ignore_ascii_case("grpc-timeout") {
                match Timeout::parse(value) {
                    Some(Timeout(found)) => {
                        timeout = Some(timeout.map_or(found, |other: Duration| other.min(found)));
                    }
                    // grpc-go, and the agreement of the maintainers in grpc/grpc#26401: INTERNAL.
                    None => wrong = wrong.or_else(|| Some(malformed_timeout(value))),
                }
            } else if name.eq_ignore_ascii_case("grpc-encoding") {
                match MessageEncoding::of(value) {
                    Some(MessageEncoding::Identity) => {}
                    Some(other) => encoding = other,
                    None => wrong = wrong.or_else(|| Some(unknown_encoding(value))),
                }
            } else if name.eq_ignore_ascii_case(ACCEPT_ENCODING.0) {
                accepts_gzip |= lists_gzip(value);
            }
        }
        let kind = kind.ok_or(CallRefusal::MediaType)?;
        let answer = if kind.is_web() {
            accepted.map_or(kind, |(accepted, _)| accepted)
        } else {
            kind
        };
        match wrong {
            Some(status) => Err(CallRefusal::Status { answer, status }),
            None => Ok(Self {
                kind,
                answer,
                timeout,
                encoding,
                accepts_gzip,
            }),
        }
    }
}

/// The kinds of gRPC-web among media ranges, and their weights (RFC 9110 §12.5.1).
fn accepted_kinds(value: &[u8]) -> impl Iterator<Item = (Kind, u16)> {
    let ranges = media_ranges(value).filter(|range| range.weight > 0);
    ranges.filter_map(|range| {
        let kind = Kind::of_media_type(range.name).filter(|kind| kind.is_web())?;
        Some((kind, range.weight))
    })
}

/// Whether gzip is among encodings.
fn lists_gzip(value: &[u8]) -> bool {
    let mut names = value.split(|&byte| byte == b',');
    names.any(|name| MessageEncoding::of(name.trim_ascii()) == Some(MessageEncoding::Gzip))
}

fn malformed_timeout(value: &[u8]) -> Status {
    let value = quoted_bytes(value);
    let message = format!("grpc-timeout is 1 to 8 digits and a unit, one of HMSmun; not {value}");
    Status::new(Code::Internal, message)
}

/// compression.md, test case 4: the description names the unsupported encoding, and the supported
/// ones.
fn unknown_encoding(value: &[u8]) -> Status {
    let value = quoted_bytes(value);
    let message = format!("grpc-encoding {value} is not supported; {IDENTITY} and {GZIP} are");
    Status::new(Code::Unimplemented, message)
}

/// The value of `grpc-timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Duration);

impl Timeout {
    /// Reads digits and a unit. Zero is not a positive integer, but clients send it whose deadline
    /// has just passed.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (unit, digits) = value.split_last()?;
        let all_digits = digits.iter().all(u8::is_ascii_digit);
        if !all_digits || digits.is_empty() || digits.len() > TIMEOUT_DIGITS_MAX {
            return None;
        }
        let count: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Self(match unit {
            b'H' => Duration::from_secs(count * 3_600),
            b'M' => Duration::from_secs(count * 60),
            b'S' => Duration::from_secs(count),
            b'm' => Duration::from_millis(count),
            b'u' => Duration::from_micros(count),
            b'n' => Duration::from_nanos(count),
            _ => return None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> Result<CallFields, CallRefusal> {
        let headers = headers.iter();
        CallFields::read(headers.map(|(name, value)| (*name, value.as_bytes())))
    }

    #[test]
    fn a_call_needs_one_content_type() {
        assert_eq!(read(&[]), Err(CallRefusal::MediaType));
        let grpc = ("Content-Type", "application/grpc");
        assert!(read(&[grpc, ("content-type", "application/grpc+proto")]).is_ok());
        let two = [grpc, ("content-type", "application/grpc-web")];
        assert_eq!(read(&two), Err(CallRefusal::MediaType));
    }

    #[test]
    fn what_is_not_grpc_is_told_first() {
        let fields = [("grpc-timeout", "x"), ("content-type", "text/plain")];
        assert_eq!(read(&fields), Err(CallRefusal::MediaType));
    }

    #[test]
    fn a_field_that_is_wrong_is_quoted_in_part() {
        let long = "x".repeat(8_000);
        for name in ["grpc-timeout", "grpc-encoding"] {
            let refusal = read(&[("content-type", "application/grpc"), (name, &long)]);
            let Err(CallRefusal::Status { status, .. }) = refusal else {
                panic!("{refusal:?}");
            };
            assert!(status.message.contains("xxx…"), "{status}");
            assert!(status.message.len() < 200, "{status}");
        }
    }

    #[test]
    fn repeated_timeouts_are_all_read() {
        let grpc = ("content-type", "application/grpc");
        let fields = read(&[grpc, ("grpc-timeout", "2S"), ("grpc-timeout", "1S")]);
        let timeout = fields.expect("a call").timeout;
        assert_eq!(timeout, Some(Duration::from_secs(1)));
        assert!(read(&[grpc, ("grpc-timeout", "2S"), ("grpc-timeout", "1")]).is_err());
    }

    #[test]
    fn compression_is_agreed_upon() {
        let grpc = ("content-type", "application/grpc");
        let fields = |more: &[(&str, &str)]| read(&[&[grpc], more].concat()).expect("a call");
        let gzip = MessageEncoding::Gzip;
        assert_eq!(fields(&[]).encoding, MessageEncoding::Identity);
        assert_eq!(fields(&[("grpc-encoding", "gzip")]).encoding, gzip);
        let accepts = |value| fields(&[("grpc-accept-encoding", value)]).accepts_gzip;
        assert!(!fields(&[("grpc-encoding", "gzip")]).accepts_gzip);
        assert!(accepts("gzip") && accepts("identity, deflate,\tGZIP"));
        assert!(!accepts("") && !accepts("identity,deflate,gzipp"));
    }

    #[test]
    fn an_accept_decides_how_the_web_is_answered() {
        let answer = |content: &str, accept: &str| {
            let fields = read(&[("content-type", content), ("accept", accept)]);
            fields.expect("a call").answer
        };
        let (grpc, web) = ("application/grpc", "application/grpc-web+proto");
        let text = "application/grpc-web-text";
        assert_eq!(answer(web, text), Kind::WebText);
        assert_eq!(answer(text, web), Kind::Web);
        assert_eq!(answer(text, "*/*"), Kind::WebText);
        assert_eq!(
            answer(web, "*/*, application/grpc-web-text;q=1"),
            Kind::WebText
        );
        assert_eq!(answer(grpc, text), Kind::Grpc);
    }
}
