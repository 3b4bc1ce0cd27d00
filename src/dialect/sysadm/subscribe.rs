//! Subscriptions by event class: exact and case-sensitive, unknown ones skipped in silence.
//!
//! All classes of a client are one [`Subscription`], so that an event comes once however often its
//! class was named.

use std::collections::BTreeSet;

use super::reply::{self, Changed, Code, Echo};
use super::request::Request;
use super::{Client, Sysadm};
use crate::auth::{Grant, Identity, OrganizationId};
use crate::dialect;
use crate::dialect::client::{Change, Reaction, Subscribe};
use crate::dialect::describe::{Heard, pattern_text};
use crate::hub::{Address, Full, NamePattern, Names, Parents, Scope, Subscription};
use crate::limits::{CLASSES_PER_CONNECTION_MAX, NAME_STARS_MAX, PATTERN_BYTES_MAX};

/// What a subscription that is refused leaves as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    echo: Echo,
    classes: BTreeSet<NamePattern>,
    subscribed_in: Option<OrganizationId>,
}

impl Sysadm {
    /// `events/subscribe`.
    pub(super) fn subscribe(
        &self,
        client: &mut Client,
        request: &Request,
        identity: Identity,
    ) -> Reaction {
        let named = match self.read_classes(request, identity) {
            Ok(named) => named,
            Err(refusal) => return Reaction::Reply(refusal),
        };
        let mut classes = client.classes.clone();
        classes.extend(named.iter().map(|class| NamePattern::parse(class)));
        if classes.len() > CLASSES_PER_CONNECTION_MAX {
            let bound = format!("more than {CLASSES_PER_CONNECTION_MAX} classes");
            return Reaction::Reply(self.errors.over_bound(&request.echo, &bound));
        }
        let undo = Undo {
            echo: request.echo.clone(),
            classes: std::mem::replace(&mut client.classes, classes),
            subscribed_in: client.subscribed_in.replace(identity.organization),
        };
        let changed = Changed {
            subscribe: named.last().copied(),
            ..Changed::default()
        };
        Reaction::Subscribe(Box::new(Subscribe {
            change: Change::Replace(subscriptions(identity.organization, &client.classes)),
            retained: self.retained_among(&named),
            reply: reply::changed(&request.echo, &changed),
            undo: dialect::Undo::Sysadm(Box::new(undo)),
        }))
    }

    /// `events/subscribe` was over a bound of the organization's.
    pub(super) fn undo(&self, client: &mut Client, undo: Undo, full: Full) -> Reaction {
        client.classes = undo.classes;
        client.subscribed_in = undo.subscribed_in;
        Reaction::Reply(self.errors.full(&undo.echo, full))
    }

    /// `events/unsubscribe`.
    pub(super) fn unsubscribe(
        &self,
        client: &mut Client,
        request: &Request,
        identity: Identity,
    ) -> Reaction {
        let named = match self.read_classes(request, identity) {
            Ok(named) => named,
            Err(refusal) => return Reaction::Reply(refusal),
        };
        for class in &named {
            client.classes.remove(&NamePattern::parse(class));
        }
        let changed = Changed {
            unsubscribe: named.last().copied(),
            ..Changed::default()
        };
        Reaction::Subscribe(Box::new(Subscribe {
            change: Change::Replace(subscriptions(identity.organization, &client.classes)),
            retained: Vec::new(),
            reply: reply::changed(&request.echo, &changed),
            undo: dialect::Undo::Nothing,
        }))
    }

    /// The known classes that a request names, in order; or the text of its refusal.
    fn read_classes<'m>(
        &self,
        request: &'m Request,
        identity: Identity,
    ) -> Result<Vec<&'m str>, Vec<u8>> {
        let echo = &request.echo;
        if !identity.grants.allow(Grant::Subscribe) {
            return Err(self.errors.reply(echo, Code::Forbidden));
        }
        let Some(mut named) = request.texts() else {
            return Err(self.errors.reply(echo, Code::BadRequest));
        };
        if named.iter().any(|class| class.len() > PATTERN_BYTES_MAX) {
            let bound = format!("a class of more than {PATTERN_BYTES_MAX} bytes");
            return Err(self.errors.over_bound(echo, &bound));
        }
        if named
            .iter()
            .any(|class| NamePattern::parse(class).stars() > NAME_STARS_MAX)
        {
            let bound = format!("a class of more than {NAME_STARS_MAX} \"*\"");
            return Err(self.errors.over_bound(echo, &bound));
        }
        // A pattern that fits another as text is narrower than that.
        named.retain(|class| self.known.iter().any(|known| known.matches(class)));
        Ok(named)
    }

    /// The retained classes that a request names, each once, in its order.
    fn retained_among(&self, named: &[&str]) -> Vec<Box<str>> {
        let mut wanted: Vec<Box<str>> = Vec::new();
        for class in named {
            let pattern = NamePattern::parse(class);
            for retained in &self.retained {
                if pattern.matches(retained) && !wanted.contains(retained) {
                    wanted.push(retained.clone());
                }
            }
        }
        wanted
    }
}

impl Client {
    /// Whose client it is, once it is logged in.
    pub fn organization(&self) -> Option<OrganizationId> {
        self.login.map(|login| login.identity.organization)
    }

    /// What it hears, for who looks after the server.
    pub fn heard(&self) -> Heard {
        let classes = self.classes.iter().map(pattern_text);
        Heard::names(Address::Organization, classes)
    }

    /// Ends what it hears, until it subscribes again.
    pub fn cancel(&mut self) -> Reaction {
        self.classes.clear();
        Reaction::Subscribe(Box::new(Subscribe {
            change: Change::Replace(Vec::new()),
            retained: Vec::new(),
            reply: Vec::new(),
            undo: dialect::Undo::Nothing,
        }))
    }
}

/// What a client of an organization with these classes hears.
fn subscriptions(
    organization: OrganizationId,
    classes: &BTreeSet<NamePattern>,
) -> Vec<Subscription> {
    if classes.is_empty() {
        return Vec::new();
    }
    vec![Subscription {
        scope: Scope {
            organization,
            address: Address::Organization,
        },
        parents: Parents::default(),
        names: Names::Any(classes.iter().cloned().collect()),
        properties: Vec::new(),
    }]
}
