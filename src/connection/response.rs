//! A response that does not end: the client said in its request all that it will say.
//!
//! With gRPC-web the request may hold several messages; they are taken one by one, as those of a call are.

use bytes::Bytes;

use super::client::Peer;
use super::{Connection, Context, Step, Then};
use crate::dialect::{Exchange, Framing, Message, Reaction, Responder, Streamed};
use crate::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use crate::protocol::Parsed;
use crate::protocol::grpc::{Code, Status, parse_message};

/// What is kept of one.
#[derive(Debug)]
pub(super) struct ResponsePeer {
    /// The messages of the request, from `at` on.
    messages: Vec<u8>,
    at: usize,
    /// Its dialect knows that the client will say no more.
    half_closed: bool,
}

impl ResponsePeer {
    pub(super) const fn new(messages: Vec<u8>) -> Self {
        Self {
            messages,
            at: 0,
            half_closed: false,
        }
    }

    /// Whether there is something to do without any input.
    pub(super) const fn is_unheard(&self) -> bool {
        !self.half_closed
    }
}

impl Connection {
    /// The head of a response that does not end, and how its messages are framed.
    pub(super) fn begin_response(
        streamed: &Streamed,
        exchange: Exchange,
        ctx: &mut Context<'_>,
    ) -> (Bytes, Framing) {
        let mut framing = streamed.framing;
        let date = ctx.date;
        let head = ctx.arena.write(|out| {
            let mut to = Responder {
                out,
                date,
                exchange,
                status: 0,
            };
            let chunked = to
                .begin(200)
                .raw(&streamed.headers)
                .header("Content-Type", streamed.content_type.as_bytes())
                .finish_chunked();
            if chunked {
                framing = framing.chunked();
            }
        });
        (head, framing)
    }

    /// Takes the next message of the request. What the peer sends is discarded.
    pub(super) fn step_response(&mut self, buf: &[u8], ctx: &mut Context<'_>) -> Step {
        let used = buf.len();
        let done = Step {
            used,
            then: Then::More { keep: 0 },
        };
        let Some(client) = self.client() else {
            return done;
        };
        let Peer::Response(peer) = &mut client.peer else {
            return done;
        };
        if peer.half_closed {
            return done;
        }
        let rest = &peer.messages[peer.at..];
        let reaction = match parse_message(rest, WEBSOCKET_MESSAGE_BYTES_MAX) {
            Ok(Parsed::Complete(message, bytes)) => {
                peer.at += bytes;
                let message = Message::Binary(message.bytes);
                let socket = &mut client.socket;
                ctx.dialects.message(socket, message, &mut ctx.tools)
            }
            Ok(Parsed::Partial) => {
                let cut = !rest.is_empty();
                peer.half_closed = true;
                peer.messages = Vec::new();
                peer.at = 0;
                if cut {
                    let message = "the call ended within a message";
                    let status = Status::new(Code::Internal, message);
                    Reaction::End(Vec::new(), Box::new(status))
                } else {
                    ctx.dialects.half_closed(&mut client.socket)
                }
            }
            Err(error) => Reaction::End(Vec::new(), Box::new(error.status())),
        };
        let then = self.react(reaction, ctx);
        Step { used, then }
    }
}
