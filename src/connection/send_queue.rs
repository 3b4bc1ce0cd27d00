//! Bytes that a connection has to send and the kernel has not taken yet.
//!
//! Most queues hold nothing or one chunk, so neither needs the heap. Chunks are shared slices: the
//! same rendering may wait in many queues. A chunk of live events knows how many they are, so that
//! the oldest can be dropped whole and counted; everything else is never dropped.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};

/// A queue of shared byte slices, in order.
#[derive(Debug, Default)]
pub struct SendQueue {
    chunks: Chunks,
    bytes: u32,
    /// Those of them that no other queue shares.
    own: u32,
    /// Bytes that were sent: 48 bits, where there is room for them.
    sent: [u8; 6],
    /// The first chunk was sent in part: it must be sent to its end.
    begun: bool,
}

#[derive(Debug, Default)]
enum Chunks {
    #[default]
    Empty,
    One(Chunk),
    Many(VecDeque<Chunk>),
}

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    kind: Kind,
}

/// What may be done with a chunk that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It must be sent.
    Due,
    /// It must be sent, and others may be sent the same: it is counted where it was made.
    Shared,
    /// So many live events, which may be dropped.
    Events(u32),
    /// The news that so many events were dropped here.
    Dropped(u32),
}

impl Kind {
    /// Whether such a chunk is nobody else's.
    const fn is_own(self) -> bool {
        matches!(self, Self::Due | Self::Dropped(_))
    }
}

impl SendQueue {
    /// Bytes waiting.
    pub const fn len(&self) -> usize {
        self.bytes as usize
    }

    /// Bytes waiting that no other queue shares.
    pub const fn own_len(&self) -> usize {
        self.own as usize
    }

    /// Bytes that were sent.
    pub fn sent(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes[..6].copy_from_slice(&self.sent);
        u64::from_le_bytes(bytes)
    }

    fn count_sent(&mut self, sent: usize) {
        let bytes = self.sent().wrapping_add(sent as u64).to_le_bytes();
        self.sent.copy_from_slice(&bytes[..6]);
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Appends a chunk.
    pub fn push(&mut self, chunk: Bytes) {
        self.push_chunk(chunk, Kind::Due);
    }

    /// Appends a chunk that other queues may share, sealed by a [`Meter`](crate::buf::Meter).
    pub fn push_shared(&mut self, chunk: Bytes) {
        self.push_chunk(chunk, Kind::Shared);
    }

    /// Appends a chunk of so many live events, sealed like that of
    /// [`push_shared`](Self::push_shared).
    pub fn push_events(&mut self, chunk: Bytes, events: u32) {
        self.push_chunk(chunk, Kind::Events(events));
    }

    fn push_chunk(&mut self, bytes: Bytes, kind: Kind) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len() as u32;
        if kind.is_own() {
            self.own += bytes.len() as u32;
        }
        let chunk = Chunk { bytes, kind };
        self.chunks = match std::mem::take(&mut self.chunks) {
            Chunks::Empty => Chunks::One(chunk),
            Chunks::One(first) => Chunks::Many(VecDeque::from([first, chunk])),
            Chunks::Many(mut chunks) => {
                chunks.push_back(chunk);
                Chunks::Many(chunks)
            }
        };
    }

    /// The waiting chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let (one, many) = self.parts();
        one.into_iter()
            .chain(many.into_iter().flatten())
            .map(|chunk| &chunk.bytes[..])
    }

    /// Part of the waiting bytes, as shared slices.
    pub fn range(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = Bytes> {
        let (one, many) = self.parts();
        let mut begin = 0;
        one.into_iter()
            .chain(many.into_iter().flatten())
            .filter_map(move |chunk| {
                let (from, to) = (begin, begin + chunk.bytes.len());
                begin = to;
                let part = range.start.max(from)..range.end.min(to);
                (!part.is_empty()).then(|| chunk.bytes.slice(part.start - from..part.end - from))
            })
    }

    fn parts(&self) -> (Option<&Chunk>, Option<&VecDeque<Chunk>>) {
        match &self.chunks {
            Chunks::Empty => (None, None),
            Chunks::One(chunk) => (Some(chunk), None),
            Chunks::Many(chunks) => (None, Some(chunks)),
        }
    }

    /// The only chunk, if there is exactly one.
    pub fn single(&self) -> Option<&[u8]> {
        match &self.chunks {
            Chunks::One(chunk) => Some(&chunk.bytes),
            _ => None,
        }
    }

    /// Forgets the first `sent` bytes: the kernel has taken them.
    pub fn advance(&mut self, sent: usize) {
        assert!(sent <= self.len(), "more was sent than waited");
        self.bytes -= sent as u32;
        self.count_sent(sent);
        if self.bytes == 0 {
            self.chunks = Chunks::Empty;
            self.own = 0;
            self.begun = false;
            return;
        }
        let mut rest = sent;
        match &mut self.chunks {
            Chunks::Empty => {}
            Chunks::One(chunk) => {
                chunk.bytes.advance(rest);
                if chunk.kind.is_own() {
                    self.own -= rest as u32;
                }
                self.begun |= rest > 0;
            }
            Chunks::Many(chunks) => {
                while let Some(first) = chunks.front_mut() {
                    if first.kind.is_own() {
                        self.own -= rest.min(first.bytes.len()) as u32;
                    }
                    if first.bytes.len() > rest {
                        first.bytes.advance(rest);
                        self.begun = rest > 0 || self.begun;
                        break;
                    }
                    rest -= first.bytes.len();
                    self.begun = false;
                    chunks.pop_front();
                }
            }
        }
    }

    /// Drops the oldest events, in the pieces in which they were appended, until at most
    /// `bytes_max` bytes wait, and puts the news of it (`notice` of how many are missing there)
    /// where they were. News that waits already is replaced by news of all. Answers how many events
    /// were dropped now.
    pub fn drop_oldest(&mut self, bytes_max: usize, notice: impl FnOnce(u64) -> Bytes) -> u64 {
        let mut chunks = self.take_chunks();
        let (mut dropped, mut missing, mut place) = (0u64, 0u64, None);
        let mut at = usize::from(self.begun);
        while self.len() > bytes_max
            && let Some(Chunk { bytes, kind }) = chunks.get(at)
        {
            match *kind {
                Kind::Due | Kind::Shared => {
                    at += 1;
                    continue;
                }
                Kind::Events(events) => {
                    dropped += u64::from(events);
                    missing += u64::from(events);
                }
                // It stands before all events that may be dropped, since it took the place of the
                // first.
                Kind::Dropped(events) => missing += u64::from(events),
            }
            self.bytes -= bytes.len() as u32;
            if kind.is_own() {
                self.own -= bytes.len() as u32;
            }
            chunks.remove(at);
            place.get_or_insert(at);
        }
        if let Some(place) = place {
            let bytes = notice(missing);
            self.bytes += bytes.len() as u32;
            self.own += bytes.len() as u32;
            let kind = Kind::Dropped(u32::try_from(missing).unwrap_or(u32::MAX));
            chunks.insert(place, Chunk { bytes, kind });
        }
        self.put_chunks(chunks);
        dropped
    }

    /// Drops all events that were not begun to be sent. Answers how many that were.
    pub fn drop_events(&mut self) -> u64 {
        let (mut dropped, mut bytes) = (0, 0);
        let mut begun = self.begun;
        let mut chunks = self.take_chunks();
        chunks.retain(|chunk| match chunk.kind {
            Kind::Events(events) if !std::mem::take(&mut begun) => {
                dropped += u64::from(events);
                false
            }
            _ => {
                begun = false;
                bytes += chunk.bytes.len() as u32;
                true
            }
        });
        self.bytes = bytes;
        self.put_chunks(chunks);
        dropped
    }

    fn take_chunks(&mut self) -> VecDeque<Chunk> {
        match std::mem::take(&mut self.chunks) {
            Chunks::Empty => VecDeque::new(),
            Chunks::One(chunk) => VecDeque::from([chunk]),
            Chunks::Many(chunks) => chunks,
        }
    }

    fn put_chunks(&mut self, mut chunks: VecDeque<Chunk>) {
        self.chunks = match chunks.len() {
            0 => Chunks::Empty,
            1 => chunks.pop_front().map_or(Chunks::Empty, Chunks::One),
            _ => Chunks::Many(chunks),
        };
    }
}

#[cfg(test)]
mod tests;
