//! Responses (RFC 9112 §4, §6), written by hand into the caller's buffer.
//!
//! The builder is consumed by the call that decides the framing, so a response cannot end without
//! one nor have two. Nothing is allocated except by the growth of the buffer itself. The meaning of
//! a status and the headers that a dialect adds are unknown here.

use bytes::BytesMut;

use super::date::DateCache;
use super::fields::is_tchar;
use super::head::Version;

/// The interim response that a client with `Expect: 100-continue` waits for.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A response head under construction.
#[must_use = "a response must be ended by the call that frames its body"]
#[derive(Debug)]
pub struct Response<'o> {
    out: &'o mut BytesMut,
    version: Version,
    status: u16,
}

impl<'o> Response<'o> {
    /// Appends the status line and `Date` to `out`. `version` is the request's: it decides how
    /// persistence is announced. The response itself is always HTTP/1.1 (RFC 9110 §6.2).
    pub fn begin(out: &'o mut BytesMut, version: Version, status: u16, date: &DateCache) -> Self {
        debug_assert!((100..=599).contains(&status), "{status} is not a status");
        let digit = |scale: u16| b'0' + (status / scale % 10) as u8;
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
        out.extend_from_slice(status_text(status).as_bytes());
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(b"\r\n");
        Self {
            out,
            version,
            status,
        }
    }

    /// Appends a header. `name` must be a token; CR, LF and NUL in `value` become spaces, so that
    /// no value can split the response (RFC 9110 §5.5).
    pub fn header(self, name: &str, value: &[u8]) -> Self {
        put_name(self.out, name);
        put_value(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Appends a header whose value is a number.
    pub fn header_number(self, name: &str, value: u64) -> Self {
        put_name(self.out, name);
        put_decimal(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Appends header lines prepared beforehand, each with its CR LF; none that frame the body.
    pub fn raw(self, block: &[u8]) -> Self {
        debug_assert!(block.is_empty() || block.ends_with(b"\r\n"));
        self.out.extend_from_slice(block);
        self
    }

    /// Ends the response with a body. A `HEAD` request gets the same head and no bytes.
    ///
    /// With a status that has no content (1xx, 204, 304) this is [`empty`](Self::empty).
    pub fn body(self, content_type: Option<&str>, body: &[u8], keep_alive: bool, head_only: bool) {
        let bodiless = is_bodiless(self.status);
        debug_assert!(!bodiless || body.is_empty(), "a body with {}", self.status);
        let out = self.end(content_type, body.len() as u64, keep_alive);
        if !head_only && !bodiless {
            out.extend_from_slice(body);
        }
    }

    /// Ends the head of a body of `body_bytes` bytes, which the caller sends by itself: many
    /// responses may share one.
    pub fn content_head(self, content_type: Option<&str>, body_bytes: u64, keep_alive: bool) {
        debug_assert!(!is_bodiless(self.status), "a body with {}", self.status);
        self.end(content_type, body_bytes, keep_alive);
    }

    /// Ends a response without content. 1xx, 204 and 304 get no `Content-Length`, so `101` with its
    /// `Upgrade` and `Connection` headers ends here too; any other status gets `Content-Length: 0`.
    pub fn empty(self, keep_alive: bool) {
        self.end(None, 0, keep_alive);
    }

    /// Ends the head of a body of unknown length, which ends when the connection does
    /// (RFC 9112 §6.3 rule 8), or the stream.
    pub fn finish_streaming(self) {
        self.out.extend_from_slice(match self.version {
            Version::Http2 => b"\r\n",
            Version::Http10 | Version::Http11 => b"Connection: close\r\n\r\n",
        });
    }

    /// Ends the head of a body of unknown length that comes in chunks (RFC 9112 §7.1), if the
    /// version has them. Returns whether it has. The connection closes behind it in any case.
    pub fn finish_chunked(self) -> bool {
        if self.version != Version::Http11 {
            self.finish_streaming();
            return false;
        }
        self.out
            .extend_from_slice(b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        true
    }

    fn end(
        self,
        content_type: Option<&str>,
        body_bytes: u64,
        keep_alive: bool,
    ) -> &'o mut BytesMut {
        // RFC 9110 §8.6: no Content-Length with 1xx and 204; with 304 it would have to be the
        // length of the answer that was not sent.
        if !is_bodiless(self.status) {
            if let Some(content_type) = content_type {
                put_name(self.out, "Content-Type");
                put_value(self.out, content_type.as_bytes());
                self.out.extend_from_slice(b"\r\n");
            }
            self.out.extend_from_slice(b"Content-Length: ");
            put_decimal(self.out, body_bytes);
            self.out.extend_from_slice(b"\r\n");
        }
        // RFC 9112 §9.3: an HTTP/1.0 client expects persistence only if it is told.
        self.out
            .extend_from_slice(match (keep_alive, self.version) {
                // RFC 9113 §8.2.2: in HTTP/2, no field is about the connection.
                (_, Version::Http2) | (true, Version::Http11) => b"\r\n",
                (true, Version::Http10) => b"Connection: keep-alive\r\n\r\n",
                (false, _) => b"Connection: close\r\n\r\n",
            });
        self.out
    }
}

/// Whether responses with this status never have content (RFC 9110 §6.4.1).
const fn is_bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

fn put_name(out: &mut BytesMut, name: &str) {
    debug_assert!(!name.is_empty() && name.bytes().all(is_tchar), "{name:?}");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
}

fn put_value(out: &mut BytesMut, value: &[u8]) {
    let begin = out.len();
    out.extend_from_slice(value);
    if memchr::memchr3(b'\r', b'\n', b'\0', value).is_some() {
        for byte in &mut out[begin..] {
            if matches!(byte, b'\r' | b'\n' | b'\0') {
                *byte = b' ';
            }
        }
    }
}

/// Decimal digits without the formatting machinery.
fn put_decimal(out: &mut BytesMut, mut number: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [0; 20];
    let mut begin = digits.len();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[begin..]);
}

/// The reason phrase of a status (RFC 9110 §15, RFC 6585); empty for one that is not listed.
pub const fn status_text(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for number in [0, 9, 10, 12_345, u64::MAX] {
            let mut out = BytesMut::new();
            put_decimal(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }
}
