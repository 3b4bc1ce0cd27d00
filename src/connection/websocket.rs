//! A WebSocket's own affairs, whatever it carries: pings, the goodbye, what it may send us.

use bytes::Bytes;

use super::open_client::{OpenClient, Peer};
use super::{Connection, Context, Expired, Step, Then, Timer};
use crate::dialect::{Client, Message, Reaction};
use crate::protocol::websocket::{
    CloseCode, CloseState, Item, Opcode, Receiver, encode_close, encode_ping, encode_pong,
};

/// The server's end of one WebSocket.
#[derive(Debug)]
pub(super) struct WebSocketPeer {
    receiver: Receiver,
    close: CloseState,
    /// A ping is out and nothing has come since.
    pinged: bool,
}

/// What a frame makes us do.
enum Outcome {
    None,
    Send(Bytes),
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
    pub(super) fn web_socket(&mut self) -> Option<(&mut WebSocketPeer, &mut Client)> {
        let OpenClient { peer, client, .. } = self.open_client()?;
        match peer {
            Peer::WebSocket(peer) => Some((peer, client)),
            Peer::Call(_) | Peer::Response(_) => None,
        }
    }

    pub(super) fn step_websocket(&mut self, buf: &mut [u8], ctx: &mut Context<'_>) -> Step {
        let Some((peer, client)) = self.web_socket() else {
            let used = buf.len();
            let then = Then::More { keep: 0 };
            return Step { used, then };
        };
        let keep = buf.len();
        // It may have said who it is since the last message.
        let message_bytes_max = client.message_bytes_max();
        peer.receiver.set_message_bytes_max(message_bytes_max);
        let (used, outcome) = match peer.receiver.recv(buf) {
            Ok(step) => {
                peer.pinged &= step.consumed == 0;
                let outcome = match step.item {
                    None if step.consumed == 0 => {
                        let then = Then::More { keep };
                        return Step { used: 0, then };
                    }
                    None => Outcome::None,
                    Some(item) => judge(item, client, &mut peer.close, ctx),
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

    /// Says goodbye on our own account. A WebSocket waits for the answer; anything else just
    /// closes.
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
        let client = self.client();
        let ping = ctx.arena.write(|out| {
            encode_ping(out, b"");
            if let Some(client) = client {
                client.put_heartbeat(out);
            }
        });
        self.send_queue.push(ping);
    }

    /// Says goodbye to a peer that did not keep the rules: nothing more is expected of it.
    pub(super) fn fail(&mut self, code: CloseCode, reason: &str, ctx: &mut Context<'_>) {
        if let Some((peer, _)) = self.web_socket()
            && let Some(code) = peer.close.fail(code)
        {
            self.push_close(code, reason, ctx);
        }
        self.close();
    }
}

fn judge(
    item: Item<'_>,
    client: &mut Client,
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
    let message = match opcode {
        Opcode::Text => Message::Text(&message),
        _ => Message::Binary(&message),
    };
    let reaction = ctx.dialects.message(client, message, &mut ctx.tools);
    Outcome::React(reaction)
}
