//! Errors in this dialect's form, that of JSON:API 1.1 §11.2:
//! `{"errors":[{"title":"…","detail":"…","code":"…","source":{"pointer":"/scope/event_id"}}]}`.
//!
//! | status | code | what |
//! | --- | --- | --- |
//! | 400 | `invalid_json`, `bad_body`, `invalid_idempotency_key` | the request cannot be read |
//! | 401, 403 | `unauthorized`, `forbidden` | it is not known who asks; they may not |
//! | 404 | `not_found` | the scope is unknown, and scopes are declared |
//! | 405, 408, 411, 413 | `method_not_allowed`, `request_timeout`, `length_required`, `too_large` | as HTTP says |
//! | 409 | `conflict` | the state of the scope does not allow it |
//! | 422 | `missing_field`, `wrong_type`, `empty`, `too_long`, `unknown_scope_type`, `too_deep`, `contradiction`, `reserved_name` | JSON, but no event for a scope |
//! | 422 | `idempotency_key_reused` | the key was used to publish something else there |
//! | 429 | `rate_limited` | the organization publishes faster than it may |
//! | 503 | `busy` | a bound is reached |
//!
//! Whatever is wrong with a body is told at once, each with where it stands, or should stand (RFC
//! 6901).

use std::borrow::Cow;

use serde::Serialize;

use crate::dialect::{
    KEY_REUSED_CODE, RATE_LIMITED, RESERVED_NAME, Refused, Responder, respond_body,
    retry_after_line,
};

/// Not `application/vnd.api+json`: that name promises all of JSON:API, of which only the form of
/// errors is used here, and some clients read a body as JSON only if it is called so.
const CONTENT_TYPE: &str = "application/json";

/// RFC 9110 §10.2.3; a bound that was reached is usually free again at once.
const RETRY_AFTER: &[u8] = b"Retry-After: 1\r\n";
/// RFC 9110 §15.5.2: a 401 says how to do better (RFC 6750 §3). A token without a scheme has no
/// name there.
const CHALLENGE: &[u8] = b"WWW-Authenticate: Bearer\r\n";

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not JSON.
    InvalidJson,
    /// The body does not come as HTTP says.
    BadBody,
    /// Several credentials that are not the same.
    ContradictoryCredentials,
    /// The field `Idempotency-Key` has no key.
    InvalidIdempotencyKey,
    /// It is not known who asks.
    Unauthorized,
    /// Who asks may not.
    Forbidden,
    /// There is no such scope.
    NotFound,
    /// The path takes other methods.
    MethodNotAllowed,
    /// The request does not arrive.
    RequestTimeout,
    /// It is not known where the body ends.
    LengthRequired,
    /// The body is longer than it may be.
    TooLarge,
    /// What must be there is not.
    MissingField,
    /// JSON of another type.
    WrongType,
    /// A text of no character.
    Empty,
    /// A text that is longer than it may be.
    TooLong,
    /// No type of scope.
    UnknownScopeType,
    /// Nested deeper than it may be.
    TooDeep,
    /// Not what was learned of the tree.
    Contradiction,
    /// The name is the server's own.
    ReservedName,
    /// The key was used for something else.
    KeyReused,
    /// Not in the state that the scope is in.
    Conflict,
    /// The organization publishes faster than it may.
    RateLimited {
        /// Seconds.
        retry_after: u32,
    },
    /// A bound is reached.
    Busy,
    /// A table has no room.
    Full {
        /// Seconds.
        retry_after: u32,
    },
}

impl Kind {
    /// The status, the code and the title.
    const fn wire(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::InvalidJson => (400, "invalid_json", "Invalid JSON"),
            Self::BadBody => (400, "bad_body", "Bad body"),
            Self::ContradictoryCredentials => (
                400,
                "contradictory_credentials",
                "Contradictory credentials",
            ),
            Self::InvalidIdempotencyKey => (
                400,
                "invalid_idempotency_key",
                "Invalid Idempotency-Key field",
            ),
            Self::Unauthorized => (401, "unauthorized", "Unauthorized"),
            Self::Forbidden => (403, "forbidden", "Forbidden"),
            Self::NotFound => (404, "not_found", "Not found"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "Method not allowed"),
            Self::RequestTimeout => (408, "request_timeout", "Request timeout"),
            Self::Conflict => (409, "conflict", "Conflict"),
            Self::LengthRequired => (411, "length_required", "Length required"),
            Self::TooLarge => (413, "too_large", "Content too large"),
            Self::MissingField => (422, "missing_field", "Missing field"),
            Self::WrongType => (422, "wrong_type", "Wrong type"),
            Self::Empty => (422, "empty", "Empty text"),
            Self::TooLong => (422, "too_long", "Text too long"),
            Self::UnknownScopeType => (422, "unknown_scope_type", "Unknown scope type"),
            Self::TooDeep => (422, "too_deep", "Nested too deep"),
            Self::Contradiction => (422, "contradiction", "Contradiction"),
            Self::ReservedName => (422, RESERVED_NAME, "Reserved name"),
            Self::KeyReused => (422, KEY_REUSED_CODE, "Idempotency-Key reused"),
            Self::RateLimited { .. } => (429, RATE_LIMITED, "Rate limited"),
            Self::Busy | Self::Full { .. } => (503, "busy", "Busy"),
        }
    }

    /// What the connection refuses a body for.
    const fn of_status(status: u16) -> Self {
        match status {
            408 => Self::RequestTimeout,
            411 => Self::LengthRequired,
            413 => Self::TooLarge,
            _ => Self::BadBody,
        }
    }

    fn headers(self) -> Cow<'static, [u8]> {
        match self {
            Self::Unauthorized => CHALLENGE.into(),
            Self::RateLimited { retry_after } | Self::Full { retry_after } => {
                retry_after_line(retry_after).into_bytes().into()
            }
            Self::Busy => RETRY_AFTER.into(),
            _ => Cow::default(),
        }
    }
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// What kind of thing.
    pub(super) kind: Kind,
    /// For people.
    pub(super) detail: Cow<'static, str>,
    /// Where in the body: a JSON Pointer (RFC 6901).
    pub(super) pointer: Option<&'static str>,
}

impl Problem {
    /// A problem that has no place in the body.
    pub(super) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            pointer: None,
        }
    }

    /// A problem with what stands, or should stand, at `pointer` in the body.
    pub(super) fn at(
        pointer: &'static str,
        kind: Kind,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            pointer: Some(pointer),
            ..Self::new(kind, detail)
        }
    }
}

/// Fields are written in this order.
#[derive(Serialize)]
struct Item<'p> {
    title: &'static str,
    detail: &'p str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
}

#[derive(Serialize)]
struct Source {
    pointer: &'static str,
}

#[derive(Serialize)]
struct Document<'p> {
    errors: Vec<Item<'p>>,
}

/// Refuses a request for one reason.
pub(super) fn refuse(problem: Problem, to: &mut Responder<'_>) -> Refused {
    refuse_all(&[problem], to)
}

/// Refuses a request for all these reasons; the first one says the status.
pub(super) fn refuse_all(problems: &[Problem], to: &mut Responder<'_>) -> Refused {
    let kind = problems.first().map_or(Kind::BadBody, |first| first.kind);
    respond_problems(kind.wire().0, &[&kind.headers()], problems, to)
}

/// Refuses another method than those of `allow`, with further header lines.
pub(super) fn refuse_method(allow: &str, lines: &[u8], to: &mut Responder<'_>) -> Refused {
    let problem = Problem::new(Kind::MethodNotAllowed, format!("allowed: {allow}"));
    let header = format!("Allow: {allow}\r\n");
    respond_problems(405, &[lines, header.as_bytes()], &[problem], to)
}

/// Refuses an admitted request whose body does not come as it should, with further header lines.
pub(super) fn refuse_body(status: u16, lines: &[u8], message: &str, to: &mut Responder<'_>) {
    let problem = Problem::new(Kind::of_status(status), message.to_owned());
    respond_problems(status, &[lines], &[problem], to);
}

fn respond_problems(
    status: u16,
    headers: &[&[u8]],
    problems: &[Problem],
    to: &mut Responder<'_>,
) -> Refused {
    let items = problems.iter().map(|problem| {
        let (_, code, title) = problem.kind.wire();
        Item {
            title,
            detail: &problem.detail,
            code,
            source: problem.pointer.map(|pointer| Source { pointer }),
        }
    });
    let errors = items.collect();
    // Plain structs of text: serializing them cannot fail.
    let body = serde_json::to_vec(&Document { errors }).unwrap_or_default();
    respond_body(to, headers, status, CONTENT_TYPE, &body)
}
