//! Bytes that a connection has to send and the kernel has not taken yet.
//!
//! Most queues hold nothing or one chunk, so neither needs the heap. Chunks are shared slices: the
//! same rendering may wait in many queues.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};

/// A queue of shared byte slices, in order.
#[derive(Debug, Default)]
pub struct SendQueue {
    chunks: Chunks,
    bytes: usize,
}

#[derive(Debug, Default)]
enum Chunks {
    #[default]
    Empty,
    One(Bytes),
    Many(VecDeque<Bytes>),
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
        if chunk.is_empty() {
            return;
        }
        self.bytes += chunk.len();
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
            .map(|chunk| &chunk[..])
    }

    /// The only chunk, if there is exactly one.
    pub fn single(&self) -> Option<&[u8]> {
        match &self.chunks {
            Chunks::One(chunk) => Some(chunk),
            _ => None,
        }
    }

    /// Forgets the first `sent` bytes: the kernel has taken them.
    pub fn advance(&mut self, sent: usize) {
        assert!(sent <= self.bytes, "more was sent than waited");
        self.bytes -= sent;
        if self.bytes == 0 {
            self.chunks = Chunks::Empty;
            return;
        }
        let mut rest = sent;
        match &mut self.chunks {
            Chunks::Empty => {}
            Chunks::One(chunk) => chunk.advance(rest),
            Chunks::Many(chunks) => {
                while let Some(first) = chunks.front_mut() {
                    if first.len() > rest {
                        first.advance(rest);
                        break;
                    }
                    rest -= first.len();
                    chunks.pop_front();
                }
            }
        }
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
        assert!(size_of::<SendQueue>() <= 48);
        let mut queue = SendQueue::default();
        queue.push(Bytes::from_static(b"a"));
        assert_eq!(queue.single(), Some(&b"a"[..]));
        queue.push(Bytes::from_static(b"b"));
        assert_eq!(queue.single(), None);
        queue.advance(2);
        assert!(matches!(queue.chunks, Chunks::Empty));
    }
}
