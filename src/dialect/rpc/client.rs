//! One call of a service for tools: messages in, messages out.

use super::{Method, Reflection, health};
use crate::dialect::client::Reaction;
use crate::protocol::grpc::{Code, Status};

/// The services, built once.
#[derive(Debug, Default)]
pub struct Rpc {
    reflection: Reflection,
}

/// One call.
#[derive(Debug)]
pub struct Client {
    method: Method,
    watched: Option<health::Watched>,
}

impl Client {
    /// A call that begins.
    pub const fn new(method: Method) -> Self {
        Self {
            method,
            watched: None,
        }
    }

    /// Whether the client of this method sends one message.
    pub const fn takes_one_message(&self) -> bool {
        self.method.is_unary_request()
    }

    /// Whether it is answered by one message.
    pub const fn answers_once(&self) -> bool {
        self.method.is_unary_response()
    }
}

impl Rpc {
    /// A message came.
    pub fn message(&self, client: &mut Client, message: &[u8], draining: bool) -> Reaction {
        let serving = !draining;
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
            // The stream dialect's.
            Method::Stream | Method::Publish => Err(Status::cardinality("not served here")),
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
    pub fn half_closed(&self, client: &Client) -> Reaction {
        let status = match (client.method, client.watched) {
            (Method::HealthWatch, Some(_)) => return Reaction::nothing(),
            (Method::Reflection | Method::ReflectionAlpha, _) => Status::OK,
            _ => Status::cardinality("the call ended without a request"),
        };
        Reaction::End(Vec::new(), Box::new(status))
    }

    /// The server is leaving: those who watch are told, and all calls may end.
    pub fn drain(&self, client: &Client) -> Reaction {
        let last = client.watched.map(|watched| watched.state(false));
        let status = Status::new(Code::Unavailable, "the server is leaving");
        Reaction::End(last.unwrap_or_default(), Box::new(status))
    }
}
