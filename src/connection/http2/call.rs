//! A client that talks by gRPC: length-prefixed messages on a stream, and a status at its end.

use super::super::open_client::{OpenClient, Peer};
use crate::connection::{Connection, Context, State, Step, Then};
use crate::dialect::{Client, Message, Reaction};
use crate::limits::{GRPC_COMPRESSED_BYTES_MAX, GRPC_COMPRESSED_BYTES_MIN};
use crate::protocol::Parsed;
use crate::protocol::grpc::{CallFields, MessageEncoding, Status, parse_message, truncated};

/// What is kept of a call.
#[derive(Clone, Copy, Debug)]
pub(in crate::connection) struct CallPeer {
    /// Its dialect knows that the client will say no more.
    pub(in crate::connection) half_closed: bool,
    /// How its messages are compressed.
    encoding: MessageEncoding,
    /// Its client reads compressed messages.
    accepts_gzip: bool,
}

impl CallPeer {
    pub(in crate::connection) const fn new(fields: &CallFields) -> Self {
        Self {
            half_closed: false,
            encoding: fields.encoding,
            accepts_gzip: fields.accepts_gzip,
        }
    }

    /// Whether an answer of so many bytes is worth compressing: what is long, or what goes to
    /// somebody who does so too; but nothing that takes so long that others would wait.
    pub(in crate::connection) const fn compresses(self, bytes: usize) -> bool {
        let wanted = match self.encoding {
            MessageEncoding::Gzip => true,
            MessageEncoding::Identity => bytes >= GRPC_COMPRESSED_BYTES_MIN,
        };
        self.accepts_gzip && wanted && bytes <= GRPC_COMPRESSED_BYTES_MAX
    }
}

impl Connection {
    pub(in crate::connection) fn step_call(&mut self, buf: &[u8], ctx: &mut Context<'_>) -> Step {
        let ended = self.input_ended;
        let all = buf.len();
        let Some(open) = self.open_client() else {
            return Step {
                used: all,
                then: Then::More { keep: 0 },
            };
        };
        let OpenClient { peer, client, .. } = open;
        let heard = match peer {
            Peer::Call(call) => {
                let input = (buf, call.encoding, ended);
                hear(input, &mut call.half_closed, client, ctx)
            }
            Peer::WebSocket(_) | Peer::Response(_) => None,
        };
        let Some((used, reaction)) = heard else {
            let then = Then::More { keep: all };
            return Step { used: 0, then };
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

/// What the next message of a call makes its socket do, or the end of what the client says, and how
/// many bytes that took; `None` if nothing is to be done. `ended` is whether all is here that will
/// ever be.
pub(in crate::connection) fn hear(
    (bytes, encoding, ended): (&[u8], MessageEncoding, bool),
    half_closed: &mut bool,
    client: &mut Client,
    ctx: &mut Context<'_>,
) -> Option<(usize, Reaction)> {
    let wrong = |status| (bytes.len(), Reaction::End(Vec::new(), Box::new(status)));
    let bytes_max = client.message_bytes_max();
    Some(match parse_message(bytes, bytes_max, encoding) {
        // Of a call that takes one message nothing is done until it is known to be the only one.
        Ok(Parsed::Complete(_, used)) if client.takes_one_message() && used < bytes.len() => {
            wrong(Status::cardinality("the call has more than one request"))
        }
        Ok(Parsed::Complete(..)) if client.takes_one_message() && !ended => return None,
        Ok(Parsed::Complete(message, used)) => match message.decoded(bytes_max) {
            Ok(bytes) => {
                let message = Message::Binary(&bytes);
                let reaction = ctx.dialects.message(client, message, &mut ctx.tools);
                (used, reaction)
            }
            Err(error) => wrong(error.status()),
        },
        Ok(Parsed::Partial) if !ended => return None,
        Ok(Parsed::Partial) if !bytes.is_empty() => wrong(truncated()),
        Ok(Parsed::Partial) if *half_closed => return None,
        Ok(Parsed::Partial) => {
            *half_closed = true;
            (0, ctx.dialects.half_closed(client))
        }
        Err(error) => wrong(error.status()),
    })
}
