//! Events in this dialect's three encodings. Each is rendered once and shared by all who read it.

use std::sync::Arc;

use bytes::BytesMut;

use crate::dialect::{number_digits, put_number};
use crate::hub::{Epoch, Event, Gap, Number};
use crate::protocol::sse;
use crate::protocol::websocket::{Opcode, encode_header, encode_text};

/// The event name of a gap, where a gap is told as an event.
pub const GAP_EVENT: &str = "fanfare:gap";

/// How a feed is written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForm {
    /// Server-sent events.
    EventStream,
    /// One JSON element per text message.
    WebSocket,
}

/// Appends `{"type":…,"data":…,"number":…}`, in that key order.
fn put_element(out: &mut BytesMut, number: Number, event: &Event) {
    out.extend_from_slice(b"{\"type\":");
    out.extend_from_slice(event.name.as_json());
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(&event.payload);
    out.extend_from_slice(b",\"number\":");
    put_number(out, number);
    out.extend_from_slice(b"}");
}

/// Bytes of one element, without what separates elements.
fn element_bytes(number: Number, event: &Event) -> usize {
    b"{\"type\":,\"data\":,\"number\":}".len()
        + event.name.as_json().len()
        + event.payload.len()
        + number_digits(number)
}

/// The part of a log that one answer to a poll holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many events.
    pub events: usize,
    /// Bytes of the array that they make.
    pub bytes: usize,
}

impl Part {
    /// The first of some events, as many as fit into `bytes_max`; one at least, if there is one.
    pub fn of<'e>(
        events: impl Iterator<Item = (Number, &'e Arc<Event>)>,
        bytes_max: usize,
    ) -> Self {
        let mut part = Self {
            events: 0,
            bytes: b"[]".len(),
        };
        for (number, event) in events {
            let comma = usize::from(part.events > 0);
            let bytes = part.bytes + comma + element_bytes(number, event);
            if part.events > 0 && bytes > bytes_max {
                break;
            }
            part.events += 1;
            part.bytes = bytes;
        }
        part
    }
}

/// Appends a poll's answer: all elements in one array.
pub fn encode_array<'e>(
    out: &mut BytesMut,
    events: impl Iterator<Item = (Number, &'e Arc<Event>)>,
) {
    out.extend_from_slice(b"[");
    for (position, (number, event)) in events.enumerate() {
        if position > 0 {
            out.extend_from_slice(b",");
        }
        put_element(out, number, event);
    }
    out.extend_from_slice(b"]");
}

/// Appends one event of a feed.
pub fn encode_event(
    out: &mut BytesMut,
    encoding: FeedForm,
    epoch: Epoch,
    number: Number,
    event: &Event,
) {
    match encoding {
        FeedForm::EventStream => {
            let name = event.name.as_text();
            let id = format_args!("{epoch}:{number}");
            sse::encode_event(out, Some(id), name.as_deref(), &event.payload);
        }
        FeedForm::WebSocket => {
            encode_header(out, Opcode::Text, element_bytes(number, event));
            put_element(out, number, event);
        }
    }
}

/// Appends the news of a gap to a feed.
pub fn encode_gap(out: &mut BytesMut, encoding: FeedForm, gap: Gap) {
    let data = match gap {
        Gap::Range { first, last } => format!("{{\"from\":{first},\"to\":{last}}}"),
        Gap::Reset => String::from("{\"reset\":true}"),
    };
    match encoding {
        FeedForm::EventStream => {
            sse::encode_event(out, None::<u64>, Some(GAP_EVENT), data.as_bytes());
        }
        FeedForm::WebSocket => {
            let element = format!("{{\"type\":\"{GAP_EVENT}\",\"data\":{data}}}");
            encode_text(out, element.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::hub::{Address, EventId, EventName, OrganizationId, Scope};

    fn event(name: &'static str, payload: &'static str) -> Event {
        Event {
            id: EventId(Uuid::nil()),
            name: EventName::from_json(Bytes::from_static(name.as_bytes())),
            payload: Bytes::from_static(payload.as_bytes()),
            metadata: None,
            origin: None,
            correlation: None,
            scope: Scope {
                organization: OrganizationId(0),
                address: Address::Organization,
            },
            parents: crate::hub::Parents::default(),
            time_ms: 0,
        }
    }

    #[test]
    fn sizes_are_exact() {
        let a = Arc::new(event("\"a\"", "{ \"x\":1 }"));
        let b = Arc::new(event("7", "null"));
        for numbers in [[0, 9], [10, 99], [18_446_744_073_709_551_614, 1]] {
            let pairs = || numbers.into_iter().zip([&a, &b]);
            let mut out = BytesMut::new();
            encode_array(&mut out, pairs());
            let (events, bytes) = (2, out.len());
            let whole = Part { events, bytes };
            assert_eq!(Part::of(pairs(), bytes), whole, "{out:?}");
            // One byte less is room for one event less; but an answer has one, however little room
            // there is.
            out.clear();
            encode_array(&mut out, pairs().take(1));
            let (events, bytes) = (1, out.len());
            for bytes_max in [whole.bytes - 1, bytes, bytes - 1, 0] {
                assert_eq!(Part::of(pairs(), bytes_max), Part { events, bytes });
            }
        }
        let nothing = Part {
            events: 0,
            bytes: 2,
        };
        assert_eq!(Part::of(std::iter::empty(), 0), nothing);
    }

    #[test]
    fn the_three_encodings() {
        let event = Arc::new(event("\"a\"", "{ \"x\":1 }"));
        let element = r#"{"type":"a","data":{ "x":1 },"number":12}"#;
        let mut out = BytesMut::new();
        encode_array(&mut out, [(12, &event)].into_iter());
        assert_eq!(out, format!("[{element}]"));
        out.clear();
        encode_event(&mut out, FeedForm::WebSocket, Epoch(1), 12, &event);
        assert_eq!((out[0], usize::from(out[1])), (0x81, element.len()));
        assert_eq!(&out[2..], element.as_bytes());
        out.clear();
        encode_event(&mut out, FeedForm::EventStream, Epoch(1), 12, &event);
        let text = "id: 0000000000000001:12\nevent: a\ndata: { \"x\":1 }\n\n";
        assert_eq!(out, text);
    }
}
