//! A client of a dialect that talks over a WebSocket: its messages go to the dialect, one at a time.
//!
//! What the dialect's reaction cannot do here, the shard does: [`Then::Call`] and [`Then::Subscribe`].
//! Until that is done further messages wait in the connection's input.

use bytes::{Bytes, BytesMut};

use super::websocket::WebSocketPeer;
use super::{Connection, Context, State, Then, Timer};
use crate::dialect::{Encoding, Exchange, Open, Pending, Reaction, Socket, Subscribe};
use crate::hub::Answer;
use crate::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use crate::protocol::websocket::{CloseCode, encode_text};

/// A dialect's client and the socket it talks over.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) peer: WebSocketPeer,
    pub(super) socket: Socket,
    waits: Waits,
}

/// What must come before the client's next message is looked at.
#[derive(Debug)]
enum Waits {
    No,
    /// The answer to a call.
    Answer(Pending),
    /// A change of subscriptions.
    Subscription,
}

impl Client {
    /// Whether the client's next message may be looked at.
    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.waits, Waits::No)
    }

    /// Waits for the answer to a call.
    pub(super) fn wait(&mut self, pending: Pending) {
        self.waits = Waits::Answer(pending);
    }

    /// Ends the wait for an answer, if there is one.
    pub(super) fn take_waiting(&mut self) -> Option<(Pending, Exchange)> {
        match std::mem::replace(&mut self.waits, Waits::No) {
            Waits::Answer(pending) => Some((pending, Exchange::upgraded())),
            waits => {
                self.waits = waits;
                None
            }
        }
    }
}

impl Connection {
    /// Becomes a dialect's socket. The handshake's answer and the first subscriptions are left to the
    /// caller: once the client has its answer, it is to hear everything.
    pub fn open(&mut self, open: Open, ctx: &mut Context<'_>) -> (Bytes, Subscribe) {
        let Open {
            handshake,
            socket,
            subscriptions,
        } = open;
        ctx.metrics.http_requests.add(1);
        let answer = ctx
            .arena
            .write(|out| handshake.write_response(out, None, b""));
        self.state = State::Client(Box::new(Client {
            peer: WebSocketPeer::new(WEBSOCKET_MESSAGE_BYTES_MAX),
            socket,
            waits: Waits::No,
        }));
        self.arm(Timer::Ping, ctx.now);
        let first = Subscribe {
            subscriptions,
            retained: Vec::new(),
            reply: Vec::new(),
        };
        (answer, first)
    }

    /// How this client's events are written, as long as it may be sent any.
    pub fn hears(&self) -> Option<Encoding> {
        match &self.state {
            State::Client(client) if client.peer.may_send() => Some(client.socket.encoding()),
            _ => None,
        }
    }

    /// Waits for [`subscribed`](Self::subscribed).
    pub fn wait_for_subscription(&mut self) {
        if let State::Client(client) = &mut self.state {
            client.waits = Waits::Subscription;
        }
    }

    /// A change of subscriptions is in force: sends the reply, after `first` (whole frames, or the
    /// handshake's answer).
    pub fn subscribed(&mut self, first: Bytes, reply: &[u8], ctx: &mut Context<'_>) {
        let State::Client(client) = &mut self.state else {
            return;
        };
        client.waits = Waits::No;
        if client.peer.may_send() {
            self.send_queue.push(first);
            self.send_text(reply, ctx);
        }
    }

    /// The answer to a client's call.
    pub(super) fn answer_client(
        &mut self,
        pending: Pending,
        answer: Answer,
        ctx: &mut Context<'_>,
    ) -> Then {
        let State::Client(client) = &mut self.state else {
            return Then::Again;
        };
        let socket = &mut client.socket;
        let reaction = ctx
            .dialects
            .answer_socket(socket, pending, answer, &mut ctx.tools);
        self.react(reaction, ctx)
    }

    /// The client's own time is up: [`Socket::due`].
    pub fn expire_client(&mut self, ctx: &mut Context<'_>) -> Then {
        let State::Client(client) = &mut self.state else {
            return Then::Again;
        };
        let reaction = ctx
            .dialects
            .expire_socket(&mut client.socket, &mut ctx.tools);
        self.react(reaction, ctx)
    }

    /// Carries out what the dialect wants, as far as it is this connection's to do.
    pub(super) fn react(&mut self, reaction: Reaction, ctx: &mut Context<'_>) -> Then {
        match reaction {
            Reaction::Reply(text) => {
                self.send_text(&text, ctx);
                Then::Again
            }
            Reaction::Subscribe(change) => Then::Subscribe(change),
            Reaction::Execute(call) => Then::Call(call, Exchange::upgraded()),
            Reaction::Close(code, reason) => {
                self.say_goodbye(code, reason, ctx);
                Then::Again
            }
        }
    }

    fn send_text(&mut self, text: &[u8], ctx: &mut Context<'_>) {
        if !text.is_empty() && self.may_send() {
            let frame = ctx.arena.write(|out| encode_text(out, text));
            self.send_queue.push(frame);
        }
    }

    /// Sends events: `frames` holds `events` of them. Over `bytes_max` of unsent bytes the client is too
    /// slow: the answer is how many events were dropped, or nothing if it all waits in order.
    pub fn send_events(&mut self, frames: Bytes, events: u32) {
        self.send_queue.push_events(frames, events);
    }

    /// Drops the oldest events that wait until at most `bytes_max` are left, and tells the client how
    /// many it missed altogether. Answers how many were dropped now.
    pub fn drop_oldest(&mut self, bytes_max: usize, ctx: &mut Context<'_>) -> u64 {
        let Some(encoding) = self.hears() else {
            return 0;
        };
        let notice = |count| {
            let mut out = BytesMut::new();
            ctx.dialects.encode_dropped(encoding, count, &mut out);
            out.freeze()
        };
        self.send_queue.drop_oldest(bytes_max, notice)
    }

    /// The client does not keep up: what waits and was not begun is dropped, and it is told to go. Answers
    /// how many events were dropped.
    pub fn disconnect_slow(&mut self, ctx: &mut Context<'_>) -> u64 {
        let dropped = self.send_queue.drop_waiting();
        let reason = "too slow: events would have piled up";
        self.say_goodbye(CloseCode::TRY_AGAIN_LATER, reason, ctx);
        dropped
    }
}
