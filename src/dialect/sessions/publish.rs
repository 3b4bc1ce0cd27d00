//! The body of a publish: one `{"type", "data"}` object or an array of them, kept as the bytes
//! sent.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::hub::{Draft, EventName};
use crate::json;
use crate::limits::{JSON_DEPTH_MAX, PUBLISH_EVENTS_MAX};

/// Why a publish body was refused: the error code on the wire and the sentence beside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BodyError {
    /// The code on the wire.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: String,
}

impl BodyError {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// What the JSON parser says, with its line and column as one byte offset, counted from 0.
    pub(super) fn json(error: &serde_json::Error, body: &[u8]) -> Self {
        if !error.is_data() {
            return Self::at("invalid_json", error, body);
        }
        // The wrong shape was found first, but what follows may not be JSON at all.
        match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => Self::at("missing_field", error, body),
            Err(syntax) => Self::at("invalid_json", &syntax, body),
        }
    }

    fn at(code: &'static str, error: &serde_json::Error, body: &[u8]) -> Self {
        let (what, offset) = json::syntax_error(error, body);
        Self::new(code, format!("{what} at byte {offset}"))
    }
}

/// Reads a publish body: drafts in order, at least one.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Draft>, BodyError> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let Some(first) = first else {
        return Err(BodyError::new(
            "invalid_json",
            "the body is empty at byte 0",
        ));
    };
    let invalid = |error: serde_json::Error| BodyError::json(&error, body);
    if *first != b'[' {
        let fields: Fields<'_> = serde_json::from_slice(body).map_err(invalid)?;
        return Ok(vec![draft(&fields, None)?]);
    }
    let elements: Vec<Fields<'_>> = serde_json::from_slice(body).map_err(invalid)?;
    if elements.is_empty() {
        return Err(BodyError::new("missing_field", "the array holds no event"));
    }
    if elements.len() > PUBLISH_EVENTS_MAX {
        let message = format!(
            "{} events in one array; at most {PUBLISH_EVENTS_MAX}",
            elements.len()
        );
        return Err(BodyError::new("too_many_events", message));
    }
    let numbered = elements.iter().enumerate();
    numbered
        .map(|(index, fields)| draft(fields, Some(index)))
        .collect()
}

fn draft(fields: &Fields<'_>, index: Option<usize>) -> Result<Draft, BodyError> {
    let at = |what: &str| match index {
        Some(index) => format!("[{index}]: {what}"),
        None => String::from(what),
    };
    let missing = |name| BodyError::new("missing_field", at(&format!("\"{name}\" is missing")));
    let name = fields.name.ok_or_else(|| missing("type"))?.get();
    let data = fields.data.ok_or_else(|| missing("data"))?.get();
    let is_too_deep = |text: &str| json::is_deeper(text.as_bytes(), JSON_DEPTH_MAX);
    if is_too_deep(name) || is_too_deep(data) {
        let message = at(&format!("nested deeper than {JSON_DEPTH_MAX}"));
        return Err(BodyError::new("too_deep", message));
    }
    // One allocation for both: an event's name and payload live and die together.
    let mut both = Vec::with_capacity(name.len() + data.len());
    both.extend_from_slice(name.as_bytes());
    both.extend_from_slice(data.as_bytes());
    let mut name_bytes = Bytes::from(both);
    let payload = name_bytes.split_off(name.len());
    Ok(Draft {
        name: EventName::from_json(name_bytes),
        payload,
        metadata: None,
        origin: None,
        correlation: None,
    })
}

/// The two fields that count; of a repeated key the last one does.
struct Fields<'b> {
    name: Option<&'b RawValue>,
    data: Option<&'b RawValue>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with \"type\" and \"data\"")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields {
                    name: None,
                    data: None,
                };
                while let Some(key) = map.next_key()? {
                    // A derived `Option<&RawValue>` would take `null` for absent.
                    match key {
                        Key::Type => fields.name = Some(map.next_value()?),
                        Key::Data => fields.data = Some(map.next_value()?),
                        Key::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Which field a key names.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Type,
    Data,
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &str) -> (String, String) {
        let drafts = parse(body.as_bytes()).expect("valid");
        assert_eq!(drafts.len(), 1);
        let name = String::from_utf8(drafts[0].name.as_json().to_vec()).expect("utf-8");
        (
            name,
            String::from_utf8(drafts[0].payload.to_vec()).expect("utf-8"),
        )
    }

    #[test]
    fn bytes_are_kept_as_sent() {
        let kept = one(r#" {"data": {"a" : 1.50, "b":"\u00e9"} ,"x":0,"type":"status"} "#);
        assert_eq!(
            kept,
            (r#""status""#.into(), r#"{"a" : 1.50, "b":"\u00e9"}"#.into())
        );
        assert_eq!(
            one(r#"{"type":null,"data":null}"#),
            ("null".into(), "null".into())
        );
        assert_eq!(
            one(r#"{"type":{"a":[1]},"data":7}"#),
            (r#"{"a":[1]}"#.into(), "7".into())
        );
        assert_eq!(
            one(r#"{"type":1,"data":1,"data":2}"#),
            ("1".into(), "2".into())
        );
    }

    #[test]
    fn errors_say_what_and_where() {
        let error = |body: &str| parse(body.as_bytes()).expect_err("refused");
        assert_eq!(error("").code, "invalid_json");
        assert_eq!(error("  \n").code, "invalid_json");
        let broken = error(r#"{"type":"a","data":x}"#);
        assert_eq!(broken.code, "invalid_json");
        assert!(broken.message.ends_with("at byte 19"), "{}", broken.message);
        let second_line = error("{\"type\":\n!}");
        assert!(
            second_line.message.ends_with("at byte 9"),
            "{}",
            second_line.message
        );
        let cut = error(r#"{"type":"a""#);
        assert!(cut.message.ends_with("at byte 11"), "{}", cut.message);
        assert_eq!(error("7").code, "missing_field");
        assert!(error(r#"{"type":1}"#).message.contains("\"data\""));
        assert!(
            error(r#"[{"type":1,"data":1},{"data":1}]"#)
                .message
                .starts_with("[1]: \"type\"")
        );
        assert_eq!(error("[]").code, "missing_field");
        assert_eq!(error(r#"{"type":1,"data":1} x"#).code, "invalid_json");
        let deep = format!(
            r#"{{"type":1,"data":{}{}}}"#,
            "[".repeat(129),
            "]".repeat(129)
        );
        assert_eq!(error(&deep).code, "too_deep");
        let fits = format!(
            r#"{{"type":1,"data":{}{}}}"#,
            "[".repeat(128),
            "]".repeat(128)
        );
        assert!(parse(fits.as_bytes()).is_ok());
        let brackets = "[".repeat(1 << 20);
        assert_eq!(error(&brackets).code, "invalid_json");
        let many = format!("[{}]", vec![r#"{"type":1,"data":1}"#; 1_001].join(","));
        assert_eq!(error(&many).code, "too_many_events");
    }
}
