//! The sessions dialect: numbered events by HTTP long poll, server-sent events or WebSocket.
//!
//! Its origin is the Sessions API of the WAVE test runner (web-platform-tests, `tools/wave`), whose
//! browser client works unmodified; what goes beyond it is in the README. A request's way: [`Route`]
//! (path), [`Sessions::admit`] (head), [`Sessions::handle`] (whole request), [`Sessions::answer`]
//! (the hub's word). [`Listen`] leaves this module to be served by the shard, which comes back for
//! [`Sessions::respond_events`] and [`render`].

mod answer;
mod errors;
mod lifecycle;
mod listen;
mod publish;
pub mod render;
mod route;

use std::borrow::Cow;

use bytes::Bytes;

pub use answer::{LogHeaders, Pending};
pub use listen::{Form, Listen};
pub use route::{Function, Route};

pub use super::handshake_fields;
use super::{Action, Call, Refused, Responder, Tools};
use crate::config::SessionsConfig;
use crate::hub::{Address, Command, OrganizationId, Scope, ScopeName, SessionKey, Transition};
use crate::limits::{IDEMPOTENCY_KEY_BYTES_MAX, SCOPE_NAME_BYTES_MAX};
use crate::protocol::http1::{Framing, Head, Method, Version, decode_segment};
use errors::respond_error;

/// Everyone's organization in open mode.
const DEFAULT_ORGANIZATION: OrganizationId = OrganizationId(0);

/// The sessions dialect as configured.
#[derive(Debug)]
pub struct Sessions {
    /// The header lines that every answer carries.
    cors: Bytes,
    publish_bytes_max: usize,
    poll_timeout_max: Option<std::time::Duration>,
}

impl Sessions {
    /// The dialect with its answers' constant headers prepared.
    pub fn new(config: &SessionsConfig) -> Self {
        let cors = format!(
            "Access-Control-Allow-Origin: {}\r\n\
             Access-Control-Allow-Headers: {}\r\n\
             Access-Control-Allow-Methods: {}\r\n\
             Access-Control-Expose-Headers: Fanfare-Epoch, Fanfare-Oldest, Fanfare-Next, \
             Fanfare-Gap, Fanfare-Number, Fanfare-Id\r\n",
            config.cors.allow_origin, config.cors.allow_headers, config.cors.allow_methods,
        );
        Self {
            cors: Bytes::from(cors),
            publish_bytes_max: config.publish_bytes_max,
            poll_timeout_max: config.poll_timeout_max,
        }
    }

    /// Judges a request by its head: the most bytes its body may have, or a refusal (written).
    pub fn admit(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        // A browser asks before it sends; what is wrong it learns from the answer to the request itself.
        if head.method == Method::Options {
            return Ok(0);
        }
        let Some(allow) = route.allow() else {
            respond_error(self, to, 404, "not_found", "there is no such function");
            return Err(Refused);
        };
        if !route.allows(head.method) {
            let header = format!("Allow: {allow}\r\n");
            let headers = [&self.cors, header.as_bytes()];
            let message = format!("allowed: {allow}");
            super::respond_error(to, &headers, 405, "method_not_allowed", &message);
            return Err(Refused);
        }
        let events = matches!(route, Route::Function(_, Function::Events));
        // RFC 9112 §6.3: without either field an HTTP/1.1 body is empty. What an HTTP/1.0 client means
        // by it cannot be known.
        let unframed = head.framing == Framing::None && head.version == Version::Http10;
        if events && head.method == Method::Post && unframed {
            let message = "a publish by HTTP/1.0 needs Content-Length";
            respond_error(self, to, 411, "length_required", message);
            return Err(Refused);
        }
        if events && head.method == Method::Get && head.framing != Framing::None {
            respond_error(self, to, 400, "unexpected_body", "a reader sends no body");
            return Err(Refused);
        }
        Ok(self.publish_bytes_max as u64)
    }

    /// Handles a whole request that was admitted.
    pub fn handle(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        body: &[u8],
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        if head.method == Method::Options {
            let exchange = to.exchange;
            // 204 is wrong here: the original says 200.
            to.begin(200).raw(&self.cors).empty(exchange.keep_alive);
            return Action::Done;
        }
        match self.try_handle(route, head, body, tools, to) {
            Ok(action) => action,
            Err(Refused) => Action::Done,
        }
    }

    fn try_handle(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        body: &[u8],
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Result<Action, Refused> {
        let (token, function) = match route {
            Route::Collection => return self.create(body, tools, to),
            Route::Session(token) => (self.token(token, to)?, None),
            Route::Function(token, function) => (self.token(token, to)?, Some(function)),
            Route::Nothing => return Ok(Action::Done),
        };
        let organization = DEFAULT_ORGANIZATION;
        let session = || SessionKey {
            organization,
            token: ScopeName::new(&token),
        };
        let transition = |transition| Command::Transition {
            session: session(),
            transition,
        };
        let (command, pending) = match function {
            None if head.method == Method::Delete => {
                (Command::Delete { session: session() }, Pending::Simple)
            }
            None => {
                let pending = Pending::Read(ScopeName::new(&token));
                (Command::Read { session: session() }, pending)
            }
            Some(Function::Status) => (Command::Read { session: session() }, Pending::Status),
            Some(Function::Start) => (transition(Transition::Start), Pending::Simple),
            Some(Function::Pause) => (transition(Transition::Pause), Pending::Simple),
            Some(Function::Stop) => (transition(Transition::Stop), Pending::Simple),
            Some(Function::Resume) => {
                let session = session();
                let resume_token = self.resume_token(body, to)?;
                let command = Command::Resume {
                    session,
                    resume_token,
                };
                (command, Pending::Simple)
            }
            Some(Function::Labels) => {
                let session = session();
                let labels = self.labels(body, to)?;
                (Command::SetLabels { session, labels }, Pending::Simple)
            }
            Some(Function::Events) if head.method == Method::Post => {
                return self.publish(&token, head, body, to);
            }
            Some(Function::Events) => {
                let (cursor, form) = self.read_listen(head, to)?;
                let hash = tools.placement.session_hash(organization, &token);
                let token = ScopeName::new(&token);
                return Ok(Action::Listen(Box::new(Listen {
                    organization,
                    token,
                    hash,
                    cursor,
                    form,
                })));
            }
        };
        Ok(execute(command, pending))
    }

    fn publish(
        &self,
        token: &str,
        head: &Head<'_, '_>,
        body: &[u8],
        to: &mut Responder<'_>,
    ) -> Result<Action, Refused> {
        let idempotency_key = head.header("idempotency-key");
        if idempotency_key
            .is_some_and(|key| key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX)
        {
            let message = format!("Idempotency-Key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
            respond_error(self, to, 400, "invalid_idempotency_key", &message);
            return Err(Refused);
        }
        let drafts = publish::parse(body).map_err(|error| {
            respond_error(self, to, 400, error.code, &error.message);
            Refused
        })?;
        let scope = Scope {
            organization: DEFAULT_ORGANIZATION,
            address: Address::Session(ScopeName::new(token)),
        };
        Ok(Action::Execute(Box::new(Call {
            command: Command::Publish { scope, drafts },
            idempotency_key: idempotency_key.map(Box::from),
            pending: super::Pending::Sessions(Pending::Publish),
        })))
    }

    /// Decodes and checks a token as it stands in the target: 1–256 characters of
    /// `A–Z a–z 0–9 . _ ~ -` and `%`-escapes.
    fn token<'b>(&self, segment: &'b str, to: &mut Responder<'_>) -> Result<Cow<'b, str>, Refused> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-%".contains(&byte);
        let problem = if segment.bytes().all(plain) {
            match decode_segment(segment) {
                Ok(token) if (1..=SCOPE_NAME_BYTES_MAX).contains(&token.len()) => return Ok(token),
                Ok(_) => format!("a token has 1 to {SCOPE_NAME_BYTES_MAX} characters"),
                Err(error) => format!("the token is not well escaped: {error}"),
            }
        } else {
            String::from("a token has only letters, digits, . _ ~ - and %-escapes")
        };
        respond_error(self, to, 400, "invalid_token", &problem);
        Err(Refused)
    }
}

fn execute(command: Command, pending: Pending) -> Action {
    Action::Execute(Box::new(Call {
        command,
        idempotency_key: None,
        pending: super::Pending::Sessions(pending),
    }))
}
