//! The objects of a publish body as they are parsed: which fields count, and what may stand in
//! their place.
//!
//! Any JSON value is taken anywhere, so that a body that is JSON is never refused here.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What stands where an object should.
#[derive(Debug, Default)]
pub(super) enum Node<T> {
    /// Nothing, or `null`.
    #[default]
    Absent,
    /// Anything else.
    Other,
    /// An object, with the fields that count.
    Object(T),
}

/// The whole body.
#[derive(Debug, Default)]
pub(super) struct Body<'b> {
    /// `scope`.
    pub(super) scope: Node<ScopeNode<'b>>,
    /// `payload`.
    pub(super) payload: Node<PayloadNode<'b>>,
}

/// `scope`: its fields' JSON texts, `None` for `null`.
#[derive(Debug, Default)]
pub(super) struct ScopeNode<'b> {
    /// `type`.
    pub(super) kind: Option<&'b RawValue>,
    /// `event_id`.
    pub(super) event_id: Option<&'b RawValue>,
    /// `session_id`.
    pub(super) session_id: Option<&'b RawValue>,
    /// `organization_id`.
    pub(super) organization_id: Option<&'b RawValue>,
}

/// `payload`.
#[derive(Debug, Default)]
pub(super) struct PayloadNode<'b> {
    /// `event`.
    pub(super) event: Node<EventNode<'b>>,
}

/// `payload.event`: its fields' JSON texts.
#[derive(Debug, Default)]
pub(super) struct EventNode<'b> {
    /// `eventName`, `None` for `null`.
    pub(super) name: Option<&'b RawValue>,
    /// `data`, which may be `null`.
    pub(super) data: Option<&'b RawValue>,
}

/// An object some of whose fields count.
trait Members<'b>: Default {
    /// Takes the value of a field, whatever it is.
    fn take<A: MapAccess<'b>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error>;
}

impl<'b> Members<'b> for Body<'b> {
    fn take<A: MapAccess<'b>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Scope => self.scope = map.next_value()?,
            Key::Payload => self.payload = map.next_value()?,
            _ => ignore(map)?,
        }
        Ok(())
    }
}

impl<'b> Members<'b> for ScopeNode<'b> {
    fn take<A: MapAccess<'b>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Type => self.kind = value(map)?,
            Key::EventId => self.event_id = value(map)?,
            Key::SessionId => self.session_id = value(map)?,
            Key::OrganizationId => self.organization_id = value(map)?,
            _ => ignore(map)?,
        }
        Ok(())
    }
}

impl<'b> Members<'b> for PayloadNode<'b> {
    fn take<A: MapAccess<'b>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Event => self.event = map.next_value()?,
            _ => ignore(map)?,
        }
        Ok(())
    }
}

impl<'b> Members<'b> for EventNode<'b> {
    fn take<A: MapAccess<'b>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::EventName => self.name = value(map)?,
            Key::Data => self.data = Some(map.next_value()?),
            _ => ignore(map)?,
        }
        Ok(())
    }
}

fn value<'b, A: MapAccess<'b>>(map: &mut A) -> Result<Option<&'b RawValue>, A::Error> {
    let value: &RawValue = map.next_value()?;
    Ok(Some(value).filter(|value| value.get() != "null"))
}

fn ignore<'b, A: MapAccess<'b>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

impl<'de, T: Members<'de>> Deserialize<'de> for Node<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor(PhantomData))
    }
}

struct NodeVisitor<T>(PhantomData<T>);

impl<'de, T: Members<'de>> Visitor<'de> for NodeVisitor<T> {
    type Value = Node<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = T::default();
        while let Some(key) = map.next_key::<Key>()? {
            members.take(key, &mut map)?;
        }
        Ok(Node::Object(members))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::Other)
    }
}

/// The names of fields that count somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Scope,
    Type,
    EventId,
    SessionId,
    OrganizationId,
    Payload,
    Event,
    EventName,
    Data,
    Unknown,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(match name {
                    "scope" => Key::Scope,
                    "type" => Key::Type,
                    "event_id" => Key::EventId,
                    "session_id" => Key::SessionId,
                    "organization_id" => Key::OrganizationId,
                    "payload" => Key::Payload,
                    "event" => Key::Event,
                    "eventName" => Key::EventName,
                    "data" => Key::Data,
                    _ => Key::Unknown,
                })
            }
        }

        deserializer.deserialize_identifier(KeyVisitor)
    }
}
