//! A client of a dialect that talks over something that stays open: its messages go to the dialect,
//! one at a time.
//!
//! What the dialect's reaction cannot do here, the shard does: [`Then::Call`] and
//! [`Then::Subscribe`]. Until that is done further messages wait in the connection's input.

use bytes::{Bytes, BytesMut};

use super::http2::CallPeer;
use super::response::ResponsePeer;
use super::websocket::WebSocketPeer;
use super::{Connection, Context, State, Then, Timer};
use crate::dialect::{
    Change, Client, Encoding, Envelope, Exchange, Open, Opening, Outcome, Pending, Reaction,
    Subscribe, Undo,
};
use crate::hub::Full;
use crate::protocol::grpc::{Code, Status, put_compressed};
use crate::protocol::websocket::{CloseCode, Opcode, encode_header};

/// A dialect's client and what it talks over.
#[derive(Debug)]
pub(super) struct OpenClient {
    pub(super) peer: Peer,
    pub(super) envelope: Envelope,
    pub(super) client: Client,
    waits: Waits,
}

/// What a client talks over.
#[derive(Debug)]
pub(super) enum Peer {
    /// A WebSocket.
    WebSocket(WebSocketPeer),
    /// A call of gRPC.
    Call(CallPeer),
    /// A response that does not end.
    Response(ResponsePeer),
}

/// What must come before the client's next message is looked at.
#[derive(Debug)]
enum Waits {
    No,
    /// The handshake's answer is not sent, so nothing else may be.
    Opening,
    /// The answer to a call.
    Answer(Pending),
    /// A change of subscriptions.
    Subscription,
}

/// What a client costs beside its connection, as long as nothing is under way.
const _: () = assert!(size_of::<OpenClient>() <= 104);

impl OpenClient {
    /// A client whose handshake is answered.
    pub(super) const fn opened(peer: Peer, envelope: Envelope, client: Client) -> Self {
        Self {
            peer,
            envelope,
            client,
            waits: Waits::No,
        }
    }

    /// Whether the handshake is answered.
    pub(super) const fn is_open(&self) -> bool {
        !matches!(self.waits, Waits::Opening)
    }

    /// Whether the client's next message may be looked at.
    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.waits, Waits::No)
    }

    /// Bytes that are kept for it: of a message of which more is to come, and of names that it
    /// wants.
    pub(super) fn held_bytes(&self) -> usize {
        let partial = match &self.peer {
            Peer::WebSocket(peer) => peer.held_bytes(),
            Peer::Call(_) | Peer::Response(_) => 0,
        };
        partial + self.client.wanted_bytes()
    }

    /// Whether anything may still be said to it.
    pub(super) const fn may_send(&self) -> bool {
        match &self.peer {
            Peer::WebSocket(peer) => peer.may_send(),
            Peer::Call(_) | Peer::Response(_) => true,
        }
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
    /// Becomes a dialect's client. The answer to its request and the first subscriptions are left
    /// to the caller: once the client has its answer, it is to hear everything.
    pub fn open(
        &mut self,
        open: Open,
        exchange: Exchange,
        ctx: &mut Context<'_>,
    ) -> (Bytes, Subscribe) {
        let Open {
            opening,
            client,
            subscriptions,
            home: _,
        } = open;
        ctx.metrics.http_requests.add(1);
        self.disarm();
        let (answer, peer, envelope) = match opening {
            Opening::WebSocket(handshake, protocol) => (
                ctx.arena
                    .write(|out| handshake.write_response(out, protocol, b"")),
                Peer::WebSocket(WebSocketPeer::new(client.message_bytes_max())),
                Envelope::WebSocket,
            ),
            Opening::Call(fields) => {
                if let Some(timeout) = fields.timeout {
                    self.arm_deadline(ctx.now.instant + timeout);
                }
                let peer = Peer::Call(CallPeer::new(&fields));
                (Bytes::new(), peer, Envelope::Grpc)
            }
            Opening::Response(streamed) => {
                let (head, envelope) =
                    Self::begin_response(&streamed, (exchange, self.origin()), ctx);
                let peer =
                    ResponsePeer::new(streamed.messages, streamed.encoding, streamed.heartbeat);
                (head, Peer::Response(peer), envelope)
            }
        };
        self.state = State::Open(Box::new(OpenClient {
            peer,
            envelope,
            client,
            waits: Waits::Opening,
        }));
        let first = Subscribe {
            change: Change::Replace(subscriptions),
            retained: Vec::new(),
            reply: Vec::new(),
            undo: Undo::Opening,
        };
        (answer, first)
    }

    pub(super) fn open_client(&mut self) -> Option<&mut OpenClient> {
        match &mut self.state {
            State::Open(open) => Some(open),
            _ => None,
        }
    }

    /// How this client's events are written, as long as it may be sent any.
    pub fn hears(&self) -> Option<Encoding> {
        match &self.state {
            State::Open(open) if open.may_send() => open.client.encoding(open.envelope),
            _ => None,
        }
    }

    /// Waits for [`subscribed`](Self::subscribed).
    pub fn wait_for_subscription(&mut self) {
        if let Some(open) = self.open_client()
            && open.is_open()
        {
            open.waits = Waits::Subscription;
        }
    }

    /// A change of subscriptions is in force: sends the reply, after `first` (whole frames, or the
    /// answer to the request). A client that is leaving is sent neither. Answers what follows.
    pub fn subscribed(&mut self, first: Bytes, reply: &[u8], ctx: &mut Context<'_>) -> Then {
        let Some(open) = self.open_client() else {
            return Then::Again;
        };
        let may_send = open.may_send();
        let is_web_socket = matches!(open.peer, Peer::WebSocket(_));
        let waits = std::mem::replace(&mut open.waits, Waits::No);
        if may_send {
            self.send_queue.push(first);
            self.send_message(reply, ctx);
        }
        if !matches!(waits, Waits::Opening) {
            return Then::Again;
        }
        if is_web_socket {
            self.arm(Timer::Ping, ctx.now);
        } else {
            self.arm_heartbeat(ctx.now);
        }
        let Some(open) = self.open_client() else {
            return Then::Again;
        };
        let reaction = ctx.dialects.opened(&mut open.client, &mut ctx.tools);
        self.react(reaction, ctx)
    }

    /// A change of subscriptions was refused: tells the client so, after `first`.
    pub fn not_subscribed(
        &mut self,
        first: Bytes,
        undo: Undo,
        full: Full,
        ctx: &mut Context<'_>,
    ) -> Then {
        let Some(open) = self.open_client() else {
            return Then::Again;
        };
        let may_send = open.may_send();
        open.waits = Waits::No;
        let client = &mut open.client;
        let reaction = ctx.dialects.not_subscribed(client, undo, full);
        if may_send {
            self.send_queue.push(first);
        }
        self.react(reaction, ctx)
    }

    /// The outcome of a client's call.
    pub(super) fn answer_client(
        &mut self,
        pending: Pending,
        outcome: Outcome,
        ctx: &mut Context<'_>,
    ) -> Then {
        let Some(open) = self.open_client() else {
            return Then::Again;
        };
        let client = &mut open.client;
        let reaction = ctx
            .dialects
            .answer_client(client, pending, outcome, &mut ctx.tools);
        self.react(reaction, ctx)
    }

    /// The client's own time is up: [`dialect::Client::due`](crate::dialect::Client::due).
    pub fn expire_client(&mut self, ctx: &mut Context<'_>) -> Then {
        let Some(open) = self.open_client() else {
            return Then::Again;
        };
        let reaction = ctx.dialects.expire_client(&mut open.client, &mut ctx.tools);
        self.react(reaction, ctx)
    }

    /// Carries out what the dialect wants, as far as it is this connection's to do.
    pub(super) fn react(&mut self, reaction: Reaction, ctx: &mut Context<'_>) -> Then {
        match reaction {
            Reaction::Reply(message) => {
                self.send_message(&message, ctx);
                Then::Again
            }
            Reaction::Send(is_text, message) => {
                self.send_frame(is_text, message, ctx);
                Then::Again
            }
            Reaction::Subscribe(change) => Then::Subscribe(change),
            Reaction::Execute(call) => Then::Call(call, Exchange::upgraded()),
            Reaction::Follow(follow) => Then::Follow(follow, Exchange::upgraded()),
            Reaction::Show(show) => Then::Show(show),
            Reaction::Fail(code, reason) => {
                self.fail(code, reason, ctx);
                Then::Again
            }
            Reaction::Close(last, code, reason) => {
                self.send_message(&last, ctx);
                self.say_goodbye(code, reason, ctx);
                Then::Again
            }
            Reaction::End(last, status) => {
                self.send_answer(&last, ctx);
                self.end_client(*status, ctx);
                Then::Again
            }
        }
    }

    pub(super) fn send_message(&mut self, message: &[u8], ctx: &mut Context<'_>) {
        let Some(open) = self.open_client() else {
            return;
        };
        if !message.is_empty() && open.may_send() {
            let envelope = open.envelope;
            let frame = ctx.arena.write(|out| envelope.put(message, out));
            self.send_queue.push(frame);
        }
    }

    /// Sends a message of a WebSocket as it is, even if it is empty.
    fn send_frame(&mut self, is_text: bool, message: Bytes, ctx: &mut Context<'_>) {
        let opcode = if is_text {
            Opcode::Text
        } else {
            Opcode::Binary
        };
        let header = ctx
            .arena
            .write(|out| encode_header(out, opcode, message.len()));
        self.send_queue.push(header);
        self.send_queue.push(message);
    }

    /// Sends the last message of a client: of a unary call the only one, which may be compressed.
    /// Events are not, since those who hear the same share its bytes.
    fn send_answer(&mut self, message: &[u8], ctx: &mut Context<'_>) {
        if let Some(open) = self.open_client()
            && let Peer::Call(call) = &open.peer
            && open.client.answers_once()
            && call.compresses(message.len())
        {
            let mut frame = BytesMut::new();
            if put_compressed(&mut frame, message) {
                self.send_queue.push(frame.freeze());
                return;
            }
        }
        self.send_message(message, ctx);
    }

    /// Sends a message of nothing, which keeps what is on the way from taking the silence for the
    /// end.
    pub(super) fn send_empty(&mut self, ctx: &mut Context<'_>) {
        if let Some(open) = self.open_client() {
            let envelope = open.envelope;
            let frame = ctx.arena.write(|out| envelope.put(b"", out));
            self.send_queue.push(frame);
        }
    }

    /// Says no more to a client than why.
    pub(super) fn end_client(&mut self, status: Status, ctx: &mut Context<'_>) {
        let Some(open) = self.open_client() else {
            return;
        };
        match &open.peer {
            Peer::WebSocket(_) => {
                self.say_goodbye(close_code(status.code), &status.message, ctx);
            }
            Peer::Call(_) => self.end_call(status),
            Peer::Response(_) => {
                let envelope = open.envelope;
                let end = ctx.arena.write(|out| envelope.put_end(&status, out));
                self.send_queue.push(end);
                self.close();
            }
        }
    }

    /// Sends events: `frames` holds `events` of them. Whether the client is too slow for them is
    /// judged by the caller.
    pub fn send_events(&mut self, frames: Bytes, events: u32) {
        self.count_events(u64::from(events));
        self.send_queue.push_events(frames, events);
    }

    /// Drops the oldest events that wait until at most `bytes_max` are left, and tells the client
    /// how many it missed altogether. Answers how many were dropped now.
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

    /// The client does not keep up: the events that wait and were not begun are dropped, and it is
    /// told to go. Answers how many events were dropped.
    pub fn disconnect_slow(&mut self, ctx: &mut Context<'_>) -> u64 {
        let dropped = self.send_queue.drop_events();
        let reason = "too slow: events would have piled up";
        self.end_client(Status::new(Code::ResourceExhausted, reason), ctx);
        self.arm(Timer::Goodbye, ctx.now);
        dropped
    }

    /// The server is leaving: tells the client so, in the way of its dialect. No if it is to be
    /// sent away as any other connection.
    pub(super) fn drain_client(&mut self, leave_ms: u64, ctx: &mut Context<'_>) -> bool {
        let Some(open) = self.open_client() else {
            return false;
        };
        let client = &mut open.client;
        match ctx.dialects.drain_client(client, leave_ms, &mut ctx.tools) {
            Some(reaction) => {
                // A client that is told to leave asks nothing of the hub.
                self.react(reaction, ctx);
                true
            }
            None => false,
        }
    }
}

/// What a WebSocket's close frame says of a status (RFC 6455 §7.4.1).
const fn close_code(code: Code) -> CloseCode {
    match code {
        Code::Ok => CloseCode::NORMAL,
        Code::Unavailable => CloseCode::GOING_AWAY,
        Code::ResourceExhausted => CloseCode::TRY_AGAIN_LATER,
        Code::Internal | Code::Unknown | Code::DataLoss => CloseCode::INTERNAL_ERROR,
        _ => CloseCode::POLICY_VIOLATION,
    }
}
