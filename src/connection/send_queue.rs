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
    bytes: usize,
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
    /// So many live events, which may be dropped.
    Events(u32),
    /// The news that so many events were dropped here.
    Dropped(u32),
}

impl SendQueue {
    /// Bytes waiting.
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Appends a chunk.
    pub fn push(&mut self, chunk: Bytes) {
        self.push_chunk(chunk, Kind::Due);
    }

    /// Appends a chunk of so many live events.
    pub fn push_events(&mut self, chunk: Bytes, events: u32) {
        self.push_chunk(chunk, Kind::Events(events));
    }

    fn push_chunk(&mut self, bytes: Bytes, kind: Kind) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
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
        let (one, many) = match &self.chunks {
            Chunks::Empty => (None, None),
            Chunks::One(chunk) => (Some(chunk), None),
            Chunks::Many(chunks) => (None, Some(chunks)),
        };
        one.into_iter()
            .chain(many.into_iter().flatten())
            .map(|chunk| &chunk.bytes[..])
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
        assert!(sent <= self.bytes, "more was sent than waited");
        self.bytes -= sent;
        if self.bytes == 0 {
            self.chunks = Chunks::Empty;
            self.begun = false;
            return;
        }
        let mut rest = sent;
        match &mut self.chunks {
            Chunks::Empty => {}
            Chunks::One(chunk) => {
                chunk.bytes.advance(rest);
                self.begun |= rest > 0;
            }
            Chunks::Many(chunks) => {
                while let Some(first) = chunks.front_mut() {
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

    /// Drops the oldest events, as few as possible, until at most `bytes_max` bytes wait, and puts the
    /// news of it (`notice` of how many are missing there) where they were. News that waits already is
    /// replaced by news of all. Answers how many events were dropped now.
    pub fn drop_oldest(&mut self, bytes_max: usize, notice: impl FnOnce(u64) -> Bytes) -> u64 {
        let mut kept: VecDeque<Chunk> = VecDeque::new();
        let (mut dropped, mut missing, mut place) = (0u64, 0u64, None);
        let mut begun = self.begun;
        for chunk in self.take_chunks() {
            let over = self.bytes > bytes_max;
            match chunk.kind {
                Kind::Events(events) if over && !begun => {
                    self.bytes -= chunk.bytes.len();
                    dropped += u64::from(events);
                    missing += u64::from(events);
                    place.get_or_insert(kept.len());
                }
                // Old news is part of the new, if it stands where events are missing now.
                Kind::Dropped(events) if !begun && (over || place.is_some()) => {
                    self.bytes -= chunk.bytes.len();
                    missing += u64::from(events);
                    place.get_or_insert(kept.len());
                }
                _ => kept.push_back(chunk),
            }
            begun = false;
        }
        if let Some(place) = place {
            let bytes = notice(missing);
            self.bytes += bytes.len();
            let kind = Kind::Dropped(u32::try_from(missing).unwrap_or(u32::MAX));
            kept.insert(place, Chunk { bytes, kind });
        }
        self.put_chunks(kept);
        dropped
    }

    /// Drops everything that was not begun to be sent. Answers how many live events that were.
    pub fn drop_waiting(&mut self) -> u64 {
        let mut kept = VecDeque::new();
        let mut dropped = 0;
        let begun = std::mem::take(&mut self.begun);
        for chunk in self.take_chunks() {
            if begun && kept.is_empty() {
                kept.push_back(chunk);
            } else if let Kind::Events(events) = chunk.kind {
                dropped += u64::from(events);
            }
        }
        self.bytes = kept.iter().map(|chunk: &Chunk| chunk.bytes.len()).sum();
        self.begun = begun;
        self.put_chunks(kept);
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
mod tests {
    use super::*;

    fn text(queue: &SendQueue) -> String {
        queue
            .chunks()
            .map(|chunk| String::from_utf8_lossy(chunk))
            .collect()
    }

    fn notice(count: u64) -> Bytes {
        Bytes::from(format!("[{count}]"))
    }

    #[test]
    fn order_is_kept_at_every_cut() {
        for cut in 0..=9 {
            let mut queue = SendQueue::default();
            for chunk in ["abc", "", "def", "ghi"] {
                queue.push(Bytes::from_static(chunk.as_bytes()));
            }
            assert_eq!(queue.len(), 9);
            queue.advance(cut);
            assert_eq!(text(&queue), "abcdefghi"[cut..]);
            assert_eq!(queue.is_empty(), cut == 9);
            queue.push(Bytes::from_static(b"x"));
            assert_eq!(text(&queue), format!("{}x", &"abcdefghi"[cut..]));
        }
    }

    #[test]
    fn an_empty_queue_owns_nothing() {
        assert!(size_of::<SendQueue>() <= 64, "{}", size_of::<SendQueue>());
        let mut queue = SendQueue::default();
        queue.push(Bytes::from_static(b"a"));
        assert_eq!(queue.single(), Some(&b"a"[..]));
        queue.push(Bytes::from_static(b"b"));
        assert_eq!(queue.single(), None);
        queue.advance(2);
        assert!(matches!(queue.chunks, Chunks::Empty));
    }

    fn queue() -> SendQueue {
        let mut queue = SendQueue::default();
        queue.push_events(Bytes::from_static(b"aaaa"), 1);
        queue.push(Bytes::from_static(b"ANSW"));
        queue.push_events(Bytes::from_static(b"bbbb"), 2);
        queue.push_events(Bytes::from_static(b"cccc"), 1);
        queue
    }

    #[test]
    fn the_oldest_events_are_dropped_and_nothing_else() {
        let mut queue = queue();
        assert_eq!(queue.drop_oldest(9, notice), 3);
        assert_eq!(text(&queue), "[3]ANSWcccc");
        queue.push_events(Bytes::from_static(b"dddd"), 1);
        // The news of three is taken up into the news of four.
        assert_eq!(queue.drop_oldest(11, notice), 1);
        assert_eq!(text(&queue), "[4]ANSWdddd");
        assert_eq!(queue.len(), 11);
    }

    #[test]
    fn what_was_begun_is_sent_to_its_end() {
        let mut queue = queue();
        queue.advance(1);
        assert_eq!(queue.drop_oldest(0, notice), 3);
        assert_eq!(text(&queue), "aaaANSW[3]");
        queue.advance(3);
        assert_eq!(text(&queue), "ANSW[3]");
        let mut queue = self::queue();
        queue.advance(6);
        assert_eq!(queue.drop_waiting(), 3);
        assert_eq!((text(&queue).as_str(), queue.len()), ("SW", 2));
        let mut queue = self::queue();
        assert_eq!(queue.drop_waiting(), 4);
        assert!(queue.is_empty());
    }
}
