//! A response that does not end: the client said in its request all that it will say.
//!
//! With gRPC-web the request may hold several messages; they are taken one by one, as those of a
//! call are.

use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;

use super::http2::hear;
use super::open_client::{OpenClient, Peer};
use super::{Connection, Context, Step, Then};
use crate::dialect::{AllowedOrigin, Envelope, Exchange, Responder, Streamed};
use crate::protocol::grpc::MessageEncoding;

/// What is kept of one.
#[derive(Debug)]
pub(super) struct ResponsePeer {
    /// The messages of the request, from `at` on.
    messages: Vec<u8>,
    at: usize,
    /// How they are compressed.
    encoding: MessageEncoding,
    /// Its dialect knows that the client will say no more.
    half_closed: bool,
    /// Most silence that its client wants, in seconds.
    heartbeat: Option<NonZeroU16>,
}

impl ResponsePeer {
    pub(super) const fn new(
        messages: Vec<u8>,
        encoding: MessageEncoding,
        heartbeat: Option<NonZeroU16>,
    ) -> Self {
        Self {
            messages,
            at: 0,
            encoding,
            half_closed: false,
            heartbeat,
        }
    }

    /// After how much silence its client wants to hear something.
    pub(super) fn heartbeat(&self) -> Option<Duration> {
        let seconds = self.heartbeat?.get();
        Some(Duration::from_secs(seconds.into()))
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
        (exchange, origin): (Exchange, Option<AllowedOrigin>),
        ctx: &mut Context<'_>,
    ) -> (Bytes, Envelope) {
        let mut envelope = streamed.envelope;
        let (date, now) = (ctx.date, ctx.now);
        let head = ctx.arena.write(|out| {
            let mut to = Responder {
                out,
                date,
                now,
                exchange,
                origin,
                lines: b"",
                status: 0,
                denied: None,
            };
            let chunked = to
                .begin(200)
                .raw(&streamed.headers)
                .header("Content-Type", streamed.content_type.as_bytes())
                .finish_chunked();
            if chunked {
                envelope = envelope.chunked();
            }
        });
        (head, envelope)
    }

    /// Takes the next message of the request. What the peer sends is discarded.
    pub(super) fn step_response(&mut self, buf: &[u8], ctx: &mut Context<'_>) -> Step {
        let used = buf.len();
        let done = Step {
            used,
            then: Then::More { keep: 0 },
        };
        let Some(open) = self.open_client() else {
            return done;
        };
        let OpenClient { peer, client, .. } = open;
        let Peer::Response(peer) = peer else {
            return done;
        };
        let rest = &peer.messages[peer.at..];
        let Some((bytes, reaction)) = hear(
            (rest, peer.encoding, true),
            &mut peer.half_closed,
            client,
            ctx,
        ) else {
            return done;
        };
        peer.at += bytes;
        if peer.half_closed {
            peer.messages = Vec::new();
            peer.at = 0;
        }
        let then = self.react(reaction, ctx);
        Step { used, then }
    }
}
