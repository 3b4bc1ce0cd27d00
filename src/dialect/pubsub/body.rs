//! The body of a publish: one event and its scope, kept as the bytes sent.
//!
//! The text is parsed once. What should be objects are entered, whatever else they are is
//! remembered, and the values of the fields that count are lent as spans, to be judged when all of
//! them are there: so everything that is wrong with a body can be said at once. Unknown fields are
//! ignored, `null` is absent but for `data`, and of a repeated field the last one counts.

mod node;

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use self::node::{Body, EventNode, Node, PayloadNode, ScopeNode};
use super::errors::{Kind, Problem};
use crate::hub::{Address, Draft, EventName, Parents, ScopeName};
use crate::json;
use crate::limits::{
    JSON_DEPTH_MAX, PUBSUB_NAME_BYTES_MAX, SCOPE_NAME_BYTES_MAX, STATUS_QUOTED_CHARS_MAX,
};

/// The payload of an event that is published without one.
const NO_DATA: &str = "{}";

/// What a body asks to be published.
#[derive(Debug)]
pub(super) struct Publish<'b> {
    /// Where to.
    pub(super) address: Address,
    /// What stands above it.
    pub(super) parents: Parents,
    /// Whose, if the body says it.
    pub(super) organization_id: Option<Cow<'b, str>>,
    /// What.
    pub(super) draft: Draft,
}

/// Reads a body, or says all that is wrong with it: at least one problem.
pub(super) fn read(body: &[u8]) -> Result<Publish<'_>, Vec<Problem>> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        invalid_json(format!("the body is not UTF-8 at byte {at}"))
    })?;
    let root: Node<Body<'_>> = serde_json::from_str(text).map_err(|error| {
        let (what, at) = json::syntax_error(&error, body);
        invalid_json(format!("the body is not JSON: {what} at byte {at}"))
    })?;
    let mut problems = Vec::new();
    let read = read_body(&root, &mut problems);
    read.filter(|_| problems.is_empty()).ok_or(problems)
}

fn invalid_json(detail: String) -> Vec<Problem> {
    vec![Problem::new(Kind::InvalidJson, detail)]
}

fn read_body<'b>(root: &Node<Body<'b>>, problems: &mut Vec<Problem>) -> Option<Publish<'b>> {
    let Body { scope, payload } = object(root, "", problems)?;
    let scope = object(scope, "/scope", problems).and_then(|scope| read_scope(scope, problems));
    let draft = object(payload, "/payload", problems)
        .and_then(|PayloadNode { event }| object(event, "/payload/event", problems))
        .and_then(|event| read_event(event, problems));
    let (address, parents, organization_id) = scope?;
    Some(Publish {
        address,
        parents,
        organization_id,
        draft: draft?,
    })
}

/// Where an event goes, what stands above that, and whose it is said to be.
type Place<'b> = (Address, Parents, Option<Cow<'b, str>>);

fn read_scope<'b>(scope: &ScopeNode<'b>, problems: &mut Vec<Problem>) -> Option<Place<'b>> {
    let organization_id = scope
        .organization_id
        .and_then(|id| text(Some(id), "/scope/organization_id", problems));
    let kind = text(scope.kind, "/scope/type", problems)?;
    let (address, parents) = match &*kind {
        "organization" => (Address::Organization, Parents::default()),
        "event" => {
            let group = name(scope.event_id, "/scope/event_id", problems)?;
            (Address::Group(group), Parents::default())
        }
        "session" => {
            let group = name(scope.event_id, "/scope/event_id", problems);
            let session = name(scope.session_id, "/scope/session_id", problems)?;
            let parents = Parents {
                group: Some(group?),
                project: None,
            };
            (Address::Session(session), parents)
        }
        unknown => {
            let detail = format!(
                "\"{unknown:.STATUS_QUOTED_CHARS_MAX$}\" is not \"organization\", \"event\" or \"session\""
            );
            let problem = Problem::at("/scope/type", Kind::UnknownScopeType, detail);
            problems.push(problem);
            return None;
        }
    };
    Some((address, parents, organization_id))
}

fn read_event(event: &EventNode<'_>, problems: &mut Vec<Problem>) -> Option<Draft> {
    const NAME: &str = "/payload/event/eventName";
    let name = text(event.name, NAME, problems).and_then(|name| {
        let raw = event.name.map(RawValue::get);
        raw.filter(|_| fits(&name, PUBSUB_NAME_BYTES_MAX, NAME, problems))
    });
    let data = event.data.map_or(NO_DATA, RawValue::get);
    if json::is_deeper(data.as_bytes(), JSON_DEPTH_MAX) {
        let detail = format!("nested deeper than {JSON_DEPTH_MAX}");
        let problem = Problem::at("/payload/event/data", Kind::TooDeep, detail);
        problems.push(problem);
        return None;
    }
    let name = name?;
    // One allocation for both: an event's name and payload live and die together.
    let mut both = Vec::with_capacity(name.len() + data.len());
    both.extend_from_slice(name.as_bytes());
    both.extend_from_slice(data.as_bytes());
    let mut name_bytes = Bytes::from(both);
    let payload = name_bytes.split_off(name.len());
    Some(Draft {
        name: EventName::from_json(name_bytes),
        payload,
        metadata: None,
        origin: None,
        correlation: None,
    })
}

/// What is in an object, if it is there and one.
fn object<'n, T>(
    node: &'n Node<T>,
    pointer: &'static str,
    problems: &mut Vec<Problem>,
) -> Option<&'n T> {
    let problem = match node {
        Node::Object(object) => return Some(object),
        Node::Absent => Problem::at(pointer, Kind::MissingField, "this must be an object"),
        Node::Other => Problem::at(pointer, Kind::WrongType, "this must be an object"),
    };
    problems.push(problem);
    None
}

/// The id of a scope.
fn name(
    id: Option<&RawValue>,
    pointer: &'static str,
    problems: &mut Vec<Problem>,
) -> Option<ScopeName> {
    let id = text(id, pointer, problems)?;
    fits(&id, SCOPE_NAME_BYTES_MAX, pointer, problems).then(|| ScopeName::new(&id))
}

/// A text of at least one character.
fn text<'b>(
    value: Option<&'b RawValue>,
    pointer: &'static str,
    problems: &mut Vec<Problem>,
) -> Option<Cow<'b, str>> {
    let inside = value.map(|value| {
        let quoted = value.get().strip_prefix('"');
        quoted.and_then(|rest| rest.strip_suffix('"'))
    });
    let problem = match inside {
        None => Problem::at(pointer, Kind::MissingField, "this must be a string"),
        Some(Some("")) => Problem::at(pointer, Kind::Empty, "this must not be empty"),
        // The parser saw that it is UTF-8, which is not to be seen again for each id.
        Some(Some(raw)) if !raw.contains('\\') => return Some(Cow::Borrowed(raw)),
        Some(Some(raw)) => return Some(json::text(raw.as_bytes())),
        Some(None) => Problem::at(pointer, Kind::WrongType, "this must be a string"),
    };
    problems.push(problem);
    None
}

/// Whether a text is not too long.
fn fits(text: &str, bytes_max: usize, pointer: &'static str, problems: &mut Vec<Problem>) -> bool {
    let fits = text.len() <= bytes_max;
    if !fits {
        let detail = format!("{} bytes; at most {bytes_max}", text.len());
        problems.push(Problem::at(pointer, Kind::TooLong, detail));
    }
    fits
}

#[cfg(test)]
mod tests;
