//! Clients that talk over something that stays open: what is kept of one, and how it reacts.
//!
//! A client is a state machine of its dialect: messages, answers and time in, [`Reaction`]s out.
//! Frames, pings and the goodbye are the connection's business; subscriptions are the shard's.

use std::num::NonZeroU16;

use bytes::Bytes;

use super::contract::Dialect;
use super::log::{Follow, Show, Standing};
use super::render::Envelope;
use super::{Call, Client, Dialects, Outcome, Pending, Tools, Undo, dispatch};
use crate::hub::{Full, Refusal, Subscription};
use crate::protocol::grpc::{CallFields, MessageEncoding, Status};
use crate::protocol::websocket::{CloseCode, Handshake};
use crate::time::Instant;

/// A request that was accepted: the connection answers it and becomes a client.
#[derive(Debug)]
pub struct Open {
    /// What is answered, and how messages travel from then on.
    pub opening: Opening,
    /// The client from now on.
    pub client: Client,
    /// What it hears from the beginning.
    pub subscriptions: Vec<Subscription>,
    /// [`Placement::session_hash`](crate::hub::Placement::session_hash) of the session on whose
    /// home it wants to be, if it is to follow a log.
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
    /// [`Envelope::Line`], [`Envelope::Grpc`] or [`Envelope::WebText`]; put in chunks where HTTP
    /// needs it.
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
    /// Send this as one message of a WebSocket, even if empty; whether as text.
    Send(bool, Bytes),
    /// Change what is heard.
    Subscribe(Box<Subscribe>),
    /// Ask; further messages wait until [`Dialects::answer_client`] has the answer.
    Execute(Box<Call>),
    /// Read a session's log from now on, at its home; [`Dialects::followed`] has what is said then.
    Follow(Box<Follow>),
    /// Change which events of its log it is shown.
    Show(Box<Show>),
    /// Say goodbye to who did not keep the rules, and wait for nothing.
    Fail(CloseCode, &'static str),
    /// Send this as the last message, unless empty, and say goodbye.
    Close(Vec<u8>, CloseCode, &'static str),
    /// Send this as the last message, unless empty, and end with a status.
    End(Vec<u8>, Box<Status>),
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
    /// Bytes of the names that it wants of its log. What others subscribe to is counted where it is
    /// compiled.
    pub fn wanted_bytes(&self) -> usize {
        dispatch!(Client, self, |D, client| D::wanted_bytes(client))
    }

    /// Whether its client says one message and no more: nothing may come of it before that is
    /// certain.
    pub fn takes_one_message(&self) -> bool {
        dispatch!(Client, self, |D, client| D::takes_one_message(client))
    }

    /// Longest message that its client may send now.
    pub fn message_bytes_max(&self) -> usize {
        dispatch!(Client, self, |D, client| D::message_bytes_max(client))
    }

    /// Whether its client hears one message and no more.
    pub fn answers_once(&self) -> bool {
        dispatch!(Client, self, |D, client| D::answers_once(client))
    }

    /// When [`Dialects::expire_client`] wants to be called.
    pub fn due(&self) -> Instant {
        dispatch!(Client, self, |D, client| D::due(client))
    }
}

impl Dialects {
    /// A client may be spoken to from now on.
    pub fn opened(&self, client: &mut Client, tools: &mut Tools<'_>) -> Reaction {
        dispatch!(self, Client, client, |dialect, client| Dialect::opened(
            dialect, client, tools
        ))
    }

    /// A client sent a message.
    pub fn message(
        &self,
        client: &mut Client,
        message: Message<'_>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        dispatch!(self, Client, client, |dialect, client| Dialect::message(
            dialect, client, message, tools
        ))
    }

    /// A client will send no more messages; its last one was reacted to.
    pub fn half_closed(&self, client: &mut Client) -> Reaction {
        dispatch!(
            self,
            Client,
            client,
            |dialect, client| Dialect::half_closed(dialect, client)
        )
    }

    /// The outcome of a client's [`Reaction::Execute`].
    pub fn answer_client(
        &self,
        client: &mut Client,
        pending: Pending,
        outcome: Outcome,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        dispatch!(
            self, Client, client, Pending, pending,
            |dialect, client, pending| Dialect::answer_client(dialect, client, pending, outcome, tools),
            // Nobody asks on another's behalf.
            else Reaction::nothing()
        )
    }

    /// A change of subscriptions was refused; nothing has changed but what the client itself took
    /// note of.
    pub fn not_subscribed(&self, client: &mut Client, undo: Undo, full: Full) -> Reaction {
        if undo == Undo::Opening {
            return dispatch!(self, Client, client, |dialect, client| Dialect::not_opened(
                dialect, client, full
            ));
        }
        dispatch!(
            self, Client, client, Undo, undo,
            |dialect, client, undo| Dialect::not_subscribed(dialect, client, undo, full),
            // What takes away is not refused, and nobody undoes what another did.
            else Reaction::nothing()
        )
    }

    /// A client reads its session's log from now on: what its client is told, each as one message.
    pub fn followed(&self, client: &mut Client, standing: &Standing) -> Vec<Vec<u8>> {
        dispatch!(self, Client, client, |dialect, client| Dialect::followed(
            dialect, client, standing
        ))
    }

    /// A client's log cannot be read.
    pub fn not_followed(&self, client: &mut Client, refusal: Refusal) -> Reaction {
        dispatch!(self, Client, client, |dialect, client| {
            Dialect::not_followed(dialect, client, refusal)
        })
    }

    /// The time is [`Client::due`].
    pub fn expire_client(&self, client: &mut Client, tools: &mut Tools<'_>) -> Reaction {
        dispatch!(self, Client, client, |dialect, client| Dialect::expire(
            dialect, client, tools
        ))
    }

    /// The server is leaving, and `leave_ms` from now at the latest the client will be closed.
    /// `None` if it may be closed at once.
    pub fn drain_client(
        &self,
        client: &mut Client,
        leave_ms: u64,
        tools: &mut Tools<'_>,
    ) -> Option<Reaction> {
        dispatch!(self, Client, client, |dialect, client| Dialect::drain(
            dialect, client, leave_ms, tools
        ))
    }
}
