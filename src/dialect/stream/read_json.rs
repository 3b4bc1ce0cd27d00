//! Requests as JSON text.
//!
//! The text is validated once, whole; then its spans are lent, so that payload and metadata keep
//! the bytes that were sent. Names of fields are in camel or snake case, unknown ones are ignored,
//! `null` is absent, of a repeated field the last one counts: as in the JSON form of Protocol
//! Buffers.

use std::borrow::Cow;

use bytes::Bytes;

use super::errors::{check_correlation_id, invalid, missing, too_deep, wrong_type};
use super::publish::Publish;
use super::request::{Asked, Request};
use super::target::Target;
use super::wanted::Wanted;
use crate::json::{self, Token, named_fields};
use crate::limits::{JSON_DEPTH_MAX, STREAM_NAMES_MAX};
use crate::protocol::grpc::{Status, quoted};

/// The kinds of requests, as fields.
const KINDS: [&str; 4] = ["subscribe", "unsubscribe", "publish", "ping"];

/// Reads an `EventsStreamRequest`.
pub(super) fn request(message: &[u8]) -> Request {
    let json = match object_of(message, "the message") {
        Ok(json) => json,
        Err(error) => return Request::unreadable(error),
    };
    let mut correlation_id = None;
    let mut kinds = [None; KINDS.len()];
    let mut unknown = None;
    for (name, value) in named_fields(json) {
        match &*name {
            "correlationId" | "correlation_id" => correlation_id = value,
            name => match KINDS.iter().position(|kind| *kind == name) {
                Some(kind) => kinds[kind] = value,
                None => unknown = Some(quoted(name).into_owned()),
            },
        }
    }
    let correlation_id = correlation_id
        .map(|value| text("", "correlationId", value).and_then(check_correlation_id))
        .transpose();
    match correlation_id {
        Ok(correlation_id) => Request {
            correlation_id,
            asked: asked(kinds, unknown),
        },
        Err(error) => Request::unreadable(error),
    }
}

fn asked(kinds: [Option<&[u8]>; 4], unknown: Option<String>) -> Result<Asked, Status> {
    let given = KINDS.iter().zip(kinds);
    let mut given = given.filter(|(_, value)| value.is_some());
    if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
        return Err(invalid(format!(
            "\"{first}\" and \"{second}\" are both set; a message asks one thing"
        )));
    }
    let wanted = |kind, value| wanted(object("", kind, value)?, &format!("{kind}."));
    match kinds {
        [Some(value), ..] => Ok(Asked::Subscribe(wanted("subscribe", value)?)),
        [_, Some(value), ..] => Ok(Asked::Unsubscribe(wanted("unsubscribe", value)?)),
        [_, _, Some(value), _] => {
            let event = publish(object("", "publish", value)?, "publish.")?;
            Ok(Asked::Publish(Box::new(event)))
        }
        [_, _, _, Some(value)] => {
            let text = text("", "ping", value)?;
            Asked::ping(text.into())
        }
        _ => Err(invalid(match unknown {
            Some(name) => format!("\"{name}\" is not known; a message asks one of {KINDS:?}"),
            None => format!("nothing is asked; a message asks one of {KINDS:?}"),
        })),
    }
}

/// Reads a `PublishEventRequest`.
pub(super) fn publish_body(body: &[u8]) -> Result<Publish, Status> {
    publish(object_of(body, "the body")?, "")
}

/// Reads an event from a valid object; `at` stands before the names of fields in errors.
fn publish(json: &[u8], at: &str) -> Result<Publish, Status> {
    let (mut event_name, mut payload, mut event_target, mut metadata) = (None, None, None, None);
    for (name, value) in named_fields(json) {
        match &*name {
            "name" => event_name = value,
            "payload" => payload = value,
            "target" => event_target = value,
            "requestMetadata" | "request_metadata" => metadata = value,
            _ => {}
        }
    }
    let event_name = event_name.ok_or_else(|| missing(at, "name"))?;
    let payload = payload.ok_or_else(|| missing(at, "payload"))?;
    let kept = |field, value: &[u8]| {
        if json::is_deeper(value, JSON_DEPTH_MAX) {
            return Err(too_deep(at, field));
        }
        Ok(Bytes::copy_from_slice(value))
    };
    let event = Publish {
        name: text(at, "name", event_name)?.into(),
        payload: kept("payload", object(at, "payload", payload)?)?,
        target: target(at, event_target)?,
        metadata: metadata
            .map(|metadata| kept("requestMetadata", metadata))
            .transpose()?,
    };
    event.checked(at)
}

/// Reads a subscription from a valid object; `at` stands before the names of fields in errors.
fn wanted(json: &[u8], at: &str) -> Result<Wanted, Status> {
    let (mut names, mut from, mut events) = (None, None, None);
    for (name, value) in named_fields(json) {
        match &*name {
            "name" => names = value,
            "target" => from = value,
            "events" => events = value,
            _ => {}
        }
    }
    let name = names.map(|name| text(at, "name", name)).transpose()?;
    let wanted = Wanted {
        name: name.unwrap_or_default().into(),
        target: target(at, from)?,
        events: events
            .map(|events| texts(at, events))
            .transpose()?
            .unwrap_or_default(),
    };
    wanted.check()?;
    Ok(wanted)
}

fn target(at: &str, json: Option<&[u8]>) -> Result<Option<Target>, Status> {
    let Some(json) = json else { return Ok(None) };
    let at = format!("{at}target");
    let mut target = Target::default();
    for (name, value) in named_fields(object("", &at, json)?) {
        let (field, id) = match &*name {
            "layoutId" | "layout_id" => ("layoutId", &mut target.layout),
            "projectId" | "project_id" => ("projectId", &mut target.project),
            "collectionId" | "collection_id" => ("collectionId", &mut target.collection),
            _ => continue,
        };
        let said = value.map(|value| text(&format!("{at}."), field, value));
        *id = said.transpose()?.map(Box::from);
    }
    Ok(Some(target))
}

/// The elements of `events`.
fn texts(at: &str, json: &[u8]) -> Result<Vec<Box<str>>, Status> {
    let error = || wrong_type(at, "events", "an array of strings");
    let mut tokens = json::tokens(json);
    if tokens.next() != Some(Token::Array) {
        return Err(error());
    }
    let mut texts = Vec::new();
    loop {
        match tokens.next() {
            // One more than there may be is enough to refuse: a message has room for a hundred
            // thousand.
            Some(Token::String(_)) if texts.len() > STREAM_NAMES_MAX => {}
            Some(Token::String(raw)) => texts.push(json::text(raw).into()),
            Some(Token::End) => return Ok(texts),
            _ => return Err(error()),
        }
    }
}

/// The span of the one object that `bytes` are.
fn object_of<'b>(bytes: &'b [u8], what: &str) -> Result<&'b [u8], Status> {
    json::valid_object(bytes).map_err(|error| invalid(format!("{what} is {error}")))
}

fn text<'b>(at: &str, field: &str, value: &'b [u8]) -> Result<Cow<'b, str>, Status> {
    json::string(value).ok_or_else(|| wrong_type(at, field, "a string"))
}

fn object<'b>(at: &str, field: &str, value: &'b [u8]) -> Result<&'b [u8], Status> {
    if value.first() == Some(&b'{') {
        Ok(value)
    } else {
        Err(wrong_type(at, field, "an object"))
    }
}

#[cfg(test)]
mod tests;
