//! Requests as Protocol Buffers.

use bytes::Bytes;
use prost::Message as _;

use super::errors::{check_correlation_id, invalid, missing};
use super::mapping::{struct_to_json, value_to_json};
use super::proto::events_stream_request::Message;
use super::proto::{EventTarget, EventsStreamRequest, PublishEventRequest, SubscribePayload};
use super::publish::Publish;
use super::request::{Asked, Request};
use super::target::Target;
use super::wanted::Wanted;
use super::wire::{Content, fields};
use crate::protocol::grpc::Status;

/// Field number of `EventsStreamRequest.correlation_id`.
const CORRELATION_ID: u32 = 1;

/// Reads an `EventsStreamRequest`.
pub(super) fn request(message: &[u8]) -> Request {
    let decoded = EventsStreamRequest::decode(message).map_err(|error| undecodable(&error));
    let (correlation_id, asked) = match decoded {
        Ok(decoded) => (decoded.correlation_id, asked(decoded.message)),
        // What it asks may be broken when the message around it is not.
        Err(error) => (correlation_id(message).map(String::from), Err(error)),
    };
    let correlation_id = correlation_id
        .map(|id| check_correlation_id(id.into()))
        .transpose();
    match correlation_id {
        Ok(correlation_id) => Request {
            correlation_id,
            asked,
        },
        Err(error) => Request::unreadable(error),
    }
}

/// Reads a `PublishEventRequest`.
pub(super) fn publish_body(body: &[u8]) -> Result<Publish, Status> {
    let decoded = PublishEventRequest::decode(body).map_err(|error| undecodable(&error))?;
    publish(decoded, "")
}

fn undecodable(error: &prost::DecodeError) -> Status {
    invalid(error.to_string())
}

/// The correlation id of a message that does not decode, if its outermost fields can be told apart.
fn correlation_id(message: &[u8]) -> Option<&str> {
    let mut found = None;
    for field in fields(message) {
        if let (CORRELATION_ID, Content::Bytes(bytes)) = field.ok()? {
            found = Some(bytes);
        }
    }
    std::str::from_utf8(found?).ok()
}

fn asked(message: Option<Message>) -> Result<Asked, Status> {
    match message {
        Some(Message::Subscribe(payload)) => Ok(Asked::Subscribe(wanted(payload)?)),
        Some(Message::Unsubscribe(payload)) => Ok(Asked::Unsubscribe(wanted(payload)?)),
        Some(Message::Publish(event)) => {
            let event = publish(event, "publish.")?;
            Ok(Asked::Publish(Box::new(event)))
        }
        Some(Message::Ping(text)) => Asked::ping(text.into()),
        None => Err(invalid(
            "nothing is asked: none of subscribe, unsubscribe, publish and ping is set",
        )),
    }
}

fn publish(event: PublishEventRequest, at: &str) -> Result<Publish, Status> {
    let payload = event.payload.ok_or_else(|| missing(at, "payload"))?;
    let payload = struct_to_json(&payload.0).map_err(|error| error.status(at, "payload"))?;
    let metadata = event
        .request_metadata
        .map(|value| {
            let json = value_to_json(&value.0);
            json.map_err(|error| error.status(at, "request_metadata"))
        })
        .transpose()?
        // The same as in JSON: null is absent.
        .filter(|json| json != b"null");
    let event = Publish {
        name: event.name.into(),
        payload: Bytes::from(payload),
        target: event.target.map(target),
        metadata: metadata.map(Bytes::from),
    };
    event.checked(at)
}

fn wanted(payload: SubscribePayload) -> Result<Wanted, Status> {
    let wanted = Wanted {
        name: payload.name.into(),
        target: payload.target.map(target),
        events: payload.events.into_iter().map(Box::from).collect(),
    };
    wanted.check()?;
    Ok(wanted)
}

fn target(target: EventTarget) -> Target {
    Target {
        layout: target.layout_id.map(Box::from),
        project: target.project_id.map(Box::from),
        collection: target.collection_id.map(Box::from),
    }
}

#[cfg(test)]
mod tests;
