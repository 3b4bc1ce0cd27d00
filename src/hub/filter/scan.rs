//! Reading an event: the values of the properties that some filter reads, as spans.
//!
//! The payload is walked once, and objects within it only where a filter names something in them.

use std::borrow::Cow;

use super::atom::Kind;
use super::atoms::{Atoms, Facts};
use super::properties::{Found, GROUP, PAYLOAD, PROJECT, Properties, SESSION, TIME};
use crate::hub::event::{Event, EventName};
use crate::hub::scope::{Address, ScopeName};
use crate::json;

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Text,
    Literal,
    Null,
    Composite,
}

/// A property's value: a span of the payload, or of the decoded text.
#[derive(Clone, Copy, Debug)]
struct Value {
    property: u32,
    sort: Sort,
    is_decoded: bool,
    start: u32,
    end: u32,
}

/// The values read from one event.
#[derive(Debug, Default)]
pub(super) struct Values {
    list: Vec<Value>,
    decoded: Vec<u8>,
    name: Vec<u8>,
    /// Objects to be looked into: their context and span.
    pending: Vec<(u32, usize, usize)>,
}

impl Values {
    /// Reads the properties that filters ask for.
    pub(super) fn read(&mut self, event: &Event, properties: &mut Properties) {
        self.list.clear();
        self.decoded.clear();
        self.read_base(event, properties);
        if properties.read_payloads() {
            self.read_payload(&event.payload, properties);
        }
    }

    /// An event's name as text. Only a name that is no string costs an allocation.
    pub(super) fn name<'a>(&'a mut self, name: &'a EventName) -> Cow<'a, str> {
        let json = name.as_json();
        if json.first() != Some(&b'"') || memchr::memchr(b'\\', json).is_none() {
            return name.to_text();
        }
        self.name.clear();
        unescape(&json[1..json.len() - 1], &mut self.name);
        String::from_utf8_lossy(&self.name)
    }

    /// Adds the atoms that hold for the values read from `event`.
    pub(super) fn facts(
        &self,
        event: &Event,
        properties: &Properties,
        atoms: &Atoms,
        facts: &mut Facts,
    ) {
        for value in &self.list {
            let record = properties.record(value.property);
            if value.sort == Sort::Null {
                facts.extend(record.null);
                continue;
            }
            facts.extend(record.present);
            if value.sort == Sort::Composite {
                continue;
            }
            let bytes = if value.is_decoded {
                &self.decoded
            } else {
                &*event.payload
            };
            let text = &bytes[value.start as usize..value.end as usize];
            if record.reads_texts() {
                facts.extend(atoms.find(Kind::Text, value.property, text));
            }
            if value.sort == Sort::Literal && record.reads_literals() {
                facts.extend(atoms.find(Kind::Literal, value.property, text));
            }
        }
    }

    fn read_base(&mut self, event: &Event, properties: &Properties) {
        if properties.record(TIME).is_read() {
            let mut digits = [0; 20];
            let text = decimal(event.time_ms, &mut digits);
            self.push_decoded(TIME, Sort::Literal, text);
        }
        let address = &event.scope.address;
        let group = match address {
            Address::Group(name) => Some(name),
            _ => event.parents.group.as_ref(),
        };
        let project = match address {
            Address::Project(name) => Some(name),
            _ => event.parents.project.as_ref(),
        };
        let session = match address {
            Address::Session(name) => Some(name),
            _ => None,
        };
        for (property, name) in [(GROUP, group), (PROJECT, project), (SESSION, session)] {
            if properties.record(property).is_read()
                && let Some(name) = name.map(ScopeName::as_str)
            {
                self.push_decoded(property, Sort::Text, name.as_bytes());
            }
        }
    }

    fn push_decoded(&mut self, property: u32, sort: Sort, text: &[u8]) {
        let start = self.decoded.len();
        self.decoded.extend_from_slice(text);
        self.list.push(Value {
            property,
            sort,
            is_decoded: true,
            start: start as u32,
            end: self.decoded.len() as u32,
        });
    }

    fn read_payload(&mut self, payload: &[u8], properties: &mut Properties) {
        let event = properties.next_event();
        let whole = json::trim(payload);
        if whole.first() != Some(&b'{') {
            let data = properties.field(PAYLOAD, b"data");
            if let Some(property) = data.and_then(|found| found.property) {
                let value = self.value(payload, property, whole);
                self.list.push(value);
            }
            return;
        }
        self.pending.clear();
        self.read_object(payload, PAYLOAD, whole, (event, 0), properties);
    }

    fn read_object(
        &mut self,
        payload: &[u8],
        context: u32,
        object: &[u8],
        (event, depth): (u32, u32),
        properties: &mut Properties,
    ) {
        let first = self.pending.len();
        for field in json::fields(object) {
            let Some(found) = self.field(context, field.key, properties) else {
                continue;
            };
            for property in [found.property, found.flat].into_iter().flatten() {
                let record = properties.record_mut(property);
                let is_new = record.event != event;
                // The shallowest wins; within one object, the last.
                if is_new || record.depth == depth {
                    let value = self.value(payload, property, field.value);
                    if is_new {
                        record.event = event;
                        record.depth = depth;
                        record.place = self.list.len() as u32;
                        self.list.push(value);
                    } else {
                        self.list[record.place as usize] = value;
                    }
                }
            }
            if let Some(inner) = found.inner {
                let (start, end) = span(payload, field.value);
                let is_object = field.value.first() == Some(&b'{');
                let entry = (inner, start, if is_object { end } else { start });
                let known = self.pending[first..].iter_mut().find(|e| e.0 == inner);
                match known {
                    Some(known) => *known = entry,
                    None => self.pending.push(entry),
                }
            }
        }
        while self.pending.len() > first {
            if let Some((inner, start, end)) = self.pending.pop() {
                let object = &payload[start..end];
                self.read_object(payload, inner, object, (event, depth + 1), properties);
            }
        }
    }

    fn field(&mut self, context: u32, key: &[u8], properties: &Properties) -> Option<Found> {
        if memchr::memchr(b'\\', key).is_none() {
            return properties.field(context, key);
        }
        let start = self.decoded.len();
        unescape(key, &mut self.decoded);
        let found = properties.field(context, &self.decoded[start..]);
        self.decoded.truncate(start);
        found
    }

    fn value(&mut self, payload: &[u8], property: u32, json: &[u8]) -> Value {
        let (start, end) = span(payload, json);
        let mut value = Value {
            property,
            sort: Sort::Composite,
            is_decoded: false,
            start: start as u32,
            end: end as u32,
        };
        match json.first() {
            Some(b'"') if json.len() >= 2 => {
                value.sort = Sort::Text;
                let raw = &json[1..json.len() - 1];
                if memchr::memchr(b'\\', raw).is_some() {
                    value.is_decoded = true;
                    value.start = self.decoded.len() as u32;
                    unescape(raw, &mut self.decoded);
                    value.end = self.decoded.len() as u32;
                } else {
                    value.start += 1;
                    value.end -= 1;
                }
            }
            Some(b'n') => value.sort = Sort::Null,
            Some(b't' | b'f' | b'-' | b'0'..=b'9') => value.sort = Sort::Literal,
            _ => {}
        }
        value
    }
}

/// Returns the span of a part of the payload.
fn span(payload: &[u8], part: &[u8]) -> (usize, usize) {
    let start = part.as_ptr() as usize - payload.as_ptr() as usize;
    (start, start + part.len())
}

/// A number in decimal digits.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

/// Decodes the text between the quotes of a valid JSON string (RFC 8259 §7). A lone surrogate
/// becomes U+FFFD.
pub(super) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let escape = rest.get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        let plain = match escape {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, used) = unicode(rest);
                let mut utf8 = [0; 4];
                out.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
                rest = rest.get(used..).unwrap_or_default();
                continue;
            }
            other => other,
        };
        out.push(plain);
    }
    out.extend_from_slice(rest);
}

/// Returns the character of four digits after `\u`, or of two such escapes, and their length in
/// bytes.
fn unicode(rest: &[u8]) -> (char, usize) {
    let digits = |at: usize| {
        let digits = std::str::from_utf8(rest.get(at..at + 4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = digits(0).unwrap_or(0xfffd);
    if (0xd800..0xdc00).contains(&first)
        && rest.get(4..6) == Some(b"\\u")
        && let Some(second @ 0xdc00..0xe000) = digits(6)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
            10,
        );
    }
    (
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER),
        4,
    )
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unescaping_undoes_escaping(text in any::<String>(), ascii in any::<bool>()) {
            let mut json = serde_json::Value::from(&*text).to_string();
            if ascii {
                let mut escaped = String::new();
                for unit in json.encode_utf16() {
                    match u8::try_from(unit) {
                        Ok(byte @ 0..128) => escaped.push(byte as char),
                        _ => write!(escaped, "\\u{unit:04x}").unwrap(),
                    }
                }
                json = escaped;
            }
            let mut out = Vec::new();
            unescape(&json.as_bytes()[1..json.len() - 1], &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), text);
        }

        #[test]
        fn decimal_digits_are_those_of_the_library(number in any::<u64>()) {
            let mut digits = [0; 20];
            let expected = number.to_string();
            prop_assert_eq!(decimal(number, &mut digits), expected.as_bytes());
        }
    }

    #[test]
    fn lone_surrogates_are_replaced() {
        let cases: [(&[u8], &str); 4] = [
            (b"\\ud83d\\ude00", "\u{1f600}"),
            (b"\\ud83dx", "\u{fffd}x"),
            (b"\\ude00\\ud83d", "\u{fffd}\u{fffd}"),
            (b"\\ud83d\\u0041", "\u{fffd}A"),
        ];
        for (raw, text) in cases {
            let mut out = Vec::new();
            unescape(raw, &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }
}
