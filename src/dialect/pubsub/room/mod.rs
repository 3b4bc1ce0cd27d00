//! A room: one session's log by event names, over a WebSocket that also publishes.

use std::sync::Arc;

use bytes::BytesMut;

use super::Pubsub;
use crate::dialect::socket::{Reaction, Standing};
use crate::dialect::{Action, Responder, Tools};
use crate::hub::{Answer, Event, Gap, Number, ReaderId, Refusal};
use crate::protocol::http1::Head;
use crate::time::Instant;

/// Which events a room's client wants to hear, by their exact names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(Vec<Box<str>>);

/// Where a room's client stands in the session's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its place among the session's readers.
    pub reader: ReaderId,
    /// The next number it is to be shown.
    pub next: Number,
}

/// One client of a room.
#[derive(Debug)]
pub struct Room {
    /// Where it stands, from its welcome on. The connection's to move.
    pub position: Option<Position>,
    /// What it hears; `None` is nothing.
    pub wanted: Option<Arc<Wanted>>,
    /// It was welcomed, and its first message has not come: until then its position waits.
    pub waits: bool,
}

/// A request that waits for the hub.
#[derive(Debug)]
pub struct Pending;

impl Pending {
    /// Whether an event waits to be published.
    pub fn publishes(&self) -> bool {
        false
    }
}

impl Wanted {
    /// Whether an event is one of these.
    pub fn has(&self, event: &Event) -> bool {
        let name = event.name.to_text();
        self.0.iter().any(|one| **one == *name)
    }
}

impl Room {
    /// When [`Pubsub::expire`] wants to be called.
    pub const fn due(&self) -> Instant {
        Instant::NEVER
    }
}

impl Pubsub {
    /// Handles the opening handshake.
    pub(super) fn open(
        &self,
        _head: &Head<'_, '_>,
        _tools: &mut Tools<'_>,
        _to: &mut Responder<'_>,
    ) -> Action {
        Action::Done
    }

    /// The handshake is answered.
    pub fn opened(&self, _room: &mut Room, _tools: &mut Tools<'_>) -> Reaction {
        Reaction::nothing()
    }

    /// A message came.
    pub fn message(
        &self,
        _room: &mut Room,
        _text: crate::dialect::Message<'_>,
        _tools: &mut Tools<'_>,
    ) -> Reaction {
        Reaction::nothing()
    }

    /// The answer to a room's [`Reaction::Execute`].
    pub fn answer(
        &self,
        _room: &mut Room,
        _pending: Pending,
        _answer: Answer,
        _tools: &mut Tools<'_>,
    ) -> Reaction {
        Reaction::nothing()
    }

    /// The room reads its session's log from now on ([`Reaction::Follow`]): what its client is told, in order.
    pub fn followed(&self, _room: &mut Room, _standing: &Standing) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Its session's log cannot be read.
    pub fn not_followed(&self, _room: &mut Room, _refusal: Refusal) -> Reaction {
        Reaction::nothing()
    }

    /// The time is [`Room::due`].
    pub fn expire(&self, _room: &mut Room, _tools: &mut Tools<'_>) -> Reaction {
        Reaction::nothing()
    }

    /// The server is leaving: in `leave_ms` at the latest.
    pub fn drain(
        &self,
        _room: &mut Room,
        _leave_ms: u64,
        _tools: &mut Tools<'_>,
    ) -> Option<Reaction> {
        None
    }
}

/// Appends one event of a room as a WebSocket frame.
pub fn encode_event(_number: Number, _event: &Event, _out: &mut BytesMut) {}

/// Appends the news of a gap as a WebSocket frame.
pub fn encode_gap(_gap: Gap, _out: &mut BytesMut) {}

/// Appends what shows that the server lives, as a WebSocket frame: every
/// [`WEBSOCKET_PING_INTERVAL`](crate::limits::WEBSOCKET_PING_INTERVAL), since pages do not see pings.
pub fn encode_heartbeat(_out: &mut BytesMut) {}
