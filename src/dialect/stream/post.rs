//! One event by one request: `POST /event/v2/publish`, or gRPC-web.

use super::errors::invalid;
use super::open::{refuse, respond_error, session_id};
use super::placing::Place;
use super::refusal::of_refusal;
use super::{EventService, Form, Pending, Publish, put_published};
use crate::dialect::calls::respond_web;
use crate::dialect::{self, Action, Call, Judge, Responder, idempotency_key, retry_after_line};
use crate::hub::{Answer, Command, EventId, Refusal};
use crate::protocol::grpc::{Code, Kind, Status};
use crate::protocol::http1::Head;

/// How a request's body, and its answer's, are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// JSON.
    Json,
    /// gRPC-web.
    Web(Kind),
}

/// A publish that waits for the hub.
#[derive(Debug)]
pub(super) struct Posted {
    coding: Coding,
    publish: Box<Publish>,
    place: Place,
    session_id: Option<bytes::Bytes>,
    key: Option<Box<[u8]>>,
    /// The collection of its project was asked, and nothing published yet.
    declared: bool,
}

impl Coding {
    const fn form(self) -> Form {
        match self {
            Self::Json => Form::Json,
            Self::Web(_) => Form::Proto,
        }
    }
}

impl EventService {
    pub(super) fn post(&self, head: &Head<'_, '_>, body: &[u8], to: &mut Responder<'_>) -> Action {
        let begun = self.begin_post(Coding::Json, head, body, to.judge());
        begun.unwrap_or_else(|status| {
            refuse(&status, to);
            Action::Done
        })
    }

    /// One publish by gRPC-web, to be answered as `kind`; `message` is what the body frames.
    pub(super) fn post_web(
        &self,
        kind: Kind,
        head: &Head<'_, '_>,
        message: &[u8],
        judge: Judge<'_>,
    ) -> Result<Action, Status> {
        self.begin_post(Coding::Web(kind), head, message, judge)
    }

    fn begin_post(
        &self,
        coding: Coding,
        head: &Head<'_, '_>,
        body: &[u8],
        judge: Judge<'_>,
    ) -> Result<Action, Status> {
        let identity = self.publisher(head, judge)?;
        let publish = Publish::read(coding.form(), body)?;
        let key = idempotency_key(head).map_err(invalid)?;
        let posted = Posted {
            coding,
            place: Place::of(identity.organization, publish.target.as_ref()),
            publish: Box::new(publish),
            session_id: session_id(head)?,
            key,
            declared: false,
        };
        Ok(match posted.place.ask_project() {
            Some(command) => ask(command, None, posted),
            None => posted.publish(),
        })
    }
}

impl Posted {
    /// The hub's answer.
    pub(super) fn answer(self, answer: &Answer, to: &mut Responder<'_>) -> Action {
        match answer {
            Answer::Refused(refusal) => self.refuse(*refusal, to),
            Answer::Published { id, .. } => self.respond(*id, to),
            _ if !self.declared => return self.publish(),
            // The hub answers each question by its own kind.
            _ => self.refuse(Refusal::Busy, to),
        }
        Action::Done
    }

    fn respond(&self, id: EventId, to: &mut Responder<'_>) {
        let mut message = Vec::new();
        put_published(self.coding.form(), id, &self.publish, &mut message);
        match self.coding {
            Coding::Json => {
                let exchange = to.exchange;
                to.begin(200).body(
                    Some("application/json"),
                    &message,
                    exchange.keep_alive,
                    exchange.head_only,
                );
            }
            Coding::Web(kind) => respond_web(kind, b"", &message, &Status::OK, to),
        }
    }

    fn refuse(&self, refusal: Refusal, to: &mut Responder<'_>) {
        let mut status = if self.declared {
            of_refusal(refusal, &self.place.scope.address)
        } else {
            of_refusal(refusal, &self.place.asked_first())
        };
        let later = match refusal {
            Refusal::TooFast { retry_after } | Refusal::KeysHeld { retry_after, .. } => {
                retry_after_line(retry_after)
            }
            Refusal::Full(full) => retry_after_line(full.retry_after),
            _ => String::new(),
        };
        if let Coding::Web(kind) = self.coding {
            return respond_web(kind, later.as_bytes(), b"", &status, to);
        }
        match refusal {
            Refusal::TooFast { .. } => {
                let http_status = status.code.http_status();
                respond_error(http_status, later.as_bytes(), &status, to);
            }
            // To HTTP these are 503, not the 429 of somebody who asks too often.
            Refusal::KeysHeld { .. } | Refusal::Full(_) => {
                status.code = Code::Unavailable;
                respond_error(503, later.as_bytes(), &status, to);
            }
            Refusal::Busy => {
                status.code = Code::Unavailable;
                refuse(&status, to);
            }
            // Likewise it is not the request that is wrong, but that it comes with this key.
            Refusal::KeyReused => {
                respond_error(422, b"", &status, to);
            }
            _ => {
                refuse(&status, to);
            }
        }
    }

    fn publish(mut self) -> Action {
        let command = Command::Publish {
            scope: self.place.scope.clone(),
            parents: self.place.parents.clone(),
            drafts: vec![self.publish.draft(self.session_id.take())],
        };
        self.declared = true;
        let key = self.key.take();
        ask(command, key, self)
    }
}

fn ask(command: Command, idempotency_key: Option<Box<[u8]>>, posted: Posted) -> Action {
    Action::Execute(Box::new(Call {
        operation: command.into(),
        idempotency_key,
        correlation_id: None,
        pending: dialect::Pending::EventService(Pending::Posted(Box::new(posted))),
    }))
}
