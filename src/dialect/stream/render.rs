//! Events as clients read them: `PublishEventResponse`, alone or as a message on a stream.
//!
//! An event is rendered once per form and heard by many, so payload and metadata are spliced in as
//! they are stored, and protobuf's lengths are found in the same pass.

use std::io::Write as _;

use super::mapping::{put_struct, put_value};
use super::publish::Publish;
use super::reply::{begin_json, begin_proto, end_json};
use super::request::Form;
use super::target::Target;
use super::wire::Writer;
use crate::dialect::{put_event_name, put_text};
use crate::hub::{Address, Event, EventId, EventName, ScopeName};
use crate::json;

/// `EventsStreamResponse.event`.
const EVENT: u32 = 100;

/// An event that was published, with what is known of it.
pub(super) struct Published<'e> {
    id: EventId,
    name: Name<'e>,
    payload: &'e [u8],
    target: Option<TargetView<'e>>,
    metadata: Option<&'e [u8]>,
}

enum Name<'e> {
    Text(&'e str),
    Event(&'e EventName),
}

/// A target, whoever says it.
pub(super) struct TargetView<'e> {
    layout: Option<&'e str>,
    project: Option<&'e str>,
    collection: Option<&'e str>,
}

/// Appends an event as one stream message.
///
/// `correlation_id` is only for the publisher's own copy; the session id is the event's origin.
/// JSON has the line feeds that the payload has between its tokens.
pub fn put_event(form: Form, event: &Event, correlation_id: Option<&str>, out: &mut Vec<u8>) {
    let origin = event.origin.as_deref().map(String::from_utf8_lossy);
    let published = Published::from_event(event);
    match form {
        Form::Json => {
            begin_json(correlation_id, origin.as_deref(), out);
            out.extend_from_slice(b"\"event\":");
            published.put_json(out);
            end_json(out);
        }
        Form::Proto => {
            let mut wire = begin_proto(correlation_id, origin.as_deref(), out);
            wire.open(EVENT);
            published.put_proto(&mut wire);
            wire.close();
            wire.finish();
        }
    }
}

/// Appends the answer of the unary call and of `POST`: a `PublishEventResponse` itself, not
/// wrapped.
pub fn put_published(form: Form, id: EventId, publish: &Publish, out: &mut Vec<u8>) {
    let published = Published::from_publish(id, publish);
    match form {
        Form::Json => published.put_json(out),
        Form::Proto => {
            let mut wire = Writer::new(out);
            published.put_proto(&mut wire);
            wire.finish();
        }
    }
}

impl<'e> Published<'e> {
    /// An event as subscribers hear it. Its target is what is known: its address and what stands
    /// above that.
    fn from_event(event: &'e Event) -> Self {
        Self {
            id: event.id,
            name: Name::Event(&event.name),
            payload: json::trim(&event.payload),
            target: TargetView::from_event(event),
            metadata: event.metadata.as_deref(),
        }
    }

    /// An event as its publisher is answered. Its target is what the request said.
    pub(super) fn from_publish(id: EventId, publish: &'e Publish) -> Self {
        Self {
            id,
            name: Name::Text(&publish.name),
            payload: &publish.payload,
            target: publish.target.as_ref().map(TargetView::from_target),
            metadata: publish.metadata.as_deref(),
        }
    }

    /// Enough for most events, in either form.
    fn bytes_expected(&self) -> usize {
        self.payload.len() + self.metadata.map_or(0, <[u8]>::len) + 256
    }

    pub(super) fn put_json(&self, out: &mut Vec<u8>) {
        out.reserve(self.bytes_expected());
        // Writing to memory cannot fail.
        let _ = write!(out, "{{\"id\":\"{}\",\"name\":", self.id);
        match self.name {
            Name::Text(name) => put_text(out, name),
            Name::Event(name) => put_event_name(out, name),
        }
        if self.payload.first() == Some(&b'{') {
            out.extend_from_slice(b",\"payload\":");
            out.extend_from_slice(self.payload);
        } else {
            out.extend_from_slice(b",\"payload\":{\"data\":");
            out.extend_from_slice(self.payload);
            out.push(b'}');
        }
        if let Some(target) = &self.target {
            out.extend_from_slice(b",\"target\":");
            target.put_json(out);
        }
        if let Some(metadata) = self.metadata {
            out.extend_from_slice(b",\"requestMetadata\":");
            out.extend_from_slice(metadata);
        }
        out.push(b'}');
    }

    pub(super) fn put_proto(&self, wire: &mut Writer<'_>) {
        wire.raw().reserve(self.bytes_expected());
        match self.name {
            Name::Text(name) => wire.plain_text(1, name),
            Name::Event(name) => wire.plain_text(1, &name.to_text()),
        }
        wire.open(2);
        put_struct(self.payload, wire);
        wire.close();
        if let Some(target) = &self.target {
            wire.open(3);
            target.put_proto(wire);
            wire.close();
        }
        if let Some(metadata) = self.metadata {
            wire.open(4);
            put_value(metadata, wire);
            wire.close();
        }
        let mut id = uuid::Uuid::encode_buffer();
        wire.plain_text(5, self.id.0.as_hyphenated().encode_lower(&mut id));
    }
}

impl<'e> TargetView<'e> {
    pub(super) fn from_target(target: &'e Target) -> Self {
        Self {
            layout: target.layout.as_deref(),
            project: target.project.as_deref(),
            collection: target.collection.as_deref(),
        }
    }

    /// `None` if the organization was addressed.
    fn from_event(event: &'e Event) -> Option<Self> {
        let mut target = Self {
            layout: None,
            project: event.parents.project.as_ref().map(ScopeName::as_str),
            collection: event.parents.group.as_ref().map(ScopeName::as_str),
        };
        match &event.scope.address {
            Address::Organization => return None,
            Address::Group(name) => target.collection = Some(name.as_str()),
            Address::Project(name) => target.project = Some(name.as_str()),
            Address::Session(name) => target.layout = Some(name.as_str()),
        }
        Some(target)
    }

    pub(super) fn put_json(&self, out: &mut Vec<u8>) {
        let ids = [
            ("\"layoutId\":", self.layout),
            ("\"projectId\":", self.project),
            ("\"collectionId\":", self.collection),
        ];
        out.push(b'{');
        let mut is_first = true;
        for (key, id) in ids {
            let Some(id) = id else { continue };
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            out.extend_from_slice(key.as_bytes());
            put_text(out, id);
        }
        out.push(b'}');
    }

    pub(super) fn put_proto(&self, wire: &mut Writer<'_>) {
        for (field, id) in [(1, self.layout), (4, self.project), (5, self.collection)] {
            if let Some(id) = id {
                wire.text(field, id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
