//! Things as JSON: each an object with its `id`, as events name it, then its name if it has one,
//! then how it stands.

use std::io::Write as _;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::Live;
use crate::dialect::{ConnectionState, SubscriptionState};
use crate::hub::{Address, Event, NodeState, Number, ScopeName, SessionState, ValueFilter};

/// An organization. Fields are written in this order, here and below.
#[derive(Serialize)]
struct Organization<'s> {
    id: Text,
    name: &'s str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Session<'s> {
    id: Text,
    name: &'s str,
    core_server_id: Text,
    group_id: Option<&'s str>,
    project_id: Option<&'s str>,
    status: &'s str,
    since: u64,
    epoch: String,
    oldest: Number,
    next: Number,
    retained_bytes: usize,
    subscribers: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'s> {
    id: Text,
    name: &'s str,
    core_server_id: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<&'s str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection<'s> {
    id: Text,
    core_server_id: Text,
    dialect: &'s str,
    transport: &'s str,
    address: Option<String>,
    since: u64,
    session_id: Option<&'s str>,
    bytes_sent: u64,
    events_sent: u32,
    queue_bytes: usize,
    subscriptions: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscription<'s> {
    id: Text,
    connection_id: Text,
    core_server_id: Text,
    dialect: &'s str,
    names: &'s [Box<str>],
    scope: Scope<'s>,
    filters: Vec<Filter<'s>>,
    deliveries: u32,
}

#[derive(Serialize)]
struct Filter<'s> {
    property: &'s str,
    value: Value<'s>,
}

/// A UUID as text: lower case with hyphens.
struct Text(Uuid);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buf = Uuid::encode_buffer();
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut buf))
    }
}

/// A scope as events name it: by the id of its level, `{}` being the organization.
struct Scope<'s>(&'s Address);

impl Serialize for Scope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let level = match self.0 {
            Address::Organization => None,
            Address::Group(name) => Some(("groupId", name)),
            Address::Project(name) => Some(("projectId", name)),
            Address::Session(name) => Some(("sessionId", name)),
        };
        let mut map = serializer.serialize_map(None)?;
        if let Some((key, name)) = level {
            map.serialize_entry(key, name.as_str())?;
        }
        map.end()
    }
}

/// A filter's value as it was sent.
struct Value<'s>(&'s ValueFilter);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ValueFilter::Present => serializer.serialize_str("*"),
            ValueFilter::Null => serializer.serialize_unit(),
            ValueFilter::Text(text) => serializer.serialize_str(text),
            // It was read from JSON.
            ValueFilter::Literal(text) => match serde_json::from_str::<&RawValue>(text) {
                Ok(raw) => raw.serialize(serializer),
                Err(_) => serializer.serialize_str(text),
            },
        }
    }
}

/// An organization.
pub(super) fn organization(id: Uuid, name: &str) -> Vec<u8> {
    write(&Organization { id: Text(id), name })
}

/// A session.
pub(in super::super) fn session(server: Uuid, state: &SessionState) -> Vec<u8> {
    write(&Session {
        id: Text(state.id),
        name: state.token.as_str(),
        core_server_id: Text(server),
        group_id: state.parents.group.as_ref().map(ScopeName::as_str),
        project_id: state.parents.project.as_ref().map(ScopeName::as_str),
        status: state.status.as_str(),
        since: state.created_ms,
        epoch: state.epoch.to_string(),
        oldest: state.oldest,
        next: state.next,
        retained_bytes: state.bytes,
        subscribers: state.readers,
    })
}

/// A group or project.
pub(in super::super) fn node(server: Uuid, state: &NodeState) -> Vec<u8> {
    write(&Node {
        id: Text(state.id),
        name: state.name.as_str(),
        core_server_id: Text(server),
        group_id: state.group.as_ref().map(ScopeName::as_str),
    })
}

/// A connection.
pub(in super::super) fn connection(server: Uuid, state: &ConnectionState<'_>) -> Vec<u8> {
    write(&Connection {
        id: Text(state.id),
        core_server_id: Text(server),
        dialect: state.dialect,
        transport: state.transport,
        address: state.address.map(|address| address.to_string()),
        since: state.since_ms,
        session_id: state.session.map(ScopeName::as_str),
        bytes_sent: state.bytes_sent,
        events_sent: state.events_sent,
        queue_bytes: state.queue_bytes,
        subscriptions: state.subscriptions,
    })
}

/// A subscription.
pub(in super::super) fn subscription(server: Uuid, state: &SubscriptionState) -> Vec<u8> {
    let filters = state.heard.filters.iter();
    write(&Subscription {
        id: Text(state.id),
        connection_id: Text(state.connection),
        core_server_id: Text(server),
        dialect: state.dialect,
        names: &state.heard.names,
        scope: Scope(&state.heard.scope),
        filters: filters
            .map(|(property, value)| Filter {
                property,
                value: Value(value),
            })
            .collect(),
        deliveries: state.deliveries,
    })
}

/// An event of a log: where it stands there, and what the socket says of it.
pub(in super::super) fn event(live: &Live, number: Number, event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + event.payload.len());
    let id = event.id.0.as_hyphenated();
    // Writing to memory cannot fail.
    let _ = write!(out, "{{\"id\":\"{id}\",\"number\":{number},\"event\":");
    live.render(event, &mut out);
    out.push(b'}');
    out
}

fn write(thing: &impl Serialize) -> Vec<u8> {
    // Text and numbers: serializing them cannot fail.
    serde_json::to_vec(thing).unwrap_or_default()
}
