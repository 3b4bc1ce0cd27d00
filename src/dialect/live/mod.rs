//! The live dialect: every event of an organization, or those that pass property filters, as flat
//! JSON objects over a WebSocket.
//!
//! Its origin is the Event API of iSymphony 3.2. A handshake's way: [`Dialect::handle`], and for a
//! user [`Dialect::answer`] when the password was checked. A message's way: `request` (what is
//! asked), `filter` (what it means), `reply`. A socket has no state but whose it is: each filter
//! message says all that is to be heard.

mod access;
mod config;
mod describe;
mod filter;
mod handshake;
mod render;
mod reply;
mod request;
pub(super) mod show;
mod state;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::BytesMut;

use crate::auth::{Directory, OrganizationId};
use crate::dialect::{
    self, Action, Change, Cors, Dialect, Envelope, Message, Outcome, Parts, Reaction, Refused,
    Responder, Subscribe, Tools,
};
use crate::hub::{Event, Full};
use crate::protocol::http1::Head;
use crate::protocol::websocket::{CloseCode, encode_text};
use request::{Filter, Limits, Request};

pub use config::LiveConfig;
pub use state::StatePath;

/// A path of this dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'b> {
    /// The socket.
    Socket,
    /// The state.
    State(StatePath<'b>),
}

/// What waits for an answer.
#[derive(Debug)]
pub enum Pending {
    /// A handshake.
    Handshake(Box<handshake::Pending>),
    /// A request about the state.
    State(Box<state::Pending>),
}

/// The paths of this dialect's socket.
pub const PATHS: [&str; 2] = ["/live/ws", "/communication_manager/ws/event"];

/// The dialect as configured.
#[derive(Debug)]
pub struct Live {
    directory: Arc<Directory>,
    /// What every answer tells browsers, and whose pages may use a remembered password.
    cors: Cors,
    limits: Limits,
}

/// What a client heard before a message whose filters are refused: it hears that still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    heard: Heard,
    cancelled: bool,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    organization: OrganizationId,
    /// Its subscription was cancelled, and it has set no filters since. What else it may be, is in
    /// the room that this leaves: a socket of any dialect is not larger.
    cancelled: bool,
    heard: Heard,
}

/// What a client hears: every event that passes these filters; without any, every event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Heard(Option<Box<Box<[Filter]>>>);

// Twice boxed: a thin pointer keeps the many without filters small.
const _: () = assert!(size_of::<Client>() <= 16);

impl Live {
    /// The dialect.
    pub fn new(config: &LiveConfig, directory: Arc<Directory>) -> Self {
        let closed = directory.anonymous().is_none();
        Self {
            cors: Cors::new(&config.cors, closed, "Retry-After"),
            directory,
            limits: Limits {
                filters_max: config.filters_max,
                value_bytes_max: config.value_bytes_max,
            },
        }
    }

    /// A message came.
    fn read_message(&self, client: &mut Client, text: &[u8]) -> Reaction {
        let filters = match Request::read(text) {
            Ok(Request::Filter(filters)) => filters,
            Err(error) => return Reaction::Reply(reply::error(&error)),
        };
        match filters.read(&self.limits) {
            Ok(filters) => {
                let change = self.subscriptions(client.organization, &filters);
                let reply = reply::filtered(filters.len());
                let undo = Undo {
                    heard: std::mem::replace(&mut client.heard, Heard::of(filters)),
                    cancelled: std::mem::take(&mut client.cancelled),
                };
                Reaction::Subscribe(Box::new(Subscribe {
                    change: Change::Replace(change),
                    retained: Vec::new(),
                    reply,
                    undo: dialect::Undo::Live(Box::new(undo)),
                }))
            }
            Err(error) => Reaction::Reply(reply::refused(&error)),
        }
    }
}

impl Dialect for Live {
    type Route<'b> = Route<'b>;
    type Pending = Pending;
    type Client = Client;
    type Undo = Box<Undo>;
    type Encoding = ();
    type Rendering = ();
    type View = Infallible;

    const NAME: &'static str = "live";

    fn of(parts: &Parts<'_>) -> Self {
        Self::new(&parts.config.live, parts.directory())
    }

    fn route<'b>(&self, path: &'b str) -> Option<Route<'b>> {
        if PATHS.contains(&path) {
            return Some(Route::Socket);
        }
        StatePath::parse(path).map(Route::State)
    }

    fn cors(&self, _route: Option<Route<'_>>) -> Option<&Cors> {
        Some(&self.cors)
    }

    fn admit(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        match route {
            Route::Socket => Ok(0),
            Route::State(path) => self.admit_state(path, head, to),
        }
    }

    fn handle(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        _body: &[u8],
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        match route {
            Route::Socket => self.shake_hands(head, to),
            Route::State(path) => self.handle_state(path, head, to),
        }
    }

    fn answer(
        &self,
        pending: Pending,
        outcome: Outcome,
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        match pending {
            Pending::Handshake(pending) => self.answer_handshake(*pending, &outcome, to),
            Pending::State(pending) => self.answer_state(*pending, outcome, to),
        }
    }

    fn encoding(_client: &Client, _envelope: Envelope) -> Option<()> {
        Some(())
    }

    fn message(
        &self,
        client: &mut Client,
        message: Message<'_>,
        _tools: &mut Tools<'_>,
    ) -> Reaction {
        self.read_message(client, message.bytes())
    }

    fn not_opened(&self, _client: &mut Client, full: Full) -> Reaction {
        let last = reply::error(&full.to_string());
        let reason = "too many subscriptions, try again";
        Reaction::Close(last, CloseCode::TRY_AGAIN_LATER, reason)
    }

    /// The filters of a message were over a bound of the organization's.
    fn not_subscribed(&self, client: &mut Client, undo: Box<Undo>, full: Full) -> Reaction {
        client.heard = undo.heard;
        client.cancelled = undo.cancelled;
        Reaction::Reply(reply::refused(&full.to_string()))
    }

    fn organization(client: &Client) -> Option<OrganizationId> {
        Some(client.organization)
    }

    fn heard(client: &Client, _place: usize) -> Option<dialect::Heard> {
        client.heard()
    }

    fn cancel(&self, client: &mut Client, _place: usize) -> Reaction {
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
