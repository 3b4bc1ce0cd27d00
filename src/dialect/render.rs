//! One event in each encoding of a live subscription: whole WebSocket frames, ready for the kernel.
//!
//! The shard calls this at most once per event and encoding, however many subscribers there are.

use bytes::BytesMut;

use super::Dialects;
use crate::hub::{Event, EventName};
use crate::protocol::websocket::encode_text;

/// How events of a live subscription are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// `{"args":…,"id":"","name":…,"namespace":"events"}`.
    Sysadm,
    /// One flat object.
    Live,
}

impl Encoding {
    /// How many there are.
    pub const COUNT: usize = 2;
}

impl Dialects {
    /// Appends an event as one frame.
    pub fn encode_event(&self, encoding: Encoding, event: &Event, out: &mut BytesMut) {
        let mut text = Vec::with_capacity(256 + event.payload.len());
        match encoding {
            Encoding::Sysadm => self.sysadm.render(event, &mut text),
            Encoding::Live => self.live.render(event, &mut text),
        }
        encode_text(out, &text);
    }

    /// Appends the news that `count` events were dropped, because the client was too slow, as one frame.
    pub fn encode_dropped(&self, encoding: Encoding, count: u64, out: &mut BytesMut) {
        let text = match encoding {
            Encoding::Sysadm => self.sysadm.render_dropped(count),
            Encoding::Live => self.live.render_dropped(count),
        };
        encode_text(out, text.as_bytes());
    }
}

/// Appends an event's name as a JSON string.
pub fn put_event_name(out: &mut Vec<u8>, name: &EventName) {
    let json = name.as_json();
    if json.first() == Some(&b'"') {
        out.extend_from_slice(json);
    } else {
        put_text(out, &name.to_text());
    }
}

/// Appends a text as a JSON string.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    // Writing text to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}
