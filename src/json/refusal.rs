//! The reasons for refusing JSON text, in words for its sender.

use std::fmt;

use serde::de::IgnoredAny;

use super::text::lone_surrogate_at;
use super::token::{is_space, scalar_end, string_end};
use crate::limits::MESSAGE_DEPTH_MAX;

/// The reason why a message was refused. Positions are bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// It is not UTF-8 (RFC 8259 §8.1).
    NotUtf8 {
        /// The first byte that is not.
        at: usize,
    },
    /// Arrays and objects in it are nested deeper than `limits::MESSAGE_DEPTH_MAX`.
    TooDeep {
        /// The bracket that is one too many.
        at: usize,
    },
    /// It is not JSON, or more than one JSON value.
    Malformed {
        /// The error.
        what: String,
        /// The first byte that cannot be understood.
        at: usize,
    },
    /// A string in it has half of a surrogate pair: no Unicode text (RFC 8259 §8.2).
    LoneSurrogate {
        /// The escape that lacks its other half.
        at: usize,
    },
    /// A number in it fits neither 64-bit integers nor, if it has a fraction or an exponent,
    /// doubles.
    NumberOutOfRange {
        /// The start of the number.
        at: usize,
    },
    /// An object in it has a name twice, so that readers would disagree on its meaning (RFC 8259
    /// §4).
    DuplicateName {
        /// The start of its second occurrence.
        at: usize,
    },
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { at } => write!(f, "not UTF-8 at byte {at}"),
            Self::TooDeep { at } => {
                write!(f, "nested deeper than {MESSAGE_DEPTH_MAX} at byte {at}")
            }
            Self::Malformed { what, at } => write!(f, "{what} at byte {at}"),
            Self::LoneSurrogate { at } => write!(f, "half of a surrogate pair at byte {at}"),
            Self::NumberOutOfRange { at } => write!(f, "number out of range at byte {at}"),
            Self::DuplicateName { at } => write!(f, "name repeated in one object at byte {at}"),
        }
    }
}

impl std::error::Error for MessageError {}

/// Returns a JSON parser's error for `text` that it refused, and its line and column as one
/// position in bytes from 0.
pub fn syntax_error(error: &serde_json::Error, text: &[u8]) -> (String, usize) {
    let sentence = error.to_string();
    let what = sentence.split(" at line ").next().unwrap_or(&sentence);
    if error.is_eof() {
        return (what.to_owned(), text.len());
    }
    let line_start = memchr::memchr_iter(b'\n', text)
        .nth(error.line().wrapping_sub(2))
        .map_or(0, |newline| newline + 1);
    let at = line_start + error.column().saturating_sub(1);
    (what.to_owned(), at)
}

/// Explains why the strict parser refused `json`: its own words are for programmers and its
/// positions those of tokens, so another parser is asked, and then every token looked at.
#[cold]
pub(super) fn explain(json: &str) -> MessageError {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(json) {
        let (what, at) = syntax_error(&error, json.as_bytes());
        return MessageError::Malformed { what, at };
    }
    let refused = scalars(json.as_bytes()).find_map(|(at, token)| {
        if token.first() == Some(&b'"') {
            let at = at + 1 + lone_surrogate_at(&token[1..token.len() - 1])?;
            return Some(MessageError::LoneSurrogate { at });
        }
        let number = std::str::from_utf8(token).unwrap_or_default();
        is_out_of_range(number).then_some(MessageError::NumberOutOfRange { at })
    });
    refused.unwrap_or_else(|| MessageError::Malformed {
        what: String::from("refused"),
        at: 0,
    })
}

/// The strings, numbers and words of valid JSON text, each with its position; strings with their
/// quotes.
pub(super) fn scalars(json: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let between = |byte: u8| is_space(byte) || b"{}[]:,".contains(&byte);
        while json.get(at).is_some_and(|&byte| between(byte)) {
            at += 1;
        }
        let start = at;
        at = match json.get(at)? {
            b'"' => string_end(json, at),
            _ => scalar_end(json, at),
        };
        Some((start, &json[start..at]))
    })
}

fn is_out_of_range(number: &str) -> bool {
    let is_integer = number
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_digit());
    if is_integer {
        return number.parse::<u64>().is_err() && number.parse::<i64>().is_err();
    }
    number.parse::<f64>().is_ok_and(f64::is_infinite)
}
