//! A bump allocator for outgoing bytes.
//!
//! Small responses would otherwise cost one allocation each. An arena carves them out of a shared
//! block; the block is freed when the last slice of it is dropped. Use it for bytes that live for
//! about a tick: one long-lived slice keeps its whole block.

use bytes::{Bytes, BytesMut};

/// Size of one block; a larger write gets a block of its own.
const BLOCK_BYTES: usize = 64 * 1024;
/// Space that must be left for a block to be written to: typical responses fit.
const RESERVE_BYTES: usize = 1024;

/// Hands out immutable slices of shared blocks.
#[derive(Debug, Default)]
pub struct Arena {
    block: BytesMut,
}

impl Arena {
    /// An arena that owns nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `write` append to the arena and returns the appended bytes.
    pub fn write(&mut self, write: impl FnOnce(&mut BytesMut)) -> Bytes {
        debug_assert!(
            self.block.is_empty(),
            "every write is split off when it ends"
        );
        if self.block.capacity() < RESERVE_BYTES {
            self.block = BytesMut::with_capacity(BLOCK_BYTES);
        }
        write(&mut self.block);
        self.block.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_disjoint_and_share_a_block() {
        let mut arena = Arena::new();
        let a = arena.write(|out| out.extend_from_slice(b"one"));
        let b = arena.write(|out| out.extend_from_slice(b"two"));
        assert_eq!((&a[..], &b[..]), (&b"one"[..], &b"two"[..]));
        assert_eq!(a.as_ptr() as usize + 3, b.as_ptr() as usize);
    }

    #[test]
    fn a_write_may_exceed_the_block() {
        let mut arena = Arena::new();
        let big = vec![7; 3 * BLOCK_BYTES];
        assert_eq!(arena.write(|out| out.extend_from_slice(&big)), big);
        assert_eq!(arena.write(|out| out.extend_from_slice(b"x")), "x");
    }
}
