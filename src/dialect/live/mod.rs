//! The live dialect: every event of an organization, or those that pass property filters, as flat JSON
//! objects over a WebSocket.
//!
//! Its origin is the Event API of iSymphony 3.2.

use std::sync::Arc;

use crate::auth::Directory;
use crate::config::LiveConfig;
use crate::dialect::socket::Reaction;
use crate::dialect::{Action, Responder, Tools};
use crate::hub::{Answer, Event};
use crate::protocol::http1::Head;

/// The paths of this dialect's socket.
pub const PATHS: [&str; 2] = ["/live/ws", "/communication_manager/ws/event"];

/// The dialect as configured.
#[derive(Debug)]
pub struct Live {}

/// One client.
#[derive(Debug)]
pub struct Socket {}

/// What a handshake waits for.
#[derive(Debug)]
pub enum Pending {}

impl Live {
    /// The dialect.
    pub fn new(_config: &LiveConfig, _directory: Arc<Directory>) -> Self {
        Self {}
    }

    /// Handles the opening handshake, or whatever else came to the path.
    pub fn handle(
        &self,
        _head: &Head<'_, '_>,
        _tools: &mut Tools<'_>,
        _to: &mut Responder<'_>,
    ) -> Action {
        Action::Done
    }

    /// The answer to a handshake's call (a password was checked).
    pub fn answer(&self, pending: Pending, _answer: Answer, _to: &mut Responder<'_>) -> Action {
        match pending {}
    }

    /// A message came.
    pub fn message(&self, _socket: &mut Socket, _text: &[u8]) -> Reaction {
        Reaction::nothing()
    }

    /// Appends an event as JSON text.
    pub fn render(&self, _event: &Event, _out: &mut Vec<u8>) {}

    /// The news that events were dropped, as JSON text.
    pub fn render_dropped(&self, _count: u64) -> String {
        String::new()
    }
}
