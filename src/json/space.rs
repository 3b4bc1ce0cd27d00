//! White space and nesting of JSON text: the parts between the tokens.

use std::borrow::Cow;

use super::token::{is_space, string_end};

/// Cuts off JSON's white space on both sides.
pub fn trim(json: &[u8]) -> &[u8] {
    let Some(first) = json.iter().position(|&byte| !is_space(byte)) else {
        return b"";
    };
    let last = json.iter().rposition(|&byte| !is_space(byte));
    &json[first..=last.unwrap_or(first)]
}

/// Valid JSON text without the white space between its tokens. All else stays byte for byte:
/// numbers keep their digits, strings their escapes. Borrowed if there was none.
pub fn compact(json: &[u8]) -> Cow<'_, [u8]> {
    let mut compacted = Vec::new();
    let (mut at, mut kept) = (0, 0);
    while let Some(&byte) = json.get(at) {
        if byte == b'"' {
            at = string_end(json, at);
            continue;
        }
        if is_space(byte) {
            compacted.extend_from_slice(&json[kept..at]);
            kept = at + 1;
        }
        at += 1;
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    compacted.extend_from_slice(&json[kept..]);
    Cow::Owned(compacted)
}

/// Deepest nesting of arrays and objects in JSON text that is valid.
pub fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    walk_brackets(json, |opens, _| {
        depth = nested(depth, opens);
        deepest = deepest.max(depth);
        true
    });
    deepest
}

/// Whether arrays and objects in JSON text that is valid are nested deeper than `depth_max`.
pub fn is_deeper(json: &[u8], depth_max: usize) -> bool {
    // Each has two brackets: a short text needs no look.
    json.len() / 2 > depth_max && depth(json) > depth_max
}

/// Returns the first position at which nesting exceeds `depth_max`: that of the bracket that is one
/// too many. It looks no further, so a text of nothing but brackets costs little.
pub(super) fn too_deep_at(json: &[u8], depth_max: usize) -> Option<usize> {
    let (mut depth, mut found) = (0usize, None);
    walk_brackets(json, |opens, at| {
        depth = nested(depth, opens);
        found = (depth > depth_max).then_some(at);
        found.is_none()
    });
    found
}

fn nested(depth: usize, opens: bool) -> usize {
    if opens {
        depth + 1
    } else {
        depth.saturating_sub(1)
    }
}

/// Calls `visit` for every bracket outside of strings, with whether it opens and its position,
/// until it returns `false`.
fn walk_brackets(json: &[u8], mut visit: impl FnMut(bool, usize) -> bool) {
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let more = match byte {
            b'"' => {
                at = string_end(json, at);
                continue;
            }
            b'{' | b'[' => visit(true, at),
            b'}' | b']' => visit(false, at),
            _ => true,
        };
        if !more {
            return;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_are_not_nesting() {
        assert_eq!(depth(br#"{"a":"[[[\"{{"}"#), 1);
        assert_eq!(depth(b"[[],[[]]]"), 3);
        assert_eq!(depth(b"1"), 0);
    }

    #[test]
    fn brackets_that_do_not_match_are_survived() {
        assert_eq!(depth(b"]]]["), 1);
        assert_eq!(depth(b"[[\"["), 2);
        assert_eq!(too_deep_at(b"[[[", 2), Some(2));
        assert_eq!(too_deep_at(b"[[][]]", 2), None);
        assert_eq!(too_deep_at(b"}}}[", 0), Some(3));
    }

    #[test]
    fn compact_text_keeps_its_bytes() {
        let spaced: &[u8] = b" { \"a b\" :\t[ 1.50 ,\r\n\"\\u00e9\\\" \" ] } ";
        assert_eq!(
            &*compact(spaced),
            b"{\"a b\":[1.50,\"\\u00e9\\\" \"]}".as_slice()
        );
        assert!(matches!(compact(b"[1,\" \"]"), Cow::Borrowed(_)));
        assert_eq!(&*compact(b"1 "), b"1");
        assert_eq!(&*compact(b" "), b"");
        assert_eq!(&*compact(b""), b"");
    }

    #[test]
    fn trimming_takes_the_four_kinds_of_space() {
        assert_eq!(trim(b" \r\n\t{ } \n"), b"{ }");
        assert_eq!(trim(b"\x0c1"), b"\x0c1");
        assert_eq!(trim(b" "), b"");
        assert_eq!(trim(b""), b"");
    }
}
