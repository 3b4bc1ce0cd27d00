//! Where no dialect is: the server as a whole (`OPTIONS *`), and paths that are nobody's.

use std::convert::Infallible;

use super::contract::{Dialect, Parts};
use super::{Action, Refused, Responder, Tools, calls, respond_error};
use crate::protocol::http1::{Head, Method};

/// What may be asked of the server as a whole, somewhere.
const SERVER_METHODS: &[u8] = b"GET, HEAD, POST, PUT, DELETE, OPTIONS";

/// Whoever answers where no dialect is.
#[derive(Debug)]
pub struct Nowhere {
    /// What browsers are told: without organizations, that everyone may read it.
    anyone: &'static [u8],
}

/// What a path is that no dialect serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The server as a whole: `OPTIONS *` (RFC 9110 §9.3.7).
    Server,
    /// Nobody's.
    Unknown,
}

impl Route {
    /// What a path is that no dialect has taken.
    pub fn of(path: &str) -> Self {
        match path {
            "*" => Self::Server,
            _ => Self::Unknown,
        }
    }
}

impl Dialect for Nowhere {
    type Route<'b> = Route;
    type Pending = Infallible;
    type Client = Infallible;
    type Undo = Infallible;
    type Encoding = Infallible;
    type Rendering = ();
    type View = Infallible;

    const NAME: &'static str = "nowhere";

    fn of(parts: &Parts<'_>) -> Self {
        let anyone: &[u8] = match parts.directory.anonymous() {
            Some(_) => b"Access-Control-Allow-Origin: *\r\n",
            None => b"",
        };
        Self { anyone }
    }

    fn route(&self, path: &str) -> Option<Route> {
        Some(Route::of(path))
    }

    fn admit(
        &self,
        route: Route,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        if route == Route::Server || asks_the_server(head) {
            return Ok(0);
        }
        to.lines = self.anyone;
        Err(refuse_all(head, to))
    }

    fn refuse(&self, route: Route, to: &mut Responder<'_>, status: u16, code: &str, message: &str) {
        if route == Route::Unknown {
            to.lines = self.anyone;
        }
        respond_error(to, &[], status, code, message);
    }

    fn handle(
        &self,
        _route: Route,
        head: &Head<'_, '_>,
        _body: &[u8],
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        if asks_the_server(head) {
            let keep_alive = to.exchange.keep_alive;
            to.begin(200)
                .header("Allow", SERVER_METHODS)
                .empty(keep_alive);
        } else {
            to.lines = self.anyone;
            respond_nothing(to);
        }
        Action::Done
    }
}

/// Whether a request asks what the server as a whole can do: `OPTIONS *` (RFC 9110 §9.3.7), or
/// `OPTIONS /`, which is what haproxy asks to see whether a server lives.
fn asks_the_server(head: &Head<'_, '_>) -> bool {
    head.method == Method::Options && matches!(head.path, "*" | "/")
}

/// Refuses a request for what is not there, in the form that its sender reads.
pub(super) fn refuse_all(head: &Head<'_, '_>, to: &mut Responder<'_>) -> Refused {
    if !calls::refuse_web_call(head, to) {
        respond_nothing(to);
    }
    Refused
}

fn respond_nothing(to: &mut Responder<'_>) -> Refused {
    respond_error(to, &[], 404, "not_found", "nothing is served here")
}
