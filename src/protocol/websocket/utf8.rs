//! UTF-8 (RFC 3629) checked as it streams in, cut anywhere.
//!
//! The bulk is checked by `simdutf8`, which tells an end that is cut from one that is wrong; only a
//! character that is cut in two is carried over, in at most three bytes. Text that can no longer
//! become valid is refused at once, not at the end of the message: RFC 6455 §8.1 and what test
//! suites expect.

use std::fmt;

use simdutf8::compat::from_utf8;

/// The state between two pieces of text: the bytes of a character whose end has not come yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8Stream {
    pending: [u8; 3],
    pending_bytes: u8,
}

const _: () = assert!(size_of::<Utf8Stream>() <= 4);

/// The text has a byte that no valid UTF-8 could have there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text is not valid UTF-8")
    }
}

impl std::error::Error for InvalidUtf8 {}

impl Utf8Stream {
    /// The state before the first byte.
    pub const fn new() -> Self {
        Self {
            pending: [0; 3],
            pending_bytes: 0,
        }
    }

    /// Checks the next piece, of any length. After an error the stream is of no further use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = if self.pending_bytes == 0 {
            bytes
        } else {
            self.complete_pending(bytes)?
        };
        let Err(error) = from_utf8(rest) else {
            return Ok(());
        };
        if error.error_len().is_some() {
            return Err(InvalidUtf8);
        }
        // No error length means that the bytes from here on begin a character and are all valid so
        // far: at most three, or it would be whole.
        let tail = &rest[error.valid_up_to()..];
        self.pending[..tail.len()].copy_from_slice(tail);
        self.pending_bytes = tail.len() as u8;
        Ok(())
    }

    /// Whether the text so far may end here: no character is cut off.
    pub const fn is_complete(&self) -> bool {
        self.pending_bytes == 0
    }

    /// Completes the pending character from the front of `bytes` and returns what follows it.
    fn complete_pending<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], InvalidUtf8> {
        let mut character = [0; 4];
        character[..3].copy_from_slice(&self.pending);
        let mut length = usize::from(self.pending_bytes);
        for (used, &byte) in (1..).zip(bytes) {
            character[length] = byte;
            length += 1;
            match str::from_utf8(&character[..length]) {
                Ok(_) => {
                    self.pending_bytes = 0;
                    return Ok(&bytes[used..]);
                }
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                // Four bytes are never a mere beginning, so that `length` stays below four here.
                Err(_) => {}
            }
        }
        self.pending.copy_from_slice(&character[..3]);
        self.pending_bytes = length as u8;
        Ok(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns how many bytes, fed one by one, are accepted before the first refusal.
    fn accepted(bytes: &[u8]) -> usize {
        let mut stream = Utf8Stream::new();
        bytes
            .iter()
            .position(|&byte| stream.push(&[byte]).is_err())
            .unwrap_or(bytes.len())
    }

    #[test]
    fn refuses_at_the_first_byte_that_cannot_continue() {
        assert_eq!(accepted(b"\xc0\xaf"), 0, "overlong, two bytes");
        assert_eq!(accepted(b"\xe0\x80\xaf"), 1, "overlong, three bytes");
        assert_eq!(accepted(b"\xf0\x80\x80\xaf"), 1, "overlong, four bytes");
        assert_eq!(accepted(b"\xed\xa0\x80"), 1, "surrogate U+D800");
        assert_eq!(accepted(b"\xed\xbf\xbf"), 1, "surrogate U+DFFF");
        assert_eq!(accepted(b"\xf4\x90\x80\x80"), 1, "beyond U+10FFFF");
        assert_eq!(accepted(b"\xf5"), 0, "never a first byte");
        assert_eq!(accepted(b"a\x80"), 1, "a continuation alone");
        assert_eq!(accepted(b"\xe2\x82a"), 2, "a character cut short");
        assert_eq!(accepted("\u{d7ff}\u{e000}\u{10ffff}".as_bytes()), 10);
    }

    #[test]
    fn is_complete_between_characters_only() {
        let mut stream = Utf8Stream::new();
        assert!(stream.is_complete());
        for (byte, complete) in "é\u{10ffff}"
            .bytes()
            .zip([false, true, false, false, false, true])
        {
            assert_eq!(stream.push(&[byte]), Ok(()));
            assert_eq!(stream.push(&[]), Ok(()));
            assert_eq!(stream.is_complete(), complete);
        }
    }

    /// Mostly text, with bytes that break it.
    fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
        let broken = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
        (any::<String>(), broken).prop_map(|(text, broken)| {
            let mut bytes = text.into_bytes();
            for (at, byte) in broken {
                let at = at.index(bytes.len() + 1);
                bytes.insert(at, byte);
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library_at_every_split(
            bytes in nearly_text(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let mut stream = Utf8Stream::new();
            let mut start = 0;
            for end in cuts {
                let so_far = std::str::from_utf8(&bytes[..end]).err();
                let hopeless = so_far.is_some_and(|error| error.error_len().is_some());
                prop_assert_eq!(stream.push(&bytes[start..end]).is_err(), hopeless);
                if hopeless {
                    return Ok(());
                }
                prop_assert_eq!(stream.is_complete(), so_far.is_none());
                start = end;
            }
        }
    }
}
