//! A hash index that grows a small segment at a time: extendible hashing over `hashbrown` tables.
//!
//! One table of a million entries would stop the shard for milliseconds when it grows. Here the top
//! bits of a hash choose a segment by way of a directory; a full segment splits in two, and the
//! directory (four bytes for each segment) doubles now and then. Fagin et al., "Extendible
//! Hashing", 1979.
//!
//! Evenly filled segments would all split at the same time, and be half empty after that. So they
//! are filled unevenly: some are always about to split, and the index as a whole is as full as
//! ever.

use hashbrown::HashTable;

use crate::limits::FILTER_SEGMENT_ENTRIES;

/// Segments are not split beyond this many bits: entries that agree in them would never part.
const DEPTH_MAX: u32 = 24;

/// An entry of an index: it knows its own hash, of which every bit counts.
pub(super) trait Keyed {
    fn hash(&self) -> u32;
}

/// A number that is found by a hash kept beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handle {
    pub(super) hash: u32,
    pub(super) id: u32,
}

impl Keyed for Handle {
    #[inline]
    fn hash(&self) -> u32 {
        self.hash
    }
}

#[derive(Debug)]
struct Segment<T> {
    table: HashTable<T>,
    /// Number of top bits of the uneven hash that all entries share.
    depth: u32,
}

/// The index.
#[derive(Debug)]
pub(super) struct Index<T> {
    segments: Vec<Segment<T>>,
    /// Top bits of an uneven hash to a segment; `1 << depth` of them.
    directory: Vec<u32>,
    depth: u32,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        let first = Segment {
            table: HashTable::new(),
            depth: 0,
        };
        Self {
            segments: vec![first],
            directory: vec![0],
            depth: 0,
        }
    }
}

/// The hash within a segment. The low bits choose the bucket; the top bits, which chose the
/// segment, must be mixed before they may tell entries apart.
#[inline]
fn inner(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The hash by which segments are chosen: x(3 + x)/4 of a hash x from 0 to 1. The lowest segments
/// are filled 5/3 times as fast as the highest.
#[inline]
fn uneven(hash: u32) -> u32 {
    let hash = u64::from(hash);
    ((hash * ((3 << 30) + (hash >> 2))) >> 32) as u32
}

impl<T: Keyed> Index<T> {
    #[inline]
    fn segment(&self, hash: u32) -> usize {
        self.directory[((u64::from(uneven(hash)) << self.depth) >> 32) as usize] as usize
    }

    #[inline]
    pub(super) fn find(&self, hash: u32, is: impl FnMut(&T) -> bool) -> Option<&T> {
        let segment = &self.segments[self.segment(hash)];
        segment.table.find(inner(hash), is)
    }

    /// Finds an entry to be changed, except for its hash.
    pub(super) fn find_mut(&mut self, hash: u32, is: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let segment = self.segment(hash);
        self.segments[segment].table.find_mut(inner(hash), is)
    }

    /// Adds an entry that is not there.
    pub(super) fn insert(&mut self, entry: T) {
        let hash = entry.hash();
        let mut at = self.segment(hash);
        while self.segments[at].table.len() >= FILTER_SEGMENT_ENTRIES
            && self.segments[at].depth < DEPTH_MAX
        {
            self.split(at, hash);
            at = self.segment(hash);
        }
        let table = &mut self.segments[at].table;
        table.insert_unique(inner(hash), entry, |entry| inner(entry.hash()));
    }

    pub(super) fn remove(&mut self, hash: u32, is: impl FnMut(&T) -> bool) -> Option<T> {
        let segment = self.segment(hash);
        let entry = self.segments[segment].table.find_entry(inner(hash), is);
        entry.ok().map(|entry| entry.remove().0)
    }

    /// Splits a segment by the next bit of the uneven hash; `hash` leads to that segment.
    fn split(&mut self, at: usize, hash: u32) {
        let depth = self.segments[at].depth;
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&s| [s, s]).collect();
            self.depth += 1;
        }
        let other = self.segments.len() as u32;
        // All places of the directory that share the segment's bits; the upper half leaves.
        let places = 1usize << (self.depth - depth);
        let first = (((u64::from(uneven(hash)) << depth) >> 32) as usize) << (self.depth - depth);
        self.directory[first + places / 2..first + places].fill(other);
        let mut halves = [HashTable::new(), HashTable::new()];
        for entry in std::mem::take(&mut self.segments[at].table) {
            let hash = entry.hash();
            let half = &mut halves[(uneven(hash) >> (31 - depth)) as usize & 1];
            half.insert_unique(inner(hash), entry, |entry| inner(entry.hash()));
        }
        let [lower, upper] = halves;
        let depth = depth + 1;
        self.segments[at] = Segment {
            table: lower,
            depth,
        };
        let table = upper;
        self.segments.push(Segment { table, depth });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spreads small numbers over all bits.
    fn spread(id: u32) -> u32 {
        let hash = u64::from(id).wrapping_mul(0xd6e8_feb8_6659_fd93);
        (hash >> 32) as u32
    }

    #[test]
    fn every_entry_is_found_while_segments_split_and_after_removal() {
        let mut index = Index::default();
        let count = 20 * FILTER_SEGMENT_ENTRIES as u32;
        for id in 0..count {
            let hash = spread(id);
            index.insert(Handle { hash, id });
        }
        assert!(index.segments.len() > 20);
        let sizes = index.segments.iter().map(|s| s.table.len());
        assert!(sizes.max() <= Some(FILTER_SEGMENT_ENTRIES));
        for id in (0..count).step_by(3) {
            let removed = index.remove(spread(id), |e| e.id == id);
            assert_eq!(removed.map(|e| e.id), Some(id));
        }
        for id in 0..count {
            let found = index.find(spread(id), |e| e.id == id);
            assert_eq!(found.map(|e| e.id), (id % 3 != 0).then_some(id));
        }
    }

    #[test]
    fn entries_with_one_hash_are_kept_together() {
        let mut index = Index::default();
        let count = 2 * FILTER_SEGMENT_ENTRIES as u32;
        for id in 0..count {
            index.insert(Handle { hash: 7, id });
        }
        assert!((0..count).all(|id| index.find(7, |e| e.id == id).is_some()));
    }
}
