//! One peer: its protocol, its partial input, what it waits for and what it has yet to be sent.
//!
//! ```text
//!             request                 answer
//!   ┌──────┐ ────────► ┌─────────┐ ──────────► ┌──────┐
//!   │ Http │           │ Waiting │             │ Http │   (or Closing without keep-alive)
//!   └──────┘           └─────────┘             └──────┘
//!      │ follow    ┌─────────────┐ event, timeout, gone ▲
//!      ├─────────► │   Parked    │ ─────────────────────┘
//!      │           └─────────────┘
//!      │ follow    ┌─────────────┐ goodbye ┌─────────┐ flushed, peer closed
//!      ├─────────► │ EventStream │ ──────► │ Closing │ ─────────────► gone
//!      │           └─────────────┘         └─────────┘
//!      │ open, follow     ┌──────┐              │
//!      ├────────────────► │ Open │ ─────────────▲
//!      │ preface          └──────┘              │
//!      │                 ┌───────┐              │
//!      └───────────────► │ Http2 │ ─────────────┘
//!                        └───────┘
//! ```
//!
//! Each stream of an HTTP/2 connection is a connection too: it begins as `Request` instead of
//! `Http`, and its socket is a [`StreamSocket`].
//!
//! A connection parses and encodes; it does not know the hub beyond its values, nor other
//! connections. What it cannot do itself it returns as [`Then`].

mod answering;
mod describe;
mod ending;
mod http1;
mod http2;
mod open_client;
mod reading;
mod response;
mod send_queue;
mod timer;
mod websocket;
mod wrote;

use crate::auth::Network;
use crate::buf::Arena;
use crate::dialect::{
    Action, AllowedOrigin, Call, Client, Dialects, Exchange, Follow, Open, Pending, Position, Show,
    Subscribe, Tools,
};
use crate::hub::{Gap, ReaderId};
use crate::limits::{PIPELINE_BYTES_MAX, SEND_QUEUE_PAUSE_BYTES};
use crate::metrics::Metrics;
use crate::protocol::grpc::Status;
use crate::protocol::http1::DateCache;
use crate::time::{Instant, Now};

pub use describe::{Listening, Transport};
pub use http2::{NewStream, StreamNews, StreamRead, StreamSocket, StreamWrite};
pub use reading::Follower;
pub use send_queue::SendQueue;
pub use timer::{Expired, Timer};

use http1::Reading;
use http2::{Http2, StreamRequest};
use open_client::{OpenClient, Peer};

/// What a connection may consult while it works.
#[derive(Debug)]
pub struct Context<'c> {
    /// The time of this tick.
    pub now: Now,
    /// All dialects.
    pub dialects: &'c Dialects,
    /// Placement and ids.
    pub tools: Tools<'c>,
    /// The cached `Date`.
    pub date: &'c DateCache,
    /// Where responses are written.
    pub arena: &'c mut Arena,
    /// The shard's counters.
    pub metrics: &'c Metrics,
    /// The server is leaving: no connection is kept alive.
    pub draining: bool,
}

/// One peer.
#[derive(Debug)]
pub struct Connection {
    state: State,
    /// Input that was received and not consumed; empty, without heap, most of the time.
    input: Vec<u8>,
    /// What is to be sent.
    pub send_queue: SendQueue,
    timer: Timer,
    due: Instant,
    write_due: Instant,
    /// The origin that the answer to the request under way names.
    origin: Option<AllowedOrigin>,
    /// Where its client connects from.
    network: Network,
    /// Events that entered the send queue.
    events: u32,
    input_ended: bool,
    /// By how much its signs of life come early, of 255: who came together is not pinged together.
    spread: u8,
}

#[derive(Debug)]
enum State {
    /// Between requests, or within one.
    Http(Reading),
    /// A request waits for the hub's answer.
    Waiting(Pending, Exchange),
    /// A long poll waits for an event.
    Parked(Parked),
    /// A stream whose reader is on another shard.
    Relayed,
    /// A log's reader is told by server-sent events.
    EventStream(Client),
    /// A dialect's client talks over something that stays open.
    Open(Box<OpenClient>),
    /// It has streams, each of which is a connection of its own.
    Http2(Box<Http2>),
    /// A stream's request, before anything came of it.
    Request(Box<StreamRequest>),
    /// The last bytes are on their way, and after them the status, of a call; input is discarded.
    Closing(Option<Box<Status>>),
}

/// Whether a connection ends once everything is sent, and how that is told to a stream's peer.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'s> {
    /// It goes on.
    Open,
    /// It ends.
    Plain,
    /// It is a call, and ends with this.
    Call(&'s Status),
}

/// A waiting long poll.
#[derive(Debug)]
pub struct Parked {
    /// Its reader, which knows the first number it wants.
    pub client: Client,
    /// What it missed, to be told with the answer. Boxed: hardly any poll has missed something, and
    /// each counts.
    pub gap: Option<Box<Gap>>,
    /// How the answer is framed.
    pub exchange: Exchange,
}

/// What a step made of the input.
#[derive(Debug)]
pub struct Step {
    /// Bytes consumed.
    pub used: usize,
    /// What is to happen next.
    pub then: Then,
}

/// What a connection wants after a step.
#[derive(Debug)]
pub enum Then {
    /// More input; offer the next `keep` bytes again, the rest behind them is spent.
    More {
        /// Bytes after those used.
        keep: usize,
    },
    /// Another step.
    Again,
    /// The hub's answer, to be given to [`Connection::answer`].
    Call(Box<Call>, Exchange),
    /// To become a dialect's client: [`Connection::open`].
    Open(Box<Open>, Exchange),
    /// Other subscriptions, then [`Connection::subscribed`].
    Subscribe(Box<Subscribe>),
    /// A session's log, then to be attached to it.
    Follow(Box<Follow>, Exchange),
    /// What it wanted of its log until now, then [`Connection::show`].
    Show(Box<Show>),
    /// To have its streams looked at: [`Connection::next_stream`].
    Streams,
}

impl Then {
    /// What a dialect's action leaves to be done.
    fn after(action: Action, exchange: Exchange) -> Self {
        match action {
            Action::Done => Self::Again,
            Action::Execute(call) => Self::Call(call, exchange),
            Action::Follow(follow) => Self::Follow(follow, exchange),
            Action::Open(open) => Self::Open(open, exchange),
        }
    }
}

impl Connection {
    /// A connection that was just accepted, from that network.
    pub fn new(now: Now, network: Network) -> Self {
        let mut connection = Self {
            state: State::Http(Reading::default()),
            input: Vec::new(),
            send_queue: SendQueue::default(),
            timer: Timer::None,
            due: Instant::NEVER,
            write_due: Instant::NEVER,
            origin: None,
            network,
            events: 0,
            input_ended: false,
            spread: 0,
        };
        connection.arm(Timer::Idle, now);
        connection
    }

    /// Chooses the connection's own rhythm of pings, comments and heartbeats: each `spread` another
    /// one.
    pub fn set_spread(&mut self, spread: u8) {
        self.spread = spread;
    }

    /// Consumes input; to be called again while it answers [`Then::Again`].
    pub fn step(&mut self, buf: &mut [u8], ctx: &mut Context<'_>) -> Step {
        match &mut self.state {
            State::Http(_) => self.step_http(buf, ctx),
            State::Open(open) if !open.is_ready() => Step {
                used: 0,
                then: Then::More { keep: buf.len() },
            },
            State::Open(open) => match open.peer {
                Peer::WebSocket(_) => self.step_websocket(buf, ctx),
                Peer::Call(_) => self.step_call(buf, ctx),
                Peer::Response(_) => self.step_response(buf, ctx),
            },
            State::Http2(_) => self.step_http2(buf, ctx),
            State::Request(_) => self.step_request(buf, ctx),
            State::Waiting(..) | State::Parked(_) | State::Relayed => Step {
                used: 0,
                then: Then::More { keep: buf.len() },
            },
            // Nothing is expected from the reader of an event stream.
            State::EventStream(_) | State::Closing(_) => Step {
                used: buf.len(),
                then: Then::More { keep: 0 },
            },
        }
    }

    /// Where its client connects from.
    pub const fn network(&self) -> Network {
        self.network
    }

    /// The origin that the answer to the request under way names.
    pub fn origin(&self) -> Option<AllowedOrigin> {
        self.origin.clone()
    }

    /// Another request is under way.
    pub fn set_origin(&mut self, origin: Option<AllowedOrigin>) {
        self.origin = origin;
    }

    /// Takes the held input, to be stepped through and given back by [`hold`](Self::hold).
    pub fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    /// Keeps input for later. A buffer that has become mostly empty is not kept.
    pub fn hold(&mut self, input: Vec<u8>) {
        debug_assert!(self.input.is_empty(), "input is held twice");
        if !input.is_empty() {
            self.input = input;
        }
    }

    /// Bytes of held input.
    pub const fn held_bytes(&self) -> usize {
        self.input.len()
    }

    /// Bytes that came from the peer and are kept: what waits to be served or to be whole, and
    /// names that are wanted.
    pub fn input_bytes(&self) -> usize {
        let kept = match &self.state {
            State::Open(open) => open.held_bytes(),
            State::Request(request) => request.head_bytes(),
            State::Http(_)
            | State::Waiting(..)
            | State::Parked(_)
            | State::Relayed
            | State::EventStream(_)
            | State::Http2(_)
            | State::Closing(_) => 0,
        };
        self.input.capacity() + self.unread_bytes() + kept
    }

    /// Appends bytes to the held input.
    pub fn hold_more(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Whether the socket should be read: not while answers or unread output pile up.
    pub fn wants_input(&self) -> bool {
        let waits = match &self.state {
            State::Waiting(..) | State::Parked(_) | State::Relayed => true,
            State::Open(open) => !open.is_ready(),
            _ => false,
        };
        let stalled = waits && self.input.len() >= PIPELINE_BYTES_MAX
            || self.unread_bytes() >= PIPELINE_BYTES_MAX;
        !self.input_ended && !stalled && self.send_queue.len() < SEND_QUEUE_PAUSE_BYTES
    }

    /// Whether there is something to do though there is no input.
    pub fn is_unheard(&self) -> bool {
        match &self.state {
            State::Open(open) if open.is_ready() => match &open.peer {
                Peer::WebSocket(_) => false,
                Peer::Call(call) => self.input_ended && !call.half_closed,
                Peer::Response(peer) => peer.is_unheard(),
            },
            State::Request(_) => true,
            _ => false,
        }
    }

    /// Whether the connection ends once everything is sent.
    pub const fn is_closing(&self) -> bool {
        match &self.state {
            State::Closing(_) => true,
            State::Http2(peer) => peer.is_closed(),
            _ => false,
        }
    }

    /// How a stream's connection ends once everything is sent.
    pub fn ending(&self) -> Ending<'_> {
        match &self.state {
            State::Closing(None) => Ending::Plain,
            State::Closing(Some(status)) => Ending::Call(status),
            _ => Ending::Open,
        }
    }

    /// Whether this is a call of gRPC, or was one until its end.
    pub fn is_call(&self) -> bool {
        match &self.state {
            State::Open(open) => matches!(open.peer, Peer::Call(_)),
            State::Closing(status) => status.is_some(),
            _ => false,
        }
    }

    /// Whether this is a call whose head is sent before there is anything to say: its client may
    /// wait for that.
    pub fn begins_at_once(&self) -> bool {
        match &self.state {
            State::Open(open) => matches!(open.peer, Peer::Call(_)) && !open.client.answers_once(),
            _ => false,
        }
    }

    /// Whether the peer has closed its half.
    pub const fn input_ended(&self) -> bool {
        self.input_ended
    }

    /// The peer of a stream will send no more. Unlike a socket's end this says nothing of who
    /// listens.
    pub fn end_stream_input(&mut self) {
        self.input_ended = true;
    }

    /// The dialect's client that this connection is, if it is one.
    fn client(&self) -> Option<&Client> {
        match &self.state {
            State::Parked(parked) => Some(&parked.client),
            State::EventStream(client) => Some(client),
            State::Open(open) => Some(&open.client),
            _ => None,
        }
    }

    fn client_mut(&mut self) -> Option<&mut Client> {
        match &mut self.state {
            State::Parked(parked) => Some(&mut parked.client),
            State::EventStream(client) => Some(client),
            State::Open(open) => Some(&mut open.client),
            _ => None,
        }
    }

    /// Where this connection stands in the log that it reads, if it reads one.
    pub fn position(&self) -> Option<Position> {
        self.client().and_then(Client::position)
    }

    /// The connection's reader, if it has one.
    pub fn reader(&self) -> Option<ReaderId> {
        self.position().map(|position| position.reader)
    }

    /// The waiting poll, if that is what this connection is.
    pub const fn parked(&self) -> Option<&Parked> {
        match &self.state {
            State::Parked(parked) => Some(parked),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(
            size_of::<Connection>() <= 160,
            "{}",
            size_of::<Connection>()
        );
    }
}
