//! One call of a service for tools: messages in, messages out.

use std::convert::Infallible;

use super::{Method, Reflection, Route, health};
use crate::dialect::calls::{admit_no_method, admit_web_call, refuse_call, web_call};
use crate::dialect::{
    Action, Client as AnyClient, Cors, Dialect, Message, Parts, Reaction, Refused, Responder,
    Tools, calls, no_such_method, respond_error,
};
use crate::limits::STRANGER_MESSAGE_BYTES_MAX;
use crate::protocol::grpc::{Code, Status};
use crate::protocol::http1::{Head, Method as HttpMethod};

/// The services, built once.
#[derive(Debug)]
pub struct Rpc {
    reflection: Reflection,
    /// What every answer of gRPC-web tells browsers: the same as the event service's.
    cors: Cors,
}

/// One call.
#[derive(Debug)]
pub struct Client {
    method: Method,
    watched: Option<health::Watched>,
}

impl Dialect for Rpc {
    type Route<'b> = Route;
    type Pending = Infallible;
    type Client = Client;
    type Undo = Infallible;
    type Encoding = Infallible;
    type Rendering = ();
    type View = Infallible;

    const NAME: &'static str = "rpc";

    fn of(parts: &Parts<'_>) -> Self {
        Self {
            reflection: Reflection::default(),
            cors: calls::cors(&parts.config.stream.cors, parts.directory),
        }
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
            // Nobody asks who asks, and there is little to ask.
            Route::Method(_) => admit_web_call(head, STRANGER_MESSAGE_BYTES_MAX, to, |_| Ok(())),
            Route::NoMethod => admit_no_method(head, to),
        }
    }

    fn refuse(&self, route: Route, to: &mut Responder<'_>, status: u16, code: &str, message: &str) {
        match route {
            Route::Method(_) => refuse_call(status, code, message, to),
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
        match route {
            Route::Method(method) if head.method != HttpMethod::Options => {
                web_call(head, body, to, |call, _| {
                    Ok(call.open(AnyClient::Rpc(Client::new(method)), &self.cors))
                })
            }
            Route::Method(_) | Route::NoMethod => {
                to.preflight(204, &self.cors);
                Action::Done
            }
        }
    }

    fn begin_call(
        &self,
        route: Route,
        head: &Head<'_, '_>,
        _tools: &mut Tools<'_>,
    ) -> Result<AnyClient, Status> {
        match route {
            Route::Method(method) => Ok(AnyClient::Rpc(Client::new(method))),
            Route::NoMethod => Err(no_such_method(head.path)),
        }
    }

    fn takes_one_message(client: &Client) -> bool {
        client.method.is_unary_request()
    }

    fn answers_once(client: &Client) -> bool {
        client.method.is_unary_response()
    }

    fn message_bytes_max(_client: &Client) -> usize {
        STRANGER_MESSAGE_BYTES_MAX
    }

    fn message(
        &self,
        client: &mut Client,
        message: Message<'_>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        let (message, serving) = (message.bytes(), !tools.draining);
        let reply = match client.method {
            Method::HealthCheck => health::check(message, serving),
            Method::HealthList => Ok(health::list(serving)),
            Method::HealthWatch => match (client.watched, health::watch(message)) {
                (None, Ok(watched)) => {
                    client.watched = Some(watched);
                    Ok(watched.state(serving))
                }
                (None, Err(status)) => Err(status),
                (Some(_), _) => Err(Status::cardinality("more than one request")),
            },
            Method::Reflection | Method::ReflectionAlpha => self.reflection.answer(message),
        };
        match reply {
            Ok(reply) if client.method.is_unary_response() => {
                Reaction::End(reply, Box::new(Status::OK))
            }
            Ok(reply) => Reaction::Reply(reply),
            Err(status) => Reaction::End(Vec::new(), Box::new(status)),
        }
    }

    /// The client has said all it will, and had its answers.
    fn half_closed(&self, client: &mut Client) -> Reaction {
        let status = match (client.method, client.watched) {
            (Method::HealthWatch, Some(_)) => return Reaction::nothing(),
            (Method::Reflection | Method::ReflectionAlpha, _) => Status::OK,
            _ => Status::cardinality("the call ended without a request"),
        };
        Reaction::End(Vec::new(), Box::new(status))
    }

    /// The server is leaving: those who watch are told, and all calls may end.
    fn drain(
        &self,
        client: &mut Client,
        _leave_ms: u64,
        _tools: &mut Tools<'_>,
    ) -> Option<Reaction> {
        let last = client.watched.map(|watched| watched.state(false));
        let status = Status::new(Code::Unavailable, "the server is leaving");
        let last = last.unwrap_or_default();
        Some(Reaction::End(last, Box::new(status)))
    }
}

impl Client {
    /// A call that begins.
    const fn new(method: Method) -> Self {
        Self {
            method,
            watched: None,
        }
    }
}
