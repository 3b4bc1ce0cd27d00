//! What comes of a request.
//!
//! | action | needs | reply |
//! | --- | --- | --- |
//! | `authenticate` | a token | the welcome; later `authenticated`, and only to who gave a `ref` |
//! | `subscribe-event` | the grant `subscribe` | `subscribed` |
//! | `unsubscribe-event` | the same | `unsubscribed` |
//! | `publish-event` | the grant `publish` | `published` |
//!
//! Subscribing twice to a name is no error, and neither is leaving one that was not heard: what was
//! asked for is so. A token that is presented later takes the place of the former if it is of the
//! same organization.

use std::sync::Arc;

use super::super::Pubsub;
use super::access::allow;
use super::reply::{self, Code, Error, Reference};
use super::request::{Action, Reach, Request};
use super::{Client, Waiting, Who, execute, show};
use crate::auth::{Grant, Identity};
use crate::dialect::client::{Message, Reaction};
use crate::dialect::{Denial, Tools};
use crate::hub::{Address, Command, Parents, Scope};
use crate::metrics::{Api, RefusalKind};
use crate::time::Now;

/// An error that is a reply.
fn refuse(reference: Option<&Reference>, error: &Error) -> Reaction {
    Reaction::Reply(reply::error(reference, error))
}

/// The `ref` of a request that is always replied to, from somebody who needs a grant for it.
fn granted(
    identity: Identity,
    grant: Grant,
    reference: Option<&Reference>,
    now: Now,
) -> Result<&Reference, Error> {
    let message = "this action needs a \"ref\", which its reply repeats";
    let reference = reference.ok_or_else(|| Error::new(Code::MissingRef, message))?;
    allow(identity, grant, now)?;
    Ok(reference)
}

/// The reply to an `authenticate` that changes nothing else; nothing if nobody would find it.
fn authenticated(reference: Option<&Reference>) -> Vec<u8> {
    reference.map_or_else(Vec::new, |reference| {
        reply::done("authenticated", reference)
    })
}

/// What the operator is told of a request that was not carried out, if it was for want of access.
fn denial(code: Code, who: &Who) -> Option<Denial> {
    match (code, who) {
        (Code::Forbidden, &Who::Known(identity)) => Some(Denial::of_grant(Api::Pubsub, identity)),
        (Code::Unauthorized, _) => Some(Denial::new(Api::Pubsub, RefusalKind::Credentials)),
        _ => None,
    }
}

impl Pubsub {
    /// A message came.
    pub(in super::super) fn read_message(
        &self,
        client: &mut Client,
        message: Message<'_>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        let request = match message {
            Message::Text(text) => Request::read(text),
            Message::Binary(_) => Err(Error::invalid("a binary message: requests are JSON text")),
        };
        match request {
            Ok(request) => self.serve(client, &request, tools),
            Err(error) => refuse(None, &error),
        }
    }

    fn serve(&self, client: &mut Client, request: &Request<'_>, tools: &mut Tools<'_>) -> Reaction {
        let reference = match &request.reference {
            Ok(reference) => reference.as_ref(),
            Err(error) => return refuse(None, error),
        };
        let served = match (request.action, &client.who) {
            (Some(Action::Authenticate), _) => self.authenticate(client, request, reference, tools),
            (_, Who::Stranger | Who::Dismissed(_)) => {
                let message = "say who you are first: authenticate";
                Err(Error::new(Code::Unauthorized, message))
            }
            (None, Who::Known(_)) => {
                let message = "the action must be \"authenticate\", \"subscribe-event\", \
                               \"unsubscribe-event\" or \"publish-event\"";
                Err(Error::new(Code::UnknownAction, message))
            }
            (Some(Action::Subscribe), &Who::Known(identity)) => {
                granted(identity, Grant::Subscribe, reference, tools.now)
                    .and_then(|reference| client.subscribe(request, reference))
            }
            (Some(Action::Unsubscribe), &Who::Known(identity)) => {
                granted(identity, Grant::Subscribe, reference, tools.now)
                    .and_then(|reference| client.unsubscribe(request, reference))
            }
            (Some(Action::Publish), &Who::Known(identity)) => {
                granted(identity, Grant::Publish, reference, tools.now)
                    .and_then(|reference| client.publish(identity, request, reference))
            }
        };
        served.unwrap_or_else(|error| {
            tools.denied = tools.denied.or_else(|| denial(error.code, &client.who));
            refuse(reference, &error)
        })
    }

    fn authenticate(
        &self,
        client: &mut Client,
        request: &Request<'_>,
        reference: Option<&Reference>,
        tools: &mut Tools<'_>,
    ) -> Result<Reaction, Error> {
        if self.directory.anonymous().is_some() {
            return Ok(Reaction::Reply(authenticated(reference)));
        }
        let identity = match self.bearer(&request.token()?, tools.now) {
            Ok(identity) => identity,
            Err(dismissal) => {
                tools.denied = dismissal.denial();
                return Ok(dismissal.reaction(reference));
            }
        };
        match &client.who {
            Who::Stranger => Ok(client.enter(identity)),
            Who::Known(former) if former.organization == identity.organization => {
                Ok(client.renew(identity, reference))
            }
            Who::Known(_) => {
                let message = "the API token is of another organization";
                Err(Error::new(Code::Forbidden, message))
            }
            // It was said goodbye.
            Who::Dismissed(_) => Ok(Reaction::nothing()),
        }
    }
}

impl Client {
    /// Another token of the same organization takes the place of the former.
    fn renew(&mut self, identity: Identity, reference: Option<&Reference>) -> Reaction {
        self.who = Who::Known(identity);
        let reply = authenticated(reference);
        if self.wanted.is_some() && !identity.grants.allow(Grant::Subscribe) {
            // What the former allowed is over with it.
            let wanted = None;
            return show(wanted, reply);
        }
        Reaction::Reply(reply)
    }

    fn subscribe(&self, request: &Request<'_>, reference: &Reference) -> Result<Reaction, Error> {
        let names = request.names()?;
        let wanted = self.wanted.as_deref().cloned().unwrap_or_default();
        let wanted = wanted.with(&names)?;
        let reply = reply::done("subscribed", reference);
        if self.wanted.as_deref() == Some(&wanted) {
            return Ok(Reaction::Reply(reply));
        }
        let wanted = Some(Arc::new(wanted));
        Ok(show(wanted, reply))
    }

    fn unsubscribe(
        &mut self,
        request: &Request<'_>,
        reference: &Reference,
    ) -> Result<Reaction, Error> {
        let names = request.names()?;
        let reply = reply::done("unsubscribed", reference);
        // Who leaves what it was not shown says that it does not want what it missed.
        self.waits = false;
        let Some(former) = self.wanted.as_deref() else {
            return Ok(Reaction::Reply(reply));
        };
        let wanted = former.without(&names);
        if wanted.as_ref() == Some(former) {
            return Ok(Reaction::Reply(reply));
        }
        let wanted = wanted.map(Arc::new);
        Ok(show(wanted, reply))
    }

    fn publish(
        &self,
        identity: Identity,
        request: &Request<'_>,
        reference: &Reference,
    ) -> Result<Reaction, Error> {
        let (reach, draft) = request.event()?;
        let organization = identity.organization;
        let (address, parents) = match reach {
            Reach::Session => (
                Address::Session(self.place.session.clone()),
                self.place.parents(),
            ),
            Reach::Event => (Address::Group(self.place.group.clone()), Parents::default()),
            Reach::Organization => (Address::Organization, Parents::default()),
        };
        let command = Command::Publish {
            scope: Scope {
                organization,
                address,
            },
            parents,
            drafts: vec![draft],
        };
        Ok(execute(command, Waiting::Publish(reference.clone())))
    }
}
