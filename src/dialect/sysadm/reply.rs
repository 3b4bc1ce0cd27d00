//! Replies of this dialect: compact JSON, keys in alphabetical order, as the original's library
//! writes it.

use serde::Serialize;

use crate::auth::{Grant, Grants, LoginToken};
use crate::hub::Full;
use crate::limits::LOGIN_TTL;
use crate::protocol::http1::status_text;

/// What a reply repeats of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    /// As sent, in whatever case.
    pub(super) namespace: Box<str>,
    /// As sent.
    pub(super) name: Box<str>,
    /// Empty if the request had none, or one that is not text.
    pub(super) id: Box<str>,
}

/// Why a request failed; numbered as in HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The request, or its args, cannot be understood.
    BadRequest = 400,
    /// Nobody is logged in, or the login failed.
    Unauthorized = 401,
    /// Known but not allowed.
    Forbidden = 403,
    /// Unknown namespace or name.
    NotFound = 404,
    /// Too many wrong passwords came from this address.
    TooMany = 429,
    /// A bound is reached; try again.
    Unavailable = 503,
}

/// Writes errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errors {
    /// Whether errors have the documentation's form instead of the original's.
    pub(super) documented: bool,
}

/// A message of this dialect. Fields are written in this order.
#[derive(Serialize)]
struct Message<'r, A> {
    args: A,
    id: &'r str,
    name: &'r str,
    namespace: &'r str,
}

/// Args of an error; the code is a text or a number.
#[derive(Serialize)]
struct Failure<'r, C> {
    code: C,
    message: &'r str,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

#[derive(Serialize)]
struct Identity<'r> {
    hostname: &'r str,
    r#type: &'r str,
}

#[derive(Serialize)]
struct Access {
    #[serde(rename = "events/*", skip_serializing_if = "Option::is_none")]
    events: Option<&'static str>,
}

/// Args of the reply to `subscribe` and `unsubscribe`.
#[derive(Default, Serialize)]
pub(super) struct Changed<'r> {
    /// The last known class that was subscribed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subscribe: Option<&'r str>,
    /// The last known class that was unsubscribed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unsubscribe: Option<&'r str>,
}

/// A success with the given args. Without an id the client finds its request by the name.
fn response(echo: &Echo, args: impl Serialize) -> Vec<u8> {
    let name = if echo.id.is_empty() {
        &echo.name
    } else {
        "response"
    };
    write(&Message {
        args,
        id: &echo.id,
        name,
        namespace: &echo.namespace,
    })
}

/// A login is good.
pub(super) fn logged_in(echo: &Echo, token: &LoginToken) -> Vec<u8> {
    let token = String::from_utf8_lossy(&token.0);
    response(echo, (token, LOGIN_TTL.as_secs()))
}

/// The answer to `identify`.
pub(super) fn identity(echo: &Echo, hostname: &str) -> Vec<u8> {
    let r#type = "server";
    response(echo, Identity { hostname, r#type })
}

/// The answer to `query`.
pub(super) fn access(echo: &Echo, grants: Grants) -> Vec<u8> {
    let events = grants.allow(Grant::Subscribe).then_some("read");
    response(echo, Access { events })
}

/// The answer to a change of subscriptions.
pub(super) fn changed(echo: &Echo, changed: &Changed<'_>) -> Vec<u8> {
    response(echo, changed)
}

impl Errors {
    /// A request failed.
    pub(super) fn reply(self, echo: &Echo, code: Code) -> Vec<u8> {
        self.write(echo, code, status_text(code as u16), None)
    }

    /// A request failed for now: it may be sent again after so many seconds.
    pub(super) fn later(self, echo: &Echo, code: Code, retry_after: u32) -> Vec<u8> {
        self.write(echo, code, status_text(code as u16), Some(retry_after))
    }

    /// A request is over a bound, which the message names.
    pub(super) fn over_bound(self, echo: &Echo, bound: &str) -> Vec<u8> {
        let code = Code::BadRequest;
        let message = format!("{}: {bound}", status_text(code as u16));
        self.write(echo, code, &message, None)
    }

    /// There is as much of something as may be, now.
    pub(super) fn full(self, echo: &Echo, full: Full) -> Vec<u8> {
        let code = Code::Unavailable;
        let message = format!("{}: {full}", status_text(code as u16));
        self.write(echo, code, &message, None)
    }

    /// What came is no request: there is nothing to repeat.
    pub(super) fn malformed(self) -> Vec<u8> {
        let echo = Echo {
            namespace: "error".into(),
            name: "".into(),
            id: "".into(),
        };
        self.reply(&echo, Code::BadRequest)
    }

    fn write(self, echo: &Echo, code: Code, message: &str, retry_after: Option<u32>) -> Vec<u8> {
        let (id, name) = (&*echo.id, "error");
        let code = code as u16;
        if self.documented {
            return write(&Message {
                args: Failure {
                    code,
                    message,
                    retry_after,
                },
                id,
                name,
                namespace: &echo.namespace,
            });
        }
        let code = code.to_string();
        write(&Message {
            args: Failure {
                code,
                message,
                retry_after,
            },
            id,
            name,
            namespace: "error",
        })
    }
}

fn write(message: &impl Serialize) -> Vec<u8> {
    // Text and numbers: serializing them cannot fail.
    serde_json::to_vec(message).unwrap_or_default()
}
