//! From a request to its answer, whoever has to be waited for, and on to the next request.

use std::convert::Infallible;

use bytes::Bytes;

use super::http1::Reading;
use super::wrote::Wrote;
use super::{Connection, Context, State, Then, Timer};
use crate::dialect::{Dialects, Exchange, Outcome, Pending, Responder, Tools};

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

    /// Responds with an operation's outcome, or returns what is to be done next: [`Then::Again`] is
    /// nothing.
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
        let action = self.respond_or(exchange, ctx, |dialects, tools, to| {
            dialects.answer(pending, outcome, tools, to).into()
        });
        action.map_or(Then::Again, |action| Then::after(action, exchange))
    }

    /// Ends a poll's wait with an answer that is already framed for its exchange.
    pub fn answer_poll(&mut self, response: Bytes, exchange: Exchange, ctx: &Context<'_>) {
        ctx.metrics.http_requests.add(1);
        self.send_queue.push_shared(response);
        self.after_response(exchange, ctx);
    }

    /// Writes a response and goes on to the next request, or begins to close.
    pub(super) fn respond(
        &mut self,
        exchange: Exchange,
        ctx: &mut Context<'_>,
        write: impl for<'o> FnOnce(&'o Dialects, &mut Tools<'_>, &mut Responder<'o>),
    ) {
        self.respond_or(exchange, ctx, |dialects, tools, to| {
            write(dialects, tools, to);
            Wrote::<Infallible>::Response
        });
    }

    /// Likewise, unless the request goes on: then `write` has written nothing, and returns what is
    /// to be done.
    pub(super) fn respond_or<R>(
        &mut self,
        exchange: Exchange,
        ctx: &mut Context<'_>,
        write: impl for<'o> FnOnce(&'o Dialects, &mut Tools<'_>, &mut Responder<'o>) -> Wrote<R>,
    ) -> Option<R> {
        let exchange = Exchange {
            keep_alive: exchange.keep_alive && !ctx.draining,
            ..exchange
        };
        let (dialects, date, now) = (ctx.dialects, ctx.date, ctx.now);
        let origin = self.origin();
        let mut arena = std::mem::take(ctx.arena);
        let (mut status, mut denied, mut made) = (0, None, Wrote::Response);
        let response = arena.write(|out| {
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
            made = write(dialects, &mut ctx.tools, &mut to);
            (status, denied) = (to.status, to.denied);
        });
        ctx.tools.denied = ctx.tools.denied.or(denied);
        *ctx.arena = arena;
        if let Wrote::Nothing(goes_on) = made {
            debug_assert!(response.is_empty(), "a response to a request that goes on");
            return Some(goes_on);
        }
        ctx.metrics.http_requests.add(1);
        if status >= 400 {
            ctx.metrics.http_errors.add(1);
        }
        self.send_queue.push(response);
        self.after_response(exchange, ctx);
        None
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

    /// Sends what is queued, then closes; input is discarded from now on.
    pub fn close(&mut self) {
        self.state = State::Closing(None);
        self.input = Vec::new();
        self.disarm();
    }
}
