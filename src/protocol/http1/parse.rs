//! Bytes to a [`Head`]: `httparse` for the grammar, and the checks it leaves to its caller.
//!
//! Checks run in the order of the bytes they are about, so a head that arrives byte by byte gets
//! the same refusal as one that arrives whole, only sooner. Each refusal is given as soon as it is
//! certain: a request line or a head that never ends is cut at its bound, not at a timeout.

use httparse::{Request, Status};

use super::error::HeadError;
use super::fields::{decide, is_tchar};
use super::head::{Head, Method, Scratch, Version};
use super::target::Target;
use crate::limits::{
    HTTP_EMPTY_LINES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_TARGET_BYTES_MAX,
};
use crate::protocol::Parsed;

/// Reads one request head at the beginning of `bytes`, without copying or allocating (except for an
/// HTTP version that no client speaks).
///
/// The head ends before the body; the count includes empty lines that were skipped before it.
/// `Partial` while the head is incomplete and nothing is wrong with it yet.
pub fn parse_head<'h, 'b>(
    bytes: &'b [u8],
    scratch: &'h mut Scratch<'b>,
) -> Result<Parsed<Head<'h, 'b>>, HeadError> {
    let Parsed::Complete((), skipped) = skip_empty_lines(bytes)? else {
        return Ok(Parsed::Partial);
    };
    let bytes = &bytes[skipped..];
    // A head that exceeds the window is too long.
    let window = &bytes[..bytes.len().min(HTTP_HEAD_BYTES_MAX)];
    let mut request = Request::new(&mut []);
    let parsed = match request.parse_with_uninit_headers(window, &mut scratch.room) {
        Err(httparse::Error::Version) => {
            parse_later_minor(window, &mut request, &mut scratch.spare)
        }
        parsed => parsed,
    };
    match parsed {
        Ok(Status::Complete(used)) => {
            let head = judge(&window[..used], request)?;
            Ok(Parsed::Complete(head, skipped + used))
        }
        Ok(Status::Partial) => {
            refuse_early(window, &request, None)?;
            Ok(Parsed::Partial)
        }
        Err(error) => {
            refuse_early(window, &request, Some(error))?;
            Ok(Parsed::Partial)
        }
    }
}

/// RFC 9112 §2.2: a server SHOULD ignore at least one empty line before the request line.
fn skip_empty_lines(bytes: &[u8]) -> Result<Parsed<()>, HeadError> {
    let mut skipped = 0;
    loop {
        match &bytes[skipped..] {
            [] | [b'\r'] => return Ok(Parsed::Partial),
            [b'\r', b'\n', ..] if skipped == 2 * HTTP_EMPTY_LINES_MAX => {
                return Err(HeadError::EmptyLines);
            }
            [b'\r', b'\n', ..] => skipped += 2,
            [b'\r' | b'\n', ..] => return Err(HeadError::LineEnd),
            _ => return Ok(Parsed::Complete((), skipped)),
        }
    }
}

/// RFC 9110 §2.5: a request of a later minor version is one of the latest that is known, which is
/// 1.1. `httparse` stops there, with method and target read.
fn parse_later_minor<'h, 'b>(
    window: &'b [u8],
    request: &mut Request<'h, 'b>,
    spare: &'h mut Vec<httparse::Header<'b>>,
) -> httparse::Result<usize> {
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(httparse::Error::Version);
    };
    let version_at = method.len() + 1 + target.len() + 1;
    let [
        b'H',
        b'T',
        b'T',
        b'P',
        b'/',
        b'1',
        b'.',
        b'2'..=b'9',
        rest @ ..,
    ] = &window[version_at..]
    else {
        return Err(httparse::Error::Version);
    };
    request.version = Some(1);
    match rest {
        [] | [b'\r'] => Ok(Status::Partial),
        [b'\r', b'\n', lines @ ..] => {
            spare.resize(HTTP_HEADERS_MAX, httparse::EMPTY_HEADER);
            let Status::Complete((used, fields)) = httparse::parse_headers(lines, spare)? else {
                return Ok(Status::Partial);
            };
            let count = fields.len();
            request.headers = &mut spare[..count];
            Ok(Status::Complete(window.len() - lines.len() + used))
        }
        _ => Err(httparse::Error::NewLine),
    }
}

/// Judges a head whose grammar is good.
fn judge<'h, 'b>(bytes: &[u8], request: Request<'h, 'b>) -> Result<Head<'h, 'b>, HeadError> {
    let Request {
        method,
        path,
        version,
        headers: fields,
    } = request;
    let method = Method::from_token(method.ok_or(HeadError::Method)?)?;
    let target = path.ok_or(HeadError::Target)?;
    let Target {
        authority,
        path,
        query,
    } = Target::parse(method, target)?;
    let version = match version {
        Some(0) => Version::Http10,
        Some(1) => Version::Http11,
        _ => return Err(HeadError::VersionUnsupported),
    };
    require_crlf(bytes)?;
    let decisions = decide(version, fields)?;
    Ok(Head {
        method,
        target,
        path,
        query,
        version,
        body_length: decisions.body_length,
        keep_alive: decisions.keep_alive,
        expect_continue: decisions.expect_continue && !decisions.body_length.is_bodiless(),
        authority,
        fields,
    })
}

/// Judges an incomplete or malformed head, in the order of its bytes. `Ok` means that more bytes
/// may still make it good.
fn refuse_early(
    window: &[u8],
    request: &Request<'_, '_>,
    error: Option<httparse::Error>,
) -> Result<(), HeadError> {
    let Some(method_token) = request.method else {
        return refuse_method(window, error.is_some());
    };
    let method = Method::from_token(method_token)?;
    let after_method = &window[method_token.len() + 1..];
    let Some(target) = request.path else {
        return refuse_target(after_method, error.is_some());
    };
    Target::parse(method, target)?;
    if request.version.is_none() {
        return refuse_version(&after_method[target.len() + 1..], error.is_some());
    }
    require_crlf(window)?;
    match error {
        None if window.len() == HTTP_HEAD_BYTES_MAX => Err(HeadError::HeadTooLong),
        None => Ok(()),
        Some(httparse::Error::HeaderName) => Err(HeadError::FieldName),
        Some(httparse::Error::HeaderValue) => Err(HeadError::FieldValue),
        Some(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyFields),
        Some(_) => Err(HeadError::LineEnd),
    }
}

/// RFC 9112 §3: a method longer than any that is implemented is answered 501.
fn refuse_method(bytes: &[u8], malformed: bool) -> Result<(), HeadError> {
    let too_long =
        bytes.len() > Method::BYTES_MAX && bytes[..=Method::BYTES_MAX].iter().all(|&b| is_tchar(b));
    match (too_long, malformed) {
        (true, _) => Err(HeadError::MethodUnknown),
        (false, true) => Err(HeadError::Method),
        (false, false) => Ok(()),
    }
}

/// RFC 9112 §3: a target longer than the server wishes to parse is answered 414.
fn refuse_target(bytes: &[u8], malformed: bool) -> Result<(), HeadError> {
    let length = bytes
        .iter()
        .take_while(|&&byte| byte > b' ' && byte != 0x7f)
        .count();
    match (length > HTTP_TARGET_BYTES_MAX, malformed) {
        (true, _) => Err(HeadError::TargetTooLong),
        (false, true) => Err(HeadError::Target),
        (false, false) => Ok(()),
    }
}

/// RFC 9112 §2.3: `HTTP/` DIGIT `.` DIGIT. A well-formed version of another major one is answered
/// 505.
fn refuse_version(bytes: &[u8], malformed: bool) -> Result<(), HeadError> {
    const SHAPE: &[u8] = b"HTTP/0.0";
    let well_formed = bytes.iter().zip(SHAPE).all(|(&byte, &shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    });
    match (malformed, well_formed) {
        (false, _) => Ok(()),
        (true, false) => Err(HeadError::Version),
        (true, true) if bytes.len() < SHAPE.len() => Ok(()),
        (true, true) => Err(HeadError::VersionUnsupported),
    }
}

/// RFC 9112 §2.2 lets a recipient take LF alone for a line end, and `httparse` does. One that does
/// and one that does not see different requests, so it is refused. `bytes` begins with the request
/// line.
fn require_crlf(bytes: &[u8]) -> Result<(), HeadError> {
    // The rest may be a body: the request line, one field too many, and the empty line.
    let all_crlf = memchr::memchr_iter(b'\n', bytes)
        .take(HTTP_HEADERS_MAX + 2)
        .all(|at| at > 0 && bytes[at - 1] == b'\r');
    if all_crlf {
        Ok(())
    } else {
        Err(HeadError::LineEnd)
    }
}
