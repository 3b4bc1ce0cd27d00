//! The sysadm dialect: subscribe by event class over a WebSocket.
//!
//! Its origin is the events namespace of the `SysAdm` server (`TrueOS`), whose clients work
//! unmodified. A message's way: `request` (what is asked), then `login` for all that has to do with
//! who asks, or `subscribe`; `reply` writes the answer. A socket is logged in or not:
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
//! A stranger hears nothing: with the login go the subscriptions, unless the very next login, which
//! the same message asks for, is of the same organization. In open mode nobody is ever a stranger.

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
use std::convert::Infallible;
use std::sync::Arc;

use bytes::BytesMut;

use super::{
    Action, CONTRADICTORY, Client as AnyClient, Cors, Denial, Dialect, Envelope, Heard, Message,
    Open, Opening, Outcome, Parts, Reaction, Reporting, Responder, Tools, check_upgrade,
    read_credentials, respond_error,
};
use crate::auth::{Denied, Directory, Grant, Identity, LoginToken, OrganizationId};
use crate::hub::{Event, Full, NamePattern};
use crate::limits::{
    LOGIN_TIMEOUT, STRANGER_MESSAGE_BYTES_MAX, SYSADM_IDLE_TIMEOUT, WEBSOCKET_MESSAGE_BYTES_MAX,
};
use crate::metrics::{Api, RefusalKind};
use crate::protocol::http1::Head;
use crate::protocol::websocket::{CloseCode, encode_text};
use crate::time::Instant;

pub use config::{SysadmConfig, SysadmErrors};
pub use login::Pending;
use reply::{Code, Errors};
use request::Request;

pub use subscribe::Undo;

/// The paths of this dialect's socket.
pub const PATHS: [&str; 2] = ["/sysadm", "/sysadm/ws"];

/// Nobody logged in within [`LOGIN_TIMEOUT`]. From the range for applications (RFC 6455 §7.4.2),
/// after HTTP's 401.
pub const CLOSE_NO_LOGIN: CloseCode = CloseCode(4401);
/// No message from the client for [`SYSADM_IDLE_TIMEOUT`]; after HTTP's 408.
pub const CLOSE_IDLE: CloseCode = CloseCode(4408);

/// The classes that every server of this dialect knows.
const CLASSES: [&str; 3] = ["dispatcher", "life-preserver", "system-state"];

/// The challenge of RFC 9110 §11.6.1: who needs no token in the handshake logs in by message.
const CHALLENGE: &[u8] = b"WWW-Authenticate: Bearer realm=\"fanfare\"\r\n";

/// The path of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route;

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
}

impl Dialect for Sysadm {
    type Route<'b> = Route;
    type Pending = Box<Pending>;
    type Client = Box<Client>;
    type Undo = Box<Undo>;
    type Encoding = ();
    type Rendering = ();
    type View = Infallible;

    const NAME: &'static str = "sysadm";

    fn of(parts: &Parts<'_>) -> Self {
        Self::new(
            &parts.config.sysadm,
            parts.directory(),
            parts.hostname.into(),
        )
    }

    fn reporting(&self) -> Option<Reporting> {
        self.reporting
    }

    fn route(&self, path: &str) -> Option<Route> {
        PATHS.contains(&path).then_some(Route)
    }

    fn cors(&self, _route: Option<Route>) -> Option<&Cors> {
        Some(&self.cors)
    }

    /// Handles the opening handshake, or whatever else came to the path.
    fn handle(
        &self,
        _route: Route,
        head: &Head<'_, '_>,
        _body: &[u8],
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        let Ok(handshake) = check_upgrade(head, to) else {
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
                    respond_error(to, &[], 400, code, CONTRADICTORY);
                } else {
                    let message = "the API token is not known";
                    respond_error(to, &[CHALLENGE], 401, "unauthorized", message);
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
            client: AnyClient::Sysadm(Box::new(client)),
            subscriptions: Vec::new(),
            home: None,
        }))
    }

    fn message(
        &self,
        client: &mut Box<Client>,
        message: Message<'_>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        client.last_message = tools.now.instant;
        let Some(request) = Request::read(message.bytes()) else {
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

    fn encoding(_client: &Box<Client>, _envelope: Envelope) -> Option<()> {
        Some(())
    }

    fn message_bytes_max(client: &Box<Client>) -> usize {
        if client.is_logged_in() {
            WEBSOCKET_MESSAGE_BYTES_MAX
        } else {
            STRANGER_MESSAGE_BYTES_MAX
        }
    }

    fn due(client: &Box<Client>) -> Instant {
        client.due()
    }

    fn answer_client(
        &self,
        client: &mut Box<Client>,
        pending: Box<Pending>,
        outcome: Outcome,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        self.answered(client, *pending, outcome, tools)
    }

    fn not_subscribed(&self, client: &mut Box<Client>, undo: Box<Undo>, full: Full) -> Reaction {
        self.undo(client, *undo, full)
    }

    fn expire(&self, client: &mut Box<Client>, tools: &mut Tools<'_>) -> Reaction {
        let now = tools.now.instant;
        if now < client.due() {
            return Reaction::nothing();
        }
        if client.login.is_none() && now >= client.stranger_since + LOGIN_TIMEOUT {
            return Reaction::Close(Vec::new(), CLOSE_NO_LOGIN, "nobody logged in");
        }
        Reaction::Close(Vec::new(), CLOSE_IDLE, "no message for too long")
    }

    fn organization(client: &Box<Client>) -> Option<OrganizationId> {
        client.organization()
    }

    fn heard(client: &Box<Client>, _place: usize) -> Option<Heard> {
        Some(client.heard())
    }

    fn cancel(&self, client: &mut Box<Client>, _place: usize) -> Reaction {
        client.cancel()
    }

    fn encode_event(&self, (): (), event: &Event, (): &mut (), out: &mut BytesMut) {
        let mut text = Vec::with_capacity(256 + event.payload.len());
        self.render(event, &mut text);
        encode_text(out, &text);
    }

    fn encode_dropped(&self, (): (), count: u64, out: &mut BytesMut) {
        encode_text(out, self.render_dropped(count).as_bytes());
    }
}

impl Sysadm {
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

    /// When [`Dialect::expire`] wants to be called.
    pub fn due(&self) -> Instant {
        let idle = self.last_message + SYSADM_IDLE_TIMEOUT;
        if self.login.is_some() {
            idle
        } else {
            idle.min(self.stranger_since + LOGIN_TIMEOUT)
        }
    }
}
