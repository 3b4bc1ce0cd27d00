//! A WebSocket's own affairs, whatever it carries: pings, the goodbye, what it may send us.

use bytes::{Bytes, BytesMut};

use super::open_client::{OpenClient, Peer};
use super::{Connection, Context, Expired, Feed, State, Step, Then, Timer};
use crate::dialect::pubsub::encode_heartbeat;
use crate::dialect::sessions::render::FeedForm;
use crate::dialect::{Client, Message, Reaction};
use crate::hub::{Number, ReaderId};
use crate::limits::STRANGER_MESSAGE_BYTES_MAX;
use crate::protocol::websocket::{
    CloseCode, CloseState, Item, Opcode, Receiver, encode_close, encode_header, encode_ping,
    encode_pong,
};
use crate::time::Now;

/// Close code for a session that was deleted or expired; 4000–4999 are for applications to use.
pub(super) const SESSION_GONE: CloseCode = CloseCode(4410);

/// The server's end of one WebSocket.
#[derive(Debug)]
pub(super) struct WebSocketPeer {
    receiver: Receiver,
    close: CloseState,
    /// A ping is out and nothing has come since.
    pinged: bool,
}

/// What a message is to its receiver.
enum Use<'s> {
    /// Unwanted: the peer only listens.
    Refuse,
    /// To be sent back.
    Echo,
    /// For the dialect.
    Talk(&'s mut Client),
}

/// What a frame makes us do.
enum Outcome {
    None,
    Send(Bytes),
    Echo(Opcode, Bytes),
    Close(Option<CloseCode>, &'static str),
    React(Reaction),
}

impl WebSocketPeer {
    pub(super) fn new(message_bytes_max: usize) -> Self {
        Self {
            receiver: Receiver::new(message_bytes_max),
            close: CloseState::default(),
            pinged: false,
        }
    }

    /// Bytes of a message of which more is to come.
    pub(super) fn held_bytes(&self) -> usize {
        self.receiver.held_bytes()
    }

    /// Whether data may still be sent: nothing may follow our close frame.
    pub(super) const fn may_send(&self) -> bool {
        self.close.may_send()
    }
}

impl Connection {
    /// Becomes a feed that follows a log from `next` on. It only listens: a message of its client is refused anyway.
    pub fn become_feed(&mut self, reader: ReaderId, next: Number, encoding: FeedForm, now: Now) {
        let web_socket = (encoding == FeedForm::WebSocket)
            .then(|| WebSocketPeer::new(STRANGER_MESSAGE_BYTES_MAX));
        self.state = State::Feed(Box::new(Feed {
            reader,
            next,
            encoding,
            web_socket,
        }));
        self.arm(Self::feed_timer(encoding), now);
    }

    pub(super) fn become_echo(&mut self, peer: WebSocketPeer, ctx: &Context<'_>) {
        self.state = State::Echo(Box::new(peer));
        self.arm(Timer::Ping, ctx.now);
    }

    fn web_socket(&mut self) -> Option<(&mut WebSocketPeer, Use<'_>)> {
        match &mut self.state {
            State::Feed(feed) => feed.web_socket.as_mut().map(|peer| (peer, Use::Refuse)),
            State::Open(open) => {
                let OpenClient { peer, client, .. } = &mut **open;
                match peer {
                    Peer::WebSocket(peer) => Some((peer, Use::Talk(client))),
                    Peer::Call(_) | Peer::Response(_) => None,
                }
            }
            State::Echo(peer) => Some((peer, Use::Echo)),
            _ => None,
        }
    }

    pub(super) fn step_websocket(&mut self, buf: &mut [u8], ctx: &mut Context<'_>) -> Step {
        let Some((peer, purpose)) = self.web_socket() else {
            // Nothing is expected from the reader of an event stream.
            let used = buf.len();
            let then = Then::More { keep: 0 };
            return Step { used, then };
        };
        let keep = buf.len();
        if let Use::Talk(client) = &purpose {
            // It may have said who it is since the last message.
            let message_bytes_max = client.message_bytes_max();
            peer.receiver.set_message_bytes_max(message_bytes_max);
        }
        let (used, outcome) = match peer.receiver.recv(buf) {
            Ok(step) => {
                peer.pinged &= step.consumed == 0;
                let outcome = match step.item {
                    None if step.consumed == 0 => {
                        let then = Then::More { keep };
                        return Step { used: 0, then };
                    }
                    None => Outcome::None,
                    Some(item) => judge(item, purpose, &mut peer.close, ctx),
                };
                (step.consumed, outcome)
            }
            Err(error) => {
                let code = peer.close.fail(error.code);
                (keep, Outcome::Close(code, error.reason))
            }
        };
        let ended = peer.close.is_done();
        let mut then = Then::Again;
        match outcome {
            Outcome::None => {}
            Outcome::Send(frame) => self.send_queue.push(frame),
            Outcome::React(reaction) => then = self.react(reaction, ctx),
            Outcome::Echo(opcode, payload) => {
                let header = ctx
                    .arena
                    .write(|out| encode_header(out, opcode, payload.len()));
                self.send_queue.push(header);
                self.send_queue.push(payload);
            }
            Outcome::Close(code, reason) => {
                if let Some(code) = code {
                    self.push_close(code, reason, ctx);
                }
            }
        }
        if ended {
            self.close();
        }
        Step { used, then }
    }

    fn push_close(&mut self, code: CloseCode, reason: &str, ctx: &mut Context<'_>) {
        let frame = ctx.arena.write(|out| encode_close(out, code, reason));
        self.send_queue.push(frame);
    }

    /// Says goodbye on our own account. A WebSocket waits for the answer; anything else just closes.
    pub(super) fn say_goodbye(&mut self, code: CloseCode, reason: &str, ctx: &mut Context<'_>) {
        let Some((peer, _)) = self.web_socket() else {
            self.close();
            return;
        };
        if let Some(code) = peer.close.start(code) {
            self.push_close(code, reason, ctx);
            self.arm(Timer::Goodbye, ctx.now);
        }
    }

    /// Pings a WebSocket, or drops it when the last ping was not answered.
    pub(super) fn ping(&mut self, ctx: &mut Context<'_>) -> Expired {
        // While output is under way, or so much that nothing is read, the write timeout judges.
        let (is_idle, is_read) = (self.send_queue.is_empty(), self.wants_input());
        let Some((peer, _)) = self.web_socket() else {
            return Expired::Flush;
        };
        if peer.pinged && is_read {
            return Expired::Drop;
        }
        if is_idle && !peer.pinged {
            peer.pinged = true;
            self.push_ping(ctx);
        }
        self.arm(Timer::Ping, ctx.now);
        Expired::Flush
    }

    fn push_ping(&mut self, ctx: &mut Context<'_>) {
        let position = self.position();
        let ping = ctx.arena.write(|out| {
            encode_ping(out, b"");
            if let Some(position) = position {
                encode_heartbeat(position.next, out);
            }
        });
        self.send_queue.push(ping);
    }

    /// Whether events may still be sent to this feed: none may follow our close frame.
    pub fn may_send(&mut self) -> bool {
        match self.web_socket() {
            Some((peer, _)) => peer.close.may_send(),
            None => matches!(self.state, State::Feed(_)),
        }
    }

    /// The session of this reader is gone: tells it in the way its form allows.
    pub fn session_gone(&mut self, ctx: &mut Context<'_>) {
        match &self.state {
            State::Open(_) => {
                self.forget_position();
                self.say_goodbye(SESSION_GONE, "the session is gone", ctx);
            }
            State::Parked(parked) => {
                let exchange = parked.exchange;
                self.respond(exchange, ctx, |ctx, to| {
                    ctx.dialects.sessions.respond_gone(to);
                });
            }
            State::Feed(feed) => {
                let encoding = feed.encoding;
                self.say_goodbye(SESSION_GONE, "the session is gone", ctx);
                if encoding == FeedForm::WebSocket {
                    // It has no reader any more; what is left is the goodbye.
                    self.detach_client();
                }
            }
            _ => {}
        }
    }

    /// Turns a feed whose reader is gone into a socket that only says goodbye.
    pub(super) fn detach_client(&mut self) {
        if let State::Feed(feed) = &mut self.state
            && let Some(peer) = feed.web_socket.take()
        {
            self.state = State::Echo(Box::new(peer));
        }
    }

    /// The server is leaving. Answers whether the connection is of no more use.
    pub fn drain(&mut self, retry_ms: u64, ctx: &mut Context<'_>) -> bool {
        if matches!(&self.state, State::Open(open) if !open.is_open()) {
            // It is told once it has its handshake's answer.
            return false;
        }
        if self.drain_client(retry_ms, ctx) {
            return false;
        }
        if self.web_socket().is_some() {
            self.say_goodbye(CloseCode::GOING_AWAY, "the server is leaving", ctx);
            return false;
        }
        match &self.state {
            State::Http(_) if !self.input.is_empty() => {}
            // Its next request may be on its way: it is answered, and told that it was the last.
            State::Http(_) => self.arm_last_request(ctx.now),
            State::Feed(_) => {
                let mut retry = BytesMut::new();
                crate::protocol::sse::encode_retry(&mut retry, retry_ms);
                self.send_queue.push(retry.freeze());
                self.close();
            }
            // A request that waits is answered; polls are answered by the shard.
            State::Open(_)
            | State::Echo(_)
            | State::Request(_)
            | State::Waiting(..)
            | State::Parked(_)
            | State::Relayed
            | State::Closing(_) => {}
            State::Http2(_) => self.drain_http2(),
        }
        false
    }
}

fn judge(
    item: Item<'_>,
    purpose: Use<'_>,
    close: &mut CloseState,
    ctx: &mut Context<'_>,
) -> Outcome {
    let (opcode, message) = match item {
        Item::Ping(payload) if close.may_send() => {
            return Outcome::Send(ctx.arena.write(|out| encode_pong(out, payload)));
        }
        Item::Ping(_) | Item::Pong(_) => return Outcome::None,
        Item::Close(said) => {
            let code = close.received(said.map(|(code, _)| code));
            return Outcome::Close(code, "");
        }
        Item::Text(message) => (Opcode::Text, message),
        Item::Binary(message) => (Opcode::Binary, message),
    };
    if !close.may_send() {
        // After our close frame, what the peer was still sending is of no interest (§5.5.1).
        return Outcome::None;
    }
    match purpose {
        Use::Echo => Outcome::Echo(opcode, message.into_bytes()),
        Use::Talk(client) => {
            let message = match opcode {
                Opcode::Text => Message::Text(&message),
                _ => Message::Binary(&message),
            };
            let reaction = ctx.dialects.message(client, message, &mut ctx.tools);
            Outcome::React(reaction)
        }
        Use::Refuse => {
            let code = close.fail(CloseCode::POLICY_VIOLATION);
            Outcome::Close(code, "this socket only listens: publish with POST")
        }
    }
}
