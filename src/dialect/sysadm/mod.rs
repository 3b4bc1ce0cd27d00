//! The sysadm dialect: subscribe by event class over a WebSocket.
//!
//! Its origin is the events namespace of the `SysAdm` server (`TrueOS`).

mod state;

use std::sync::Arc;

pub use state::{SYSTEM_STATE, SystemState};

use crate::auth::Directory;
use crate::config::SysadmConfig;
use crate::dialect::socket::Reaction;
use crate::dialect::{Action, Responder, Tools};
use crate::hub::{Answer, Event};
use crate::protocol::http1::Head;
use crate::time::Instant;

/// The paths of this dialect's socket.
pub const PATHS: [&str; 2] = ["/sysadm", "/sysadm/ws"];

/// The dialect as configured.
#[derive(Debug)]
pub struct Sysadm {}

/// One client.
#[derive(Debug)]
pub struct Socket {}

/// What a client waits for.
#[derive(Debug)]
pub enum Pending {}

impl Sysadm {
    /// The dialect.
    pub fn new(_config: &SysadmConfig, _directory: Arc<Directory>) -> Self {
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

    /// A message came.
    pub fn message(&self, _socket: &mut Socket, _text: &[u8], _tools: &mut Tools<'_>) -> Reaction {
        Reaction::nothing()
    }

    /// The answer to a call of this dialect.
    pub fn answer(
        &self,
        _socket: &mut Socket,
        pending: Pending,
        _answer: Answer,
        _tools: &mut Tools<'_>,
    ) -> Reaction {
        match pending {}
    }

    /// The time is [`Socket::due`].
    pub fn expire(&self, _socket: &mut Socket, _tools: &mut Tools<'_>) -> Reaction {
        Reaction::nothing()
    }

    /// Appends an event as JSON text.
    pub fn render(&self, _event: &Event, _out: &mut Vec<u8>) {}

    /// The news that events were dropped, as JSON text.
    pub fn render_dropped(&self, _count: u64) -> String {
        String::new()
    }

    /// The names whose last event is kept for those who subscribe later.
    pub fn retained(&self) -> &[Box<str>] {
        &[]
    }
}

impl Socket {
    /// When [`Sysadm::expire`] wants to be called.
    pub fn due(&self) -> Instant {
        Instant::NEVER
    }
}
