//! The top-level fields of a JSON object that is known to be valid, as spans of it.

use std::borrow::Cow;

/// One field of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'j> {
    /// The name as it stands between its quotes, escapes and all.
    pub key: &'j [u8],
    /// The value's JSON text, without space around it.
    pub value: &'j [u8],
}

/// An iterator over the fields of an object.
#[derive(Clone, Debug)]
pub struct Fields<'j> {
    rest: &'j [u8],
}

/// Walks the fields of valid JSON text, in order, repeated names included. Nothing if it is not an object.
pub fn fields(json: &[u8]) -> Fields<'_> {
    let json = trim(json);
    let rest = json.strip_prefix(b"{").unwrap_or(b"");
    Fields { rest }
}

impl<'j> Iterator for Fields<'j> {
    type Item = Field<'j>;

    fn next(&mut self) -> Option<Field<'j>> {
        let start = self.rest.iter().position(|&b| b == b'"')?;
        let rest = &self.rest[start..];
        let key_end = string_end(rest);
        let key = &rest[1..key_end - 1];
        let rest = &rest[key_end..];
        let colon = rest.iter().position(|&b| b == b':')?;
        let rest = trim_start(&rest[colon + 1..]);
        let value_end = value_end(rest);
        self.rest = &rest[value_end..];
        let value = &rest[..value_end];
        Some(Field { key, value })
    }
}

/// The text of a JSON string from what stands between its quotes. A lone surrogate becomes U+FFFD.
pub fn text(raw: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw).is_none() {
        return String::from_utf8_lossy(raw);
    }
    let quoted = [b"\"", raw, b"\""].concat();
    Cow::Owned(serde_json::from_slice(&quoted).unwrap_or_default())
}

/// Cuts off JSON's white space on both sides.
pub fn trim(json: &[u8]) -> &[u8] {
    json.trim_ascii()
}

/// Deepest nesting of arrays and objects in JSON text that is valid.
pub fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

fn trim_start(json: &[u8]) -> &[u8] {
    json.trim_ascii_start()
}

/// The end of the string that begins at 0.
fn string_end(json: &[u8]) -> usize {
    let mut at = 1;
    while at < json.len() {
        match json[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

/// The end of the value that begins at 0.
fn value_end(json: &[u8]) -> usize {
    match json.first() {
        Some(b'"') => string_end(json),
        Some(b'{' | b'[') => {
            let (mut at, mut depth) = (0, 0);
            while at < json.len() {
                match json[at] {
                    b'"' => at += string_end(&json[at..]) - 1,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return at + 1;
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            json.len()
        }
        _ => {
            let ends = |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            json.iter().position(ends).unwrap_or(json.len())
        }
    }
}
