//! The ends of the tokens of JSON text (RFC 8259 §2): the base of every walk here.
//!
//! The text is taken to be valid. Text that is not gives positions without a meaning, but never one
//! beyond the text, and always one further on.
//!
//! Plain loops, over eight bytes at a time within strings: the strings of events are short, and on
//! a dozen bytes the entry into a vectorized search costs more than it saves.

/// Whether this is white space between tokens. RFC 8259 §2 names these four.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// The first position from `at` on that is not white space.
#[inline]
pub(super) fn skip_space(json: &[u8], mut at: usize) -> usize {
    while json.get(at).is_some_and(|&byte| is_space(byte)) {
        at += 1;
    }
    at
}

/// The end of the string whose opening quote stands at `at`: the position after its closing quote.
#[inline]
pub(super) fn string_end(json: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(eight) = json.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*eight);
        let found = bytes_equal(word, b'"') | bytes_equal(word, b'\\');
        if found == 0 {
            at += 8;
            continue;
        }
        // Little-endian: the first byte has the lowest bits.
        at += found.trailing_zeros() as usize / 8;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

/// Returns a word whose lowest set bit is the high bit of the first byte of `word` that equals
/// `byte`; zero if none does. (Higher bits may be set for bytes that differ.)
#[inline]
fn bytes_equal(word: u64, byte: u8) -> u64 {
    const LOW_BITS: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let differences = word ^ (LOW_BITS * u64::from(byte));
    differences.wrapping_sub(LOW_BITS) & !differences & HIGH_BITS
}

/// The end of the value that begins at `at`.
#[inline]
pub(super) fn value_end(json: &[u8], at: usize) -> usize {
    match json.get(at) {
        Some(b'"') => string_end(json, at),
        Some(b'{' | b'[') => container_end(json, at),
        _ => scalar_end(json, at),
    }
}

/// The end of the number or word that begins at `at`.
#[inline]
pub(super) fn scalar_end(json: &[u8], mut at: usize) -> usize {
    let ends = |byte: u8| matches!(byte, b',' | b'}' | b']') || is_space(byte);
    while json.get(at).is_some_and(|&byte| !ends(byte)) {
        at += 1;
    }
    at
}

/// The end of the array or object whose bracket stands at `at`. Kinds of brackets are not told
/// apart.
fn container_end(json: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                at = string_end(json, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
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
