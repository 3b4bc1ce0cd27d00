//! Between HTTP/2's heads and this module's: the same semantics in other bytes (RFC 9110, RFC 9113
//! §8.3).
//!
//! Dialects read a [`Head`] and write a response as text, whatever the version. A stream's request
//! becomes a head here, and the text that answers it becomes status and fields again.

use super::error::HeadError;
use super::fields::decide;
use super::head::{BodyLength, Head, Method, Version};
use super::target::{Target, is_authority, is_same_host};
use crate::limits::HTTP_HEADERS_MAX;

/// Fields that are about one connection, which HTTP/2 must not carry (RFC 9113 §8.2.2).
const CONNECTION_FIELDS: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// A request as it stands in a stream's HEADERS frame.
#[derive(Clone, Copy, Debug)]
pub struct StreamRequest<'b> {
    /// `:method`
    pub method: &'b str,
    /// `:path`
    pub target: &'b str,
    /// `:scheme`, if it is known.
    pub scheme: Option<&'b str>,
    /// `:authority`
    pub authority: Option<&'b str>,
    /// Whether there is no body.
    pub ended: bool,
}

/// The fields of a stream's request, for a [`Head`] to borrow.
#[derive(Debug)]
pub struct StreamFields<'b>(Vec<httparse::Header<'b>>);

impl<'b> StreamFields<'b> {
    /// Takes names, in lower case, and values. Errors if they are more than a head may have.
    pub fn new(fields: impl Iterator<Item = (&'b str, &'b [u8])>) -> Result<Self, HeadError> {
        let fields = fields.map(|(name, value)| httparse::Header { name, value });
        let fields: Vec<_> = fields.take(HTTP_HEADERS_MAX + 1).collect();
        if fields.len() > HTTP_HEADERS_MAX {
            return Err(HeadError::TooManyFields);
        }
        Ok(Self(fields))
    }
}

impl<'h, 'b> Head<'h, 'b> {
    /// The head of a stream's request.
    pub fn of_stream(
        request: StreamRequest<'b>,
        fields: &'h StreamFields<'b>,
    ) -> Result<Self, HeadError> {
        let method = Method::from_token(request.method)?;
        let Target { path, query, .. } = Target::parse(method, request.target)?;
        // RFC 9113 §8.2.1: a field value MUST NOT start or end with white space.
        let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        let mut values = fields.0.iter().map(|field| field.value);
        if values.any(|value| is_blank(value.first()) || is_blank(value.last())) {
            return Err(HeadError::FieldBlank);
        }
        let decisions = decide(Version::Http2, &fields.0)?;
        check_authority(&request, &fields.0)?;
        let body_length = match decisions.body_length {
            BodyLength::None if !request.ended => BodyLength::Chunked,
            body_length => body_length,
        };
        Ok(Self {
            method,
            target: request.target,
            path,
            query,
            version: Version::Http2,
            body_length,
            keep_alive: false,
            expect_continue: decisions.expect_continue
                && !request.ended
                && !body_length.is_bodiless(),
            authority: request.authority,
            fields: &fields.0,
        })
    }
}

/// RFC 9113 §8.3.1: a request names its host once, or twice alike. Only schemes that name a host
/// are served.
fn check_authority(
    request: &StreamRequest<'_>,
    fields: &[httparse::Header<'_>],
) -> Result<(), HeadError> {
    let scheme = request.scheme.unwrap_or("http");
    let is_secure = scheme.eq_ignore_ascii_case("https");
    if !is_secure && !scheme.eq_ignore_ascii_case("http") {
        return Err(HeadError::Scheme);
    }
    let authority = request.authority.map(str::as_bytes);
    // No user information: RFC 9113 §8.3.1 forbids it.
    if authority.is_some_and(|authority| !is_authority(authority)) {
        return Err(HeadError::HostInvalid);
    }
    let host = fields.iter().find(|field| field.name == "host");
    let default_port = if is_secure { "443" } else { "80" };
    match (authority, host.map(|host| host.value)) {
        (None, None | Some([])) => Err(HeadError::HostMissing),
        (Some(authority), Some(host)) if !is_same_host(authority, host, default_port) => {
            Err(HeadError::HostDiffers)
        }
        _ => Ok(()),
    }
}

/// A response head that was written as text.
#[derive(Debug)]
pub struct ResponseHead<'b> {
    /// The status.
    pub status: u16,
    /// Length of the text in bytes; the body follows.
    pub bytes: usize,
    /// Names as written, and values; none that are about the connection.
    pub fields: Vec<(&'b str, &'b [u8])>,
}

impl<'b> ResponseHead<'b> {
    /// Reads what [`Response`](super::Response) wrote; `None` if `text` begins with no whole head.
    pub fn read(text: &'b [u8]) -> Option<Self> {
        let mut room = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let mut response = httparse::Response::new(&mut room);
        let httparse::Status::Complete(bytes) = response.parse(text).ok()? else {
            return None;
        };
        let fields = response.headers.iter();
        let fields = fields.filter(|field| {
            let name = field.name;
            !CONNECTION_FIELDS
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other))
        });
        Some(Self {
            status: response.code?,
            bytes,
            fields: fields.map(|field| (field.name, field.value)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http1::{DateCache, Response};
    use bytes::BytesMut;

    fn request(method: &'static str, ended: bool) -> StreamRequest<'static> {
        StreamRequest {
            method,
            target: "/a/b?c=d",
            scheme: Some("http"),
            authority: Some("a"),
            ended,
        }
    }

    #[test]
    fn a_stream_s_request_is_a_head() {
        let fields = [("accept", &b"*/*"[..]), ("content-length", b"3")];
        let fields = StreamFields::new(fields.into_iter()).expect("few");
        let head = Head::of_stream(request("POST", false), &fields).expect("good");
        assert_eq!((head.path, head.query), ("/a/b", Some("c=d")));
        assert_eq!(head.body_length, BodyLength::Length(3));
        assert_eq!(head.header("Accept"), Some(&b"*/*"[..]));
        let none = StreamFields::new(std::iter::empty()).expect("none");
        let get = Head::of_stream(request("GET", true), &none).expect("good");
        assert_eq!(get.body_length, BodyLength::None);
        let open = Head::of_stream(request("POST", false), &none).expect("good");
        assert_eq!(open.body_length, BodyLength::Chunked);
        let unknown = Head::of_stream(request("BREW", true), &none);
        assert_eq!(unknown.err(), Some(HeadError::MethodUnknown));
        let many = (0..=HTTP_HEADERS_MAX).map(|_| ("a", &b"b"[..]));
        let error = StreamFields::new(many).err();
        assert_eq!(error, Some(HeadError::TooManyFields));
    }

    #[test]
    fn a_response_loses_what_is_about_the_connection() {
        let mut text = BytesMut::new();
        let date = DateCache::new(0);
        Response::begin(&mut text, Version::Http11, 426, &date)
            .raw(b"Upgrade: websocket\r\nConnection: Upgrade\r\n")
            .header("X-Kept", b"yes")
            .body(Some("text/plain"), b"body", false, false);
        let head = ResponseHead::read(&text).expect("whole");
        assert_eq!(head.status, 426);
        assert_eq!(&text[head.bytes..], b"body");
        let names: Vec<_> = head.fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Date", "X-Kept", "Content-Type", "Content-Length"]);
        assert!(ResponseHead::read(&text[..20]).is_none());
    }
}
