//! A client's own words within a status message.
//!
//! A sentence quotes only a little of the request: it travels back, and a name may be as long as a
//! message.

use std::borrow::Cow;

use crate::limits::STATUS_QUOTED_CHARS_MAX;

/// The beginning of a text, with an ellipsis if that is not all.
pub fn quoted(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(STATUS_QUOTED_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The beginning of bytes that need not be text: as text in ASCII, with an ellipsis if that is not
/// all.
pub(super) fn quoted_bytes(bytes: &[u8]) -> String {
    let (begin, ellipsis) = match bytes.get(..STATUS_QUOTED_CHARS_MAX) {
        Some(begin) if begin.len() < bytes.len() => (begin, "…"),
        _ => (bytes, ""),
    };
    format!("{}{ellipsis}", begin.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        for (text, whole) in [
            ("", true),
            ("x", true),
            (&"é".repeat(64), true),
            (&"é".repeat(65), false),
        ] {
            let cut = format!("{}…", text.chars().take(64).collect::<String>());
            assert_eq!(quoted(text), if whole { text } else { &cut });
        }
        assert_eq!(quoted_bytes(b"a\xff\n"), "a\\xff\\n");
        assert_eq!(quoted_bytes(&[b'x'; 64]), "x".repeat(64));
        assert_eq!(quoted_bytes(&[b'x'; 65]), "x".repeat(64) + "…");
    }
}
