//! From a request to its answer, whoever has to be waited for, and on to the next request.

use bytes::Bytes;

use super::http1::Reading;
use super::{Connection, Context, Parked, State, Then, Timer};
use crate::dialect::{Exchange, Outcome, Pending, Responder};
use crate::hub::Refusal;
use crate::time::Instant;

impl Connection {
    /// Waits for the hub's answer to a call.
    pub fn wait(&mut self, pending: Pending, exchange: Exchange) {
        if let State::Open(open) = &mut self.state {
            open.wait(pending);
            return;
        }
        self.disarm();
        self.state = State::Waiting(pending, exchange);
    }

    /// Ends the wait and returns what was waited for.
    pub fn take_waiting(&mut self) -> Option<(Pending, Exchange)> {
        if let State::Open(open) = &mut self.state {
            return open.take_waiting();
        }
        match std::mem::replace(&mut self.state, State::Http(Reading::default())) {
            State::Waiting(pending, exchange) => Some((pending, exchange)),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Responds with an operation's outcome, or returns what is to be done next: [`Then::Again`] is nothing.
    pub fn answer(
        &mut self,
        pending: Pending,
        outcome: Outcome,
        exchange: Exchange,
        ctx: &mut Context<'_>,
    ) -> Then {
        if matches!(self.state, State::Open(_)) {
            return self.answer_client(pending, outcome, ctx);
        }
        let mut then = Then::Again;
        self.respond(exchange, ctx, |ctx, to| {
            let action = ctx.dialects.answer(pending, outcome, &mut ctx.tools, to);
            then = Then::after(action, exchange);
        });
        then
    }

    /// Waits as a long poll, until `due` at most.
    pub fn park(&mut self, parked: Parked, due: Option<Instant>) {
        self.timer = Timer::Poll;
        self.due = due.unwrap_or(Instant::NEVER);
        self.state = State::Parked(parked);
    }

    /// Ends a poll's wait with an answer that is already framed for its exchange.
    pub fn answer_poll(&mut self, response: Bytes, exchange: Exchange, ctx: &Context<'_>) {
        ctx.metrics.http_requests.add(1);
        self.send_queue.push_shared(response);
        self.after_response(exchange, ctx);
    }

    /// Writes a response and goes on to the next request, or begins to close. When `write` writes
    /// nothing (because the request goes on), nothing else happens.
    pub(super) fn respond(
        &mut self,
        exchange: Exchange,
        ctx: &mut Context<'_>,
        write: impl FnOnce(&mut Context<'_>, &mut Responder<'_>),
    ) {
        let exchange = Exchange {
            keep_alive: exchange.keep_alive && !ctx.draining,
            ..exchange
        };
        let (date, now) = (ctx.date, ctx.now);
        let origin = self.origin();
        let mut arena = std::mem::take(ctx.arena);
        let (mut status, mut denied) = (0, None);
        let response = arena.write(|out| {
            let mut to = Responder {
                out,
                date,
                now,
                exchange,
                origin,
                status: 0,
                denied: None,
            };
            write(ctx, &mut to);
            (status, denied) = (to.status, to.denied);
        });
        ctx.tools.denied = ctx.tools.denied.or(denied);
        *ctx.arena = arena;
        if response.is_empty() {
            return;
        }
        ctx.metrics.http_requests.add(1);
        if status >= 400 {
            ctx.metrics.http_errors.add(1);
        }
        self.send_queue.push(response);
        self.after_response(exchange, ctx);
    }

    fn after_response(&mut self, exchange: Exchange, ctx: &Context<'_>) {
        if exchange.keep_alive {
            self.state = State::Http(Reading::default());
            self.arm(Timer::Idle, ctx.now);
        } else {
            self.close();
        }
    }

    /// Waits for what the home of a session has for this stream: [`relay`](Self::relay).
    pub fn await_relay(&mut self) {
        self.disarm();
        self.state = State::Relayed;
    }

    /// Sends what a reader on another shard has for this stream.
    pub fn relay(&mut self, bytes: Bytes, ended: bool) {
        if matches!(self.state, State::Relayed) {
            self.send_queue.push(bytes);
            if ended {
                self.close();
            }
        }
    }

    /// Refuses to attach, in the dialect's form.
    pub fn refuse_listen(&mut self, refusal: Refusal, exchange: Exchange, ctx: &mut Context<'_>) {
        self.respond(exchange, ctx, |ctx, to| {
            ctx.dialects.sessions.respond_refused(refusal, to);
        });
    }

    /// Sends what is queued, then closes; input is discarded from now on.
    pub fn close(&mut self) {
        self.state = State::Closing(None);
        self.input = Vec::new();
        self.disarm();
    }
}
