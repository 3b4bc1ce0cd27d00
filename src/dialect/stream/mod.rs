//! The stream dialect: events by name and target, over gRPC, a WebSocket or a chunked HTTP
//! response.
//!
//! Its origin is the Event API v2 of API.stream (package `apis.event.v2`). Whatever the transport,
//! messages are the same: protocol buffers with gRPC, their JSON form otherwise.
//!
//! A message's way: bytes to a [`Request`] (`read_json`, `read_proto`), what follows from it and
//! from the hub's answers (`socket`), and what the client hears ([`put_reply`], [`put_event`]).
//! What opens a stream is in `open`, a publish without one in `post`, who may do what in `access`,
//! and what must be asked about a target in `placing`. `wire` is Protocol Buffers without
//! definitions, [`mapping`] takes payloads from one form to the other.

mod access;
mod client;
mod config;
mod describe;
mod errors;
pub mod mapping;
mod open;
mod placing;
mod post;
pub mod proto;
mod publish;
mod read_json;
mod read_proto;
mod refusal;
mod render;
mod reply;
mod request;
mod route;
mod target;
mod wanted;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::BytesMut;

use super::calls::{self, admit_no_method, admit_web_call, one_message, refuse_call, web_call};
use super::nowhere::refuse_all;
use super::{
    Action, Client as AnyClient, Cors, Dialect, Envelope, Heard, Message, Outcome, Parts, Reaction,
    Refused, Responder, Tools, no_such_method, respond_error,
};
use crate::auth::{Directory, OrganizationId};
use crate::hub::{Event, Full};
use crate::limits::{STRANGER_MESSAGE_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use crate::protocol::grpc::{Code, Status};
use crate::protocol::http1::{Head, Method as HttpMethod};
use crate::time::Instant;
use client::Waiting;
use post::Posted;

pub use client::Client;
pub use config::StreamConfig;
pub use proto::RawMessage;
pub use publish::Publish;
pub use render::{put_event, put_published};
pub use reply::{Reply, put_fatal, put_http_error, put_reply};
pub use request::{Asked, Form, Request};
pub use route::{Method, Route};
pub use target::Target;
pub use wanted::{Wanted, WantedKey};

/// The dialect as configured.
#[derive(Debug)]
pub struct EventService {
    /// What every answer tells browsers.
    cors: Cors,
    publish_bytes_max: usize,
    directory: Arc<Directory>,
}

/// A request that waits for the hub.
#[derive(Debug)]
pub enum Pending {
    /// One of a client.
    #[expect(
        private_interfaces,
        reason = "made and taken apart in this module only"
    )]
    Asked(Box<Waiting>),
    /// A publish by one request.
    #[expect(
        private_interfaces,
        reason = "made and taken apart in this module only"
    )]
    Posted(Box<Posted>),
}

/// The renderings of one event that several envelopes share.
#[derive(Debug, Default)]
pub struct Rendering {
    json: Vec<u8>,
    proto: Vec<u8>,
}

impl EventService {
    /// The dialect.
    pub fn new(config: &StreamConfig, directory: Arc<Directory>) -> Self {
        Self {
            cors: calls::cors(&config.cors, &directory),
            publish_bytes_max: config.publish_bytes_max,
            directory,
        }
    }
}

impl Dialect for EventService {
    type Route<'b> = Route;
    type Pending = Pending;
    type Client = Box<Client>;
    /// The correlation id of the request.
    type Undo = Option<Box<str>>;
    type Encoding = Envelope;
    type Rendering = Rendering;
    type View = Infallible;

    const NAME: &'static str = "stream";

    fn of(parts: &Parts<'_>) -> Self {
        Self::new(&parts.config.stream, parts.directory())
    }

    fn route(&self, path: &str) -> Option<Route> {
        Route::parse(path)
    }

    fn cors(&self, _route: Option<Route>) -> Option<&Cors> {
        Some(&self.cors)
    }

    fn admit(
        &self,
        route: Route,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        match route {
            Route::Stream => self.admit_plain(false, head, to),
            Route::Publish => self.admit_plain(true, head, to),
            Route::Call(method) => {
                admit_web_call(head, WEBSOCKET_MESSAGE_BYTES_MAX, to, |to| match method {
                    Method::Publish => self.publisher(head, to.judge()).map(drop),
                    Method::Stream => self.may_come(head, to.judge()),
                })
            }
            Route::NoMethod => admit_no_method(head, to),
        }
    }

    fn refuse(&self, route: Route, to: &mut Responder<'_>, status: u16, code: &str, message: &str) {
        match route {
            Route::Stream | Route::Publish => {
                let reason = errors::invalid(message.to_owned());
                open::respond_error(status, b"", &reason, to);
            }
            Route::Call(_) => refuse_call(status, code, message, to),
            Route::NoMethod => {
                respond_error(to, &[], status, code, message);
            }
        }
    }

    fn handle(
        &self,
        route: Route,
        head: &Head<'_, '_>,
        body: &[u8],
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        if head.method == HttpMethod::Options {
            to.preflight(204, &self.cors);
            return Action::Done;
        }
        match route {
            Route::Stream => self.open(head, to),
            Route::Publish => self.post(head, body, to),
            Route::Call(Method::Publish) => web_call(head, body, to, |call, judge| {
                let message = one_message(&call.messages, call.encoding)?;
                self.post_web(call.answer, head, &message, judge)
            }),
            Route::Call(Method::Stream) => web_call(head, body, to, |call, judge| {
                let client = self.call(Method::Stream, head, judge)?;
                let client = AnyClient::EventService(Box::new(client));
                Ok(call.open(client, &self.cors))
            }),
            // It was not admitted.
            Route::NoMethod => {
                refuse_all(head, to);
                Action::Done
            }
        }
    }

    fn answer(
        &self,
        pending: Pending,
        outcome: Outcome,
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        match pending {
            Pending::Posted(posted) => posted.answer(&outcome.into_answer(), to),
            // It is given to the client.
            Pending::Asked(_) => Action::Done,
        }
    }

    fn begin_call(
        &self,
        route: Route,
        head: &Head<'_, '_>,
        tools: &mut Tools<'_>,
    ) -> Result<AnyClient, Status> {
        let Route::Call(method) = route else {
            return Err(no_such_method(head.path));
        };
        let client = self.call(method, head, tools.judge())?;
        Ok(AnyClient::EventService(Box::new(client)))
    }

    fn publishes(pending: &Pending) -> bool {
        match pending {
            Pending::Asked(waiting) => waiting.publishes(),
            Pending::Posted(_) => true,
        }
    }

    fn encoding(_client: &Box<Client>, envelope: Envelope) -> Option<Envelope> {
        Some(envelope)
    }

    fn takes_one_message(client: &Box<Client>) -> bool {
        client.takes_one_message()
    }

    fn answers_once(client: &Box<Client>) -> bool {
        client.takes_one_message()
    }

    fn message_bytes_max(client: &Box<Client>) -> usize {
        if client.is_welcome() {
            WEBSOCKET_MESSAGE_BYTES_MAX
        } else {
            STRANGER_MESSAGE_BYTES_MAX
        }
    }

    fn due(client: &Box<Client>) -> Instant {
        client.due()
    }

    fn opened(&self, client: &mut Box<Client>, tools: &mut Tools<'_>) -> Reaction {
        client.opened(tools)
    }

    fn message(
        &self,
        client: &mut Box<Client>,
        message: Message<'_>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        client.message(message, tools)
    }

    fn half_closed(&self, client: &mut Box<Client>) -> Reaction {
        client.half_closed()
    }

    fn answer_client(
        &self,
        client: &mut Box<Client>,
        pending: Pending,
        outcome: Outcome,
        _tools: &mut Tools<'_>,
    ) -> Reaction {
        match pending {
            Pending::Asked(waiting) => client.answer(*waiting, outcome.into_answer()),
            // It is given to the request.
            Pending::Posted(_) => Reaction::nothing(),
        }
    }

    fn not_subscribed(
        &self,
        client: &mut Box<Client>,
        correlation_id: Option<Box<str>>,
        full: Full,
    ) -> Reaction {
        client.not_subscribed(correlation_id.as_deref(), full)
    }

    fn expire(&self, client: &mut Box<Client>, _tools: &mut Tools<'_>) -> Reaction {
        client.expire()
    }

    fn drain(
        &self,
        client: &mut Box<Client>,
        leave_ms: u64,
        tools: &mut Tools<'_>,
    ) -> Option<Reaction> {
        Some(client.drain(leave_ms, tools))
    }

    fn organization(client: &Box<Client>) -> Option<OrganizationId> {
        client.organization()
    }

    fn heard(client: &Box<Client>, place: usize) -> Option<Heard> {
        client.heard(place)
    }

    fn cancel(&self, client: &mut Box<Client>, place: usize) -> Reaction {
        client.cancel(place)
    }

    fn encode_event(
        &self,
        envelope: Envelope,
        event: &Event,
        rendering: &mut Rendering,
        out: &mut BytesMut,
    ) {
        let form = Form::of(envelope);
        let message = match form {
            Form::Json => &mut rendering.json,
            Form::Proto => &mut rendering.proto,
        };
        if message.is_empty() {
            put_event(form, event, None, message);
        }
        envelope.put(message, out);
    }

    fn encode_own_event(
        &self,
        envelope: Envelope,
        event: &Event,
        correlation_id: &str,
        out: &mut BytesMut,
    ) {
        let mut message = Vec::with_capacity(256 + event.payload.len());
        put_event(
            Form::of(envelope),
            event,
            Some(correlation_id),
            &mut message,
        );
        envelope.put(&message, out);
    }

    fn encode_dropped(&self, envelope: Envelope, count: u64, out: &mut BytesMut) {
        let message = format!("{count} events were dropped: this client is too slow");
        let status = Status::new(Code::ResourceExhausted, message);
        let (form, mut message) = (Form::of(envelope), Vec::new());
        put_reply(form, None, None, &Reply::Error(&status), &mut message);
        envelope.put(&message, out);
    }
}
