//! Logs as dialects have them read: who reads one, where a reader stands, and what of it a client
//! is shown.
//!
//! A reader is a client of its dialect, whatever it is told by. It holds no queue: the shard gives
//! it what it is shown of the log when there is room.

use std::time::Duration;

use bytes::BytesMut;

use super::contract::Dialect;
use super::{Client, Dialects, Envelope, LogView, Responder, dispatch};
use crate::hub::{
    Cursor, Epoch, Event, Gap, Log, Number, OrganizationId, ReaderId, Refusal, ScopeName,
};
use crate::protocol::websocket::Handshake;

/// A log that somebody wants to read.
#[derive(Debug)]
pub struct Follow {
    /// The organization of the session; `None` is whichever has it, which must be exactly one.
    pub organization: Option<OrganizationId>,
    /// The session.
    pub token: ScopeName,
    /// [`Placement::session_hash`](crate::hub::Placement::session_hash) of it.
    pub hash: u64,
    /// Where the reader stands; `None` wants no history.
    pub cursor: Option<Cursor>,
    /// The reader.
    pub by: By,
}

/// Who reads.
#[derive(Debug)]
pub enum By {
    /// The client that asks. Its place in the tree is settled, and it is at the log's home.
    Itself,
    /// The sender of a request, which is answered when its reader is attached.
    Request(Client, Form),
}

/// How a request's reader is told of events.
#[derive(Debug)]
pub enum Form {
    /// One answer, as soon as there is something, or after the timeout.
    Poll {
        /// `None` waits for ever.
        timeout: Option<Duration>,
    },
    /// Server-sent events.
    EventStream,
    /// A WebSocket whose handshake was checked.
    WebSocket(Handshake),
}

/// Where a reader stands in the log that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its place among the session's readers.
    pub reader: ReaderId,
    /// The next number it is to be shown.
    pub next: Number,
}

/// What a client wants of the log that it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants<V> {
    /// That its position waits.
    Waits,
    /// Nothing, however much there is.
    Nothing,
    /// To be shown this.
    Shown(V),
}

/// Where a log stands, and what its reader missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// The life of the log.
    pub epoch: Epoch,
    /// The oldest retained number.
    pub oldest: Number,
    /// The number the next event will get.
    pub next: Number,
    /// What the reader missed.
    pub gap: Option<Gap>,
}

/// How a client stands to the log that it begins to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The session, as the hub calls it: one text for all who hold it.
    pub session: ScopeName,
    /// The log.
    pub log: LogState,
}

/// A change of what of its log a client is shown. What was published before it is judged by what
/// was wanted until now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// All it wants from now on; `None` is nothing.
    pub view: Option<LogView>,
    /// The reply, as one message.
    pub reply: Vec<u8>,
}

impl Form {
    /// How messages travel to a reader that stays; `None` is server-sent events.
    pub const fn envelope(&self) -> Option<Envelope> {
        match self {
            Self::WebSocket(_) => Some(Envelope::WebSocket),
            Self::EventStream | Self::Poll { .. } => None,
        }
    }
}

impl Follow {
    /// [`Placement::session_hash`](crate::hub::Placement::session_hash) of the session to whose
    /// home the reader has to move first, if it is not there.
    pub const fn home(&self) -> Option<u64> {
        match self.by {
            By::Itself => None,
            By::Request(..) => Some(self.hash),
        }
    }

    /// Whether it is read by a poll.
    pub const fn polls(&self) -> bool {
        matches!(self.by, By::Request(_, Form::Poll { .. }))
    }
}

impl LogState {
    /// The state of a log, and what its reader missed.
    pub fn of(log: &Log, gap: Option<Gap>) -> Self {
        Self {
            epoch: log.epoch(),
            oldest: log.oldest(),
            next: log.next(),
            gap,
        }
    }
}

impl Client {
    /// Where it stands in the log that it reads, if it reads one.
    pub fn position(&self) -> Option<Position> {
        dispatch!(Client, self, |D, client| D::position(client))
    }

    /// Reads a log from there on; `None` is the end of that.
    pub fn set_position(&mut self, position: Option<Position>) {
        dispatch!(Client, self, |D, client| D::set_position(client, position));
    }

    /// Appends what it is told with each ping.
    pub fn put_heartbeat(&self, out: &mut BytesMut) {
        dispatch!(Client, self, |D, client| D::put_heartbeat(client, out));
    }
}

impl Dialects {
    /// Changes what of its log a client is shown.
    pub fn show(&self, client: &mut Client, view: Option<LogView>) {
        match view {
            None => dispatch!(self, Client, client, |dialect, client| Dialect::show(
                dialect, client, None
            )),
            Some(view) => dispatch!(
                self, Client, client, LogView, view,
                |dialect, client, view| Dialect::show(dialect, client, Some(view)),
                // Nobody is shown what another dialect shows.
                else ()
            ),
        }
    }

    /// Appends an event of a log as it is shown. No if it is not.
    pub fn encode_logged(
        &self,
        view: &LogView,
        (epoch, number): (Epoch, Number),
        event: &Event,
        out: &mut BytesMut,
    ) -> bool {
        dispatch!(self, LogView, view, |dialect, view| Dialect::encode_logged(
            dialect,
            view,
            (epoch, number),
            event,
            out
        ))
    }

    /// Appends the news of a gap.
    pub fn encode_gap(&self, view: &LogView, gap: Gap, out: &mut BytesMut) {
        dispatch!(self, LogView, view, |dialect, view| Dialect::encode_gap(
            dialect, view, gap, out
        ));
    }

    /// Begins the answer to a request whose reader is attached to a log, and stays.
    pub fn begin_reading<'o>(
        &'o self,
        client: &Client,
        form: &Form,
        log: LogState,
        to: &mut Responder<'o>,
    ) {
        dispatch!(self, Client, client, |dialect, _| {
            to.lines = Dialect::cors(dialect, None).map_or(b"", |cors| cors);
            Dialect::begin_reading(dialect, form, log, to);
        });
    }

    /// Answers a poll with what a log has from a number on, as much as one answer may hold. Returns
    /// how many events that is.
    pub fn answer_poll<'o>(
        &'o self,
        client: &Client,
        log: &Log,
        (from, state): (Number, LogState),
        to: &mut Responder<'o>,
    ) -> usize {
        dispatch!(self, Client, client, |dialect, _| {
            to.lines = Dialect::cors(dialect, None).map_or(b"", |cors| cors);
            Dialect::answer_poll(dialect, log, (from, state), to)
        })
    }

    /// Answers a request whose reader cannot be attached, or whose log is gone.
    pub fn refuse_reading<'o>(&'o self, client: &Client, refusal: Refusal, to: &mut Responder<'o>) {
        dispatch!(self, Client, client, |dialect, _| {
            to.lines = Dialect::cors(dialect, None).map_or(b"", |cors| cors);
            Dialect::refuse_reading(dialect, refusal, to);
        });
    }
}
