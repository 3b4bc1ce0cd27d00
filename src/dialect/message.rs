//! Messages that clients send over a dialect's socket: not to be trusted, so checked as a whole first.
//!
//! What is refused beyond bad syntax is what two readers may understand differently: repeated keys, lone
//! surrogates, numbers that no type holds. A message that passed is safe for [`json::fields`](crate::json)
//! and [`json::text`](crate::json), which trust what they read.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::limits::MESSAGE_DEPTH_MAX;

/// Checks that `message` is one JSON value and nothing else; what is wrong, for people, if it is not.
pub(super) fn check(message: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(message)
        .map_err(|error| format!("invalid UTF-8 at byte {}", error.valid_up_to()))?;
    if nesting(message) > MESSAGE_DEPTH_MAX {
        return Err(format!("nested deeper than {MESSAGE_DEPTH_MAX}"));
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    // The nesting is bounded above, to what the stack holds easily.
    parser.disable_recursion_limit();
    Checked::deserialize(&mut parser)
        .and_then(|Checked| parser.end())
        .map_err(|error| error.to_string())
}

/// Reads a JSON string that was checked; `None` for any other value.
pub(super) fn as_text(value: &[u8]) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    Some(crate::json::text(inner))
}

/// Most arrays and objects that are open at once, in text that may be anything.
fn nesting(message: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for &byte in message {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A value that holds no surprise.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CheckedVisitor)
    }
}

struct CheckedVisitor;

impl<'de> Visitor<'de> for CheckedVisitor {
    type Value = Checked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E>(self, _value: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Checked, A::Error> {
        while seq.next_element::<Checked>()?.is_some() {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Checked, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(Key(key)) = map.next_key()? {
            map.next_value::<Checked>()?;
            // What a key is good for is seen in its first letters.
            let shown: String = key.chars().take(64).collect();
            if !keys.insert(key) {
                return Err(A::Error::custom(format_args!("repeated key {shown:?}")));
            }
        }
        Ok(Checked)
    }
}

/// A key, borrowed where it has no escapes: a plain `Cow` would always be owned.
#[derive(Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(message: &[u8]) -> String {
        check(message).expect_err(&String::from_utf8_lossy(message))
    }

    #[test]
    fn good_messages_pass() {
        let deep = "[".repeat(128) + &"]".repeat(128);
        let good = [
            r#" {"a": [1, -2.5e3, true, null, "\ud83d\ude00"], "b": {"a": 1}} "#,
            "7",
            "\"[[[\"",
            "18446744073709551615",
            "-9223372036854775808",
            &deep,
        ];
        for message in good {
            assert_eq!(check(message.as_bytes()), Ok(()), "{message}");
        }
    }

    #[test]
    fn what_two_readers_may_understand_differently_is_refused() {
        assert!(refusal(br#"{"a":1,"a":1}"#).starts_with("repeated key \"a\""));
        assert!(refusal(br#"{"a":1,"\u0061":1}"#).starts_with("repeated key \"a\""));
        assert!(refusal(br#"[{"b":{"a":1,"a":1}}]"#).starts_with("repeated key \"a\""));
        assert!(refusal(b"1e400").starts_with("number out of range"));
        assert_eq!(refusal(b"\"\xff\""), "invalid UTF-8 at byte 1");
        let deep = "[".repeat(129) + &"]".repeat(129);
        assert_eq!(refusal(deep.as_bytes()), "nested deeper than 128");
        assert_eq!(refusal(&vec![b'['; 1 << 20]), "nested deeper than 128");
        let bad: [&[u8]; 13] = [
            b"",
            b" ",
            b"{",
            b"]]]",
            b"{} {}",
            b"[1,]",
            b"01",
            b"NaN",
            b"\"\\ud800\"",
            b"\"\\udc00\\ud800\"",
            b"\"\n\"",
            b"\xef\xbb\xbf{}",
            b"{'a':1}",
        ];
        for message in bad {
            refusal(message);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_judged(message in prop::collection::vec(any::<u8>(), 0..64)) {
            let ours = check(&message).is_ok();
            let theirs = serde_json::from_slice::<serde_json::Value>(&message).is_ok();
            prop_assert!(theirs || !ours);
        }

        #[test]
        fn arbitrary_brackets_are_judged(message in "[\\[\\]{}\",:a1\\\\ ]{0,40}") {
            let ours = check(message.as_bytes()).is_ok();
            let theirs = serde_json::from_str::<serde_json::Value>(&message).is_ok();
            // The only difference that these letters can make is a repeated key.
            prop_assert!(theirs || !ours);
            prop_assert!(ours || !theirs || message.matches(':').count() > 1);
        }
    }
}
