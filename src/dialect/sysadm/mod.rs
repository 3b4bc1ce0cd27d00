//! The sysadm dialect: subscribe by event class over a WebSocket.
//!
//! Its origin is the events namespace of the `SysAdm` server (`TrueOS`), whose clients work unmodified. A
//! message's way: `request` (what is asked), then `login` for all that has to do with who asks, or
//! `subscribe`; `reply` writes the answer. A socket is logged in or not:
//!
//! ```text
//!                 auth, auth_token: answered well
//!   ┌──────────┐ ─────────────────────────────────► ┌───────────┐
//!   │ stranger │                                    │ logged in │ ⟲ any other request renews the token
//!   └──────────┘ ◄───────────────────────────────── └───────────┘
//!        │         any name that begins with auth;        │
//!        │ 30 s    the token ended meanwhile              │ 30 min without a message
//!        ▼                                                ▼
//!   close 4401                                        close 4408
//! ```
//!
//! A stranger hears nothing: with the login go the subscriptions, unless the very next login, which the
//! same message asks for, is of the same organization. In open mode nobody is ever a stranger.

mod config;
mod login;
mod render;
mod reply;
mod request;
mod state;
mod subscribe;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    Action, CONTRADICTORY, Cors, Denial, Open, Opening, Responder, Tools, check_upgrade,
    read_credentials, respond_error,
};
use crate::auth::{Denied, Directory, Grant, Identity, LoginToken, OrganizationId};
use crate::dialect::Reporting;
use crate::dialect::client::Reaction;
use crate::hub::NamePattern;
use crate::limits::{LOGIN_TIMEOUT, SYSADM_IDLE_TIMEOUT};
use crate::metrics::{Api, RefusalKind};
use crate::protocol::http1::Head;
use crate::protocol::websocket::CloseCode;
use crate::time::Instant;

pub use config::{SysadmConfig, SysadmErrors};
pub use login::Pending;
use reply::{Code, Errors};
use request::Request;

pub use subscribe::Undo;

/// The paths of this dialect's socket.
pub const PATHS: [&str; 2] = ["/sysadm", "/sysadm/ws"];

/// Nobody logged in within [`LOGIN_TIMEOUT`]. From the range for applications (RFC 6455 §7.4.2), after
/// HTTP's 401.
pub const CLOSE_NO_LOGIN: CloseCode = CloseCode(4401);
/// No message from the client for [`SYSADM_IDLE_TIMEOUT`]; after HTTP's 408.
pub const CLOSE_IDLE: CloseCode = CloseCode(4408);

/// The classes that every server of this dialect knows.
const CLASSES: [&str; 3] = ["dispatcher", "life-preserver", "system-state"];

/// The challenge of RFC 9110 §11.6.1: who needs no token in the handshake logs in by message.
const CHALLENGE: &[u8] = b"WWW-Authenticate: Bearer realm=\"fanfare\"\r\n";

/// The dialect as configured.
#[derive(Debug)]
pub struct Sysadm {
    directory: Arc<Directory>,
    /// What every answer tells browsers.
    cors: Cors,
    hostname: Box<str>,
    errors: Errors,
    known: Vec<NamePattern>,
    retained: Vec<Box<str>>,
    reporting: Option<Reporting>,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    login: Option<Login>,
    /// What it subscribed to, and hears as long as it is logged in.
    classes: BTreeSet<NamePattern>,
    /// Whose events these classes are, once it subscribed.
    subscribed_in: Option<OrganizationId>,
    /// Since when it is a stranger, if it is one.
    stranger_since: Instant,
    last_message: Instant,
}

/// A login on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Login {
    identity: Identity,
    /// None for an API token, and for everyone in open mode.
    token: Option<LoginToken>,
}

impl Sysadm {
    /// The dialect. `hostname` is what this node calls itself.
    pub fn new(config: &SysadmConfig, directory: Arc<Directory>, hostname: Box<str>) -> Self {
        let listed = config.classes.iter().map(String::as_str);
        let closed = directory.anonymous().is_none();
        Self {
            cors: Cors::new(&config.cors, closed, "Retry-After"),
            directory,
            hostname,
            errors: Errors {
                documented: config.errors == SysadmErrors::Documented,
            },
            known: CLASSES
                .into_iter()
                .chain(listed)
                .map(NamePattern::parse)
                .collect(),
            retained: config.retained.iter().map(|c| c.as_str().into()).collect(),
            reporting: config.state_interval.map(|interval| Reporting {
                first: config.state_first,
                interval,
                event: state::report,
            }),
        }
    }

    /// How the node reports, if it is to.
    pub const fn reporting(&self) -> Option<Reporting> {
        self.reporting
    }

    /// What every answer tells browsers.
    pub fn cors(&self) -> &Cors {
        &self.cors
    }

    /// Handles the opening handshake, or whatever else came to the path.
    pub fn handle(
        &self,
        head: &Head<'_, '_>,
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        let Ok(handshake) = check_upgrade(head, &self.cors, to) else {
            return Action::Done;
        };
        let identified = self
            .directory
            .identify(tools.now, || read_credentials(head));
        let identity = match identified {
            Ok(identity) => Some(identity),
            // A user logs in by message; the original never looks at the handshake.
            Err(Denied::Missing | Denied::Password) => None,
            Err(denied) => {
                to.denied = Some(Denial::of(Api::Sysadm, denied));
                if denied == Denied::Contradictory {
                    let code = "contradictory_credentials";
                    respond_error(to, &[&self.cors], 400, code, CONTRADICTORY);
                } else {
                    let message = "the API token is not known";
                    respond_error(to, &[&self.cors, CHALLENGE], 401, "unauthorized", message);
                }
                return Action::Done;
            }
        };
        let client = Client {
            login: identity.map(|identity| Login {
                identity,
                token: None,
            }),
            classes: BTreeSet::new(),
            subscribed_in: None,
            stranger_since: tools.now.instant,
            last_message: tools.now.instant,
        };
        Action::Open(Box::new(Open {
            opening: Opening::WebSocket(handshake, None),
            client: super::Client::Sysadm(Box::new(client)),
            subscriptions: Vec::new(),
            home: None,
        }))
    }

    /// A message came.
    pub fn message(&self, client: &mut Client, text: &[u8], tools: &mut Tools<'_>) -> Reaction {
        client.last_message = tools.now.instant;
        let Some(request) = Request::read(text) else {
            return Reaction::Reply(self.errors.malformed());
        };
        if request.is_rpc() && request.echo.name.starts_with("auth") {
            return self.log_in(client, request, tools);
        }
        if request.is_rpc() && &*request.echo.name == "identify" {
            return Reaction::Reply(reply::identity(&request.echo, &self.hostname));
        }
        let Some(login) = client.login else {
            tools.denied = Some(Denial::new(Api::Sysadm, RefusalKind::Credentials));
            return Reaction::Reply(self.errors.reply(&request.echo, Code::Unauthorized));
        };
        if request.is_events()
            && let Err(denied) = login.identity.with_grant(tools.now, Grant::Subscribe)
        {
            tools.denied = Some(Denial::of(Api::Sysadm, denied));
        }
        let reaction = self.serve(client, &request, login.identity);
        login.renewed_with(request.echo, reaction)
    }

    /// A request of somebody who is logged in.
    fn serve(&self, client: &mut Client, request: &Request, identity: Identity) -> Reaction {
        let name = &*request.echo.name;
        if request.is_rpc() && name == "query" {
            return Reaction::Reply(reply::access(&request.echo, identity.grants));
        }
        if request.is_events() && name == "subscribe" {
            return self.subscribe(client, request, identity);
        }
        if request.is_events() && name == "unsubscribe" {
            return self.unsubscribe(client, request, identity);
        }
        // There is no rpc/dispatcher: this server executes nothing.
        Reaction::Reply(self.errors.reply(&request.echo, Code::NotFound))
    }

    /// The time is [`Client::due`].
    pub fn expire(&self, client: &mut Client, tools: &mut Tools<'_>) -> Reaction {
        let now = tools.now.instant;
        if now < client.due() {
            return Reaction::nothing();
        }
        if client.login.is_none() && now >= client.stranger_since + LOGIN_TIMEOUT {
            return Reaction::Close(Vec::new(), CLOSE_NO_LOGIN, "nobody logged in");
        }
        Reaction::Close(Vec::new(), CLOSE_IDLE, "no message for too long")
    }

    /// The names whose last event is kept for those who subscribe later.
    pub fn retained(&self) -> &[Box<str>] {
        &self.retained
    }
}

impl Client {
    /// Whether somebody is logged in.
    pub const fn is_logged_in(&self) -> bool {
        self.login.is_some()
    }

    /// When [`Sysadm::expire`] wants to be called.
    pub fn due(&self) -> Instant {
        let idle = self.last_message + SYSADM_IDLE_TIMEOUT;
        if self.login.is_some() {
            idle
        } else {
            idle.min(self.stranger_since + LOGIN_TIMEOUT)
        }
    }
}
