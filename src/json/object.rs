//! One JSON object from an untrusted client: validated once, whole, so that its spans can be lent.
//!
//! For readers that ignore unknown fields and keep the others as they were written. Ambiguous text
//! (names that come twice, halves of surrogate pairs) passes here, unlike in a
//! [`Message`](super::Message).

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::{fields, syntax_error, text, trim};

/// The reason why bytes are not one object. Positions are bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// They are not UTF-8 (RFC 8259 §8.1).
    NotUtf8 {
        /// The first byte that is not.
        at: usize,
    },
    /// There is nothing but space.
    Empty,
    /// They are not JSON, or more than one JSON value.
    NotJson {
        /// The error.
        what: String,
        /// The first byte that cannot be understood.
        at: usize,
    },
    /// They are a JSON value of another kind.
    NotObject,
}

/// The reason as a phrase, such as "not a JSON object".
impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { at } => write!(f, "not UTF-8 at byte {at}"),
            Self::Empty => f.write_str("empty"),
            Self::NotJson { what, at } => write!(f, "not JSON: {what} at byte {at}"),
            Self::NotObject => f.write_str("not a JSON object"),
        }
    }
}

impl std::error::Error for ObjectError {}

/// Returns the span of the one object that `bytes` are.
pub fn valid_object(bytes: &[u8]) -> Result<&[u8], ObjectError> {
    let utf8 = std::str::from_utf8(bytes).map_err(|error| ObjectError::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    if trim(bytes).is_empty() {
        return Err(ObjectError::Empty);
    }
    let whole: &RawValue = serde_json::from_str(utf8).map_err(|error| {
        let (what, at) = syntax_error(&error, bytes);
        ObjectError::NotJson { what, at }
    })?;
    match whole.get().as_bytes() {
        json @ [b'{', ..] => Ok(json),
        _ => Err(ObjectError::NotObject),
    }
}

/// The fields of a valid object by their names: the JSON text of each, `None` for those that are
/// null.
pub fn named_fields(json: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Option<&[u8]>)> {
    fields(json).map(|field| {
        let value = Some(field.value).filter(|value| *value != b"null");
        (text(field.key), value)
    })
}

/// Returns the text of a valid value that is a string; `None` for any other.
pub fn string(json: &[u8]) -> Option<Cow<'_, str>> {
    json.strip_prefix(b"\"")?.strip_suffix(b"\"").map(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_lent_as_it_was_written() {
        let json = valid_object(b" \n{\"a\" : 1.50, \"\\u0062\":null,\"a\":\"x\\n\"}\t").unwrap();
        assert!(json.starts_with(b"{") && json.ends_with(b"}"));
        let fields: Vec<_> = named_fields(json).collect();
        let expected: [(Cow<'_, str>, Option<&[u8]>); 3] = [
            ("a".into(), Some(b"1.50")),
            ("b".into(), None),
            ("a".into(), Some(b"\"x\\n\"")),
        ];
        assert_eq!(fields, expected);
        assert_eq!(string(b"\"x\\n\"").as_deref(), Some("x\n"));
        assert_eq!(string(b"\"\"").as_deref(), Some(""));
        for other in [&b"7"[..], b"null", b"[]", b"{\"a\":\"b\"}"] {
            assert_eq!(string(other), None);
        }
    }

    #[test]
    fn what_is_no_object_is_told_with_its_place() {
        for (bytes, said) in [
            (&b"{\"a\":\"\xff\"}"[..], "not UTF-8 at byte 6"),
            (b"", "empty"),
            (b" \r\n\t", "empty"),
            (b"[1]", "not a JSON object"),
            (b"\"{}\"", "not a JSON object"),
            (b"null", "not a JSON object"),
        ] {
            let error = valid_object(bytes).unwrap_err();
            assert_eq!(error.to_string(), said);
        }
        for (bytes, place) in [
            (&b"{"[..], 1),
            (b"{\"a\":1,}", 7),
            (b"{} {}", 3),
            (b"{\"a\":01}", 6),
        ] {
            match valid_object(bytes) {
                Err(ObjectError::NotJson { at, .. }) => assert_eq!(at, place, "{bytes:?}"),
                other => panic!("{bytes:?}: {other:?}"),
            }
        }
    }
}
