//! Request targets (RFC 9112 §3.2) and the decoding of paths and queries (RFC 3986 §2.1, WHATWG URL
//! §5.1).
//!
//! Splitting happens on the bytes as sent; a segment or a value is decoded only by its reader, so
//! that an encoded `/` or `&` is data and never structure.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;

use super::error::HeadError;
use super::head::Method;
use crate::limits::HTTP_TARGET_BYTES_MAX;

/// A request target, split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'b> {
    /// The authority of an absolute form.
    pub(super) authority: Option<&'b str>,
    pub(super) path: &'b str,
    pub(super) query: Option<&'b str>,
}

impl<'b> Target<'b> {
    /// Takes the origin form, the absolute form, and the asterisk form of `OPTIONS`. The authority
    /// form belongs to `CONNECT`, which is not implemented.
    pub(super) fn parse(method: Method, target: &'b str) -> Result<Self, HeadError> {
        if target.len() > HTTP_TARGET_BYTES_MAX {
            return Err(HeadError::TargetTooLong);
        }
        // RFC 9110 §7.1: a target has no fragment; a client that sends one is confused. And proxies
        // and servers differ in their treatment of a byte that no URI has. Without a branch for
        // each byte: a refused target need not be fast.
        let is_byte = |byte: u8| IS_TARGET_BYTE[usize::from(byte)];
        if !target.bytes().fold(true, |all, byte| all & is_byte(byte)) {
            return Err(HeadError::Target);
        }
        if target.starts_with('/') {
            return Ok(Self::split(target));
        }
        if target == "*" && method == Method::Options {
            return Ok(Self {
                authority: None,
                path: target,
                query: None,
            });
        }
        Self::parse_absolute(method, target)
    }

    /// RFC 9112 §3.2.2: a server MUST accept the absolute form. Its authority overrides `Host`.
    fn parse_absolute(method: Method, target: &'b str) -> Result<Self, HeadError> {
        let (scheme, rest) = target.split_once("://").ok_or(HeadError::Target)?;
        if !["http", "https", "ws", "wss"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return Err(HeadError::Target);
        }
        let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(authority_len);
        // RFC 9110 §4.2.1: a recipient MUST reject an http URI with an empty host.
        if authority.is_empty() || !is_authority(authority.as_bytes()) {
            return Err(HeadError::Target);
        }
        // RFC 9112 §3.2.4: `OPTIONS` for the server as a whole, as a proxy would send it.
        if tail.is_empty() && method == Method::Options {
            return Ok(Self {
                authority: Some(authority),
                path: "*",
                query: None,
            });
        }
        let Self { path, query, .. } = Self::split(tail);
        Ok(Self {
            authority: Some(authority),
            path: if path.is_empty() { "/" } else { path },
            query,
        })
    }

    fn split(target: &'b str) -> Self {
        match memchr::memchr(b'?', target.as_bytes()) {
            Some(at) => Self {
                authority: None,
                path: &target[..at],
                query: Some(&target[at + 1..]),
            },
            None => Self {
                authority: None,
                path: target,
                query: None,
            },
        }
    }
}

/// [`is_target_byte`] of each byte: every request asks for some dozens of them.
static IS_TARGET_BYTE: [bool; 256] = {
    let mut is = [false; 256];
    let mut byte = 0;
    while byte < is.len() {
        is[byte] = is_target_byte(byte as u8);
        byte += 1;
    }
    is
};

/// Whether a byte may stand in the path or the query of a URI (RFC 3986 §3.3, §3.4), or is a
/// bracket, which browsers leave as it is.
pub(super) const fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'
                ..=b'/' | b':' | b';' | b'=' | b'?' | b'@' | b'%' | b'[' | b']'
        )
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2), not empty; user information is no part of it.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    let is_address = |&byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    // RFC 3986 §3.2.2: reg-name is unreserved, sub-delims and percent-encoded.
    let is_name = |&byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=' | b'%'
            )
    };
    let (host_valid, port) = if let [b'[', rest @ ..] = bytes {
        let Some(end) = memchr::memchr(b']', rest) else {
            return false;
        };
        (
            end > 0 && rest[..end].iter().all(is_address),
            &rest[end + 1..],
        )
    } else {
        let end = memchr::memchr(b':', bytes).unwrap_or(bytes.len());
        (end > 0 && bytes[..end].iter().all(is_name), &bytes[end..])
    };
    host_valid
        && match port {
            [] => true,
            [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
            _ => false,
        }
}

/// Whether two authorities name the same host and port (RFC 3986 §6.2.2.1, §6.2.3): hosts in any
/// case, and the scheme's port may be left out.
pub fn is_same_host(one: &[u8], other: &[u8], default_port: &str) -> bool {
    let normal = |authority| {
        let authority: &[u8] = authority;
        let (host, port) = match memchr::memrchr(b':', authority) {
            // A colon within brackets is part of an address.
            Some(at) if !authority[at..].contains(&b']') => authority.split_at(at),
            _ => (authority, &[][..]),
        };
        let port = port.strip_prefix(b":").unwrap_or(port);
        let is_default = port == default_port.as_bytes();
        (host, if is_default { &[][..] } else { port })
    };
    let ((host, port), (other_host, other_port)) = (normal(one), normal(other));
    host.eq_ignore_ascii_case(other_host) && port == other_port
}

/// The reason why an encoded segment or value cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A `%` is not followed by two hexadecimal digits.
    Percent,
    /// The decoded bytes are not UTF-8.
    Utf8,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Percent => "a percent sign is not followed by two hexadecimal digits",
            Self::Utf8 => "percent-encoded text is not UTF-8",
        })
    }
}

impl std::error::Error for DecodeError {}

/// The pairs of a query, still encoded, in order. A piece without `=` has an empty value; empty
/// pieces are skipped.
pub fn query_pairs(query: &str) -> impl DoubleEndedIterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

/// The decoded value of the last pair whose decoded key is `key`; `None` when there is none.
///
/// Decodes as browsers do (WHATWG URL §5.1): `+` is a space, a stray `%` stands for itself.
pub fn query_last<'q>(query: &'q str, key: &str) -> Result<Option<Cow<'q, str>>, DecodeError> {
    query_last_of(query, |decoded| decoded == key)
}

/// [`query_last`], of a key that is spelled in several ways.
pub fn query_last_of(
    query: &str,
    is_key: impl Fn(&str) -> bool,
) -> Result<Option<Cow<'_, str>>, DecodeError> {
    query_pairs(query)
        .rev()
        .find(|(raw, _)| decode_form(raw).is_ok_and(|decoded| is_key(&decoded)))
        .map(|(_, value)| decode_form(value))
        .transpose()
}

/// Decodes one path segment, strictly: a stray `%` would name a different resource elsewhere.
pub fn decode_segment(segment: &str) -> Result<Cow<'_, str>, DecodeError> {
    let bytes = segment.as_bytes();
    if memchr::memchr(b'%', bytes).is_none() {
        return Ok(Cow::Borrowed(segment));
    }
    for at in memchr::memchr_iter(b'%', bytes) {
        match bytes.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Err(DecodeError::Percent),
        }
    }
    percent_decode(bytes)
        .decode_utf8()
        .map_err(|_| DecodeError::Utf8)
}

/// Decodes a key or a value of a query as browsers do (WHATWG URL §5.1): `+` is a space, a stray
/// `%` stands for itself.
pub fn decode_form(raw: &str) -> Result<Cow<'_, str>, DecodeError> {
    if memchr::memchr(b'+', raw.as_bytes()).is_none() {
        return percent_decode(raw.as_bytes())
            .decode_utf8()
            .map_err(|_| DecodeError::Utf8);
    }
    let spaced = raw.replace('+', " ");
    match percent_decode(spaced.as_bytes()).decode_utf8() {
        Ok(decoded) => Ok(Cow::Owned(decoded.into_owned())),
        Err(_) => Err(DecodeError::Utf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        for good in [
            "a",
            "example.com",
            "a:80",
            "a:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:9",
            "a_b",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a b", "a/b", "u@a", "a:b", "a:1:2", "[::1", "[]", "[::1]x", "[g]", "é",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn the_last_value_of_a_query_wins() {
        let query = "a=1&b=x+y%26z&&flag&a=2&%61%20b=k";
        let pairs: Vec<_> = query_pairs(query).collect();
        assert_eq!(pairs.len(), 5);
        assert_eq!(pairs[2], ("flag", ""));
        assert_eq!(query_last(query, "a"), Ok(Some("2".into())));
        assert_eq!(query_last(query, "b"), Ok(Some("x y&z".into())));
        assert_eq!(query_last(query, "flag"), Ok(Some("".into())));
        assert_eq!(query_last(query, "a b"), Ok(Some("k".into())));
        assert_eq!(query_last(query, "c"), Ok(None));
        assert_eq!(query_last("", "c"), Ok(None));
        assert_eq!(query_last("a=100%", "a"), Ok(Some("100%".into())));
        assert_eq!(query_last("a=b=c", "a"), Ok(Some("b=c".into())));
    }

    #[test]
    fn text_that_is_not_utf_8_is_an_error() {
        assert_eq!(query_last("a=%ff", "a"), Err(DecodeError::Utf8));
        assert_eq!(query_last("a=+%ff", "a"), Err(DecodeError::Utf8));
        assert_eq!(query_last("%ff=1&a=2", "a"), Ok(Some("2".into())));
        assert_eq!(decode_segment("%c3%28"), Err(DecodeError::Utf8));
    }

    #[test]
    fn segments_decode_strictly_and_keep_plus() {
        assert!(matches!(
            decode_segment("plain+text"),
            Ok(Cow::Borrowed("plain+text"))
        ));
        assert_eq!(decode_segment("a%2Fb%20c"), Ok("a/b c".into()));
        for stray in ["%", "a%2", "%zz", "%2g", "100%"] {
            assert_eq!(decode_segment(stray), Err(DecodeError::Percent), "{stray}");
        }
    }
}
