//! What a room's client is told, except of events: compact JSON text, keys in the order of the
//! contract.

use std::borrow::Cow;

use crate::auth::Denied;
use crate::dialect::client::Reaction;
use crate::dialect::{
    CONTRADICTORY, Denial, LEAVING, RATE_LIMITED, put_text, reserved_name, too_fast,
};
use crate::hub::{Epoch, EventId, Full, Gap, Number, Refusal};
use crate::limits::WEBSOCKET_PING_INTERVAL;
use crate::metrics::{Api, RefusalKind};
use crate::protocol::websocket::CloseCode;

// From the range for applications (RFC 6455 §7.4.2), after HTTP's numbers.

/// The query does not say which room, or where its client stands.
const CLOSE_ADDRESS: CloseCode = CloseCode(4400);
/// Nobody has this token.
const CLOSE_UNKNOWN: CloseCode = CloseCode(4401);
/// The token allows nothing here.
const CLOSE_FORBIDDEN: CloseCode = CloseCode(4403);
/// There is no such event or session.
const CLOSE_NOT_FOUND: CloseCode = CloseCode(4404);
/// Nobody said who they are in time.
const CLOSE_TOO_LATE: CloseCode = CloseCode(4408);
/// The session belongs to another event.
const CLOSE_ELSEWHERE: CloseCode = CloseCode(4409);

/// The `ref` of a request, as JSON text: it is repeated as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dialect::pubsub) struct Reference(pub(super) Box<str>);

/// What kind of error, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The message is not JSON text.
    InvalidJson,
    /// There is no such action.
    UnknownAction,
    /// A request that needs a `ref` has none.
    MissingRef,
    /// The message is JSON, but not a request, or something in it is not what it must be.
    Invalid,
    /// It is not known who this is.
    Unauthorized,
    /// It is known, and not allowed.
    Forbidden,
    /// There is no such scope.
    NotFound,
    /// It contradicts what is known of the scopes.
    Conflict,
    /// A bound of this socket is reached.
    TooMany,
    /// The organization publishes faster than it may.
    RateLimited,
    /// A bound of this server is reached: try again.
    Busy,
}

impl Code {
    /// The word on the wire.
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::UnknownAction => "unknown_action",
            Self::MissingRef => "missing_ref",
            Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::TooMany => "too_many",
            Self::RateLimited => RATE_LIMITED,
            Self::Busy => "busy",
        }
    }
}

/// What is wrong with a request. The socket lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) code: Code,
    /// For people.
    pub(super) message: Cow<'static, str>,
}

impl Error {
    pub(super) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// Something in a request is not what it must be.
    pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// Why an event was not published.
    pub(super) fn of_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound | Refusal::Gone | Refusal::Undeclared => {
                Self::new(Code::NotFound, "there is no such scope")
            }
            Refusal::Contradiction | Refusal::Exists | Refusal::Status(_) => {
                Self::new(Code::Conflict, "the session belongs to another event")
            }
            // What is known by a key has no socket.
            Refusal::Busy | Refusal::KeyReused | Refusal::KeysHeld { .. } => {
                Self::new(Code::Busy, BUSY)
            }
            Refusal::ReservedName { at } => Self::invalid(reserved_name(at)),
            Refusal::Full(full) => Self::new(Code::Busy, full.to_string()),
            Refusal::Leaving => Self::new(Code::Busy, LEAVING),
            Refusal::TooFast { retry_after } => Self::new(Code::RateLimited, too_fast(retry_after)),
        }
    }
}

const BUSY: &str = "a bound is reached, try again";

/// Why a client may not stay: told by an error, then by a close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dismissal {
    /// The query cannot be understood; says why.
    Address(Box<str>),
    /// What is presented is not known, contradicts itself, or allows nothing here.
    Denied(Denied),
    /// There is no such session or event.
    NotFound,
    /// The session belongs to another event.
    Elsewhere,
    /// Nobody said who they are.
    TooLate,
    /// A bound is reached.
    Busy,
    /// The organization, or everyone together, has as much of something as may be.
    Full(Full),
}

impl Dismissal {
    /// Why there is no such room.
    pub(super) const fn of_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound | Refusal::Gone | Refusal::Undeclared => Self::NotFound,
            // The question where a session stands has no answers of the last two kinds.
            Refusal::Contradiction | Refusal::Exists | Refusal::Status(_) => Self::Elsewhere,
            Refusal::Full(full) => Self::Full(full),
            // Nor is it held against a limit, and nothing is published by it.
            Refusal::Busy
            | Refusal::Leaving
            | Refusal::KeyReused
            | Refusal::KeysHeld { .. }
            | Refusal::ReservedName { .. }
            | Refusal::TooFast { .. } => Self::Busy,
        }
    }

    /// What the operator is told, if it is for want of access.
    pub(super) fn denial(&self) -> Option<Denial> {
        match self {
            Self::Denied(denied) => Some(Denial::of(Api::Pubsub, *denied)),
            Self::TooLate => Some(Denial::new(Api::Pubsub, RefusalKind::Credentials)),
            Self::Address(_) | Self::NotFound | Self::Elsewhere | Self::Busy | Self::Full(_) => {
                None
            }
        }
    }

    /// The last words to a client.
    pub(super) fn reaction(&self, reference: Option<&Reference>) -> Reaction {
        let (close, code, reason) = match self {
            Self::Address(_) => (CLOSE_ADDRESS, Code::Invalid, "the address is not a room's"),
            Self::Denied(Denied::Contradictory) => (CLOSE_ADDRESS, Code::Invalid, CONTRADICTORY),
            Self::Denied(
                Denied::Missing | Denied::Malformed | Denied::Password | Denied::Unknown,
            ) => (
                CLOSE_UNKNOWN,
                Code::Unauthorized,
                "the API token is not known",
            ),
            Self::Denied(Denied::Ended(_)) => {
                (CLOSE_UNKNOWN, Code::Unauthorized, "the API token has ended")
            }
            Self::Denied(Denied::Lacks(..)) => (
                CLOSE_FORBIDDEN,
                Code::Forbidden,
                "this API token has neither the grant \"subscribe\" nor \"publish\"",
            ),
            Self::NotFound => (
                CLOSE_NOT_FOUND,
                Code::NotFound,
                "there is no such session or event",
            ),
            Self::Elsewhere => (
                CLOSE_ELSEWHERE,
                Code::Conflict,
                "the session belongs to another event",
            ),
            Self::TooLate => (
                CLOSE_TOO_LATE,
                Code::Unauthorized,
                "nobody said who they are",
            ),
            Self::Busy | Self::Full(_) => (CloseCode::TRY_AGAIN_LATER, Code::Busy, BUSY),
        };
        let message = match self {
            Self::Address(what) => what.to_string().into(),
            Self::Full(full) => full.to_string().into(),
            _ => Cow::Borrowed(reason),
        };
        let last = error(reference, &Error { code, message });
        Reaction::Close(last, close, reason)
    }
}

/// A request was not carried out.
pub(super) fn error(reference: Option<&Reference>, error: &Error) -> Vec<u8> {
    let mut out = begin("error", reference);
    out.extend_from_slice(b",\"data\":{\"code\":\"");
    out.extend_from_slice(error.code.as_str().as_bytes());
    out.extend_from_slice(b"\",\"message\":");
    put_text(&mut out, &error.message);
    out.extend_from_slice(b"}}");
    out
}

/// A request that has no more to say was carried out: `subscribed`, `unsubscribed`,
/// `authenticated`.
pub(super) fn done(action: &str, reference: &Reference) -> Vec<u8> {
    let mut out = begin(action, Some(reference));
    out.push(b'}');
    out
}

/// An event was published; its number is that in the room's own log, if it is addressed there.
pub(super) fn published(reference: &Reference, id: EventId, number: Option<Number>) -> Vec<u8> {
    let mut out = begin("published", Some(reference));
    let data = match number {
        Some(number) => format!(",\"data\":{{\"id\":\"{id}\",\"number\":{number}}}}}"),
        None => format!(",\"data\":{{\"id\":\"{id}\"}}}}"),
    };
    out.extend_from_slice(data.as_bytes());
    out
}

/// The client reads the log.
pub(super) fn welcome(epoch: Epoch, next: Number) -> Vec<u8> {
    let heartbeat = WEBSOCKET_PING_INTERVAL.as_secs();
    let data = format!("{{\"epoch\":\"{epoch}\",\"next\":{next},\"heartbeat\":{heartbeat}}}");
    news("welcome", &data)
}

/// What the client missed.
pub(super) fn gap(gap: Gap) -> Vec<u8> {
    match gap {
        Gap::Range { first, last } => news("gap", &format!("{{\"from\":{first},\"to\":{last}}}")),
        Gap::Reset => news("gap", "{\"reset\":true}"),
    }
}

/// The server is leaving: the client is to be elsewhere before then, unix milliseconds.
pub(super) fn reconnect(before_ms: u64) -> Vec<u8> {
    news("reconnect", &format!("{{\"before\":{before_ms}}}"))
}

/// What nobody asked for.
fn news(action: &str, data: &str) -> Vec<u8> {
    format!("{{\"action\":\"{action}\",\"data\":{data}}}").into_bytes()
}

fn begin(action: &str, reference: Option<&Reference>) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    out.extend_from_slice(b"{\"action\":\"");
    out.extend_from_slice(action.as_bytes());
    out.push(b'"');
    if let Some(Reference(reference)) = reference {
        out.extend_from_slice(b",\"ref\":");
        out.extend_from_slice(reference.as_bytes());
    }
    out
}
