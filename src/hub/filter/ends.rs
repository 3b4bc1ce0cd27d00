//! Texts compared by two words.
//!
//! Most names and values are short, and a call to compare sixteen bytes costs more than comparing them:
//! the first and last eight bytes, which may overlap, and the length decide for a short text, and refuse
//! nearly every other long one. (Comparing nothing with nothing by `memcmp` is the slowest of all: with
//! AVX-512 it loads, masked, from where an empty box points, and the processor takes 90 ns to find no fault.)

/// Up to so many bytes, ends and length are the whole text.
const SHORT_BYTES: usize = 16;

/// The first and last bytes of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends(u64, u64);

impl Ends {
    #[inline]
    pub(super) fn of(text: &[u8]) -> Self {
        if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
            return Self(u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        }
        if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            return Self(u64::from(first), u64::from(last));
        }
        let word = text
            .iter()
            .fold(0, |word, &byte| word << 8 | u64::from(byte));
        Self(word, 0)
    }

    /// Whether a known text with these ends is `text` with those.
    #[inline]
    pub(super) fn same(self, known: &[u8], ends: Self, text: &[u8]) -> bool {
        self == ends && known.len() == text.len() && (text.len() <= SHORT_BYTES || known == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_same_is_the_same(a in "[ab\0]{0,20}", b in "[ab\0]{0,20}", tail in "[a]{0,12}") {
            for (a, b) in [(a.clone(), b.clone()), (a.clone() + &tail, b + &tail), (a.clone(), a)] {
                let (a, b) = (a.as_bytes(), b.as_bytes());
                prop_assert_eq!(Ends::of(a).same(a, Ends::of(b), b), a == b);
            }
        }
    }
}
