//! Tokens of sessions that were ended, so that their readers do not bring them back.
//!
//! A session that was ended on purpose (deleted, replaced by another, or past its date) leaves its
//! token here. Reading does not create a session of such a token; publishing does, and takes the
//! token off. A token is forgotten when nobody asked for it for as long as an unused session lives,
//! or when there are too many: an organization's oldest give way to its newer ones, and where all
//! together are too many, those of the organization that has most. A forgotten token is then served
//! as any unknown one.
//!
//! A token is kept as its hash, which outsiders cannot foresee: two of the same hash would be one
//! session that cannot be read for a while, in 2⁶⁴ tries.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::scope::OrganizationId;
use crate::limits::{TOMBSTONES_MAX, TOMBSTONES_PER_ORGANIZATION_MAX};
use crate::time::Instant;

/// Tokens in memory of a shard's sessions that were ended.
#[derive(Debug)]
pub(super) struct Tombstones {
    /// Tombstones by organization and hash.
    standing: HashMap<(OrganizationId, u64), Standing, FixedState>,
    /// The queue of each organization, the oldest or least lately asked for in front. An entry
    /// whose serial is not that of its token is void.
    queues: Vec<VecDeque<Queued>>,
    /// Entries of all queues.
    queued: usize,
    serial: u64,
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    each: usize,
    all: usize,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    /// Time at which the session ended, or a reader last asked for it.
    asked: Instant,
    serial: u64,
}

#[derive(Clone, Copy, Debug)]
struct Queued {
    asked: Instant,
    serial: u64,
    hash: u64,
}

impl Default for Tombstones {
    fn default() -> Self {
        Self::with_bounds(Bounds {
            each: TOMBSTONES_PER_ORGANIZATION_MAX,
            all: TOMBSTONES_MAX,
        })
    }
}

impl Tombstones {
    fn with_bounds(bounds: Bounds) -> Self {
        Self {
            // The keys are secret hashes already.
            standing: HashMap::with_hasher(FixedState::default()),
            queues: Vec::new(),
            queued: 0,
            serial: 0,
            bounds,
        }
    }

    /// Notes that a session of this token ended `at`; `hash` is
    /// [`Placement::session_hash`](super::Placement::session_hash).
    pub(super) fn bury(&mut self, at: Instant, organization: OrganizationId, hash: u64) {
        let queue = organization.0 as usize;
        if self.queues.len() <= queue {
            self.queues.resize_with(queue + 1, VecDeque::new);
        }
        while self.queues[queue].len() >= self.bounds.each {
            self.pop(organization);
        }
        while self.queued >= self.bounds.all {
            let lens = self.queues.iter().map(VecDeque::len).zip(0..);
            let largest = lens.max_by_key(|(len, _)| *len).map_or(0, |(_, id)| id);
            self.pop(OrganizationId(largest));
        }
        self.serial += 1;
        let serial = self.serial;
        let standing = Standing { asked: at, serial };
        self.standing.insert((organization, hash), standing);
        self.queues[queue].push_back(Queued {
            asked: at,
            serial,
            hash,
        });
        self.queued += 1;
    }

    /// Whether a session that a reader asks for was ended. Asking at least every `ttl` keeps it
    /// remembered.
    pub(super) fn stands(
        &mut self,
        now: Instant,
        ttl: std::time::Duration,
        organization: OrganizationId,
        hash: u64,
    ) -> bool {
        let Some(standing) = self.standing.get_mut(&(organization, hash)) else {
            return false;
        };
        if now.since(standing.asked) > ttl {
            self.standing.remove(&(organization, hash));
            return false;
        }
        standing.asked = now;
        true
    }

    /// Removes the token: there is a session of it again.
    pub(super) fn lift(&mut self, organization: OrganizationId, hash: u64) {
        if !self.standing.is_empty() {
            self.standing.remove(&(organization, hash));
        }
    }

    /// Forgets tokens that nobody asked for within `ttl`: at most `budget` of each organization.
    pub(super) fn sweep(&mut self, now: Instant, ttl: std::time::Duration, budget: usize) {
        if self.queued == 0 {
            return;
        }
        for queue in 0..self.queues.len() {
            for _ in 0..budget {
                let old = |front: &Queued| now.since(front.asked) > ttl;
                if !self.queues[queue].front().is_some_and(old) {
                    break;
                }
                self.pop(OrganizationId(queue as u32));
            }
        }
    }

    /// Removes an organization's first; one that was asked for since it was queued goes to the end
    /// instead.
    fn pop(&mut self, organization: OrganizationId) {
        let queue = &mut self.queues[organization.0 as usize];
        let Some(first) = queue.pop_front() else {
            return;
        };
        match self.standing.get(&(organization, first.hash)) {
            Some(standing) if standing.serial != first.serial => {}
            Some(standing) if standing.asked > first.asked => {
                let asked = standing.asked;
                queue.push_back(Queued { asked, ..first });
                return;
            }
            Some(_) => {
                self.standing.remove(&(organization, first.hash));
            }
            None => {}
        }
        self.queued -= 1;
        if queue.is_empty() {
            *queue = VecDeque::new();
        }
        if self.standing.is_empty() {
            self.standing.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const TTL: Duration = Duration::from_millis(100);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn bounded(each: usize, all: usize) -> Tombstones {
        Tombstones::with_bounds(Bounds { each, all })
    }

    const ONE: OrganizationId = OrganizationId(1);
    const TWO: OrganizationId = OrganizationId(2);

    #[test]
    fn one_stands_while_it_is_asked_for() {
        let mut tombstones = Tombstones::default();
        tombstones.bury(at(0), ONE, 7);
        assert!(!tombstones.stands(at(0), TTL, TWO, 7), "each has its own");
        for ms in [0, 100, 200, 300] {
            assert!(tombstones.stands(at(ms), TTL, ONE, 7));
            tombstones.sweep(at(ms), TTL, 10);
        }
        assert!(!tombstones.stands(at(401), TTL, ONE, 7));
        tombstones.sweep(at(1_000), TTL, 10);
        assert_eq!((tombstones.queued, tombstones.standing.len()), (0, 0));
    }

    #[test]
    fn the_least_asked_for_give_way_and_nobody_elses() {
        let mut tombstones = bounded(3, 5);
        tombstones.bury(at(0), TWO, 1);
        for hash in 1..=3 {
            tombstones.bury(at(0), ONE, hash);
        }
        assert!(tombstones.stands(at(1), TTL, ONE, 1));
        tombstones.bury(at(2), ONE, 4);
        let mut standing = |organization, hash| tombstones.stands(at(2), TTL, organization, hash);
        assert!(standing(ONE, 1), "it was asked for");
        assert!(!standing(ONE, 2) && standing(ONE, 3) && standing(ONE, 4));
        assert!(standing(TWO, 1));
        // All together are too many: the organization with most gives way.
        tombstones.bury(at(3), TWO, 2);
        tombstones.bury(at(4), TWO, 3);
        let mut standing = |organization, hash| tombstones.stands(at(4), TTL, organization, hash);
        assert!(standing(TWO, 1) && standing(TWO, 2) && standing(TWO, 3));
        assert_eq!((1..=4).filter(|&hash| standing(ONE, hash)).count(), 2);
    }

    #[test]
    fn coming_and_going_takes_no_room() {
        let mut tombstones = bounded(8, 16);
        tombstones.bury(at(0), ONE, 99);
        for ms in 0..1_000 {
            assert!(tombstones.stands(at(ms), TTL, ONE, 99), "it is asked for");
            tombstones.bury(at(ms), ONE, 5);
            assert!(tombstones.stands(at(ms), TTL, ONE, 5));
            tombstones.lift(ONE, 5);
            assert!(!tombstones.stands(at(ms), TTL, ONE, 5));
            assert!(tombstones.queued <= 8);
        }
    }

    proptest! {
        #[test]
        fn bounds_hold_and_nothing_stands_that_was_not_buried(
            ops in prop::collection::vec((0..3u8, 0..4u32, 0..12u64, 0..30u64), 0..300),
        ) {
            let mut tombstones = bounded(4, 9);
            let mut buried = std::collections::BTreeSet::new();
            let mut now = 0;
            for (op, organization, hash, ms) in ops {
                now += ms;
                let id = OrganizationId(organization);
                match op {
                    0 => {
                        tombstones.bury(at(now), id, hash);
                        buried.insert((organization, hash));
                        prop_assert!(tombstones.stands(at(now), TTL, id, hash));
                    }
                    1 => {
                        tombstones.lift(id, hash);
                        buried.remove(&(organization, hash));
                    }
                    _ => tombstones.sweep(at(now), TTL, 2),
                }
                let stands = tombstones.stands(at(now), TTL, id, hash);
                prop_assert!(!stands || buried.contains(&(organization, hash)));
                let lens: Vec<usize> = tombstones.queues.iter().map(VecDeque::len).collect();
                prop_assert!(lens.iter().all(|&len| len <= 4), "{lens:?}");
                prop_assert_eq!(lens.iter().sum::<usize>(), tombstones.queued);
                prop_assert!(tombstones.queued <= 9 && tombstones.standing.len() <= tombstones.queued);
            }
        }
    }
}
