//! Texts compared by two words.
//!
//! Most names and values are short, and a call to compare sixteen bytes costs more than comparing
//! them: the first and last eight bytes, which may overlap, and the length decide for a short text,
//! and refuse nearly every other long one. (Comparing nothing with nothing by `memcmp` is the
//! slowest of all: with AVX-512 it loads, masked, from where an empty box points, and the processor
//! takes 90 ns to find no fault.)

/// Longest text whose ends and length are the whole text.
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

/// A text that is known, to compare others with.
#[derive(Debug)]
pub(super) enum Known {
    /// A short text is its length and its ends.
    Short(u8, Ends),
    Whole(Box<str>, Ends),
}

impl Default for Known {
    fn default() -> Self {
        Self::Short(0, Ends::default())
    }
}

impl Known {
    /// A text in the form that recognizes it.
    pub(super) fn of(text: &str) -> Self {
        if text.len() <= SHORT_BYTES {
            Self::Short(text.len() as u8, Ends::of(text.as_bytes()))
        } else {
            Self::whole(text)
        }
    }

    /// The same for a text that must also be readable.
    pub(super) fn whole(text: &str) -> Self {
        Self::Whole(text.into(), Ends::of(text.as_bytes()))
    }

    /// Whether this is `text`, whose ends are `ends`.
    #[inline]
    pub(super) fn is(&self, ends: Ends, text: &[u8]) -> bool {
        match self {
            Self::Short(len, known) => *known == ends && usize::from(*len) == text.len(),
            Self::Whole(whole, known) => known.same(whole.as_bytes(), ends, text),
        }
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
                let known = std::str::from_utf8(a).unwrap();
                for known in [Known::of(known), Known::whole(known)] {
                    prop_assert_eq!(known.is(Ends::of(b), b), a == b);
                }
            }
        }
    }
}
