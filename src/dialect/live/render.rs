//! Events in this dialect's form: one flat object, base properties first, then the payload's own
//! fields as they were sent.
//!
//! A field of the payload never takes the name of a base property, present or not, and of a
//! repeated field the last one counts: the same reading as the filters have.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;

use super::Live;
use crate::dialect::{put_event_name, put_text};
use crate::hub::{Address, Event, ScopeName};
use crate::json::{self, Field};

/// The names that belong to the event itself.
pub(super) const BASE_PROPERTIES: [&str; 6] = [
    "type",
    "time",
    "coreServerId",
    "groupId",
    "projectId",
    "sessionId",
];

/// Payloads of at most so many fields are compared field by field, which needs no memory.
const FEW_FIELDS: usize = 24;

impl Live {
    /// Appends an event as JSON text.
    pub fn render(&self, event: &Event, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":");
        put_event_name(out, &event.name);
        let uuid = self.directory.organization(event.scope.organization).uuid;
        let uuid = uuid.as_hyphenated();
        // Writing to memory cannot fail.
        let _ = write!(
            out,
            ",\"time\":{},\"coreServerId\":\"{uuid}\"",
            event.time_ms
        );
        let (mut group, mut project) =
            (event.parents.group.as_ref(), event.parents.project.as_ref());
        let mut session = None;
        match &event.scope.address {
            Address::Organization => {}
            Address::Group(name) => group = Some(name),
            Address::Project(name) => project = Some(name),
            Address::Session(name) => session = Some(name),
        }
        put_id(out, b",\"groupId\":", group);
        put_id(out, b",\"projectId\":", project);
        put_id(out, b",\"sessionId\":", session);
        put_payload(out, json::trim(&event.payload));
        out.push(b'}');
    }

    /// The news that events were dropped, as JSON text.
    pub fn render_dropped(&self, count: u64) -> String {
        format!("{{\"type\":\"fanfare:dropped\",\"count\":{count}}}")
    }
}

fn put_id(out: &mut Vec<u8>, key: &[u8], name: Option<&ScopeName>) {
    if let Some(name) = name {
        out.extend_from_slice(key);
        put_text(out, name.as_str());
    }
}

fn put_payload(out: &mut Vec<u8>, payload: &[u8]) {
    let Some(inside) = payload
        .strip_prefix(b"{")
        .and_then(|rest| rest.strip_suffix(b"}"))
    else {
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(payload);
        return;
    };
    if !is_plain(payload) {
        put_fields(out, payload);
    } else if !json::trim(inside).is_empty() {
        out.push(b',');
        out.extend_from_slice(inside);
    }
}

/// Whether a payload may be spliced in whole: few fields, no escapes in their names, none repeated,
/// none named as a base property. The common case.
fn is_plain(payload: &[u8]) -> bool {
    let mut seen: [&[u8]; FEW_FIELDS] = [b""; FEW_FIELDS];
    for (count, Field { key, .. }) in json::fields(payload).enumerate() {
        let special = count >= FEW_FIELDS
            || memchr::memchr(b'\\', key).is_some()
            || BASE_PROPERTIES.iter().any(|base| base.as_bytes() == key)
            || seen[..count].contains(&key);
        if special {
            return false;
        }
        seen[count] = key;
    }
    true
}

/// Appends the fields that may be seen, one by one.
fn put_fields(out: &mut Vec<u8>, payload: &[u8]) {
    let fields: Vec<(Cow<'_, str>, Field<'_>)> = json::fields(payload)
        .map(|field| (json::text(field.key), field))
        .collect();
    // Later fields replace earlier ones.
    let last: BTreeMap<&str, usize> = fields
        .iter()
        .enumerate()
        .map(|(position, (name, _))| (&**name, position))
        .collect();
    for (position, (name, Field { key, value })) in fields.iter().enumerate() {
        if last[&**name] != position || BASE_PROPERTIES.contains(&&**name) {
            continue;
        }
        out.extend_from_slice(b",\"");
        out.extend_from_slice(key);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value);
    }
}
