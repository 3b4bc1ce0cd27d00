//! The live dialect: every event of an organization, or those that pass property filters, as flat JSON
//! objects over a WebSocket.
//!
//! Its origin is the Event API of iSymphony 3.2. A handshake's way: [`Live::handle`], and for a user
//! [`Live::answer`] when the password was checked. A message's way: `request` (what is asked),
//! `filter` (what it means), `reply`. A socket has no state but whose it is: each filter message says
//! all that is to be heard.

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

use std::sync::Arc;

use crate::auth::{Directory, OrganizationId};
use crate::dialect::client::{self, Change, Reaction, Subscribe};
use crate::dialect::{Action, Cors, Outcome, Responder};
use crate::hub::Full;
use request::{Filter, Limits, Request};

pub use config::LiveConfig;
pub use state::StatePath;

/// What waits for an answer.
#[derive(Debug)]
pub enum Pending {
    /// A handshake.
    Handshake(handshake::Pending),
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
    /// Its subscription was cancelled, and it has set no filters since. What else it may be, is in the room that this
    /// leaves: a socket of any dialect is not larger.
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

    /// What every answer tells browsers.
    pub fn cors(&self) -> &Cors {
        &self.cors
    }

    /// The outcome of a handshake's or request's call.
    pub fn answer(&self, pending: Pending, outcome: Outcome, to: &mut Responder<'_>) -> Action {
        match pending {
            Pending::Handshake(pending) => self.answer_handshake(pending, &outcome, to),
            Pending::State(pending) => self.answer_state(*pending, outcome, to),
        }
    }

    /// A message came.
    pub fn message(&self, client: &mut Client, text: &[u8]) -> Reaction {
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
                    undo: client::Undo::Live(Box::new(undo)),
                }))
            }
            Err(error) => Reaction::Reply(reply::refused(&error)),
        }
    }

    /// The filters of a message were over a bound of the organization's.
    /// The last words to who has just come and cannot hear anything.
    pub(super) fn not_opened(full: Full) -> Vec<u8> {
        reply::error(&full.to_string())
    }

    pub(super) fn not_subscribed(client: &mut Client, undo: Undo, full: Full) -> Reaction {
        client.heard = undo.heard;
        client.cancelled = undo.cancelled;
        Reaction::Reply(reply::refused(&full.to_string()))
    }
}
