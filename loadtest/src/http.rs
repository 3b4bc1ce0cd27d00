//! HTTP/1.1 answers as a client reads them (RFC 9112): heads, and bodies of known length or
//! chunked.
//!
//! Bytes in, values out: `None` means that more bytes are needed. It must never know sockets, and
//! it shares nothing with the server it reads: what one misunderstands the other must not excuse.

use std::borrow::Cow;
use std::fmt;

/// Longest head that is read; servers under test send a few hundred bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Largest body that is read.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest chunk-size line.
const CHUNK_LINE_BYTES_MAX: usize = 256;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpError {
    /// Not `HTTP/1.1 <three digits> …`.
    StatusLine,
    /// A header line without a colon, or not text.
    Field,
    /// A `Content-Length` that is not a number, or is too large.
    Length,
    /// A head over 64 KiB.
    HeadTooLong,
    /// A chunk-size line or chunk end that RFC 9112 §7.1 does not know.
    Chunk,
    /// A body that ends with the connection only; such an answer cannot be followed by another.
    Endless,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StatusLine => "not an HTTP/1.1 status line",
            Self::Field => "not a header line",
            Self::Length => "unusable Content-Length",
            Self::HeadTooLong => "head over 64 KiB",
            Self::Chunk => "malformed chunk",
            Self::Endless => "body without a length",
        })
    }
}

/// How an answer's body ends (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this many bytes.
    Length(usize),
    /// With a chunk of size zero.
    Chunked,
    /// With the connection.
    Close,
}

/// Status line and header lines of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    /// Three digits.
    pub(crate) status: u16,
    /// The header lines, each ended by CRLF.
    fields: &'a str,
}

impl<'a> Head<'a> {
    /// Reads one head from the start of `bytes`, and says how many bytes it took.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, HttpError> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if bytes.len() > HEAD_BYTES_MAX {
                Err(HttpError::HeadTooLong)
            } else {
                Ok(None)
            };
        };
        let text = str::from_utf8(&bytes[..end + 2]).map_err(|_| HttpError::Field)?;
        let (line, fields) = text.split_once("\r\n").ok_or(HttpError::StatusLine)?;
        let rest = line
            .strip_prefix("HTTP/1.1 ")
            .ok_or(HttpError::StatusLine)?;
        let digits = rest.get(..3).ok_or(HttpError::StatusLine)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit())
            || !matches!(rest.get(3..4), None | Some(" "))
        {
            return Err(HttpError::StatusLine);
        }
        let status = digits.parse().map_err(|_| HttpError::StatusLine)?;
        for field in fields.split_terminator("\r\n") {
            match field.split_once(':') {
                Some((name, _)) if !name.is_empty() && !name.contains([' ', '\t']) => {}
                _ => return Err(HttpError::Field),
            }
        }
        Ok(Some((Self { status, fields }, end + 4)))
    }

    /// The first field of this name, without surrounding blanks.
    pub(crate) fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.split_terminator("\r\n").find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// How the body that follows ends.
    pub(crate) fn framing(&self) -> Result<Framing, HttpError> {
        if self.status < 200 || self.status == 204 || self.status == 304 {
            return Ok(Framing::Length(0));
        }
        if let Some(coding) = self.field("transfer-encoding") {
            return if coding.eq_ignore_ascii_case("chunked") {
                Ok(Framing::Chunked)
            } else {
                Ok(Framing::Close)
            };
        }
        match self.field("content-length") {
            None => Ok(Framing::Close),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let length = digits.parse().map_err(|_| HttpError::Length)?;
                if length > BODY_BYTES_MAX {
                    return Err(HttpError::Length);
                }
                Ok(Framing::Length(length))
            }
            Some(_) => Err(HttpError::Length),
        }
    }
}

/// One whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    /// Its head.
    pub(crate) head: Head<'a>,
    /// Its body, borrowed unless it came in chunks.
    pub(crate) body: Cow<'a, [u8]>,
}

impl<'a> Response<'a> {
    /// Reads one answer from the start of `bytes`, and says how many bytes it took.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, HttpError> {
        let Some((head, start)) = Head::parse(bytes)? else {
            return Ok(None);
        };
        let rest = &bytes[start..];
        match head.framing()? {
            Framing::Length(length) if rest.len() < length => Ok(None),
            Framing::Length(length) => {
                let body = Cow::Borrowed(&rest[..length]);
                Ok(Some((Self { head, body }, start + length)))
            }
            Framing::Chunked => {
                let mut body = Vec::new();
                let mut used = 0;
                loop {
                    match parse_chunk(&rest[used..])? {
                        None => return Ok(None),
                        Some((data, taken)) => {
                            used += taken;
                            if data.is_empty() {
                                break;
                            }
                            if body.len() + data.len() > BODY_BYTES_MAX {
                                return Err(HttpError::Length);
                            }
                            body.extend_from_slice(data);
                        }
                    }
                }
                let body = Cow::Owned(body);
                Ok(Some((Self { head, body }, start + used)))
            }
            Framing::Close => Err(HttpError::Endless),
        }
    }
}

/// Reads one chunk and how many bytes it took with its framing (RFC 9112 §7.1); the last is empty.
/// Trailers are not expected and refused.
pub(crate) fn parse_chunk(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, HttpError> {
    let Some(line_end) = bytes.windows(2).position(|two| two == b"\r\n") else {
        return if bytes.len() > CHUNK_LINE_BYTES_MAX {
            Err(HttpError::Chunk)
        } else {
            Ok(None)
        };
    };
    let line = str::from_utf8(&bytes[..line_end]).map_err(|_| HttpError::Chunk)?;
    let digits = line.split(';').next().unwrap_or_default().trim_end();
    // `from_str_radix` would accept a sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(HttpError::Chunk);
    }
    let length = usize::from_str_radix(digits, 16).map_err(|_| HttpError::Chunk)?;
    if length > BODY_BYTES_MAX {
        return Err(HttpError::Chunk);
    }
    let start = line_end + 2;
    let end = start + length;
    let Some(closing) = bytes.get(end..end + 2) else {
        return Ok(None);
    };
    if closing != b"\r\n" {
        return Err(HttpError::Chunk);
    }
    Ok(Some((&bytes[start..end], end + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nfanfare-number:  17 \r\n\r\n[42]";

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        for cut in 0..ANSWER.len() {
            assert_eq!(Response::parse(&ANSWER[..cut]), Ok(None), "cut at {cut}");
        }
        let two = [ANSWER, ANSWER].concat();
        let (response, used) = Response::parse(&two).expect("sound").expect("whole");
        assert_eq!(used, ANSWER.len());
        assert_eq!(response.head.status, 200);
        assert_eq!(response.head.field("Fanfare-Number"), Some("17"));
        assert_eq!(response.head.field("Fanfare"), None);
        assert_eq!(&*response.body, b"[42]");
    }

    #[test]
    fn chunks_are_joined() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\nHTTP";
        let (response, used) = Response::parse(bytes).expect("sound").expect("whole");
        assert_eq!(&*response.body, b"abc0123456789");
        assert_eq!(&bytes[used..], b"HTTP");
        for cut in 0..used {
            assert_eq!(Response::parse(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn answers_without_a_body_need_no_length() {
        for status in ["101 Switching Protocols", "204 No Content", "304"] {
            let bytes = format!("HTTP/1.1 {status}\r\n\r\n");
            let (response, used) = Response::parse(bytes.as_bytes())
                .expect("sound")
                .expect("whole");
            assert_eq!((response.body.len(), used), (0, bytes.len()));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let cases: [(&[u8], HttpError); 9] = [
            (b"HTTP/1.0 200 OK\r\n\r\n", HttpError::StatusLine),
            (b"HTTP/1.1 20 OK\r\n\r\n", HttpError::StatusLine),
            (b"HTTP/1.1 2000\r\n\r\n", HttpError::StatusLine),
            (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", HttpError::Field),
            (b"HTTP/1.1 200 OK\r\nName : x\r\n\r\n", HttpError::Field),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\n",
                HttpError::Length,
            ),
            (b"HTTP/1.1 200 OK\r\n\r\n", HttpError::Endless),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\n",
                HttpError::Chunk,
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
                HttpError::Chunk,
            ),
        ];
        for (bytes, error) in cases {
            assert_eq!(
                Response::parse(bytes),
                Err(error),
                "{}",
                bytes.escape_ascii()
            );
        }
        assert_eq!(
            Response::parse(&vec![b'x'; HEAD_BYTES_MAX + 1]),
            Err(HttpError::HeadTooLong)
        );
    }
}
