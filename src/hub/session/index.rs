//! The place of a session in its shard's table.

/// A session of this shard, for as long as it exists; reused afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionIndex(u32);

impl SessionIndex {
    /// Behind all others.
    pub const LAST: Self = Self(u32::MAX);

    /// The session at place `index` of the shard's table, below 2³².
    pub const fn new(index: usize) -> Self {
        Self(index as u32)
    }

    /// The place in the shard's table: small, dense.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
