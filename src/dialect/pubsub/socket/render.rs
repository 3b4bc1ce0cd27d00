//! What a room's log has, as whole WebSocket frames: events, gaps, and that there is nothing.
//!
//! `{"eventName":"hello","data":…,"id":"<uuid>","number":12}`, keys in this order. An event is
//! rendered once for all who stand at the same place and want the same; its length is known before,
//! so that it is written in one pass.

use bytes::BytesMut;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::reply;
use crate::dialect::{number_digits, put_event_name, put_number};
use crate::hub::{Event, Gap, Number};
use crate::protocol::websocket::{Opcode, encode_header, encode_text};

const NAME: &[u8] = b"{\"eventName\":";
const DATA: &[u8] = b",\"data\":";
const ID: &[u8] = b",\"id\":\"";
const NUMBER: &[u8] = b"\",\"number\":";
const END: &[u8] = b"}";
/// Bytes of an event's frame that are the same for all events.
const FIXED_BYTES: usize =
    NAME.len() + DATA.len() + ID.len() + Hyphenated::LENGTH + NUMBER.len() + END.len();

/// Appends one event of a room as a WebSocket frame.
pub(in crate::dialect::pubsub) fn encode_event(number: Number, event: &Event, out: &mut BytesMut) {
    let mut quoted = Vec::new();
    let name: &[u8] = match event.name.as_json() {
        json if json.first() == Some(&b'"') => json,
        _ => {
            put_event_name(&mut quoted, &event.name);
            &quoted
        }
    };
    let mut id = Uuid::encode_buffer();
    let id = event.id.0.as_hyphenated().encode_lower(&mut id);
    let bytes = FIXED_BYTES + name.len() + event.payload.len() + number_digits(number);
    encode_header(out, Opcode::Text, bytes);
    out.reserve(bytes);
    let begin = out.len();
    for part in [NAME, name, DATA, &event.payload, ID, id.as_bytes(), NUMBER] {
        out.extend_from_slice(part);
    }
    put_number(out, number);
    out.extend_from_slice(END);
    debug_assert_eq!(out.len() - begin, bytes);
}

/// Appends the news of a gap as a WebSocket frame.
pub(in crate::dialect::pubsub) fn encode_gap(gap: Gap, out: &mut BytesMut) {
    encode_text(out, &reply::gap(gap));
}

/// Appends what shows that the server lives, as a WebSocket frame: every
/// [`WEBSOCKET_PING_INTERVAL`](crate::limits::WEBSOCKET_PING_INTERVAL), since pages do not see
/// pings.
///
/// `next` is the number up to which the client was shown what it wants. Who hears little of a busy
/// log would else come back with a cursor so old that a gap is told which cost it nothing.
pub(in crate::dialect::pubsub) fn encode_heartbeat(next: Number, out: &mut BytesMut) {
    let text = format!("{{\"action\":\"heartbeat\",\"data\":{{\"next\":{next}}}}}");
    encode_text(out, text.as_bytes());
}
