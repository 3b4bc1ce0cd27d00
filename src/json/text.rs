//! The text of a JSON string (RFC 8259 §7).

use std::borrow::Cow;

/// Code units that are half of a pair (RFC 8259 §8.2): the first halves, then the second.
const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;

/// Decodes a JSON string from the text between its quotes, borrowed if there is no escape.
///
/// A lone surrogate becomes U+FFFD: an event that has one was accepted as valid JSON, so it must be
/// readable (RFC 8259 §8.2 calls what others do "unpredictable"). So does any other escape that has
/// no meaning, and bytes that are not UTF-8.
pub fn text(raw: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(raw);
    if memchr::memchr(b'\\', raw).is_none() {
        return text;
    }
    let mut rest = &*text;
    let mut decoded = String::with_capacity(rest.len());
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        decoded.push_str(&rest[..at]);
        let (character, used) = unescape(&rest[at..]);
        decoded.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[at + used..];
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Returns the position of the first lone surrogate in the text between a string's quotes.
pub(super) fn lone_surrogate_at(raw: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(raw).ok()?;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &raw[at..]) {
        at += found;
        let escape = &text[at..];
        let (character, used) = unescape(escape);
        if character.is_none() && code_unit(escape).is_some() {
            return Some(at);
        }
        at += used;
    }
    None
}

/// The character of the escape that `text` begins with, if it has a meaning, and its length in
/// bytes.
fn unescape(text: &str) -> (Option<char>, usize) {
    let character = match text.as_bytes().get(1) {
        Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_unicode(text),
        // Only the backslash: the next byte may be a part of a longer character.
        _ => return (None, 1),
    };
    (Some(character), 2)
}

/// `\u` and four hexadecimal digits, or twice that if they are a surrogate pair (RFC 8259 §7).
fn unescape_unicode(text: &str) -> (Option<char>, usize) {
    let Some(first) = code_unit(text) else {
        return (None, 2);
    };
    if !SURROGATES.contains(&first) {
        return (char::from_u32(first), 6);
    }
    let second = code_unit(&text[6..]).unwrap_or(0);
    let pair = char::decode_utf16([first as u16, second as u16]).next();
    match pair {
        Some(Ok(character)) => (Some(character), 12),
        _ => (None, 6),
    }
}

/// The code unit of the `\u` escape that `text` begins with.
fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    // `from_str_radix` takes a sign, JSON does not.
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_mean_what_the_table_says() {
        assert_eq!(text(br#"\"\\\/\b\f\n\r\t"#), "\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(text(br"\u00e9\u00E9\u0000"), "éé\0");
        assert_eq!(text(br"\ud83d\ude00"), "😀");
        assert!(matches!(text("é".as_bytes()), Cow::Borrowed("é")));
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        for (raw, expected, at) in [
            (r"\ud800", "\u{fffd}", 0),
            (r"a\udc00b", "a\u{fffd}b", 1),
            (r"\ud800\u0041", "\u{fffd}A", 0),
            (r"\ud800\ud83d\ude00", "\u{fffd}😀", 0),
            (r"\ud83d\ude00\ude00", "😀\u{fffd}", 12),
            (r"\\\ud800\n", "\\\u{fffd}\n", 2),
        ] {
            assert_eq!(text(raw.as_bytes()), expected, "{raw}");
            assert_eq!(lone_surrogate_at(raw.as_bytes()), Some(at), "{raw}");
        }
        for raw in [r"\\ud800", r"\ud83d\ude00", "", r"\q", r"\u12"] {
            assert_eq!(lone_surrogate_at(raw.as_bytes()), None, "{raw}");
        }
    }

    #[test]
    fn escapes_without_a_meaning_are_survived() {
        for (raw, expected) in [
            ("\\", "\u{fffd}"),
            ("\\é", "\u{fffd}é"),
            (r"\u", "\u{fffd}"),
            (r"\u12", "\u{fffd}12"),
            (r"\u+123", "\u{fffd}+123"),
            ("\\u12é", "\u{fffd}12é"),
            ("\\ud800\\ué", "\u{fffd}\u{fffd}é"),
        ] {
            assert_eq!(text(raw.as_bytes()), expected, "{raw}");
        }
        assert_eq!(text(b"\\\xff\\n"), "\u{fffd}\u{fffd}\n");
    }

    fn literals() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[^\"\\\\\u{0}-\u{1f}]{0,8}",
            r#"\\["\\/bfnrt]"#,
            r"\\u[0-9a-cefA-CEF][0-9a-fA-F]{3}",
            r"\\ud[89abAB][0-9a-f]{2}\\uD[c-f][0-9a-f]{2}",
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn valid_strings_read_as_the_parser_reads_them(raw in literals()) {
            let expected: String = serde_json::from_str(&format!("\"{raw}\"")).expect("valid");
            prop_assert_eq!(text(raw.as_bytes()), expected);
            prop_assert_eq!(lone_surrogate_at(raw.as_bytes()), None);
        }

        #[test]
        fn bytes_are_never_too_strange(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            text(&raw);
            lone_surrogate_at(&raw);
        }

        #[test]
        fn escapes_in_any_order_are_survived(raw in r#"[\\ud8Dc0é"n]{0,24}"#) {
            text(raw.as_bytes());
            lone_surrogate_at(raw.as_bytes());
        }
    }
}
