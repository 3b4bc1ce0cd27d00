//! What leaves for other shards, and what is waited for from them.
//!
//! # Invariants
//!
//! * Nothing stands in the outbox of this shard itself.
//! * Between the same two shards order is kept.
//! * Answers always find room, requests only below `MESH_OUTBOX_MESSAGES_MAX`:
//!   [`has_room`](Post::has_room) is asked before a request is sent, and for all receivers before
//!   the first.
//! * A search is kept until each of the other shards has said once what it found.

use std::collections::VecDeque;

use slab::Slab;

use super::{ConnectionId, Mail};
use crate::dialect::AllMetrics;
use crate::hub::{Command, Placement, ScopeName, ShardId};
use crate::limits::MESH_OUTBOX_MESSAGES_MAX;

/// One shard's mail.
#[derive(Debug)]
pub(super) struct Post {
    shard: ShardId,
    pub(super) placement: Placement,
    metrics: AllMetrics,
    outboxes: Vec<VecDeque<Mail>>,
    searches: Slab<Search>,
}

/// A search of all shards, while their findings come in.
#[derive(Debug)]
struct Search {
    connection: ConnectionId,
    missing: usize,
    found: Vec<ScopeName>,
}

impl Post {
    pub(super) fn new(shard: ShardId, placement: Placement, metrics: AllMetrics) -> Self {
        let outboxes = (0..placement.shards()).map(|_| VecDeque::new());
        Self {
            shard,
            outboxes: outboxes.collect(),
            placement,
            metrics,
            searches: Slab::new(),
        }
    }

    /// All shards but this one.
    pub(super) fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let own = self.shard;
        let all = (0..self.placement.shards()).map(ShardId);
        all.filter(move |&shard| shard != own)
    }

    /// Whether there is no shard but this one.
    pub(super) fn is_alone(&self) -> bool {
        self.placement.shards() == 1
    }

    /// The hash of a command and the shard that is to execute it.
    pub(super) fn home_of(&self, command: &Command) -> (u64, ShardId) {
        let hash = self.placement.hash_of(command);
        (hash, self.placement.home_of_hash(hash))
    }

    /// Whether a shard may be sent a request.
    pub(super) fn has_room(&self, to: ShardId) -> bool {
        self.outboxes[to.index()].len() < MESH_OUTBOX_MESSAGES_MAX
    }

    /// Whether all other shards may be sent a request.
    pub(super) fn has_room_everywhere(&self) -> bool {
        self.others().all(|shard| self.has_room(shard))
    }

    pub(super) fn send(&mut self, to: ShardId, mail: Mail) {
        debug_assert_ne!(to, self.shard, "mail to oneself");
        self.metrics[self.shard.index()].mail_sent.add(1);
        self.outboxes[to.index()].push_back(mail);
    }

    pub(super) fn send_to_others(&mut self, mut mail: impl FnMut() -> Mail) {
        for shard in self.others() {
            self.send(shard, mail());
        }
    }

    /// Mail for another shard, oldest first.
    pub(super) fn outbox(&mut self, to: ShardId) -> &mut VecDeque<Mail> {
        &mut self.outboxes[to.index()]
    }

    /// Begins a search of all shards, of which this one has found its part. Returns the number that
    /// the others are to answer to.
    pub(super) fn begin_search(&mut self, connection: ConnectionId, found: Vec<ScopeName>) -> u32 {
        let missing = self.outboxes.len() - 1;
        let search = Search {
            connection,
            missing,
            found,
        };
        self.searches.insert(search) as u32
    }

    /// Takes what another shard has found. Returns all that was found and the connection that
    /// asked, if this was the last part.
    pub(super) fn found(
        &mut self,
        search: u32,
        tokens: Vec<ScopeName>,
    ) -> Option<(ConnectionId, Vec<ScopeName>)> {
        let pending = self.searches.get_mut(search as usize)?;
        pending.missing -= 1;
        pending.found.extend(tokens);
        if pending.missing > 0 {
            return None;
        }
        let done = self.searches.remove(search as usize);
        Some((done.connection, done.found))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::Metrics;

    const ASKER: ConnectionId = ConnectionId {
        index: 3,
        serial: 7,
    };

    fn post(shards: u16) -> Post {
        let metrics: Vec<_> = (0..shards).map(|_| Metrics::default()).collect();
        Post::new(ShardId(1), Placement::new(1, shards), Arc::from(metrics))
    }

    #[test]
    fn requests_find_room_up_to_a_bound_and_order_is_kept() {
        let mut post = post(3);
        let mut number = 0;
        while post.has_room(ShardId(2)) {
            post.send(ShardId(2), Mail::Unasked { number });
            number += 1;
        }
        assert_eq!(number as usize, MESH_OUTBOX_MESSAGES_MAX);
        assert!(post.has_room(ShardId(0)) && !post.has_room_everywhere());
        // An answer finds room all the same.
        post.send_to_others(|| Mail::Sealed);
        let mail = std::mem::take(post.outbox(ShardId(2)));
        let is_next = |(expected, mail): (u64, &Mail)| match mail {
            Mail::Unasked { number } => *number == expected,
            Mail::Sealed => expected == number,
            _ => false,
        };
        assert!((0..).zip(&mail).all(is_next));
        assert_eq!(mail.len() as u64, number + 1);
        assert_eq!(post.outbox(ShardId(0)).len(), 1);
        assert!(post.outbox(ShardId(1)).is_empty(), "mail to oneself");
    }

    #[test]
    fn a_search_ends_with_the_last_part_and_once() {
        let mut post = post(3);
        let name = ScopeName::new;
        let first = post.begin_search(ASKER, vec![name("own")]);
        let second = post.begin_search(ASKER, Vec::new());
        assert_eq!(post.found(first, vec![name("a")]), None);
        assert_eq!(post.found(second, Vec::new()), None);
        let all = vec![name("own"), name("a"), name("b")];
        assert_eq!(post.found(first, vec![name("b")]), Some((ASKER, all)));
        assert_eq!(post.found(first, vec![name("c")]), None, "it is over");
        assert_eq!(post.found(second, Vec::new()), Some((ASKER, Vec::new())));
    }
}
