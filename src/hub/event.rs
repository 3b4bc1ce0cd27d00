//! The event: an immutable fact, shared by every log and every delivery that holds it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::scope::{Parents, Scope, ShardId};
use super::subscription::SubscriberId;
use crate::json;

/// Identity of an event: a `UUIDv7`.
///
/// The ids that one shard gives grow, so those of one scope do, whose home accepts them all. Ids of
/// several homes sort by time only as far as their clocks agree: to the milliseconds that a turn of
/// a shard takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub Uuid);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// Prefix of names of events that only the server publishes, such as `fanfare:gap`.
const RESERVED: &str = "fanfare:";

/// Position of an event in one session's log: dense, from 0, never reused within an epoch.
pub type Number = u64;

/// Identity of one life of a log; written as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Returns its usual form: sixteen lower-case hexadecimal digits.
    pub fn digits(self) -> [u8; 16] {
        std::array::from_fn(|place| b"0123456789abcdef"[(self.0 >> (60 - 4 * place) & 15) as usize])
    }

    /// Reads the 16 digits that [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let canonical = text.len() == 16
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if canonical {
            u64::from_str_radix(text, 16).ok().map(Self)
        } else {
            None
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits()
            .iter()
            .try_for_each(|&digit| f.write_char(digit.into()))
    }
}

/// The kind of fact an event is, kept as the JSON text its publisher sent.
///
/// Usually a JSON string; the sessions dialect allows any JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(Bytes);

impl EventName {
    /// A name from valid JSON text.
    pub fn from_json(json: Bytes) -> Self {
        debug_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok());
        Self(json)
    }

    /// A name from plain text.
    pub fn from_text(text: &str) -> Self {
        let mut json = Vec::with_capacity(text.len() + 2);
        // Writing text to memory cannot fail.
        let _ = serde_json::to_writer(&mut json, text);
        Self(Bytes::from(json))
    }

    /// Returns the JSON text, as sent.
    pub fn as_json(&self) -> &Bytes {
        &self.0
    }

    /// Returns the name for dialects whose names are text: a string's text, or else compact JSON.
    pub fn to_text(&self) -> Cow<'_, str> {
        self.as_text()
            .unwrap_or_else(|| match json::compact(&self.0) {
                Cow::Borrowed(compact) => String::from_utf8_lossy(compact),
                Cow::Owned(compact) => Cow::Owned(String::from_utf8_lossy(&compact).into_owned()),
            })
    }

    /// Whether the name is one of the server's own, which clients may not publish.
    pub fn is_reserved(&self) -> bool {
        // Most names are told apart by their first bytes; one written with escapes is decoded.
        match self.0.get(1) {
            Some(b'f' | b'\\') => {}
            _ => return false,
        }
        self.as_text()
            .is_some_and(|name| name.starts_with(RESERVED))
    }

    /// Returns the name as text if it is a JSON string; a lone surrogate in it becomes U+FFFD.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        let inner = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        Some(json::text(inner))
    }
}

/// The subscriber that published an event, and the mark for its own copy of it. The hub carries it
/// and never looks inside; only dialects whose clients publish where they listen set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// The shard that the subscriber is on.
    pub shard: ShardId,
    /// The subscriber there.
    pub subscriber: SubscriberId,
    /// Tells apart subscribers with the same number: numbers are reused.
    pub serial: u32,
    /// The mark, as the subscriber chose it.
    pub id: Box<str>,
}

/// An event that has been accepted: it has an id and a time. Its number differs from log to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Unique; among those of one scope, later ones are greater.
    pub id: EventId,
    /// The kind of fact.
    pub name: EventName,
    /// The JSON value the publisher sent, byte for byte.
    pub payload: Bytes,
    /// The reason for sending: JSON, if the dialect has such a field.
    pub metadata: Option<Bytes>,
    /// The publisher's own client id.
    pub origin: Option<Bytes>,
    /// The publisher's correlation id, echoed on its own copy.
    pub correlation: Option<Arc<Correlation>>,
    /// The scope it was addressed to.
    pub scope: Scope,
    /// The scopes above that one at acceptance.
    pub parents: Parents,
    /// Time of acceptance, unix milliseconds.
    pub time_ms: u64,
}

impl Event {
    /// Returns the bytes that this event counts for in a log's bound: its contents and the overhead
    /// of keeping it.
    pub fn retained_bytes(&self) -> usize {
        size_of::<Self>()
            + self.name.as_json().len()
            + self.payload.len()
            + self.metadata.as_ref().map_or(0, Bytes::len)
            + self.origin.as_ref().map_or(0, Bytes::len)
            + self.correlation.as_ref().map_or(0, |correlation| {
                size_of::<Correlation>() + correlation.id.len()
            })
    }
}

/// An event before it is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The kind of fact.
    pub name: EventName,
    /// A valid JSON value, byte for byte as sent.
    pub payload: Bytes,
    /// The reason for sending: a valid JSON value.
    pub metadata: Option<Bytes>,
    /// The publisher's own client id.
    pub origin: Option<Bytes>,
    /// The publisher's correlation id, echoed on its own copy.
    pub correlation: Option<Arc<Correlation>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(json: &'static str) -> EventName {
        EventName::from_json(Bytes::from(json))
    }

    #[test]
    fn names_are_text_or_compact_json() {
        assert_eq!(name(r#""a\u00e9\n""#).to_text(), "aé\n");
        let object = name(r#"{"a" : [1.50, "x y"],"a":null }"#);
        assert_eq!(object.to_text(), r#"{"a":[1.50,"x y"],"a":null}"#);
        assert_eq!(name("1e999").to_text(), "1e999");
        assert_eq!(name("null").to_text(), "null");
        assert!(name("[ ]").as_text().is_none());
        assert!(matches!(
            name(r#""plain""#).to_text(),
            Cow::Borrowed("plain")
        ));
        assert!(matches!(name("[1]").to_text(), Cow::Borrowed("[1]")));
    }

    #[test]
    fn the_servers_own_names_are_known_however_they_are_written() {
        for reserved in [
            r#""fanfare:""#,
            r#""fanfare:gap""#,
            r#""\u0066anfare:gap""#,
            r#""fan\u0066are:gap""#,
            r#""fanfare\u003a""#,
        ] {
            assert!(name(reserved).is_reserved(), "{reserved}");
        }
        for free in [
            r#""fanfare""#,
            r#""Fanfare:gap""#,
            r#"" fanfare:gap""#,
            r#""x:fanfare:""#,
            r#""""#,
            r#"["fanfare:gap"]"#,
            r#"{"fanfare:":1}"#,
            "1",
            "null",
            "false",
        ] {
            assert!(!name(free).is_reserved(), "{free}");
        }
    }

    #[test]
    fn a_string_with_half_of_a_pair_is_still_a_string() {
        assert_eq!(name(r#""a\ud800""#).as_text().as_deref(), Some("a\u{fffd}"));
        assert_eq!(name(r#""a\ud800""#).to_text(), "a\u{fffd}");
    }
}
