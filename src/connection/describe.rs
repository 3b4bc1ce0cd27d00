//! What a connection is to those who look after a server: who listens with what, how much it was
//! sent, and how it is sent away.

use super::open_client::Peer;
use super::{Connection, Context, State, Then};
use crate::dialect::Client;
use crate::protocol::grpc::{Code, Status};

/// Why somebody was sent away.
const DISMISSED: &str = "disconnected by an administrator";

/// How somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Over a WebSocket.
    WebSocket,
    /// By server-sent events.
    EventStream,
    /// By a long poll.
    Poll,
    /// By a call of gRPC.
    Call,
    /// By a response that does not end.
    Response,
}

impl Transport {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::EventStream => "event-stream",
            Self::Poll => "poll",
            Self::Call => "grpc",
            Self::Response => "stream",
        }
    }
}

/// What a connection listens to.
#[derive(Clone, Copy, Debug)]
pub enum Listening<'c> {
    /// What its dialect's client has asked for.
    Client(&'c Client, Transport),
    /// A log of another shard, which knows how.
    Elsewhere,
}

impl Connection {
    /// What this connection listens to. Who is between two requests, or waits for an answer,
    /// listens to nothing, and neither does who is told to leave.
    pub fn listening(&self) -> Option<Listening<'_>> {
        match &self.state {
            State::Parked(parked) => Some(Listening::Client(&parked.client, Transport::Poll)),
            State::EventStream(client) => Some(Listening::Client(client, Transport::EventStream)),
            State::Open(open) if open.is_open() && open.may_send() => {
                let transport = match &open.peer {
                    Peer::WebSocket(_) => Transport::WebSocket,
                    Peer::Call(_) => Transport::Call,
                    Peer::Response(_) => Transport::Response,
                };
                Some(Listening::Client(&open.client, transport))
            }
            State::Relayed => Some(Listening::Elsewhere),
            _ => None,
        }
    }

    /// The client that has been told to leave, and is not gone yet.
    pub fn leaving(&self) -> Option<&Client> {
        match &self.state {
            State::Open(open) if !open.may_send() => Some(&open.client),
            _ => None,
        }
    }

    /// Counts events that entered the send queue.
    pub fn count_events(&mut self, events: u64) {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        self.events = self.events.saturating_add(events);
    }

    /// How many events have entered the send queue.
    pub const fn events(&self) -> u32 {
        self.events
    }

    /// The same, and counts anew.
    pub fn take_events(&mut self) -> u32 {
        std::mem::take(&mut self.events)
    }

    /// Sends a listener away, in the way of its form. A waiting poll is to be answered first, by
    /// the shard; then it closes.
    pub fn dismiss(&mut self, ctx: &mut Context<'_>) {
        match &mut self.state {
            State::Open(_) => {
                self.end_client(Status::new(Code::Aborted, DISMISSED), ctx);
                self.forget_position();
            }
            State::Parked(parked) => parked.exchange.keep_alive = false,
            _ => self.close(),
        }
    }

    /// Ends one subscription of a client. `None` if a request of the client's is under way, which
    /// might change it.
    pub fn cancel(&mut self, place: usize, ctx: &mut Context<'_>) -> Option<Then> {
        let open = self.open_client().filter(|open| open.is_ready())?;
        let reaction = ctx.dialects.cancel(&mut open.client, place);
        Some(self.react(reaction, ctx))
    }
}
