//! Events of a session as lines of text: a dialect that only tests have, to show what one takes.
//!
//! `GET /lines?session=<name>` is answered by a response that does not end; each event is a line,
//! its name and its payload.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::BytesMut;

use super::{
    Action, Call, Change, Client as AnyClient, Dialect, Envelope, Heard, Open, Opening, Outcome,
    Parts, Pending as AnyPending, Reaction, Responder, Streamed, Subscribe, Tools, Undo,
    put_event_name, respond_error,
};
use crate::auth::{Directory, OrganizationId};
use crate::hub::{Address, Answer, Command, Event, Names, Parents, Scope, ScopeName, Subscription};
use crate::protocol::grpc::MessageEncoding;
use crate::protocol::http1::{Head, query_last};

/// The dialect as configured.
#[derive(Debug)]
pub struct Lines {
    directory: Arc<Directory>,
}

/// Its only path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route;

/// One client, and what it hears.
#[derive(Debug)]
pub struct Client(Box<Scope>);

/// Where the session stands is asked.
#[derive(Debug)]
pub struct Pending;

impl Dialect for Lines {
    type Route<'b> = Route;
    type Pending = Pending;
    type Client = Client;
    type Undo = Infallible;
    type Encoding = Envelope;
    type Rendering = ();
    type View = Infallible;

    const NAME: &'static str = "lines";

    fn of(parts: &Parts<'_>) -> Self {
        let directory = parts.directory();
        Self { directory }
    }

    fn route(&self, path: &str) -> Option<Route> {
        (path == "/lines").then_some(Route)
    }

    fn handle(
        &self,
        _route: Route,
        head: &Head<'_, '_>,
        _body: &[u8],
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        let session = query_last(head.query.unwrap_or(""), "session");
        let (Some(anyone), Ok(Some(session))) = (self.directory.anonymous(), session) else {
            respond_error(to, &[], 400, "bad_request", "session is missing");
            return Action::Done;
        };
        let scope = Scope {
            organization: anyone.organization,
            address: Address::Session(ScopeName::new(&session)),
        };
        Action::Open(Box::new(Open {
            opening: Opening::Response(Box::new(Streamed {
                content_type: "text/plain; charset=utf-8",
                headers: Vec::new(),
                envelope: Envelope::Line,
                messages: Vec::new(),
                encoding: MessageEncoding::Identity,
                heartbeat: None,
            })),
            client: AnyClient::Lines(Client(Box::new(scope))),
            subscriptions: Vec::new(),
            home: None,
        }))
    }

    fn encoding(_client: &Client, envelope: Envelope) -> Option<Envelope> {
        Some(envelope)
    }

    fn opened(&self, client: &mut Client, _tools: &mut Tools<'_>) -> Reaction {
        let command = Command::Place {
            scope: Scope::clone(&client.0),
            parents: Parents::default(),
        };
        Reaction::Execute(Box::new(Call {
            operation: command.into(),
            idempotency_key: None,
            correlation_id: None,
            pending: AnyPending::Lines(Pending),
        }))
    }

    fn answer_client(
        &self,
        client: &mut Client,
        Pending: Pending,
        outcome: Outcome,
        _tools: &mut Tools<'_>,
    ) -> Reaction {
        let Answer::Parents(parents) = outcome.into_answer() else {
            return Reaction::Reply(b"there is no such session".to_vec());
        };
        Reaction::Subscribe(Box::new(Subscribe {
            change: Change::Add(Subscription {
                scope: Scope::clone(&client.0),
                parents,
                names: Names::Every,
                properties: Vec::new(),
            }),
            retained: Vec::new(),
            reply: b"here is".to_vec(),
            undo: Undo::Opening,
        }))
    }

    fn organization(client: &Client) -> Option<OrganizationId> {
        Some(client.0.organization)
    }

    fn heard(client: &Client, _place: usize) -> Option<Heard> {
        Some(Heard::names(client.0.address.clone(), ["*".into()]))
    }

    fn encode_event(&self, envelope: Envelope, event: &Event, (): &mut (), out: &mut BytesMut) {
        let mut line = Vec::new();
        put_event_name(&mut line, &event.name);
        line.push(b' ');
        line.extend_from_slice(&event.payload);
        envelope.put(&line, out);
    }

    fn encode_dropped(&self, envelope: Envelope, count: u64, out: &mut BytesMut) {
        envelope.put(format!("{count} events were dropped").as_bytes(), out);
    }
}
