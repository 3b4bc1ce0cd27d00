//! Memory as a budget: what waits for peers and from peers, and what happens when it is spent.
//!
//! Two sums. What one connection holds alone (input that is not served yet, output that nobody shares) is kept up to
//! date by `touch`; what many share (renderings of events) is counted by a [`Meter`](crate::buf::Meter), each buffer
//! once. A peer's output may so count as nothing here and still be the reason why a shared buffer lives: who is cut off
//! is chosen by all that waits for it.

use super::Shard;
use crate::time::Now;

impl Shard {
    /// Bytes that wait for peers or from peers, each once.
    pub(super) fn held_bytes(&self) -> usize {
        self.own_bytes + self.meter.bytes()
    }

    /// Whether no more should be held than is already.
    pub(super) fn is_spent(&self) -> bool {
        self.held_bytes() > self.held_bytes_max
    }

    /// If the budget is spent: cuts off those for whom most is held, until an eighth of it is free.
    ///
    /// A client with streams is one client: what waits for its streams is its own. So one who opens many of them and
    /// reads none goes before all who read.
    pub(super) fn relieve(&mut self, now: Now) {
        if !self.is_spent() {
            return;
        }
        let enough = self.held_bytes_max - self.held_bytes_max / 8;
        for (bytes, index) in self.holders() {
            if bytes == 0 || self.held_bytes() <= enough {
                break;
            }
            self.metrics().holders_cut.add(1);
            self.give_up(now, index);
        }
        // What nobody waits for any more.
        self.forget_renderings();
    }

    /// How much is held for whom, the most first; among equals those who came last.
    fn holders(&self) -> Vec<(usize, u32)> {
        let mut holders = vec![0; self.connections.capacity()];
        for (index, entry) in &self.connections {
            let holder = entry.stream.as_ref().map_or(index, |s| s.parent as usize);
            let connection = &entry.connection;
            holders[holder] += connection.send_queue.len() + connection.input_bytes();
        }
        let sockets = self.connections.iter().filter(|(_, entry)| {
            // What reads for a stream of another shard holds little, and goes with that stream.
            entry.stream.is_none() && entry.relay.is_none()
        });
        let held = sockets.map(|(index, _)| (holders[index], index as u32));
        let mut held: Vec<_> = held.collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        held
    }

    /// Drops the last renderings, which are kept for whoever asks for the same next.
    pub(super) fn forget_renderings(&mut self) {
        self.poll_rendering = None;
        self.feed_rendering = None;
    }

    /// Says how much is held: what is kept only for whoever comes next waits for nobody.
    pub(super) fn update_gauge(&self) {
        let kept = [
            self.poll_rendering.as_ref().map(|last| last.size),
            self.feed_rendering.as_ref().map(|last| last.size),
        ];
        let kept: usize = kept.into_iter().flatten().sum();
        let held = self.held_bytes().saturating_sub(kept);
        self.metrics().buffered_bytes.set(held as u64);
    }
}
