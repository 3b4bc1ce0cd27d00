//! Requests out of bytes: heads, bodies, pipelining, refusals.
//!
//! A request is handled as soon as its head and body lie in one slice; usually that is the shared
//! receive buffer itself. Otherwise the bytes so far are held, and only their number is remembered:
//! the head is parsed again when the rest has come, which costs less than keeping it parsed.

use super::{Connection, Context, State, Step, Then};
use crate::dialect::{Dialects, Exchange, Responder, Route};
use crate::limits::HTTP_HEAD_BYTES_MAX;
use crate::protocol::Parsed;
use crate::protocol::http1::{
    BodyError, BodyLength, CONTINUE, ChunkedDecoder, Glimpse, Head, HeadError, Scratch, parse_head,
};
use crate::protocol::http2::is_preface;

/// How far the reading of a request has come.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Nothing can happen before this many bytes of the request are here.
    wanted: usize,
    /// The head was admitted: what is missing is body.
    admitted: bool,
    chunked: Option<Box<Chunked>>,
}

/// A chunked body under way. The held input is the head, then the body so far, decoded.
#[derive(Debug)]
struct Chunked {
    head_bytes: usize,
    body_bytes: usize,
    body_bytes_max: u64,
    decoder: ChunkedDecoder,
    /// Bytes of framing between the end of the body and what follows, once all of it is decoded. A
    /// request that has to move to another shard is looked at again there.
    spent: usize,
}

/// Why a body is not taken: its status, code and message.
#[derive(Debug)]
pub(super) struct BodyRefusal(u16, &'static str, String);

impl BodyRefusal {
    /// It is longer than it may be; `bytes` is how long, if that is known.
    pub(super) fn too_long(bytes: Option<u64>, bytes_max: u64) -> Self {
        match bytes {
            _ if bytes_max == 0 => Self(
                400,
                "unexpected_body",
                "this request has no body".to_owned(),
            ),
            Some(bytes) => {
                let message = format!("{bytes} bytes of body; at most {bytes_max}");
                Self(413, "too_large", message)
            }
            None => Self(
                413,
                "too_large",
                format!("more than {bytes_max} bytes of body"),
            ),
        }
    }

    fn of(error: BodyError, bytes_max: u64) -> Self {
        match error {
            BodyError::TooLarge => Self::too_long(None, bytes_max),
            _ => Self(error.status(), "bad_body", error.to_string()),
        }
    }

    /// Writes it, in the form of whoever serves the path.
    pub(super) fn respond<'o>(
        &self,
        route: Route<'_>,
        dialects: &'o Dialects,
        to: &mut Responder<'o>,
    ) {
        let Self(status, code, message) = self;
        dialects.refuse(route, to, *status, code, message);
    }
}

/// What the head says about the body that has not come yet.
enum Body {
    Here(usize),
    Missing,
    Chunked {
        head_bytes: usize,
        body_bytes_max: u64,
    },
    Refused {
        used: usize,
    },
}

impl Connection {
    pub(super) fn step_http(&mut self, buf: &mut [u8], ctx: &mut Context<'_>) -> Step {
        let State::Http(reading) = &mut self.state else {
            return more(buf.len());
        };
        if reading.chunked.is_some() {
            return self.step_chunked(buf, ctx);
        }
        if buf.is_empty() || buf.len() < reading.wanted {
            let in_body = reading.admitted;
            self.arm_reading(buf.len(), in_body, ctx.now);
            return more(buf.len());
        }
        match is_preface(buf) {
            Some(false) => {}
            Some(true) => {
                self.become_http2(ctx);
                return Step {
                    used: 0,
                    then: Then::Again,
                };
            }
            None => {
                self.arm_reading(buf.len(), false, ctx.now);
                return more(buf.len());
            }
        }
        let mut scratch = Scratch::new();
        let (head, head_bytes) = match parse_head(buf, &mut scratch) {
            Ok(Parsed::Complete(head, head_bytes)) => (head, head_bytes),
            Ok(Parsed::Partial) => {
                debug_assert!(
                    buf.len() <= HTTP_HEAD_BYTES_MAX,
                    "an over-long head is refused"
                );
                self.arm_reading(buf.len(), false, ctx.now);
                return more(buf.len());
            }
            Err(error) => return self.refuse_broken(error, buf, ctx),
        };
        match self.judge_body(&head, head_bytes, buf.len(), ctx) {
            Body::Here(body_bytes) => {
                let used = head_bytes + body_bytes;
                let then = self.handle(&head, &buf[head_bytes..used], ctx);
                Step { used, then }
            }
            Body::Missing => {
                self.arm_reading(buf.len(), true, ctx.now);
                more(buf.len())
            }
            Body::Refused { used } => Step {
                used,
                then: Then::Again,
            },
            Body::Chunked {
                head_bytes,
                body_bytes_max,
            } => {
                if let State::Http(reading) = &mut self.state {
                    reading.admitted = true;
                    reading.chunked = Some(Box::new(Chunked {
                        head_bytes,
                        body_bytes: 0,
                        body_bytes_max,
                        decoder: ChunkedDecoder::new(),
                        spent: 0,
                    }));
                }
                self.step_chunked(buf, ctx)
            }
        }
    }

    /// Admits the head, once, and finds out whether the body is here.
    fn judge_body(
        &mut self,
        head: &Head<'_, '_>,
        head_bytes: usize,
        available: usize,
        ctx: &mut Context<'_>,
    ) -> Body {
        let route = ctx.dialects.route(head.path);
        let bodiless = head.body_length.is_bodiless();
        self.begin_exchange(route, head, ctx);
        let mut exchange = Exchange::of(head);
        // The body of a refused request is not read, so nothing can follow it.
        exchange.keep_alive &= bodiless;
        let admitted = self.respond_or(exchange, ctx, |dialects, _, to| {
            dialects.admit(route, head, to).into()
        });
        let Some(body_bytes_max) = admitted else {
            return Body::Refused {
                used: if bodiless { head_bytes } else { available },
            };
        };
        let body_bytes = match head.body_length {
            BodyLength::None => return Body::Here(0),
            BodyLength::Length(bytes) if bytes > body_bytes_max => {
                let refusal = BodyRefusal::too_long(Some(bytes), body_bytes_max);
                self.respond(exchange, ctx, |dialects, _, to| {
                    refusal.respond(route, dialects, to);
                });
                return Body::Refused { used: available };
            }
            BodyLength::Length(bytes) => bytes as usize,
            BodyLength::Chunked => {
                self.invite_body(head, available == head_bytes, ctx);
                return Body::Chunked {
                    head_bytes,
                    body_bytes_max,
                };
            }
        };
        if available >= head_bytes + body_bytes {
            return Body::Here(body_bytes);
        }
        self.invite_body(head, available == head_bytes, ctx);
        if let State::Http(reading) = &mut self.state {
            reading.admitted = true;
            reading.wanted = head_bytes + body_bytes;
        }
        Body::Missing
    }

    /// RFC 9110 §10.1.1: a client that expects it is told to go on, unless its body is coming
    /// anyway.
    fn invite_body(&mut self, head: &Head<'_, '_>, nothing_came: bool, ctx: &mut Context<'_>) {
        if head.expect_continue && nothing_came {
            self.push_continue(ctx);
        }
    }

    pub(super) fn push_continue(&mut self, ctx: &mut Context<'_>) {
        let interim = ctx.arena.write(|out| out.extend_from_slice(CONTINUE));
        self.send_queue.push(interim);
    }

    /// Notes what the answer to a request depends on, beside its exchange.
    pub(super) fn begin_exchange(
        &mut self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        ctx: &Context<'_>,
    ) {
        let origin = head.header_once("origin");
        self.set_origin(ctx.dialects.allowed_origin(route, origin));
    }

    fn step_chunked(&mut self, buf: &mut [u8], ctx: &mut Context<'_>) -> Step {
        let State::Http(Reading {
            chunked: Some(chunked),
            ..
        }) = &mut self.state
        else {
            return more(buf.len());
        };
        let (head_bytes, body_bytes) = (chunked.head_bytes, chunked.body_bytes);
        let raw = &mut buf[head_bytes + body_bytes..];
        let decoded = match chunked.decoder.decode(raw, chunked.body_bytes_max) {
            Ok(decoded) => decoded,
            Err(error) => {
                let refusal = BodyRefusal::of(error, chunked.body_bytes_max);
                let used = buf.len();
                self.refuse_request(&buf[..head_bytes], &refusal, ctx);
                return Step {
                    used,
                    then: Then::Again,
                };
            }
        };
        chunked.body_bytes += decoded.produced;
        chunked.spent += decoded.consumed - decoded.produced;
        let body_bytes = chunked.body_bytes;
        if !decoded.done {
            // What is not body is let go.
            chunked.spent = 0;
            self.arm_reading(buf.len(), true, ctx.now);
            return more(head_bytes + body_bytes);
        }
        let used = head_bytes + body_bytes + chunked.spent;
        let mut scratch = Scratch::new();
        match parse_head(&buf[..head_bytes], &mut scratch) {
            Ok(Parsed::Complete(head, _)) => {
                let then = self.handle(&head, &buf[head_bytes..head_bytes + body_bytes], ctx);
                Step { used, then }
            }
            // The same bytes were a head before.
            Ok(Parsed::Partial) => self.refuse_broken(HeadError::LineEnd, buf, ctx),
            Err(error) => self.refuse_broken(error, buf, ctx),
        }
    }

    /// Hands a whole request to its dialect.
    fn handle(&mut self, head: &Head<'_, '_>, body: &[u8], ctx: &mut Context<'_>) -> Then {
        let exchange = Exchange::of(head);
        let route = ctx.dialects.route(head.path);
        let action = self.respond_or(exchange, ctx, |dialects, tools, to| {
            dialects.handle(route, head, body, tools, to).into()
        });
        action.map_or(Then::Again, |action| Then::after(action, exchange))
    }

    /// RFC 9112 §2.2: after a head that cannot be read, nothing that follows can.
    fn refuse_broken(&mut self, error: HeadError, request: &[u8], ctx: &mut Context<'_>) -> Step {
        let glimpse = Glimpse::of(request);
        self.refuse_head(error, glimpse, Exchange::broken(glimpse), ctx);
        Step {
            used: request.len(),
            then: Then::Again,
        }
    }

    /// Refuses a request whose head is not what it should be, in the form of whoever serves what
    /// can be told of its path.
    pub(super) fn refuse_head(
        &mut self,
        error: HeadError,
        glimpse: Glimpse<'_>,
        exchange: Exchange,
        ctx: &mut Context<'_>,
    ) {
        let route = ctx.dialects.route(glimpse.path.unwrap_or(""));
        self.set_origin(ctx.dialects.allowed_origin(route, glimpse.origin));
        self.respond(exchange, ctx, |dialects, _, to| {
            let (status, message) = (error.status(), error.to_string());
            dialects.refuse(route, to, status, "bad_request", &message);
        });
    }

    /// Refuses a request under way, in the form of whoever serves what can be told of its path.
    fn refuse_request(&mut self, request: &[u8], refusal: &BodyRefusal, ctx: &mut Context<'_>) {
        let glimpse = Glimpse::of(request);
        let route = ctx.dialects.route(glimpse.path.unwrap_or(""));
        self.set_origin(ctx.dialects.allowed_origin(route, glimpse.origin));
        self.respond(Exchange::broken(glimpse), ctx, |dialects, _, to| {
            refusal.respond(route, dialects, to);
        });
    }

    /// Answers 408 to a request that does not arrive (RFC 9110 §15.5.9).
    pub(super) fn time_out_request(&mut self, ctx: &mut Context<'_>) {
        let request = std::mem::take(&mut self.input);
        let message = "the request did not arrive in time".to_owned();
        let refusal = BodyRefusal(408, "request_timeout", message);
        self.refuse_request(&request, &refusal, ctx);
    }
}

const fn more(keep: usize) -> Step {
    Step {
        used: 0,
        then: Then::More { keep },
    }
}
