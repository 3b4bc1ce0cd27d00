//! Clients that talk over something that stays open: what is kept of one, and how it reacts.
//!
//! A socket is a state machine of its dialect: messages, answers and time in, [`Reaction`]s out. Frames,
//! pings and the goodbye are the connection's business; subscriptions are the shard's.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::render::{Encoding, Framing};
use super::{Call, Dialects, Pending, Tools, live, pubsub, rpc, stream, sysadm};
use crate::hub::{
    Answer, Cursor, Epoch, Full, Gap, Number, OrganizationId, Refusal, ScopeName, Subscription,
};
use crate::limits::{STRANGER_MESSAGE_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use crate::protocol::grpc::{CallFields, MessageEncoding, Status};
use crate::protocol::websocket::{CloseCode, Handshake};
use crate::time::Instant;

/// One client of a dialect, from its handshake on.
#[derive(Debug)]
pub enum Socket {
    /// Of the sysadm dialect.
    Sysadm(Box<sysadm::Socket>),
    /// Of the live dialect.
    Live(live::Socket),
    /// Of the stream dialect.
    Stream(Box<stream::Socket>),
    /// Of the pubsub dialect.
    Room(Box<pubsub::Room>),
    /// Of a service for gRPC's tools.
    Rpc(rpc::Socket),
}

/// A request that was accepted: the connection answers it and becomes a socket.
#[derive(Debug)]
pub struct Open {
    /// What is answered, and how messages travel from then on.
    pub opening: Opening,
    /// The client from now on.
    pub socket: Socket,
    /// What it hears from the beginning.
    pub subscriptions: Vec<Subscription>,
    /// [`Placement::session_hash`](crate::hub::Placement::session_hash) of the session on whose home it wants to
    /// be, if it is to follow a log.
    pub home: Option<u64>,
}

/// How a socket begins.
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
    /// [`Framing::Line`], [`Framing::Grpc`] or [`Framing::WebText`]; put in chunks where HTTP needs it.
    pub framing: Framing,
    /// The messages of the request, each as gRPC frames them.
    pub messages: Vec<u8>,
    /// How they are compressed.
    pub encoding: MessageEncoding,
    /// An empty message after so many seconds of silence; only lines have such.
    pub heartbeat: Option<NonZeroU16>,
}

/// What a client's message, an answer or the time makes a socket do.
#[derive(Debug)]
pub enum Reaction {
    /// Send this as one message; nothing if empty.
    Reply(Vec<u8>),
    /// Change what is heard.
    Subscribe(Box<Subscribe>),
    /// Ask; further messages wait until [`Dialects::answer_socket`] has the answer.
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

/// A log that a socket wants to read.
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

/// How a socket stands to the log that it begins to read.
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

/// A change of which events of its log a socket is shown. What was published before it is judged by what was wanted
/// until now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// All it wants from now on; `None` is nothing.
    pub wanted: Option<Arc<pubsub::Wanted>>,
    /// The reply, as one message.
    pub reply: Vec<u8>,
}

/// A change of what a socket hears.
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

/// How a socket's subscriptions change.
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

impl Socket {
    /// How this client's events are written, where messages travel in `framing`.
    /// `None` if it never subscribes, but reads a log.
    pub const fn encoding(&self, framing: Framing) -> Option<Encoding> {
        match self {
            Self::Sysadm(_) => Some(Encoding::Sysadm),
            Self::Live(_) => Some(Encoding::Live),
            Self::Stream(_) | Self::Rpc(_) => Some(Encoding::Stream(framing)),
            Self::Room(_) => None,
        }
    }

    /// Bytes of the names that it wants of its log. What others subscribe to is counted where it is compiled.
    pub fn wanted_bytes(&self) -> usize {
        match self {
            Self::Room(room) => room.wanted.as_ref().map_or(0, |wanted| wanted.bytes()),
            Self::Sysadm(_) | Self::Live(_) | Self::Stream(_) | Self::Rpc(_) => 0,
        }
    }

    /// Whether its client says one message and no more: nothing may come of it before that is certain.
    pub fn takes_one_message(&self) -> bool {
        match self {
            Self::Stream(socket) => socket.takes_one_message(),
            Self::Rpc(socket) => socket.takes_one_message(),
            Self::Sysadm(_) | Self::Live(_) | Self::Room(_) => false,
        }
    }

    /// Longest message that its client may send now: as long as it has not said who it is, no more than that takes.
    pub const fn message_bytes_max(&self) -> usize {
        let is_known = match self {
            Self::Sysadm(socket) => socket.is_logged_in(),
            Self::Stream(socket) => socket.is_welcome(),
            Self::Room(room) => room.is_known(),
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
            Self::Stream(socket) => socket.takes_one_message(),
            Self::Rpc(socket) => socket.answers_once(),
            Self::Sysadm(_) | Self::Live(_) | Self::Room(_) => false,
        }
    }

    /// When [`Dialects::expire_socket`] wants to be called.
    pub fn due(&self) -> Instant {
        match self {
            Self::Sysadm(socket) => socket.due(),
            Self::Stream(socket) => socket.due(),
            Self::Room(room) => room.due(),
            Self::Live(_) | Self::Rpc(_) => Instant::NEVER,
        }
    }
}

impl Dialects {
    /// A client may be spoken to from now on.
    pub fn opened(&self, socket: &mut Socket, tools: &mut Tools<'_>) -> Reaction {
        match socket {
            Socket::Room(room) => self.pubsub.opened(room, tools),
            Socket::Stream(socket) => self.stream.opened(socket),
            Socket::Sysadm(_) | Socket::Live(_) | Socket::Rpc(_) => Reaction::nothing(),
        }
    }

    /// A client sent a message.
    pub fn message(
        &self,
        socket: &mut Socket,
        message: Message<'_>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        match socket {
            Socket::Sysadm(socket) => self.sysadm.message(socket, message.bytes(), tools),
            Socket::Live(socket) => self.live.message(socket, message.bytes()),
            Socket::Stream(socket) => self.stream.message(socket, message, tools),
            Socket::Room(room) => self.pubsub.message(room, message, tools),
            Socket::Rpc(socket) => self.rpc.message(socket, message.bytes(), tools.draining),
        }
    }

    /// A client will send no more messages; its last one was reacted to.
    pub fn half_closed(&self, socket: &mut Socket) -> Reaction {
        match socket {
            // A WebSocket has its own way to end.
            Socket::Sysadm(_) | Socket::Live(_) | Socket::Room(_) => Reaction::nothing(),
            Socket::Stream(socket) => self.stream.half_closed(socket),
            Socket::Rpc(socket) => self.rpc.half_closed(socket),
        }
    }

    /// The answer to a socket's [`Reaction::Execute`].
    pub fn answer_socket(
        &self,
        socket: &mut Socket,
        pending: Pending,
        answer: Answer,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        match (socket, pending) {
            (Socket::Sysadm(socket), Pending::Sysadm(pending)) => {
                self.sysadm.answer(socket, *pending, answer, tools)
            }
            (Socket::Stream(socket), Pending::Stream(pending)) => {
                self.stream.answer(socket, pending, answer)
            }
            (Socket::Room(room), Pending::Room(pending)) => {
                self.pubsub.answer(room, pending, answer, tools)
            }
            // Nobody asks on another's behalf.
            _ => Reaction::nothing(),
        }
    }

    /// A change of subscriptions was refused; nothing has changed but what the socket itself took note of.
    pub fn not_subscribed(&self, socket: &mut Socket, undo: Undo, full: Full) -> Reaction {
        match (socket, undo) {
            (Socket::Sysadm(socket), Undo::Sysadm(undo)) => {
                self.sysadm.not_subscribed(socket, *undo, full)
            }
            (Socket::Stream(socket), Undo::Stream(correlation_id)) => {
                self.stream
                    .not_subscribed(socket, correlation_id.as_deref(), full)
            }
            (Socket::Live(socket), Undo::Live(undo)) => {
                live::Live::not_subscribed(socket, *undo, full)
            }
            (Socket::Live(_), Undo::Opening) => {
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

    /// A socket reads its session's log from now on: what its client is told, each as one message.
    pub fn followed(&self, socket: &mut Socket, standing: &Standing) -> Vec<Vec<u8>> {
        match socket {
            Socket::Room(room) => self.pubsub.followed(room, standing),
            // Nobody else follows.
            _ => Vec::new(),
        }
    }

    /// A socket's log cannot be read.
    pub fn not_followed(&self, socket: &mut Socket, refusal: Refusal) -> Reaction {
        match socket {
            Socket::Room(room) => self.pubsub.not_followed(room, refusal),
            _ => Reaction::nothing(),
        }
    }

    /// The time is [`Socket::due`].
    pub fn expire_socket(&self, socket: &mut Socket, tools: &mut Tools<'_>) -> Reaction {
        match socket {
            Socket::Sysadm(socket) => self.sysadm.expire(socket, tools),
            Socket::Stream(socket) => self.stream.expire(socket),
            Socket::Room(room) => self.pubsub.expire(room, tools),
            Socket::Live(_) | Socket::Rpc(_) => Reaction::nothing(),
        }
    }

    /// The server is leaving, and `leave_ms` from now at the latest the socket will be closed. `None` if it may
    /// be closed at once.
    pub fn drain_socket(
        &self,
        socket: &mut Socket,
        leave_ms: u64,
        tools: &mut Tools<'_>,
    ) -> Option<Reaction> {
        match socket {
            Socket::Sysadm(_) | Socket::Live(_) => None,
            Socket::Stream(socket) => self.stream.drain(socket, leave_ms, tools),
            Socket::Room(room) => self.pubsub.drain(room, leave_ms, tools),
            Socket::Rpc(socket) => Some(self.rpc.drain(socket)),
        }
    }
}
