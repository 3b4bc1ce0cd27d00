//! A room: one session's log by event names, over a WebSocket that also publishes.
//!
//! The socket is ours: its origin never published one. A message's way: `request` (what is asked),
//! `serve` (what comes of it), `reply` (what is said); `render` writes what the log has. A client's
//! way:
//!
//! ```text
//!             no token       a good token    its place is known    its log is there
//!   handshake ───────► stranger ───────► placing ───────► following ───────► welcomed ⟲ requests
//!      │                  │                 │                 │                 │ │
//!      │                  │                 │                 │                 │ └─► 4410 its session is gone
//!      ▼                  ▼                 ▼                 ▼                 ▼
//!   4400 address       4401, 4403        4404, 4409        4404              4401, 4403
//!   4401, 4403         4408 after 10 s   1013 busy         1013 busy         a bad token
//! ```
//!
//! A handshake with a good token, or in open mode, leads to `placing` at once. From anywhere a
//! server that leaves leads to 1001.
//!
//! Decisions, all of them ours:
//!
//! * Only what makes a request no WebSocket handshake is an HTTP error. Everything else is told on
//!   the open socket, as an `error` message and then a close, because pages do not see the answer
//!   to a handshake that fails.
//! * From its welcome on, a client's position waits for the first request that is carried out. If
//!   that subscribes, its names hear everything from the cursor on, or from the welcome's `next` if
//!   there was none; after any other one a subscription hears what is published after it. Neither
//!   `authenticate` nor what is refused is such a request. So who wants nothing of what it missed
//!   unsubscribes from a name that it does not hear.
//! * A subscription of a client that is behind with its log begins where the client stands: it may
//!   hear events that were published a little before it, always in order.
//! * Requests are served one at a time, so replies come in the order of requests; an event that a
//!   client publishes comes to it after the reply. What is wrong with a request is told by an
//!   `error`, and the socket lives on.
//! * A server that leaves says until when to be gone, and serves until then: events come after
//!   `reconnect` as before it. What was published until it closes is shown before, as far as there
//!   is room.

mod access;
mod describe;
mod open;
mod render;
mod reply;
mod request;
mod serve;
#[cfg(test)]
mod tests;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use crate::auth::Identity;
use crate::dialect::{
    self, By, Call, Follow, LogState, LogView, Position, Reaction, Show, Standing, Tools,
};
use crate::hub::{
    Address, Answer, Command, Cursor, OrganizationId, Parents, Refusal, Scope, ScopeName,
};
use crate::protocol::websocket::CloseCode;
use crate::time::Instant;
use reply::{Dismissal, Error, Reference};

pub(super) use render::{encode_event, encode_gap, encode_heartbeat};
pub use wanted::Wanted;

/// One client of a room.
#[derive(Debug)]
pub struct Client {
    /// Where it stands, from its welcome on. The connection's to move.
    pub position: Option<Position>,
    /// What it hears; `None` is nothing.
    pub wanted: Option<Arc<Wanted>>,
    /// It was welcomed, and no request was carried out since: until then its position waits.
    pub waits: bool,
    /// It was told to leave.
    leaves: bool,
    who: Who,
    place: Place,
    /// What it had seen when it came, until it follows.
    cursor: Option<Box<Cursor>>,
    /// It is to be closed then.
    due: Instant,
}

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// Somebody who is only told why they may not stay.
    Dismissed(Dismissal),
    /// Nobody has said it yet.
    Stranger,
    /// Somebody with at least one grant that is of use here.
    Known(Identity),
}

/// Which room it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// `event_id`.
    group: ScopeName,
    /// `session_id`.
    session: ScopeName,
    /// [`Placement::session_hash`](crate::hub::Placement::session_hash) of the session.
    hash: u64,
}

/// What a client costs beside its connection, as long as it hears nothing.
const _: () = assert!(size_of::<Client>() <= 120);

/// A request that waits for the hub.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The room's place in the tree is asked for.
    Place(OrganizationId),
    /// An event is published, by the request of that `ref`.
    Publish(Reference),
}

impl Waiting {
    /// Whether an event waits to be published.
    pub(super) const fn publishes(&self) -> bool {
        matches!(self, Self::Publish(_))
    }
}

impl Place {
    fn scope(&self, organization: OrganizationId) -> Scope {
        Scope {
            organization,
            address: Address::Session(self.session.clone()),
        }
    }

    /// What its client says stands above the session.
    fn parents(&self) -> Parents {
        Parents {
            group: Some(self.group.clone()),
            project: None,
        }
    }
}

impl Client {
    /// Whether it is known who its client is.
    pub const fn is_known(&self) -> bool {
        matches!(self.who, Who::Known(_))
    }

    /// When `expire` wants to be called.
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// It is known who this is: asks whether there is such a room.
    fn enter(&mut self, identity: Identity) -> Reaction {
        self.who = Who::Known(identity);
        if !self.leaves {
            self.due = Instant::NEVER;
        }
        let command = Command::Place {
            scope: self.place.scope(identity.organization),
            parents: self.place.parents(),
        };
        execute(command, Waiting::Place(identity.organization))
    }
}

/// Changes what is shown of the log, and replies.
fn show(wanted: Option<Arc<Wanted>>, reply: Vec<u8>) -> Reaction {
    let view = wanted.map(LogView::Pubsub);
    Reaction::Show(Box::new(Show { view, reply }))
}

/// Asks the hub.
fn execute(command: Command, waiting: Waiting) -> Reaction {
    Reaction::Execute(Box::new(Call {
        operation: command.into(),
        idempotency_key: None,
        correlation_id: None,
        pending: dialect::Pending::Pubsub(super::Pending::Asked(waiting)),
    }))
}

impl Client {
    /// The handshake is answered.
    pub(super) fn opened(&mut self) -> Reaction {
        match &self.who {
            Who::Dismissed(dismissal) => dismissal.reaction(None),
            Who::Stranger => Reaction::nothing(),
            Who::Known(identity) => {
                let identity = *identity;
                self.enter(identity)
            }
        }
    }

    /// The answer to a room's [`Reaction::Execute`].
    pub(super) fn answer(&mut self, waiting: Waiting, answer: Answer) -> Reaction {
        match (waiting, answer) {
            (Waiting::Place(organization), Answer::Parents(parents)) => {
                // The same name, but one text for all rooms of the group.
                if let Some(group) = parents.group {
                    self.place.group = group;
                }
                Reaction::Follow(Box::new(Follow {
                    organization: Some(organization),
                    token: self.place.session.clone(),
                    hash: self.place.hash,
                    cursor: self.cursor.take().map(|cursor| *cursor),
                    by: By::Itself,
                }))
            }
            (Waiting::Place(_), Answer::Refused(refusal)) => {
                Dismissal::of_refusal(refusal).reaction(None)
            }
            (Waiting::Publish(reference), Answer::Published { id, position }) => {
                self.waits = false;
                let number = position.map(|(_, number)| number);
                Reaction::Reply(reply::published(&reference, id, number))
            }
            (Waiting::Publish(reference), Answer::Refused(refusal)) => {
                let error = Error::of_refusal(refusal);
                Reaction::Reply(reply::error(Some(&reference), &error))
            }
            // The hub answers each question by its own kind.
            (Waiting::Place(_), _) => Dismissal::Busy.reaction(None),
            (Waiting::Publish(reference), _) => {
                let error = Error::of_refusal(Refusal::Busy);
                Reaction::Reply(reply::error(Some(&reference), &error))
            }
        }
    }

    /// The room reads its session's log from now on ([`Reaction::Follow`]): what its client is
    /// told, in order.
    pub(super) fn followed(&mut self, standing: &Standing) -> Vec<Vec<u8>> {
        self.waits = true;
        self.place.session = standing.session.clone();
        let LogState {
            epoch, next, gap, ..
        } = standing.log;
        let welcome = reply::welcome(epoch, next);
        let gap = gap.map(reply::gap);
        std::iter::once(welcome).chain(gap).collect()
    }

    /// The time is [`due`](Self::due): whoever was told to be gone, or did not say who they are, is
    /// sent away.
    pub(super) fn expire(&mut self) -> Reaction {
        self.due = Instant::NEVER;
        if self.leaves {
            let reason = "the server is leaving";
            return Reaction::Close(Vec::new(), CloseCode::GOING_AWAY, reason);
        }
        Dismissal::TooLate.reaction(None)
    }

    /// The server is leaving: in `leave_ms` at the latest. Tells a client once, whoever it is.
    pub(super) fn drain(&mut self, leave_ms: u64, tools: &Tools<'_>) -> Reaction {
        if self.leaves {
            return Reaction::nothing();
        }
        self.leaves = true;
        self.due = tools.now.instant + Duration::from_millis(leave_ms);
        let before_ms = tools.now.unix_ms + leave_ms;
        Reaction::Reply(reply::reconnect(before_ms))
    }
}

/// A session's log cannot be read.
pub(super) fn not_followed(refusal: Refusal) -> Reaction {
    Dismissal::of_refusal(refusal).reaction(None)
}
