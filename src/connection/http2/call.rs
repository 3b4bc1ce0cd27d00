//! A client that talks by gRPC: length-prefixed messages on a stream, and a status at its end.

use super::super::client::Peer;
use super::{Connection, Context, State, Step, Then};
use crate::dialect::Message;
use crate::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use crate::protocol::Parsed;
use crate::protocol::grpc::{Code, Status, parse_message};

/// What is kept of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::connection) struct CallPeer {
    /// Its dialect knows that the client will say no more.
    pub(in crate::connection) half_closed: bool,
}

impl Connection {
    pub(in crate::connection) fn step_call(&mut self, buf: &[u8], ctx: &mut Context<'_>) -> Step {
        let ended = self.input_ended;
        let State::Client(client) = &mut self.state else {
            return Step {
                used: buf.len(),
                then: Then::More { keep: 0 },
            };
        };
        let Peer::Call(call) = &mut client.peer else {
            return Step {
                used: buf.len(),
                then: Then::More { keep: 0 },
            };
        };
        let (used, reaction) = match parse_message(buf, WEBSOCKET_MESSAGE_BYTES_MAX) {
            Ok(Parsed::Complete(message, used)) => {
                let message = Message::Binary(message.bytes);
                let socket = &mut client.socket;
                let reaction = ctx.dialects.message(socket, message, &mut ctx.tools);
                (used, reaction)
            }
            Ok(Parsed::Partial) if !ended => {
                let then = Then::More { keep: buf.len() };
                return Step { used: 0, then };
            }
            Ok(Parsed::Partial) if buf.is_empty() && !call.half_closed => {
                call.half_closed = true;
                (0, ctx.dialects.half_closed(&mut client.socket))
            }
            Ok(Parsed::Partial) if buf.is_empty() => {
                return Step {
                    used: 0,
                    then: Then::More { keep: 0 },
                };
            }
            Ok(Parsed::Partial) => {
                let message = "the call ended within a message";
                self.end_call(Status::new(Code::Internal, message));
                return Step {
                    used: buf.len(),
                    then: Then::Again,
                };
            }
            Err(error) => {
                self.end_call(error.status());
                return Step {
                    used: buf.len(),
                    then: Then::Again,
                };
            }
        };
        let then = self.react(reaction, ctx);
        Step { used, then }
    }

    /// Ends a call: what is queued is sent, then its status.
    pub(in crate::connection) fn end_call(&mut self, status: Status) {
        self.close();
        self.state = State::Closing(Some(Box::new(status)));
    }
}
