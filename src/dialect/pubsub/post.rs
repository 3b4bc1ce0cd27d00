//! One event by one request: `POST /api/v1/pub_subs`, also called `/api/v1/publish`.
//!
//! Its head is judged before its body is read. What a session's publish says of the group travels
//! with it: the session's home learns it, or refuses what contradicts it.

use std::fmt::Write as _;

use super::access::problem;
use super::body::{self, Publish};
use super::errors::{Kind, Problem, refuse, refuse_all, refuse_method};
use super::{Pending, Pubsub, Route};
use crate::auth::{Identity, OrganizationId};
use crate::dialect::{
    self, Action, Call, Denial, KEY_REUSED, LEAVING, Operation, Refused, Responder,
    idempotency_key, keys_held, reserved_name, too_fast,
};
use crate::hub::{Address, Answer, Command, Epoch, EventId, Number, Refusal, Scope};
use crate::metrics::Api;
use crate::protocol::http1::{BodyLength, Head, Method, Version};

/// A publish that waits for the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Where the body names what it is addressed to.
    pointer: &'static str,
}

impl Posted {
    const fn to(address: &Address) -> Self {
        let pointer = match address {
            Address::Session(_) => "/scope/session_id",
            Address::Group(_) => "/scope/event_id",
            Address::Project(_) | Address::Organization => "/scope",
        };
        Self { pointer }
    }
}

impl Pubsub {
    /// Judges a publish by its head: the most bytes its body may have, or a refusal (written).
    pub(super) fn admit_post(
        &self,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        // A browser asks before it sends; what is wrong it learns from the answer to the request
        // itself.
        if head.method == Method::Options {
            return Ok(0);
        }
        if !Route::Publish.allows(head.method) {
            return Err(refuse_method(Route::Publish.allow(), b"", to));
        }
        self.publisher(head, to.now).map_err(|denied| {
            to.denied = Some(Denial::of(Api::Pubsub, denied));
            refuse(problem(denied), to)
        })?;
        // RFC 9112 §6.3: without either field an HTTP/1.1 body is empty. What an HTTP/1.0 client
        // means by it cannot be known.
        if head.body_length == BodyLength::None && head.version == Version::Http10 {
            let message = "a publish by HTTP/1.0 needs Content-Length";
            return Err(refuse(Problem::new(Kind::LengthRequired, message), to));
        }
        Ok(self.publish_bytes_max as u64)
    }

    /// Handles a whole publish.
    pub(super) fn post(&self, head: &Head<'_, '_>, body: &[u8], to: &mut Responder<'_>) -> Action {
        if head.method == Method::Options {
            to.preflight(204, &self.cors);
            return Action::Done;
        }
        self.begin_post(head, body, to).unwrap_or_else(|problems| {
            refuse_all(&problems, to);
            Action::Done
        })
    }

    fn begin_post(
        &self,
        head: &Head<'_, '_>,
        body: &[u8],
        to: &mut Responder<'_>,
    ) -> Result<Action, Vec<Problem>> {
        let one = |problem| vec![problem];
        let identity = self.publisher(head, to.now);
        let identity = identity.map_err(|denied| one(problem(denied)))?;
        let invalid_key = |message| one(Problem::new(Kind::InvalidIdempotencyKey, message));
        let idempotency_key = idempotency_key(head).map_err(invalid_key)?;
        let publish = body::read(body)?;
        self.check_organization(identity, &publish)
            .inspect_err(|_| to.denied = Some(Denial::of_grant(Api::Pubsub, identity)))
            .map_err(one)?;
        let posted = Posted::to(&publish.address);
        Ok(Action::Execute(Box::new(Call {
            operation: Operation::Command(Command::Publish {
                scope: Scope {
                    organization: identity.organization,
                    address: publish.address,
                },
                parents: publish.parents,
                drafts: vec![publish.draft],
            }),
            idempotency_key,
            correlation_id: None,
            pending: dialect::Pending::Pubsub(Pending::Posted(posted)),
        })))
    }

    /// A token is good for one organization, which a body need not name; but no other.
    fn check_organization(&self, identity: Identity, publish: &Publish<'_>) -> Result<(), Problem> {
        match &publish.organization_id {
            Some(id) if !self.is_called(identity.organization, id) => Err(Problem::at(
                "/scope/organization_id",
                Kind::Forbidden,
                "this is not the organization of the API token",
            )),
            _ => Ok(()),
        }
    }

    /// Whether an id is an organization's. Without organizations people know the one there is by
    /// its name only.
    fn is_called(&self, organization: OrganizationId, id: &str) -> bool {
        let organization = self.directory.organization(organization);
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let uuid = organization.uuid.as_hyphenated().encode_lower(&mut text);
        let open = self.directory.anonymous().is_some();
        id.eq_ignore_ascii_case(uuid) || open && id == organization.name
    }
}

impl Posted {
    /// The hub's answer.
    pub(super) fn answer(self, answer: &Answer, to: &mut Responder<'_>) -> Action {
        match answer {
            Answer::Published { id, position } => respond_posted(*id, *position, to),
            Answer::Refused(refusal) => {
                refuse(self.problem(*refusal), to);
            }
            // The hub answers each question by its own kind.
            _ => {
                refuse(self.problem(Refusal::Busy), to);
            }
        }
        Action::Done
    }

    /// The hub's refusal, in this dialect's words.
    fn problem(self, refusal: Refusal) -> Problem {
        let at = |kind, detail: &'static str| Problem::at(self.pointer, kind, detail);
        match refusal {
            Refusal::NotFound | Refusal::Gone | Refusal::Undeclared => {
                at(Kind::NotFound, "nobody created what has this id")
            }
            Refusal::Contradiction => Problem::at(
                "/scope/event_id",
                Kind::Contradiction,
                "the session belongs to another event",
            ),
            Refusal::Exists => at(Kind::Conflict, "it exists already"),
            Refusal::Status(_) => at(Kind::Conflict, "its status does not allow that"),
            Refusal::Busy => {
                let message = "a bound of this server is reached, try again";
                Problem::new(Kind::Busy, message)
            }
            Refusal::Full(full) => {
                let retry_after = full.retry_after;
                Problem::new(Kind::Full { retry_after }, full.to_string())
            }
            Refusal::Leaving => Problem::new(Kind::Busy, LEAVING),
            Refusal::KeyReused => Problem::new(Kind::KeyReused, KEY_REUSED),
            Refusal::KeysHeld { of, retry_after } => {
                let message = keys_held(of, retry_after);
                Problem::new(Kind::Full { retry_after }, message)
            }
            Refusal::ReservedName { at } => {
                let pointer = "/payload/event/eventName";
                Problem::at(pointer, Kind::ReservedName, reserved_name(at))
            }
            Refusal::TooFast { retry_after } => {
                Problem::new(Kind::RateLimited { retry_after }, too_fast(retry_after))
            }
        }
    }
}

fn respond_posted(id: EventId, position: Option<(Epoch, Number)>, to: &mut Responder<'_>) {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = id.0.as_hyphenated().encode_lower(&mut text);
    // The id, the number and what is around them.
    let mut body = String::with_capacity(80);
    body.push_str("{\"id\":\"");
    body.push_str(id);
    body.push('"');
    if let Some((_, number)) = position {
        // Writing to a `String` cannot fail.
        let _ = write!(body, ",\"number\":{number}");
    }
    body.push('}');
    let exchange = to.exchange;
    to.begin(201).body(
        Some("application/json"),
        body.as_bytes(),
        exchange.keep_alive,
        exchange.head_only,
    );
}

#[cfg(test)]
mod tests;
