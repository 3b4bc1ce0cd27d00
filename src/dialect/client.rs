//! Clients that talk over something that stays open: what is kept of one, and how it reacts.
//!
//! A client is a state machine of its dialect: messages, answers and time in, [`Reaction`]s out. Frames,
//! pings and the goodbye are the connection's business; subscriptions are the shard's.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::render::{Encoding, Envelope};
use super::{Call, Dialects, Outcome, Pending, Tools, live, pubsub, rpc, stream, sysadm};
use crate::hub::{
    Cursor, Epoch, Full, Gap, Number, OrganizationId, Refusal, ScopeName, Subscription,
};
use crate::limits::{STRANGER_MESSAGE_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use crate::protocol::grpc::{CallFields, MessageEncoding, Status};
use crate::protocol::websocket::{CloseCode, Handshake};
use crate::time::Instant;

/// One client of a dialect, from its handshake on.
#[derive(Debug)]
pub enum Client {
    /// Of the sysadm dialect.
    Sysadm(Box<sysadm::Client>),
    /// Of the live dialect.
    Live(live::Client),
    /// Of the stream dialect.
    Stream(Box<stream::Client>),
    /// Of the pubsub dialect.
    Pubsub(Box<pubsub::Client>),
    /// Of a service for gRPC's tools.
    Rpc(rpc::Client),
}

/// A request that was accepted: the connection answers it and becomes a client.
#[derive(Debug)]
pub struct Open {
    /// What is answered, and how messages travel from then on.
    pub opening: Opening,
    /// The client from now on.
    pub client: Client,
    /// What it hears from the beginning.
    pub subscriptions: Vec<Subscription>,
    /// [`Placement::session_hash`](crate::hub::Placement::session_hash) of the session on whose home it wants to
    /// be, if it is to follow a log.
    pub home: Option<u64>,
}

/// How a client begins.
#[derive(Debug)]
pub enum Opening {
    /// As a WebSocket, with the subprotocol that was chosen.
    WebSocket(Handshake, Option<&'static str>),
    /// As a response that does not end; nothing more is heard from the client.
    Response(Box<Streamed>),
    /// As a gRPC call, which its client may give up after a while.
    Call(CallFields),
}

/// A response that does not end.
#[derive(Debug)]
pub struct Streamed {
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Header lines, each with its CR LF.
    pub headers: Vec<u8>,
    /// [`Envelope::Line`], [`Envelope::Grpc`] or [`Envelope::WebText`]; put in chunks where HTTP needs it.
    pub envelope: Envelope,
    /// The messages of the request, each as gRPC frames them.
    pub messages: Vec<u8>,
    /// How they are compressed.
    pub encoding: MessageEncoding,
    /// An empty message after so many seconds of silence; only lines have such.
    pub heartbeat: Option<NonZeroU16>,
}

/// What a client's message, an answer or the time makes a client do.
#[derive(Debug)]
pub enum Reaction {
    /// Send this as one message; nothing if empty.
    Reply(Vec<u8>),
    /// Change what is heard.
    Subscribe(Box<Subscribe>),
    /// Ask; further messages wait until [`Dialects::answer_client`] has the answer.
    Execute(Box<Call>),
    /// Read a session's log from now on, at its home; [`Dialects::followed`] has what is said then.
    Follow(Box<Follow>),
    /// Change which events of its log it is shown.
    Show(Box<Show>),
    /// Send this as the last message, unless empty, and say goodbye.
    Close(Vec<u8>, CloseCode, &'static str),
    /// Send this as the last message, unless empty, and end with a status.
    End(Vec<u8>, Box<Status>),
}

/// A log that a client wants to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Whose session.
    pub organization: OrganizationId,
    /// Which; its place in the tree is settled.
    pub token: ScopeName,
    /// [`Placement::session_hash`](crate::hub::Placement::session_hash) of it.
    pub hash: u64,
    /// Where the client stands; `None` wants no history.
    pub cursor: Option<Cursor>,
}

/// How a client stands to the log that it begins to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The session, as the hub calls it: one text for all who hold it.
    pub session: ScopeName,
    /// The log's life.
    pub epoch: Epoch,
    /// The number that the next event will get.
    pub next: Number,
    /// What the client's cursor missed.
    pub gap: Option<Gap>,
}

/// A change of which events of its log a client is shown. What was published before it is judged by what was wanted
/// until now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// All it wants from now on; `None` is nothing.
    pub wanted: Option<Arc<pubsub::Wanted>>,
    /// The reply, as one message.
    pub reply: Vec<u8>,
}

/// A change of what a client hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// What changes.
    pub change: Change,
    /// Names whose retained event is sent first, in this order.
    pub retained: Vec<Box<str>>,
    /// The reply, after them, as one message; nothing if empty.
    pub reply: Vec<u8>,
    /// What there is to do if it cannot be.
    pub undo: Undo,
}

/// What a refused change of subscriptions leaves to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Nothing: the change takes away.
    Nothing,
    /// To send away a client that has just come.
    Opening,
    /// To refuse a request of the sysadm dialect.
    Sysadm(Box<sysadm::Undo>),
    /// To refuse the filters of a message of the live dialect.
    Live(Box<live::Undo>),
    /// To refuse a request of the stream dialect, by its correlation id.
    Stream(Option<Box<str>>),
}

/// How a client's subscriptions change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These are all from now on.
    Replace(Vec<Subscription>),
    /// One more, behind the others.
    Add(Subscription),
    /// The one at this place is gone, and the last one takes it.
    Remove(usize),
}

/// A client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'m> {
    /// Text; valid UTF-8.
    Text(&'m [u8]),
    /// Bytes.
    Binary(&'m [u8]),
}

impl<'m> Message<'m> {
    /// What was sent, whatever it is.
    pub const fn bytes(self) -> &'m [u8] {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

impl Reaction {
    /// Nothing at all.
    pub const fn nothing() -> Self {
        Self::Reply(Vec::new())
    }
}

impl Client {
    /// How this client's events are written, where messages travel in `framing`.
    /// `None` if it never subscribes, but reads a log.
    pub const fn encoding(&self, envelope: Envelope) -> Option<Encoding> {
        match self {
            Self::Sysadm(_) => Some(Encoding::Sysadm),
            Self::Live(_) => Some(Encoding::Live),
            Self::Stream(_) | Self::Rpc(_) => Some(Encoding::Stream(envelope)),
            Self::Pubsub(_) => None,
        }
    }

    /// Bytes of the names that it wants of its log. What others subscribe to is counted where it is compiled.
    pub fn wanted_bytes(&self) -> usize {
        match self {
            Self::Pubsub(client) => client.wanted.as_ref().map_or(0, |wanted| wanted.bytes()),
            Self::Sysadm(_) | Self::Live(_) | Self::Stream(_) | Self::Rpc(_) => 0,
        }
    }

    /// Whether its client says one message and no more: nothing may come of it before that is certain.
    pub fn takes_one_message(&self) -> bool {
        match self {
            Self::Stream(client) => client.takes_one_message(),
            Self::Rpc(client) => client.takes_one_message(),
            Self::Sysadm(_) | Self::Live(_) | Self::Pubsub(_) => false,
        }
    }

    /// Longest message that its client may send now: as long as it has not said who it is, no more than that takes.
    pub const fn message_bytes_max(&self) -> usize {
        let is_known = match self {
            Self::Sysadm(client) => client.is_logged_in(),
            Self::Stream(client) => client.is_welcome(),
            Self::Pubsub(client) => client.is_known(),
            Self::Live(_) => true,
            // Whoever asks these services, they have little to ask.
            Self::Rpc(_) => false,
        };
        if is_known {
            WEBSOCKET_MESSAGE_BYTES_MAX
        } else {
            STRANGER_MESSAGE_BYTES_MAX
        }
    }

    /// Whether its client hears one message and no more.
    pub fn answers_once(&self) -> bool {
        match self {
            Self::Stream(client) => client.takes_one_message(),
            Self::Rpc(client) => client.answers_once(),
            Self::Sysadm(_) | Self::Live(_) | Self::Pubsub(_) => false,
        }
    }

    /// When [`Dialects::expire_client`] wants to be called.
    pub fn due(&self) -> Instant {
        match self {
            Self::Sysadm(client) => client.due(),
            Self::Stream(client) => client.due(),
            Self::Pubsub(client) => client.due(),
            Self::Live(_) | Self::Rpc(_) => Instant::NEVER,
        }
    }
}

impl Dialects {
    /// A client may be spoken to from now on.
    pub fn opened(&self, client: &mut Client, tools: &mut Tools<'_>) -> Reaction {
        match client {
            Client::Pubsub(client) => self.pubsub.opened(client, tools),
            Client::Stream(client) => self.stream.opened(client, tools),
            Client::Sysadm(_) | Client::Live(_) | Client::Rpc(_) => Reaction::nothing(),
        }
    }

    /// A client sent a message.
    pub fn message(
        &self,
        client: &mut Client,
        message: Message<'_>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        match client {
            Client::Sysadm(client) => self.sysadm.message(client, message.bytes(), tools),
            Client::Live(client) => self.live.message(client, message.bytes()),
            Client::Stream(client) => self.stream.message(client, message, tools),
            Client::Pubsub(client) => self.pubsub.message(client, message, tools),
            Client::Rpc(client) => self.rpc.message(client, message.bytes(), tools.draining),
        }
    }

    /// A client will send no more messages; its last one was reacted to.
    pub fn half_closed(&self, client: &mut Client) -> Reaction {
        match client {
            // A WebSocket has its own way to end.
            Client::Sysadm(_) | Client::Live(_) | Client::Pubsub(_) => Reaction::nothing(),
            Client::Stream(client) => self.stream.half_closed(client),
            Client::Rpc(client) => self.rpc.half_closed(client),
        }
    }

    /// The outcome of a client's [`Reaction::Execute`].
    pub fn answer_client(
        &self,
        client: &mut Client,
        pending: Pending,
        outcome: Outcome,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        match (client, pending) {
            (Client::Sysadm(client), Pending::Sysadm(pending)) => {
                self.sysadm.answer(client, *pending, outcome, tools)
            }
            (Client::Stream(client), Pending::Stream(pending)) => {
                self.stream.answer(client, pending, outcome.into_answer())
            }
            (Client::Pubsub(client), Pending::PubsubClient(pending)) => {
                self.pubsub
                    .answer(client, pending, outcome.into_answer(), tools)
            }
            // Nobody asks on another's behalf.
            _ => Reaction::nothing(),
        }
    }

    /// A change of subscriptions was refused; nothing has changed but what the client itself took note of.
    pub fn not_subscribed(&self, client: &mut Client, undo: Undo, full: Full) -> Reaction {
        match (client, undo) {
            (Client::Sysadm(client), Undo::Sysadm(undo)) => {
                self.sysadm.not_subscribed(client, *undo, full)
            }
            (Client::Stream(client), Undo::Stream(correlation_id)) => {
                self.stream
                    .not_subscribed(client, correlation_id.as_deref(), full)
            }
            (Client::Live(client), Undo::Live(undo)) => {
                live::Live::not_subscribed(client, *undo, full)
            }
            (Client::Live(_), Undo::Opening) => {
                let reason = "too many subscriptions, try again";
                let last = live::Live::not_opened(full);
                Reaction::Close(last, CloseCode::TRY_AGAIN_LATER, reason)
            }
            (_, Undo::Opening) => {
                let reason = "too many subscriptions, try again";
                Reaction::Close(Vec::new(), CloseCode::TRY_AGAIN_LATER, reason)
            }
            // Nobody undoes what another did, and what takes away is not refused.
            _ => Reaction::nothing(),
        }
    }

    /// A client reads its session's log from now on: what its client is told, each as one message.
    pub fn followed(&self, client: &mut Client, standing: &Standing) -> Vec<Vec<u8>> {
        match client {
            Client::Pubsub(client) => self.pubsub.followed(client, standing),
            // Nobody else follows.
            _ => Vec::new(),
        }
    }

    /// A client's log cannot be read.
    pub fn not_followed(&self, client: &mut Client, refusal: Refusal) -> Reaction {
        match client {
            Client::Pubsub(client) => self.pubsub.not_followed(client, refusal),
            _ => Reaction::nothing(),
        }
    }

    /// The time is [`Client::due`].
    pub fn expire_client(&self, client: &mut Client, tools: &mut Tools<'_>) -> Reaction {
        match client {
            Client::Sysadm(client) => self.sysadm.expire(client, tools),
            Client::Stream(client) => self.stream.expire(client),
            Client::Pubsub(client) => self.pubsub.expire(client, tools),
            Client::Live(_) | Client::Rpc(_) => Reaction::nothing(),
        }
    }

    /// The server is leaving, and `leave_ms` from now at the latest the client will be closed. `None` if it may
    /// be closed at once.
    pub fn drain_client(
        &self,
        client: &mut Client,
        leave_ms: u64,
        tools: &mut Tools<'_>,
    ) -> Option<Reaction> {
        match client {
            Client::Sysadm(_) | Client::Live(_) => None,
            Client::Stream(client) => self.stream.drain(client, leave_ms, tools),
            Client::Pubsub(client) => self.pubsub.drain(client, leave_ms, tools),
            Client::Rpc(client) => Some(self.rpc.drain(client)),
        }
    }
}
