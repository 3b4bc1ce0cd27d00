//! How a dialect answers a request of HTTP: where the answer goes, what its framing depends on, and
//! the form of errors that dialects have in common.

use bytes::BytesMut;

use super::{AllowedOrigin, Cors, Denial, Judge};
use crate::protocol::http1::{DateCache, Glimpse, Head, Method, Response, Version};
use crate::time::Now;

/// Where a response goes, and what its framing depends on.
#[derive(Debug)]
pub struct Responder<'o> {
    /// The bytes written so far.
    pub out: &'o mut BytesMut,
    /// The cached `Date`.
    pub date: &'o DateCache,
    /// The time at which the request is judged.
    pub now: Now,
    /// What the request said.
    pub exchange: Exchange,
    /// The origin that the answer names.
    pub origin: Option<AllowedOrigin>,
    /// Header lines with which every answer of the dialect begins, each with its CR LF.
    pub lines: &'o [u8],
    /// The status that was answered; for counting.
    pub status: u16,
    /// The refusal of access that was answered; for counting and the log.
    pub denied: Option<Denial>,
}

/// What must be remembered of a request to frame its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exchange {
    /// The request's version.
    pub version: Version,
    /// Whether the connection goes on afterwards.
    pub keep_alive: bool,
    /// Whether it was a `HEAD`: no body bytes.
    pub head_only: bool,
}

impl Exchange {
    /// The exchange that a request's head begins.
    pub fn of(head: &Head<'_, '_>) -> Self {
        Self {
            version: head.version,
            keep_alive: head.keep_alive,
            head_only: head.method == Method::Head,
        }
    }

    /// After the protocol was changed there is no response to frame.
    pub const fn upgraded() -> Self {
        Self {
            version: Version::Http11,
            keep_alive: true,
            head_only: false,
        }
    }

    /// For a request whose head could not be read, or whose body does not come: nothing follows.
    pub const fn broken(glimpse: Glimpse<'_>) -> Self {
        Self {
            version: Version::Http11,
            keep_alive: false,
            head_only: glimpse.head_only,
        }
    }
}

impl Responder<'_> {
    /// What judges the request that is answered.
    pub fn judge(&mut self) -> Judge<'_> {
        Judge {
            now: self.now,
            denied: &mut self.denied,
        }
    }

    /// Begins a response with the lines that all answers of the dialect have.
    pub fn begin(&mut self, status: u16) -> Response<'_> {
        self.status = status;
        let response = Response::begin(self.out, self.exchange.version, status, self.date);
        let response = match &self.origin {
            Some(origin) => response.header("Access-Control-Allow-Origin", origin.as_bytes()),
            None => response,
        };
        response.raw(self.lines)
    }

    /// Answers a browser that asks before it sends.
    pub fn preflight(&mut self, status: u16, cors: &Cors) {
        let keep_alive = self.exchange.keep_alive;
        self.begin(status).raw(cors.max_age()).empty(keep_alive);
    }
}

/// What every answer says that goes on, whatever carries it: nobody on the way may keep it, change
/// it (RFC 9111 §5.2.2.6: what compresses also collects) or hold it back, as nginx does unless told
/// otherwise.
pub const STREAMED: &[u8] = b"Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n";

/// A request was refused and the refusal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The body of an error answer: `{"error":{"code":"…","message":"…"}}`.
pub fn error_body(code: &str, message: &str) -> Vec<u8> {
    let error = serde_json::json!({"error": {"code": code, "message": message}});
    error.to_string().into_bytes()
}

/// Writes an error answer with further header lines, each with its CR LF.
pub fn respond_error(
    to: &mut Responder<'_>,
    headers: &[&[u8]],
    status: u16,
    code: &str,
    message: &str,
) -> Refused {
    let body = error_body(code, message);
    respond_body(to, headers, status, "application/json", &body)
}

/// Writes an answer with further header lines, each with its CR LF; most often a refusal.
pub fn respond_body(
    to: &mut Responder<'_>,
    headers: &[&[u8]],
    status: u16,
    content_type: &str,
    body: &[u8],
) -> Refused {
    let exchange = to.exchange;
    let mut response = to.begin(status);
    for lines in headers {
        response = response.raw(lines);
    }
    response.body(
        Some(content_type),
        body,
        exchange.keep_alive,
        exchange.head_only,
    );
    Refused
}
