//! The live dialect: every event of an organization, or those that pass property filters, as flat JSON
//! objects over a WebSocket.
//!
//! Its origin is the Event API of iSymphony 3.2. A handshake's way: [`Live::handle`], and for a user
//! [`Live::answer`] when the password was checked. A message's way: `request` (what is asked),
//! `filter` (what it means), `reply`. A socket has no state but whose it is: each filter message says
//! all that is to be heard.

mod filter;
mod handshake;
mod render;
mod reply;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::auth::{Directory, OrganizationId};
use crate::config::LiveConfig;
use crate::dialect::Cors;
use crate::dialect::socket::{Change, Reaction, Subscribe, Undo};
use crate::hub::Full;
use request::{Limits, Request};

pub use handshake::Pending;

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

/// One client.
#[derive(Debug)]
pub struct Socket {
    organization: OrganizationId,
}

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

    /// A message came.
    pub fn message(&self, socket: &mut Socket, text: &[u8]) -> Reaction {
        let filters = match Request::read(text) {
            Ok(Request::Filter(filters)) => filters,
            Err(error) => return Reaction::Reply(reply::error(&error)),
        };
        match filters.read(&self.limits) {
            Ok(filters) => Reaction::Subscribe(Box::new(Subscribe {
                change: Change::Replace(self.subscriptions(socket.organization, &filters)),
                retained: Vec::new(),
                reply: reply::filtered(filters.len()),
                undo: Undo::Live,
            })),
            Err(error) => Reaction::Reply(reply::refused(&error)),
        }
    }

    /// The filters of a message were over a bound of the organization's.
    pub(super) fn not_subscribed(full: Full) -> Reaction {
        Reaction::Reply(reply::refused(&full.to_string()))
    }
}
