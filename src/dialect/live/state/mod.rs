//! The state as resources: what there is in an organization, and what may be done to it.
//!
//! A request's way: [`StatePath`] (whose path), [`Live::admit_state`] (head, and who sends it),
//! [`Live::handle_state`] (what is asked, as a [`Question`]), [`Live::answer_state`] (what was
//! found). What belongs to a session is asked for in two steps: first the session, which must be
//! there, then what is its own. Nothing of another organization exists here.

mod answer;
mod path;
mod request;

use std::sync::Arc;

use super::Live;
use super::access::Sender;
use crate::auth::{Grant, Identity, OrganizationId, UserId};
use crate::dialect::{self, Action, Call, Operation, Refused, Responder};
use crate::hub::{Ask, Kind, Named, Question, Set};
use crate::protocol::http1::{Head, Method};
use path::Resource;
use request::{Page, Request, Wanted};

pub use path::StatePath;

/// A request that waits for an answer.
#[derive(Debug)]
pub struct Pending(Waiting);

#[derive(Debug)]
enum Waiting {
    /// A password is being checked.
    Verify(Option<UserId>, Request),
    /// A session is looked for, and then what belongs to it.
    Session(OrganizationId, path::Belongings, Page),
    /// Anything else.
    Report,
}

impl Live {
    /// Judges a request by its head: no body belongs to any, or a refusal (written).
    pub(super) fn admit_state(
        &self,
        path: StatePath<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        if head.method == Method::Options {
            return Ok(0);
        }
        let Some(resource) = path.resource() else {
            return Err(Self::not_found(answer::NOWHERE, to));
        };
        let allow = resource.allow();
        if !head.method.is_among(allow) {
            return Err(Self::not_allowed(allow, to));
        }
        self.check_sender(head, to)?;
        Ok(0)
    }

    /// Handles a whole request that was admitted.
    pub(super) fn handle_state(
        &self,
        path: StatePath<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Action {
        if head.method == Method::Options {
            to.preflight(204, &self.cors);
            return Action::Done;
        }
        match self.try_handle(path, head, to) {
            Ok(action) => action,
            Err(Refused) => Action::Done,
        }
    }

    fn try_handle(
        &self,
        path: StatePath<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Action, Refused> {
        let Some(resource) = path.resource() else {
            return Err(Self::not_found(answer::NOWHERE, to));
        };
        match self.sender(head, to)? {
            Sender::Known(identity) => {
                let request = Self::read_request(&resource, head, to)?;
                Ok(self.ask(identity, request, to))
            }
            Sender::User(attempt) => {
                let request = Self::read_request(&resource, head, to)?;
                let waiting = Waiting::Verify(attempt.user, request);
                Ok(execute(Operation::Verify(attempt), waiting))
            }
        }
    }

    /// Asks what a request wants to know, if its sender may.
    fn ask(&self, identity: Identity, request: Request, to: &mut Responder<'_>) -> Action {
        let Request { of, wanted } = request;
        let organization = identity.organization;
        if let Err(Refused) = Self::check_grant(identity, Grant::Admin, to) {
            return Action::Done;
        }
        let own = self.directory.organization(organization);
        let is_own = match &of {
            None => true,
            Some(Named::Id(id)) => *id == own.uuid,
            Some(Named::Name(name)) => name.as_str() == own.name,
        };
        if !is_own {
            Self::not_found("there is no such organization", to);
            return Action::Done;
        }
        let (ask, waiting) = match wanted {
            Wanted::Organizations(page) => {
                let is_behind = page.after.is_none_or(|after| after < own.uuid);
                let items = is_behind.then(|| super::show::organization(own.uuid, &own.name));
                Self::respond_page(items.as_deref(), None, to);
                return Action::Done;
            }
            Wanted::Organization => {
                Self::respond_one(&super::show::organization(own.uuid, &own.name), to);
                return Action::Done;
            }
            Wanted::All(kind, page) => (page.of(Set::All(kind)), Waiting::Report),
            Wanted::One(kind, named) => (Ask::One(kind, named), Waiting::Report),
            Wanted::End(kind, named) => (Ask::End(kind, named), Waiting::Report),
            Wanted::Belongings(session, which, page) => (
                Ask::One(Kind::Session, session),
                Waiting::Session(organization, which, page),
            ),
        };
        inspect(organization, ask, waiting)
    }
}

fn inspect(organization: OrganizationId, ask: Ask, waiting: Waiting) -> Action {
    let question = Question { organization, ask };
    execute(Operation::Inspect(Arc::new(question)), waiting)
}

fn execute(operation: Operation, waiting: Waiting) -> Action {
    Action::Execute(Box::new(Call {
        operation,
        idempotency_key: None,
        correlation_id: None,
        pending: dialect::Pending::Live(super::Pending::State(Box::new(Pending(waiting)))),
    }))
}

/// What a resource is, and how it may be asked for.
impl Resource<'_> {
    /// The methods that it serves, as an `Allow` value.
    const fn allow(&self) -> &'static str {
        match self {
            Self::End(..) => "POST, PUT, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }
}
