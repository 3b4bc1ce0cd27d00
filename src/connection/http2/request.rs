//! A request on a stream, before anything came of it.
//!
//! Its head is here from the beginning; its body is held until it has ended. A call of gRPC does
//! not wait for that: it becomes a client at once.

use super::super::wrote::Wrote;
use super::stream::{NewStream, StreamSocket};
use crate::auth::Network;
use crate::connection::http1::BodyRefusal;
use crate::connection::{Connection, Context, State, Step, Then, Timer};
use crate::dialect::{Exchange, Open, Opening};
use crate::protocol::grpc::{CallFields, CallRefusal, Kind, Status};
use crate::protocol::http1::{
    BodyLength, Glimpse, Head, HeadError, StreamFields, StreamRequest as RequestLine, Version,
};
use crate::time::Now;

/// A request under way.
#[derive(Debug)]
pub(in crate::connection) struct StreamRequest {
    head: http::request::Parts,
    /// About what the head takes.
    head_bytes: usize,
    ended: bool,
    /// Most bytes its body may have, once it was admitted.
    body_bytes_max: Option<u64>,
}

/// What a field takes beside its bytes: a place in a map.
const FIELD_OVERHEAD: usize = 96;

/// What a request's head leads to.
enum Begun {
    /// Its body is to be read.
    Admitted(u64),
    /// It is answered.
    Refused,
    /// It is a call.
    Call(Box<Open>),
    /// It is a call that ends at once.
    Ended(Status),
}

impl StreamRequest {
    pub(super) fn new(head: http::request::Parts, ended: bool) -> Self {
        let fields = head.headers.iter();
        let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD);
        let head_bytes = fields.sum::<usize>() + head.uri.path().len();
        Self {
            head,
            head_bytes,
            ended,
            body_bytes_max: None,
        }
    }

    /// About what the head takes, which is kept while a body comes.
    pub(in crate::connection) const fn head_bytes(&self) -> usize {
        self.head_bytes
    }
}

impl Connection {
    /// The connection of a stream that was just opened by a client of that network.
    pub fn of_stream(new: NewStream, now: Now, network: Network) -> (Self, StreamSocket) {
        let NewStream { request, socket } = new;
        let mut connection = Self::new(now, network);
        connection.input_ended = request.ended;
        connection.state = State::Request(request);
        connection.disarm();
        (connection, socket)
    }

    pub(in crate::connection) fn step_request(
        &mut self,
        buf: &mut [u8],
        ctx: &mut Context<'_>,
    ) -> Step {
        let all = |then| Step {
            used: buf.len(),
            then,
        };
        let state = std::mem::replace(&mut self.state, State::Closing(None));
        let State::Request(mut request) = state else {
            self.state = state;
            return all(Then::More { keep: 0 });
        };
        let body_bytes_max = match request.body_bytes_max {
            Some(bytes) => bytes,
            None => match self.begin_request(&request, ctx) {
                Begun::Admitted(bytes) => *request.body_bytes_max.insert(bytes),
                Begun::Refused => return all(Then::Again),
                Begun::Call(open) => {
                    return Step {
                        used: 0,
                        then: Then::Open(open, exchange(&request)),
                    };
                }
                Begun::Ended(status) => {
                    self.end_call(status);
                    return all(Then::Again);
                }
            },
        };
        if buf.len() as u64 > body_bytes_max {
            let refusal = BodyRefusal::too_long(None, body_bytes_max);
            self.respond(exchange(&request), ctx, |dialects, _, to| {
                let route = dialects.route(request.head.uri.path());
                refusal.respond(route, dialects, to);
            });
            return all(Then::Again);
        }
        if !self.input_ended {
            self.state = State::Request(request);
            self.arm(Timer::Body, ctx.now);
            return Step {
                used: 0,
                then: Then::More { keep: buf.len() },
            };
        }
        let mut then = Then::Again;
        let exchange = exchange(&request);
        self.with_head(&request, ctx, |connection, head, ctx| {
            let route = ctx.dialects.route(head.path);
            let action = connection.respond_or(exchange, ctx, |dialects, tools, to| {
                dialects.handle(route, head, buf, tools, to).into()
            });
            if let Some(action) = action {
                then = Then::after(action, exchange);
            }
        });
        all(then)
    }

    /// Judges a request by its head alone.
    fn begin_request(&mut self, request: &StreamRequest, ctx: &mut Context<'_>) -> Begun {
        let exchange = exchange(request);
        let mut begun = Begun::Refused;
        self.with_head(request, ctx, |connection, head, ctx| {
            let route = ctx.dialects.route(head.path);
            if let Some(fields) = call_fields(head) {
                let opened = fields.and_then(|fields| {
                    let client = ctx.dialects.begin_call(route, head, &mut ctx.tools)?;
                    Ok((client, fields))
                });
                begun = match opened {
                    Ok((client, fields)) => Begun::Call(Box::new(Open {
                        opening: Opening::Call(fields),
                        client,
                        subscriptions: Vec::new(),
                        home: None,
                    })),
                    Err(status) => Begun::Ended(status),
                };
                return;
            }
            connection.begin_exchange(route, head, ctx);
            let admitted = connection.respond_or(exchange, ctx, |dialects, _, to| {
                match (dialects.admit(route, head, to), head.body_length) {
                    (Ok(most), BodyLength::Length(bytes)) if bytes > most => {
                        let refusal = BodyRefusal::too_long(Some(bytes), most);
                        refusal.respond(route, dialects, to);
                        Wrote::Response
                    }
                    (admitted, _) => admitted.into(),
                }
            });
            if let Some(most) = admitted {
                begun = Begun::Admitted(most);
                // RFC 9110 §10.1.1: it is told to go on, unless it has the answer already.
                if head.expect_continue {
                    connection.push_continue(ctx);
                }
            }
        });
        begun
    }

    /// Makes the request's head a head as dialects read it; refuses one that cannot be.
    fn with_head(
        &mut self,
        request: &StreamRequest,
        ctx: &mut Context<'_>,
        work: impl FnOnce(&mut Self, &Head<'_, '_>, &mut Context<'_>),
    ) {
        let parts = &request.head;
        let fields = parts.headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let fields = StreamFields::new(fields);
        let line = RequestLine {
            method: parts.method.as_str(),
            target: parts
                .uri
                .path_and_query()
                .map_or("*", |target| target.as_str()),
            scheme: parts.uri.scheme_str(),
            authority: parts.uri.authority().map(http::uri::Authority::as_str),
            ended: request.ended,
        };
        let head: Result<Head<'_, '_>, HeadError> = match &fields {
            Ok(fields) => Head::of_stream(line, fields),
            Err(error) => Err(*error),
        };
        match head {
            Ok(head) => work(self, &head, ctx),
            Err(error) => {
                let glimpse = Glimpse {
                    path: Some(parts.uri.path()),
                    origin: only(&parts.headers, "origin"),
                    head_only: parts.method == http::Method::HEAD,
                };
                self.refuse_head(error, glimpse, exchange(request), ctx);
            }
        }
    }
}

/// The value of the only field of this name.
fn only<'h>(fields: &'h http::HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut values = fields.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none());
    value.map(http::HeaderValue::as_bytes)
}

fn exchange(request: &StreamRequest) -> Exchange {
    Exchange {
        version: Version::Http2,
        keep_alive: false,
        head_only: request.head.method == http::Method::HEAD,
    }
}

/// What the fields of a call say; `None` if this is no call, or one of gRPC-web.
fn call_fields(head: &Head<'_, '_>) -> Option<Result<CallFields, Status>> {
    match CallFields::read(head.headers()) {
        Ok(fields) if fields.kind == Kind::Grpc => Some(Ok(fields)),
        Err(CallRefusal::Status {
            answer: Kind::Grpc,
            status,
        }) => Some(Err(status)),
        _ => None,
    }
}
