//! Client masking undone (RFC 6455 §5.3): the payload XOR a key of four bytes, over and over.
//!
//! Wide blocks in safe code: each block is combined with the key repeated, which the compiler turns
//! into vector instructions at any alignment. A payload begins behind a header of 6, 8 or 14 bytes
//! and so is hardly ever aligned; a long one is aligned first, which halves its time in the cache.

/// Bytes per turn of the main loop: a cache line.
const BLOCK_BYTES: usize = 64;
/// Bytes per turn for the rest.
const WORD_BYTES: usize = 8;
/// From here on, aligning costs less than vectors that straddle two cache lines.
const ALIGN_BYTES_MIN: usize = 1024;

/// Unmasks (or masks: it is its own inverse) `buf` in place.
///
/// `offset` is the position of `buf` within its frame's payload, so that a payload may be unmasked
/// in pieces of any length.
pub fn unmask(buf: &mut [u8], key: [u8; 4], offset: usize) {
    let key = advance(key, offset);
    if buf.len() < ALIGN_BYTES_MIN {
        return xor(buf, key);
    }
    let head_bytes = buf.as_ptr().align_offset(BLOCK_BYTES).min(buf.len());
    let (head, rest) = buf.split_at_mut(head_bytes);
    xor(head, key);
    xor(rest, advance(key, head_bytes));
}

/// The key as the payload byte at `offset` and those after it need it.
#[inline]
pub(super) fn advance(key: [u8; 4], offset: usize) -> [u8; 4] {
    // The same as `key.rotate_left(offset % 4)`, in one instruction instead of a general rotation
    // of memory that takes longer than unmasking a short message.
    let bits = 8 * (offset % 4) as u32;
    u32::from_le_bytes(key).rotate_right(bits).to_le_bytes()
}

#[inline]
fn xor(buf: &mut [u8], key: [u8; 4]) {
    let half = u64::from(u32::from_le_bytes(key));
    let word = half << 32 | half;
    let (blocks, rest) = buf.as_chunks_mut::<BLOCK_BYTES>();
    for block in blocks {
        xor_words(block, word);
    }
    // Blocks and words are multiples of the key, so that the key is still in phase.
    let tail = xor_words(rest, word);
    for (byte, key) in tail.iter_mut().zip(word.to_le_bytes()) {
        *byte ^= key;
    }
}

/// Combines every whole word and returns the rest.
#[inline]
fn xor_words(buf: &mut [u8], word: u64) -> &mut [u8] {
    let (words, tail) = buf.as_chunks_mut::<WORD_BYTES>();
    for bytes in words {
        *bytes = (u64::from_le_bytes(*bytes) ^ word).to_le_bytes();
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(buf: &[u8], key: [u8; 4], offset: usize) -> Vec<u8> {
        // RFC 6455 §5.3: transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4).
        buf.iter()
            .enumerate()
            .map(|(i, byte)| byte ^ key[(offset % 4 + i) % 4])
            .collect()
    }

    #[test]
    fn every_length_alignment_and_phase() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let source: Vec<u8> = (0..=255).cycle().take(400).collect();
        for start in 0..17 {
            for length in 0..200 {
                for offset in [0, 1, 2, 3, 4, 7, usize::MAX] {
                    let mut buf = source.clone();
                    unmask(&mut buf[start..start + length], key, offset);
                    let expected = naive(&source[start..start + length], key, offset);
                    assert_eq!(buf[start..start + length], expected);
                    assert_eq!(buf[..start], source[..start]);
                    assert_eq!(buf[start + length..], source[start + length..]);
                }
            }
        }
    }

    #[test]
    fn long_payloads_at_every_alignment_and_phase() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let source: Vec<u8> = (0..=255).cycle().take(1_300).collect();
        for start in 0..=BLOCK_BYTES {
            for length in [ALIGN_BYTES_MIN - 1, ALIGN_BYTES_MIN, ALIGN_BYTES_MIN + 77] {
                for offset in 0..4 {
                    let mut buf = source.clone();
                    unmask(&mut buf[start..start + length], key, offset);
                    let expected = naive(&source[start..start + length], key, offset);
                    assert_eq!(buf[start..start + length], expected);
                    assert_eq!(buf[..start], source[..start]);
                    assert_eq!(buf[start + length..], source[start + length..]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn resumes_at_any_offset(
            source in prop::collection::vec(any::<u8>(), 0..5_000),
            key: [u8; 4],
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(source.len() + 1)).collect();
            cuts.push(source.len());
            cuts.sort_unstable();
            let mut buf = source.clone();
            let mut start = 0;
            for end in cuts {
                unmask(&mut buf[start..end], key, start);
                start = end;
            }
            prop_assert_eq!(buf, naive(&source, key, 0));
        }
    }
}
