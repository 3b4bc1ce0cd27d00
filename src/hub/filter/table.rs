//! The table. For now it looks at every subscription.

use std::borrow::Cow;

use slab::Slab;

use crate::hub::event::Event;
use crate::hub::scope::{Address, OrganizationId, Parents, ScopeName};
use crate::hub::subscription::{Names, Property, PropertyFilter, Subscription, ValueFilter};
use crate::json;

/// Who is to be told: chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub u32);

/// One subscription in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(u32);

/// What matching needs room for, kept by the caller so that matching allocates nothing.
#[derive(Debug, Default)]
pub struct MatchScratch {
    /// The subscribers of the event that was matched last, each once.
    pub subscribers: Vec<SubscriberId>,
}

/// All of a shard's subscriptions.
#[derive(Debug)]
pub struct FilterTable {
    subscriptions: Slab<(SubscriberId, Subscription)>,
}

impl FilterTable {
    /// An empty table. `seed` keeps outsiders from choosing texts that collide.
    pub fn new(_seed: u64) -> Self {
        Self {
            subscriptions: Slab::new(),
        }
    }

    /// Subscriptions in the table.
    pub fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Adds a subscription.
    pub fn subscribe(&mut self, subscriber: SubscriberId, wanted: &Subscription) -> SubscriptionId {
        SubscriptionId(self.subscriptions.insert((subscriber, wanted.clone())) as u32)
    }

    /// Removes a subscription that was added and not removed.
    pub fn unsubscribe(&mut self, id: SubscriptionId) {
        self.subscriptions.remove(id.0 as usize);
    }

    /// A project's group, or a session's project or group, came to be known: subscriptions at `child` and
    /// beneath it hear what is told there from now on.
    pub fn learn(&mut self, organization: OrganizationId, child: &Address, parents: &Parents) {
        for (_, (_, subscription)) in &mut self.subscriptions {
            let scope = &subscription.scope;
            if scope.organization == organization && scope.address == *child {
                subscription.parents = parents.clone();
            } else if let (Address::Project(project), true) =
                (child, scope.organization == organization)
                && subscription.parents.project.as_ref() == Some(project)
            {
                subscription.parents.group.clone_from(&parents.group);
            }
        }
    }

    /// Finds the subscribers of an event: `scratch.subscribers`.
    pub fn matches(&mut self, event: &Event, scratch: &mut MatchScratch) {
        scratch.subscribers.clear();
        for (_, (subscriber, subscription)) in &self.subscriptions {
            if matches(subscription, event) {
                scratch.subscribers.push(*subscriber);
            }
        }
        scratch.subscribers.sort_unstable();
        scratch.subscribers.dedup();
    }
}

fn matches(wanted: &Subscription, event: &Event) -> bool {
    let name = event.name.to_text();
    let named = match &wanted.names {
        Names::Every => true,
        Names::Any(patterns) => patterns.iter().any(|pattern| pattern.matches(&name)),
    };
    named && related(wanted, event) && wanted.properties.iter().all(|filter| passes(filter, event))
}

fn path(address: &Address, parents: &Parents) -> [Option<ScopeName>; 3] {
    let (mut group, mut project) = (parents.group.clone(), parents.project.clone());
    let mut session = None;
    match address {
        Address::Organization => {}
        Address::Group(name) => group = Some(name.clone()),
        Address::Project(name) => project = Some(name.clone()),
        Address::Session(name) => session = Some(name.clone()),
    }
    [group, project, session]
}

fn holds(address: &Address, path: &[Option<ScopeName>; 3]) -> bool {
    match address {
        Address::Organization => true,
        Address::Group(name) => path[0].as_ref() == Some(name),
        Address::Project(name) => path[1].as_ref() == Some(name),
        Address::Session(name) => path[2].as_ref() == Some(name),
    }
}

fn related(wanted: &Subscription, event: &Event) -> bool {
    wanted.scope.organization == event.scope.organization
        && (holds(
            &wanted.scope.address,
            &path(&event.scope.address, &event.parents),
        ) || holds(
            &event.scope.address,
            &path(&wanted.scope.address, &wanted.parents),
        ))
}

fn passes(filter: &PropertyFilter, event: &Event) -> bool {
    let path = path(&event.scope.address, &event.parents);
    let quoted = |name: &Option<ScopeName>| {
        name.as_ref().map(|name| {
            Cow::Owned(
                serde_json::Value::from(name.as_str())
                    .to_string()
                    .into_bytes(),
            )
        })
    };
    let value: Option<Cow<'_, [u8]>> = match &filter.property {
        Property::Time => Some(Cow::Owned(event.time_ms.to_string().into_bytes())),
        Property::Group => quoted(&path[0]),
        Property::Project => quoted(&path[1]),
        Property::Session => quoted(&path[2]),
        Property::Payload(name) => lookup(&event.payload, name).map(Cow::Borrowed),
    };
    value.is_some_and(|value| filter.values.iter().any(|wanted| fits(wanted, &value)))
}

fn lookup<'j>(payload: &'j [u8], name: &str) -> Option<&'j [u8]> {
    let payload = json::trim(payload);
    if payload.first() != Some(&b'{') {
        return (name == "data").then_some(payload);
    }
    descend(payload, name)
}

fn descend<'j>(object: &'j [u8], name: &str) -> Option<&'j [u8]> {
    let find = |name: &str| {
        let named = json::fields(object).filter(|field| json::text(field.key) == name);
        named.last().map(|field| field.value)
    };
    find(name).or_else(|| {
        let (head, tail) = name.split_once('.')?;
        descend(
            find(head).filter(|value| value.first() == Some(&b'{'))?,
            tail,
        )
    })
}

fn fits(wanted: &ValueFilter, value: &[u8]) -> bool {
    let is_literal = value == b"true"
        || value == b"false"
        || value
            .first()
            .is_some_and(|b| *b == b'-' || b.is_ascii_digit());
    let string = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""));
    match wanted {
        ValueFilter::Present => value != b"null",
        ValueFilter::Null => value == b"null",
        ValueFilter::Literal(text) => is_literal && value == text.as_bytes(),
        ValueFilter::Text(text) => match string {
            Some(raw) => json::text(raw) == **text,
            None => is_literal && value == text.as_bytes(),
        },
    }
}
