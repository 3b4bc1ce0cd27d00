//! A connection that reads a log: how it begins, where it stands, and what it is told about that.
//!
//! It holds no queue: the shard gives it what it wants of the log when there is room.

use bytes::Bytes;

use super::open_client::{OpenClient, Peer};
use super::websocket::WebSocketPeer;
use super::{Connection, Context, Parked, State, Then, Timer};
use crate::dialect::{Client, Envelope, Exchange, Form, LogView, Position, Show, Standing, Wants};
use crate::hub::{Number, Refusal};
use crate::time::Instant;

/// A reader that pulls from its log.
#[derive(Debug)]
pub struct Follower {
    /// Where it stands.
    pub position: Position,
    /// What it is shown; `None` is nothing, however much there is.
    pub view: Option<LogView>,
}

impl Connection {
    /// Waits as a long poll, until `due` at most.
    pub fn park(&mut self, parked: Parked, due: Option<Instant>) {
        self.timer = Timer::Poll;
        self.due = due.unwrap_or(Instant::NEVER);
        self.state = State::Parked(parked);
    }

    /// Becomes a reader that stays, after the head of its answer.
    pub fn begin_reading(
        &mut self,
        client: Client,
        form: &Form,
        head: Bytes,
        ctx: &mut Context<'_>,
    ) {
        ctx.metrics.http_requests.add(1);
        self.send_queue.push(head);
        match form {
            Form::WebSocket(_) => {
                let peer = Peer::WebSocket(WebSocketPeer::new(client.message_bytes_max()));
                let open = OpenClient::opened(peer, Envelope::WebSocket, client);
                self.state = State::Open(Box::new(open));
                self.arm(Timer::Ping, ctx.now);
            }
            Form::EventStream | Form::Poll { .. } => {
                self.state = State::EventStream(client);
                self.arm(Timer::Comment, ctx.now);
            }
        }
    }

    /// Refuses to attach the sender of a request to a log, in the form of its dialect.
    pub fn refuse_reading(
        &mut self,
        client: &Client,
        refusal: Refusal,
        exchange: Exchange,
        ctx: &mut Context<'_>,
    ) {
        self.respond(exchange, ctx, |dialects, _, to| {
            dialects.refuse_reading(client, refusal, to);
        });
    }

    /// Reads a log from now on, and tells the client. No if this is nobody who could.
    pub fn follow(
        &mut self,
        position: Position,
        standing: &Standing,
        ctx: &mut Context<'_>,
    ) -> bool {
        let Some(open) = self.open_client().filter(|open| open.may_send()) else {
            return false;
        };
        open.client.set_position(Some(position));
        for message in ctx.dialects.followed(&mut open.client, standing) {
            self.send_message(&message, ctx);
        }
        true
    }

    /// Tells a client that its log cannot be read.
    pub fn refuse_follow(&mut self, refusal: Refusal, ctx: &mut Context<'_>) -> Then {
        let Some(open) = self.open_client() else {
            return Then::Again;
        };
        let reaction = ctx.dialects.not_followed(&mut open.client, refusal);
        self.react(reaction, ctx)
    }

    /// The reader that this connection is, if it pulls and may be sent something.
    pub fn follower(&self) -> Option<Follower> {
        let (client, envelope) = match &self.state {
            State::EventStream(client) => (client, None),
            State::Open(open) if open.may_send() => (&open.client, Some(open.envelope)),
            _ => return None,
        };
        let position = client.position()?;
        let view = match client.wants(envelope) {
            Wants::Waits => return None,
            Wants::Nothing => None,
            Wants::Shown(view) => Some(view),
        };
        Some(Follower { position, view })
    }

    /// A follower was shown what is before `next`.
    pub fn advance_to(&mut self, position: Position, next: Number) {
        if let Some(client) = self.client_mut() {
            client.set_position(Some(Position { next, ..position }));
        }
    }

    /// Changes which events of its log a client is shown from its position on, and tells it.
    pub fn show(&mut self, show: Show, ctx: &mut Context<'_>) {
        if let Some(open) = self.open_client() {
            ctx.dialects.show(&mut open.client, show.view);
        }
        self.send_message(&show.reply, ctx);
    }

    /// The reader of a client is gone, and so is what it followed.
    pub(super) fn forget_position(&mut self) {
        if let Some(client) = self.client_mut() {
            client.set_position(None);
        }
    }
}
