//! The decisions of a head's fields: framing, persistence, expectation (RFC 9112 §6, §9).
//!
//! One pass. The rules about length and coding are those that request smuggling lives on, so each
//! is a refusal rather than a repair, even where the RFC would allow repairing.

use super::error::HeadError;
use super::head::{BodyLength, Version};
use super::list::elements;
use super::target::is_authority;

/// The decisions of one head's fields together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decisions {
    pub(super) body_length: BodyLength,
    pub(super) keep_alive: bool,
    /// Meaningful only if there is a body.
    pub(super) expect_continue: bool,
}

/// The demand of `Connection`; a later variant wins.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Persistence {
    #[default]
    Unsaid,
    KeepAlive,
    Close,
}

/// The demand of `Expect`; a later variant wins.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Expectation {
    #[default]
    Unsaid,
    Continue,
    Other,
}

/// The codings of all lines of `Transfer-Encoding`, in their order (RFC 9112 §6.1).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    Unsaid,
    /// `chunked`, and nothing else.
    Chunked,
    /// Only codings that are not known here, so far.
    Unknown,
    /// Such ones, and then `chunked`: well framed, but not readable here.
    UnknownChunked,
}

/// The fields seen so far.
#[derive(Default)]
struct Seen {
    host: bool,
    length: Option<u64>,
    coding: Coding,
    persistence: Persistence,
    expectation: Expectation,
}

/// Reads all fields once.
pub(super) fn decide(
    version: Version,
    fields: &[httparse::Header<'_>],
) -> Result<Decisions, HeadError> {
    let mut seen = Seen::default();
    for field in fields {
        see(&mut seen, version, field)?;
    }
    // RFC 9112 §3.2: a server MUST answer 400 to an HTTP/1.1 request that lacks Host.
    if version == Version::Http11 && !seen.host {
        return Err(HeadError::HostMissing);
    }
    let body_length = match (seen.length, seen.coding) {
        (Some(length), Coding::Unsaid) => BodyLength::Length(length),
        // RFC 9112 §6.3 rule 3: such a message ought to be handled as an error.
        (Some(_), _) => return Err(HeadError::LengthAndCoding),
        (None, Coding::Unsaid) => BodyLength::None,
        (None, Coding::Chunked) => BodyLength::Chunked,
        // RFC 9112 §6.3 rule 4: its end cannot be told.
        (None, Coding::Unknown) => return Err(HeadError::CodingUnsupported),
        // RFC 9112 §6.1: an unknown coding SHOULD be answered 501.
        (None, Coding::UnknownChunked) => return Err(HeadError::CodingUnknown),
    };
    if seen.expectation == Expectation::Other {
        return Err(HeadError::ExpectationUnknown);
    }
    Ok(Decisions {
        body_length,
        // RFC 9112 §9.3: `close` wins over everything; HTTP/1.0 persists only when asked to.
        keep_alive: match seen.persistence {
            Persistence::Unsaid => version == Version::Http11,
            Persistence::KeepAlive => true,
            Persistence::Close => false,
        },
        // RFC 9110 §10.1.1: the expectation of an HTTP/1.0 client MUST be ignored.
        expect_continue: seen.expectation == Expectation::Continue && version != Version::Http10,
    })
}

/// Notes one field, if it decides something. The length of a name tells these apart.
fn see(seen: &mut Seen, version: Version, field: &httparse::Header<'_>) -> Result<(), HeadError> {
    let (name, value) = (field.name, field.value);
    match name.len() {
        4 if name.eq_ignore_ascii_case("host") => {
            if seen.host {
                return Err(HeadError::HostRepeated);
            }
            // RFC 9110 §7.2: a client whose target has no authority sends an empty Host.
            if !value.is_empty() && !is_authority(value) {
                return Err(HeadError::HostInvalid);
            }
            seen.host = true;
        }
        6 if name.eq_ignore_ascii_case("expect") => {
            for element in elements(value) {
                let expectation = if element.eq_ignore_ascii_case(b"100-continue") {
                    Expectation::Continue
                } else {
                    Expectation::Other
                };
                seen.expectation = seen.expectation.max(expectation);
            }
        }
        10 if name.eq_ignore_ascii_case("connection") => {
            for element in elements(value) {
                let persistence = if element.eq_ignore_ascii_case(b"close") {
                    Persistence::Close
                } else if element.eq_ignore_ascii_case(b"keep-alive") {
                    Persistence::KeepAlive
                } else {
                    Persistence::Unsaid
                };
                seen.persistence = seen.persistence.max(persistence);
            }
        }
        14 if name.eq_ignore_ascii_case("content-length") => {
            if seen.length.is_some() {
                return Err(HeadError::LengthRepeated);
            }
            seen.length = Some(parse_length(value)?);
        }
        17 if name.eq_ignore_ascii_case("transfer-encoding") => {
            // RFC 9112 §6.1: its presence in HTTP/1.0 means that the framing is faulty.
            if version == Version::Http10 {
                return Err(HeadError::CodingInHttp10);
            }
            seen.coding = seen.coding.followed_by(value)?;
        }
        _ => {}
    }
    Ok(())
}

impl Coding {
    /// Returns the coding with one more line. Anything behind `chunked`, an empty element or a
    /// parameter can smuggle requests, so none is accepted.
    fn followed_by(self, value: &[u8]) -> Result<Self, HeadError> {
        let elements = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        elements.into_iter().try_fold(self, |coding, element| {
            let is_chunked = element.eq_ignore_ascii_case(b"chunked");
            let is_token = !element.is_empty() && element.iter().all(|&byte| is_tchar(byte));
            match coding {
                Self::Unsaid if is_chunked => Ok(Self::Chunked),
                Self::Unknown if is_chunked => Ok(Self::UnknownChunked),
                Self::Unsaid | Self::Unknown if is_token => Ok(Self::Unknown),
                _ => Err(HeadError::CodingUnsupported),
            }
        })
    }
}

/// `Content-Length = 1*DIGIT` (RFC 9110 §8.6): no sign, no list, no overflow.
fn parse_length(value: &[u8]) -> Result<u64, HeadError> {
    if value.is_empty() {
        return Err(HeadError::LengthInvalid);
    }
    value
        .iter()
        .try_fold(0u64, |length, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            length.checked_mul(10)?.checked_add(digit)
        })
        .ok_or(HeadError::LengthInvalid)
}

/// `tchar` of RFC 9110 §5.6.2.
pub(super) const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
