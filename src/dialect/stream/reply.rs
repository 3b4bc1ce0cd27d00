//! What the server says to a request, in both forms; and errors outside of a stream, which are
//! JSON.

use std::io::Write as _;

use super::publish::Publish;
use super::render::{Published, TargetView};
use super::request::Form;
use super::wanted::Wanted;
use super::wire::Writer;
use crate::dialect::put_text;
use crate::hub::EventId;
use crate::protocol::grpc::Status;

/// The reply to a request, or the advice to reconnect.
#[derive(Clone, Copy, Debug)]
pub enum Reply<'r> {
    /// To `ping`, with the same text.
    Pong(&'r str),
    /// To `subscribe`, with what it said.
    Subscribed(&'r Wanted),
    /// To `unsubscribe`, with what it said.
    Unsubscribed(&'r Wanted),
    /// To `publish`, with what it said.
    Published {
        /// The event's id.
        id: EventId,
        /// What was published.
        publish: &'r Publish,
    },
    /// To any request that was not carried out. The stream goes on.
    Error(&'r Status),
    /// The stream is about to be closed.
    ReconnectBefore {
        /// Whether a new token is needed.
        reauthenticate: bool,
        /// Until when, unix milliseconds.
        before_ms: u64,
    },
}

/// Appends one stream message: JSON wrapped in `{"result":…}`, or protobuf without a frame around
/// it.
pub fn put_reply(
    form: Form,
    correlation_id: Option<&str>,
    session_id: Option<&str>,
    reply: &Reply<'_>,
    out: &mut Vec<u8>,
) {
    match form {
        Form::Json => {
            begin_json(correlation_id, session_id, out);
            reply.put_json(out);
            end_json(out);
        }
        Form::Proto => {
            let mut wire = begin_proto(correlation_id, session_id, out);
            reply.put_proto(&mut wire);
            wire.finish();
        }
    }
}

/// Appends the error that ends a stream, as JSON text. It says everything twice, since readers in
/// the wild look for it in two places.
pub fn put_fatal(status: &Status, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":");
    put_http_error(status, out);
    out.push(b',');
    put_code_and_message(status, out);
    out.push(b'}');
}

/// Appends the body of an HTTP error.
pub fn put_http_error(status: &Status, out: &mut Vec<u8>) {
    out.push(b'{');
    put_code_and_message(status, out);
    out.extend_from_slice(b",\"details\":[]}");
}

/// Begins a stream message as JSON text. The one field that follows is its kind.
pub(super) fn begin_json(
    correlation_id: Option<&str>,
    session_id: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"result\":{");
    let ids = [
        ("\"correlationId\":", correlation_id),
        ("\"sessionId\":", session_id),
    ];
    for (key, id) in ids {
        if let Some(id) = id {
            out.extend_from_slice(key.as_bytes());
            put_text(out, id);
            out.push(b',');
        }
    }
}

/// Ends a stream message as JSON text.
pub(super) fn end_json(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}}");
}

/// Begins an `EventsStreamResponse`.
pub(super) fn begin_proto<'o>(
    correlation_id: Option<&str>,
    session_id: Option<&str>,
    out: &'o mut Vec<u8>,
) -> Writer<'o> {
    let mut wire = Writer::new(out);
    for (field, id) in [(2, correlation_id), (3, session_id)] {
        if let Some(id) = id {
            wire.text(field, id);
        }
    }
    wire
}

impl Reply<'_> {
    fn put_json(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Pong(text) => {
                out.extend_from_slice(b"\"pong\":");
                put_text(out, text);
            }
            Self::Subscribed(wanted) => {
                out.extend_from_slice(b"\"subscribed\":");
                put_wanted_json(wanted, out);
            }
            Self::Unsubscribed(wanted) => {
                out.extend_from_slice(b"\"unsubscribed\":");
                put_wanted_json(wanted, out);
            }
            Self::Published { id, publish } => {
                out.extend_from_slice(b"\"published\":");
                Published::from_publish(id, publish).put_json(out);
            }
            Self::Error(status) => {
                out.extend_from_slice(b"\"error\":{");
                put_code_and_message(status, out);
                out.push(b'}');
            }
            Self::ReconnectBefore {
                reauthenticate,
                before_ms,
            } => {
                // Writing to memory cannot fail.
                let _ = write!(
                    out,
                    "\"reconnectBefore\":{{\"reauthenticate\":{reauthenticate},\
                     \"beforeTimestamp\":\"{before_ms}\"}}"
                );
            }
        }
    }

    fn put_proto(&self, wire: &mut Writer<'_>) {
        match *self {
            Self::Pong(text) => return wire.text(200, text),
            Self::Error(status) => {
                wire.open(201);
                wire.plain_number(1, status.code as u64);
                wire.plain_text(2, &status.message);
            }
            Self::Subscribed(wanted) => {
                wire.open(202);
                put_wanted_proto(wanted, wire);
            }
            Self::Unsubscribed(wanted) => {
                wire.open(203);
                put_wanted_proto(wanted, wire);
            }
            Self::Published { id, publish } => {
                wire.open(204);
                Published::from_publish(id, publish).put_proto(wire);
            }
            Self::ReconnectBefore {
                reauthenticate,
                before_ms,
            } => {
                wire.open(205);
                wire.plain_number(1, u64::from(reauthenticate));
                wire.plain_text(2, &before_ms.to_string());
            }
        }
        wire.close();
    }
}

fn put_wanted_json(wanted: &Wanted, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"name\":");
    put_text(out, &wanted.name);
    if let Some(target) = &wanted.target {
        out.extend_from_slice(b",\"target\":");
        TargetView::from_target(target).put_json(out);
    }
    for (position, name) in wanted.events.iter().enumerate() {
        let before: &[u8] = if position == 0 {
            b",\"events\":["
        } else {
            b","
        };
        out.extend_from_slice(before);
        put_text(out, name);
    }
    if !wanted.events.is_empty() {
        out.push(b']');
    }
    out.push(b'}');
}

fn put_wanted_proto(wanted: &Wanted, wire: &mut Writer<'_>) {
    wire.plain_text(1, &wanted.name);
    if let Some(target) = &wanted.target {
        wire.open(2);
        TargetView::from_target(target).put_proto(wire);
        wire.close();
    }
    for name in &wanted.events {
        wire.text(3, name);
    }
}

fn put_code_and_message(status: &Status, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = write!(out, "\"code\":{},\"message\":", status.code as u8);
    put_text(out, &status.message);
}

#[cfg(test)]
mod tests;
