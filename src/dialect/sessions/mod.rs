//! The sessions dialect: numbered events by HTTP long poll, server-sent events or WebSocket.
//!
//! Its origin is the Sessions API of the WAVE test runner (web-platform-tests, `tools/wave`), whose
//! browser client works unmodified; what goes beyond it is in the README. A request's way:
//! [`Route`] (path), [`Dialect::admit`] (head, and who sends it), [`Dialect::handle`] (whole
//! request), [`Dialect::answer`] (the hub's word). [`Follow`] leaves this module to be served by
//! the shard, which comes back for [`Dialect::answer_poll`] and [`render`].

mod access;
mod answer;
mod client;
mod config;
mod errors;
mod lifecycle;
mod listen;
mod publish;
pub mod render;
mod route;

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::BytesMut;

pub use answer::Pending;
pub use client::Client;
pub use config::SessionsConfig;
pub use route::{Function, Route};

use super::{
    Action, Admission, By, Call, Client as AnyClient, Cors, Dialect, Envelope, Follow, Form,
    LogState, Message, Operation, Outcome, Parts, Position, Reaction, Refused, Responder, Tools,
    Wants,
};
use crate::auth::{Directory, Identity};
use crate::hub::{
    Address, Command, Epoch, Event, Gap, Log, Number, OrganizationId, Parents, Refusal, Scope,
    ScopeName, SessionKey, Transition,
};
use crate::limits::{SCOPE_NAME_BYTES_MAX, STRANGER_MESSAGE_BYTES_MAX};
use crate::protocol::http1::{BodyLength, Head, Method, Version, decode_segment};
use crate::protocol::websocket::CloseCode;
use access::{reads, searched};
use answer::respond;
use errors::{respond_error, respond_refusal};
use render::FeedForm;

/// The sessions dialect as configured.
#[derive(Debug)]
pub struct Sessions {
    /// What every answer tells browsers.
    cors: Cors,
    publish_bytes_max: usize,
    poll_bytes_max: usize,
    poll_timeout_max: Option<std::time::Duration>,
    token_reads: bool,
    directory: Arc<Directory>,
}

impl Sessions {
    /// The dialect with its answers' constant headers prepared.
    pub fn new(config: &SessionsConfig, directory: Arc<Directory>) -> Self {
        let closed = directory.anonymous().is_none();
        let exposed = "Fanfare-Epoch, Fanfare-Oldest, Fanfare-Next, Fanfare-Gap, Fanfare-More, \
             Fanfare-Number, Fanfare-Id, Retry-After";
        Self {
            cors: Cors::new(&config.cors, closed, exposed),
            publish_bytes_max: config.publish_bytes_max,
            poll_bytes_max: config.poll_bytes_max,
            poll_timeout_max: config.poll_timeout_max,
            token_reads: config.token_reads,
            directory,
        }
    }
}

impl Dialect for Sessions {
    type Route<'b> = Route<'b>;
    type Pending = Pending;
    type Client = Client;
    type Undo = Infallible;
    type Encoding = Infallible;
    type Rendering = ();
    type View = FeedForm;

    const NAME: &'static str = "sessions";

    fn of(parts: &Parts<'_>) -> Self {
        Self::new(&parts.config.sessions, parts.directory())
    }

    fn route<'b>(&self, path: &'b str) -> Option<Route<'b>> {
        Route::parse(path)
    }

    fn cors(&self, _route: Option<Route<'_>>) -> Option<&Cors> {
        Some(&self.cors)
    }

    fn admit(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Admission, Refused> {
        // A browser asks before it sends; what is wrong it learns from the answer to the request
        // itself.
        if head.method == Method::Options {
            return Ok(Admission::BODILESS);
        }
        let Some(allow) = route.allow() else {
            respond_error(to, 404, "not_found", "there is no such function");
            return Err(Refused);
        };
        if !route.allows(head.method) {
            let header = format!("Allow: {allow}\r\n");
            let message = format!("allowed: {allow}");
            super::respond_error(
                to,
                &[header.as_bytes()],
                405,
                "method_not_allowed",
                &message,
            );
            return Err(Refused);
        }
        let identity = self.authorize(route, head, to)?;
        let events = matches!(route, Route::Function(_, Function::Events));
        // RFC 9112 §6.3: without either field an HTTP/1.1 body is empty. What an HTTP/1.0 client
        // means by it cannot be known.
        let unframed = head.body_length == BodyLength::None && head.version == Version::Http10;
        if events && head.method == Method::Post && unframed {
            let message = "a publish by HTTP/1.0 needs Content-Length";
            respond_error(to, 411, "length_required", message);
            return Err(Refused);
        }
        if events && head.method == Method::Get {
            return Ok(Admission::of(0, identity));
        }
        if reads(head.method) {
            // The original does not look at what comes with a GET; and it may be a stranger's.
            return Ok(Admission::of(STRANGER_MESSAGE_BYTES_MAX as u64, identity));
        }
        Ok(Admission::of(self.publish_bytes_max as u64, identity))
    }

    fn handle(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        body: &[u8],
        admission: Admission,
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        if head.method == Method::Options {
            // 204 is wrong here: the original says 200.
            to.preflight(200, &self.cors);
            return Action::Done;
        }
        match self.try_handle(route, head, body, admission.identity, tools, to) {
            Ok(action) => action,
            Err(Refused) => Action::Done,
        }
    }

    fn refuse(
        &self,
        _route: Route<'_>,
        to: &mut Responder<'_>,
        status: u16,
        code: &str,
        message: &str,
    ) {
        respond_error(to, status, code, message);
    }

    fn answer(
        &self,
        pending: Pending,
        outcome: Outcome,
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        respond(pending, outcome, tools, to)
    }

    fn publishes(pending: &Pending) -> bool {
        matches!(pending, Pending::Publish)
    }

    fn position(client: &Client) -> Option<Position> {
        client.position()
    }

    fn set_position(client: &mut Client, position: Option<Position>) {
        client.set_position(position);
    }

    fn wants(_client: &Client, envelope: Option<Envelope>) -> Wants<FeedForm> {
        Wants::Shown(match envelope {
            None => FeedForm::EventStream,
            Some(_) => FeedForm::WebSocket,
        })
    }

    fn encode_logged(
        &self,
        form: &FeedForm,
        (epoch, number): (Epoch, Number),
        event: &Event,
        out: &mut BytesMut,
    ) -> bool {
        render::encode_event(out, *form, epoch, number, event);
        true
    }

    fn encode_gap(&self, form: &FeedForm, gap: Gap, out: &mut BytesMut) {
        render::encode_gap(out, *form, gap);
    }

    fn begin_reading(&self, form: &Form, log: LogState, to: &mut Responder<'_>) {
        match form {
            Form::WebSocket(handshake) => answer::begin_websocket(handshake, log, to),
            Form::EventStream | Form::Poll { .. } => answer::begin_event_stream(log, to),
        }
    }

    fn answer_poll(&self, log: &Log, from: (Number, LogState), to: &mut Responder<'_>) -> usize {
        answer::respond_events(log, from, self.poll_bytes_max, to)
    }

    fn refuse_reading(&self, refusal: Refusal, to: &mut Responder<'_>) {
        respond_refusal(to, refusal);
    }

    /// It only listens: whatever it says is too much.
    fn message_bytes_max(_client: &Client) -> usize {
        STRANGER_MESSAGE_BYTES_MAX
    }

    fn message(
        &self,
        _client: &mut Client,
        _message: Message<'_>,
        _tools: &mut Tools<'_>,
    ) -> Reaction {
        let reason = "this socket only listens: publish with POST";
        Reaction::Fail(CloseCode::POLICY_VIOLATION, reason)
    }
}

impl Sessions {
    fn try_handle(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        body: &[u8],
        sender: Option<Identity>,
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Result<Action, Refused> {
        let organization = sender.map(|identity| identity.organization);
        // Whoever changes something was asked who they are.
        let (false, Some(organization)) = (reads(head.method), organization) else {
            return self.read(route, head, sender, tools, to);
        };
        match route {
            Route::Collection => Self::create(organization, body, tools, to),
            Route::Session(token) => {
                let token = ScopeName::new(&Self::token(token, to)?);
                let session = SessionKey {
                    organization,
                    token,
                };
                let command = if head.method == Method::Put {
                    Self::configuration(body, to)?;
                    Command::Read { session }
                } else {
                    Command::Delete { session }
                };
                Ok(execute(command, Pending::Simple))
            }
            Route::Function(token, Function::Events) => {
                let token = Self::token(token, to)?;
                Self::publish(organization, &token, head, body, to)
            }
            Route::Function(token, function) => {
                let token = ScopeName::new(&Self::token(token, to)?);
                let session = SessionKey {
                    organization,
                    token,
                };
                Self::change(session, function, body, to)
            }
            Route::Nothing => Ok(Action::Done),
        }
    }

    /// The calls that only look.
    fn read(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        sender: Option<Identity>,
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Result<Action, Refused> {
        let (Route::Session(token) | Route::Function(token, _)) = route else {
            return Ok(Action::Done);
        };
        let token = ScopeName::new(&Self::token(token, to)?);
        let organization = sender.map(|identity| identity.organization);
        if matches!(route, Route::Function(_, Function::Events)) {
            let (cursor, form) = self.read_listen(head, to)?;
            let hash = tools.placement.session_hash(token.as_str());
            let client = AnyClient::Sessions(Client::NEW);
            return Ok(Action::Follow(Box::new(Follow {
                organization,
                token,
                hash,
                cursor,
                by: By::Request(client, form),
            })));
        }
        let pending = if matches!(route, Route::Session(_)) {
            Pending::Read {
                fragment: token.clone(),
                searched: searched(sender),
            }
        } else {
            Pending::Status
        };
        let command = match organization {
            Some(organization) => Command::Read {
                session: SessionKey {
                    organization,
                    token,
                },
            },
            None => Command::ReadAny { token },
        };
        Ok(execute(command, pending))
    }

    /// The calls that change a session without publishing to it.
    fn change(
        session: SessionKey,
        function: Function,
        body: &[u8],
        to: &mut Responder<'_>,
    ) -> Result<Action, Refused> {
        let transition = match function {
            Function::Start => Transition::Start,
            Function::Pause => Transition::Pause,
            Function::Stop => Transition::Stop,
            Function::Resume => {
                let resume_token = Self::resume_token(body, to)?;
                let command = Command::Resume {
                    session,
                    resume_token,
                };
                return Ok(execute(command, Pending::Simple));
            }
            Function::Labels => {
                let labels = Self::labels(body, to)?;
                let command = Command::SetLabels { session, labels };
                return Ok(execute(command, Pending::Simple));
            }
            // These are read, or published to.
            Function::Events | Function::Status => return Ok(Action::Done),
        };
        let command = Command::Transition {
            session,
            transition,
        };
        Ok(execute(command, Pending::Simple))
    }

    fn publish(
        organization: OrganizationId,
        token: &str,
        head: &Head<'_, '_>,
        body: &[u8],
        to: &mut Responder<'_>,
    ) -> Result<Action, Refused> {
        let idempotency_key = super::idempotency_key(head).map_err(|message| {
            respond_error(to, 400, "invalid_idempotency_key", &message);
            Refused
        })?;
        let drafts = publish::parse(body).map_err(|error| {
            respond_error(to, 400, error.code, &error.message);
            Refused
        })?;
        let scope = Scope {
            organization,
            address: Address::Session(ScopeName::new(token)),
        };
        Ok(Action::Execute(Box::new(Call {
            operation: Operation::Command(Command::Publish {
                scope,
                parents: Parents::default(),
                drafts,
            }),
            idempotency_key,
            correlation_id: None,
            pending: super::Pending::Sessions(Pending::Publish),
        })))
    }

    /// Decodes and checks a token as it stands in the target: 1–256 characters of
    /// `A–Z a–z 0–9 . _ ~ -` and `%`-escapes.
    fn token<'b>(segment: &'b str, to: &mut Responder<'_>) -> Result<Cow<'b, str>, Refused> {
        let plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-' | b'%')
        };
        let problem = if segment.bytes().all(plain) {
            match decode_segment(segment) {
                Ok(token) if (1..=SCOPE_NAME_BYTES_MAX).contains(&token.len()) => return Ok(token),
                Ok(_) => format!("a token has 1 to {SCOPE_NAME_BYTES_MAX} characters"),
                Err(error) => format!("the token is not well escaped: {error}"),
            }
        } else {
            String::from("a token has only letters, digits, . _ ~ - and %-escapes")
        };
        respond_error(to, 400, "invalid_token", &problem);
        Err(Refused)
    }
}

fn execute(operation: impl Into<Operation>, pending: Pending) -> Action {
    Action::Execute(Box::new(Call {
        operation: operation.into(),
        idempotency_key: None,
        correlation_id: None,
        pending: super::Pending::Sessions(pending),
    }))
}
