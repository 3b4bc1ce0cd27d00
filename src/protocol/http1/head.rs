//! A request head as values that borrow the receive buffer (RFC 9112 §3, §5).
//!
//! A [`Head`] exists only when the whole head was read and found good: framing and persistence are
//! decided, so that no caller looks at `Content-Length` or `Connection` again.

use std::mem::MaybeUninit;

use super::error::HeadError;
use super::list::elements;
use crate::limits::HTTP_HEADERS_MAX;
use crate::protocol::media::prefers;

/// Room for the fields of one head, on the caller's stack; never zeroed.
///
/// One per call of [`parse_head`](super::parse_head): the head borrows it.
pub struct Scratch<'b> {
    pub(super) room: [MaybeUninit<httparse::Header<'b>>; HTTP_HEADERS_MAX],
    /// For the rare head that is parsed in two parts.
    pub(super) spare: Vec<httparse::Header<'b>>,
}

impl Scratch<'_> {
    /// Uninitialized room; costs nothing.
    #[inline]
    pub const fn new() -> Self {
        Self {
            room: [const { MaybeUninit::uninit() }; HTTP_HEADERS_MAX],
            spare: Vec::new(),
        }
    }
}

impl Default for Scratch<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// The methods that this server implements; any other token is answered 501 (RFC 9110 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `PATCH`
    Patch,
    /// `OPTIONS`
    Options,
}

impl Method {
    /// Length of the longest method; a longer token need not be waited for.
    pub(super) const BYTES_MAX: usize = 7;

    /// The method of this name. Names are case-sensitive (RFC 9110 §9.1).
    pub(super) fn from_token(token: &str) -> Result<Self, HeadError> {
        match token {
            "GET" => Ok(Self::Get),
            "HEAD" => Ok(Self::Head),
            "POST" => Ok(Self::Post),
            "PUT" => Ok(Self::Put),
            "DELETE" => Ok(Self::Delete),
            "PATCH" => Ok(Self::Patch),
            "OPTIONS" => Ok(Self::Options),
            _ => Err(HeadError::MethodUnknown),
        }
    }

    /// The method's name, as on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Options => "OPTIONS",
        }
    }

    /// Whether the value of an `Allow` header names it (RFC 9110 §10.2.1).
    pub fn is_among(self, allow: &str) -> bool {
        elements(allow.as_bytes()).any(|allowed| allowed == self.as_str().as_bytes())
    }
}

/// The version that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0: closes by default, knows no chunks.
    Http10,
    /// HTTP/1.1: persists by default. HTTP/1.2 and above count as this, too (RFC 9110 §2.5).
    Http11,
    /// HTTP/2: frames its bodies itself, and its connection is managed elsewhere. A head of it says
    /// the same things in other bytes (RFC 9113 §8.3), so it is the same value here.
    Http2,
}

/// The delimitation of a request's body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// Neither length nor coding: there is no body.
    None,
    /// `Content-Length` bytes follow; zero is possible.
    Length(u64),
    /// Chunks follow; see [`ChunkedDecoder`](super::ChunkedDecoder). In HTTP/2: frames of a stream,
    /// until it ends.
    Chunked,
}

impl BodyLength {
    /// Whether it is known that no body follows: an empty body is none.
    pub const fn is_bodiless(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

/// A complete, valid request head. `'b` is the receive buffer, `'h` the [`Scratch`].
#[derive(Clone, Copy, Debug)]
pub struct Head<'h, 'b> {
    /// The method.
    pub method: Method,
    /// The request target as sent, in any form.
    pub target: &'b str,
    /// The path, still percent-encoded: begins with `/`, or is `*` for `OPTIONS *`.
    pub path: &'b str,
    /// The text after the first `?`, still encoded; `Some("")` for a bare `?`.
    pub query: Option<&'b str>,
    /// The version.
    pub version: Version,
    /// The delimitation of the body.
    pub body_length: BodyLength,
    /// Whether the peer wishes the connection to persist (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// Whether the peer waits for `100 Continue` before it sends the body; false when there is no
    /// body to wait for, and for HTTP/1.0 (RFC 9110 §10.1.1).
    pub expect_continue: bool,
    /// The authority of the target, or of HTTP/2's `:authority`.
    pub(super) authority: Option<&'b str>,
    pub(super) fields: &'h [httparse::Header<'b>],
}

impl<'b> Head<'_, 'b> {
    /// All fields, in order: names as sent, values without surrounding white space.
    pub fn headers(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        self.fields.iter().map(|field| (field.name, field.value))
    }

    /// The values of all fields of this name (any case), in order.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    /// The value of the first field of this name (any case).
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.header_values(name).next()
    }

    /// The value of the first field of this name, if there is one and it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&'b str> {
        self.header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The value of the field of this name (any case), if there is exactly one.
    pub fn header_once(&self, name: &str) -> Option<&'b [u8]> {
        let mut values = self.header_values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Returns the host that the request is for, with its port if it names one (RFC 9110 §7.2): the
    /// target's, if it has one, or that of `Host`.
    pub fn host(&self) -> Option<&'b str> {
        self.authority.or_else(|| self.header_str("host"))
    }

    /// Whether the peer wants an answer of this media type rather than the usual one (RFC 9110
    /// §12.5.1).
    pub fn prefers(&self, media_type: &str, usual: &str) -> bool {
        let fields = self.fields.iter();
        let accepts = fields.filter(|field| field.name.eq_ignore_ascii_case("accept"));
        prefers(accepts.map(|field| field.value), media_type, usual)
    }

    /// Whether the comma-separated lists under `name` contain `token` (any case), as in
    /// `Connection: keep-alive, Upgrade`.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.header_values(name)
            .flat_map(elements)
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether the peer asks to go on with another protocol. RFC 9110 §7.8: in HTTP/1.0 that MUST
    /// be ignored, and HTTP/2 does not have it.
    pub fn wants_upgrade(&self, protocol: &str) -> bool {
        self.version == Version::Http11 && self.has_token("upgrade", protocol)
    }
}
