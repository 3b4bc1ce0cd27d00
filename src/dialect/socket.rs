//! The dialects whose clients talk over a WebSocket: what is kept of one, and how it reacts.
//!
//! A socket is a state machine of its dialect: messages, answers and time in, [`Reaction`]s out. Frames,
//! pings and the goodbye are the connection's business; subscriptions are the shard's.

use super::render::Encoding;
use super::{Call, Dialects, Pending, Tools, live, sysadm};
use crate::hub::{Answer, Subscription};
use crate::protocol::websocket::{CloseCode, Handshake};
use crate::time::Instant;

/// One client of a dialect, from its handshake on.
#[derive(Debug)]
pub enum Socket {
    /// Of the sysadm dialect.
    Sysadm(sysadm::Socket),
    /// Of the live dialect.
    Live(live::Socket),
}

/// A handshake that was accepted: the connection answers 101 and becomes a socket.
#[derive(Debug)]
pub struct Open {
    /// The handshake to answer.
    pub handshake: Handshake,
    /// The client from now on.
    pub socket: Socket,
    /// What it hears from the beginning.
    pub subscriptions: Vec<Subscription>,
}

/// What a client's message, an answer or the time makes a socket do.
#[derive(Debug)]
pub enum Reaction {
    /// Send this text as one message; nothing if empty.
    Reply(Vec<u8>),
    /// Change what is heard.
    Subscribe(Box<Subscribe>),
    /// Ask; further messages wait until [`Dialects::answer_socket`] has the answer.
    Execute(Box<Call>),
    /// Say goodbye.
    Close(CloseCode, &'static str),
}

/// A change of what a socket hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// All that it hears from now on.
    pub subscriptions: Vec<Subscription>,
    /// Names whose retained event is sent first, in this order.
    pub retained: Vec<Box<str>>,
    /// The text of the reply, after them.
    pub reply: Vec<u8>,
}

impl Reaction {
    /// Nothing at all.
    pub const fn nothing() -> Self {
        Self::Reply(Vec::new())
    }
}

impl Socket {
    /// How this client's events are written.
    pub const fn encoding(&self) -> Encoding {
        match self {
            Self::Sysadm(_) => Encoding::Sysadm,
            Self::Live(_) => Encoding::Live,
        }
    }

    /// When [`Dialects::expire_socket`] wants to be called.
    pub fn due(&self) -> Instant {
        match self {
            Self::Sysadm(socket) => socket.due(),
            Self::Live(_) => Instant::NEVER,
        }
    }
}

impl Dialects {
    /// A client sent a message, text or binary.
    pub fn message(&self, socket: &mut Socket, text: &[u8], tools: &mut Tools<'_>) -> Reaction {
        match socket {
            Socket::Sysadm(socket) => self.sysadm.message(socket, text, tools),
            Socket::Live(socket) => self.live.message(socket, text),
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
                self.sysadm.answer(socket, pending, answer, tools)
            }
            // Nobody asks on another's behalf.
            _ => Reaction::nothing(),
        }
    }

    /// The time is [`Socket::due`].
    pub fn expire_socket(&self, socket: &mut Socket, tools: &mut Tools<'_>) -> Reaction {
        match socket {
            Socket::Sysadm(socket) => self.sysadm.expire(socket, tools),
            Socket::Live(_) => Reaction::nothing(),
        }
    }
}
