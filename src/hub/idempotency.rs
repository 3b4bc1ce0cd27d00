//! What was answered to which `Idempotency-Key`, so that a repeat publishes nothing.
//!
//! A key is remembered per organization for [`IDEMPOTENCY_TTL`] after its answer. While the first
//! request with a key is under way, repeats wait for its answer. A refusal is not remembered: the
//! publisher may try again with the same key. Every bound refuses rather than forgets, because
//! forgetting a key early would publish twice. Who waits (`W`) is the caller's business.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;

use super::command::Answer;
use super::scope::OrganizationId;
use crate::limits::{
    IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_TTL, IDEMPOTENCY_WAITERS_MAX,
};
use crate::time::Instant;

/// Old keys forgotten per call: more than a call can add, so that a backlog shrinks, and few enough
/// that no call stands out.
const EXPIRED_PER_CALL: usize = 16;

/// What to do with a request that carries a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The first with this key: execute it, then call [`Idempotency::complete`], which returns this
    /// request's waiter too.
    Fresh,
    /// The first is under way: [`Idempotency::complete`] will return the waiter.
    Waiting,
    /// A repeat: this was the answer. The waiter was dropped.
    Done(Answer),
    /// A bound is reached: refuse the request as busy. The waiter was dropped.
    Full,
}

/// The keys that one shard remembers.
#[derive(Debug)]
pub struct Idempotency<W> {
    entries: Slab<Entry<W>>,
    by_key: HashTable<u32>,
    hasher: FixedState,
    /// Answered entries in order of their answer. One whose entry has changed since is void.
    answered: VecDeque<(Instant, u32)>,
}

#[derive(Debug)]
struct Entry<W> {
    organization: OrganizationId,
    key: Box<[u8]>,
    state: State<W>,
}

#[derive(Debug)]
enum State<W> {
    UnderWay(Vec<W>),
    Answered { answer: Answer, at: Instant },
}

impl<W> Idempotency<W> {
    /// Remembers nothing yet. `seed` keeps outsiders from choosing keys that collide.
    pub fn new(seed: u64) -> Self {
        Self {
            entries: Slab::new(),
            by_key: HashTable::new(),
            hasher: FixedState::with_seed(seed),
            answered: VecDeque::new(),
        }
    }

    /// Keys in memory.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key is in memory.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Registers a request with a key, and says what to do with it.
    pub fn begin(
        &mut self,
        now: Instant,
        organization: OrganizationId,
        key: &[u8],
        waiter: W,
    ) -> Begin {
        self.expire(now, EXPIRED_PER_CALL);
        if key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
            return Begin::Full;
        }
        let hash = self.hasher.hash_one((organization, key));
        if let Some(index) = self.find(hash, organization, key) {
            match &mut self.entries[index as usize].state {
                // The first of them is not a waiter in the sense of the bound.
                State::UnderWay(waiters) if waiters.len() > IDEMPOTENCY_WAITERS_MAX => {
                    return Begin::Full;
                }
                State::UnderWay(waiters) => {
                    waiters.push(waiter);
                    return Begin::Waiting;
                }
                State::Answered { answer, at } if !is_expired(now, *at) => {
                    return Begin::Done(answer.clone());
                }
                State::Answered { .. } => self.remove(index),
            }
        }
        if self.entries.len() >= IDEMPOTENCY_KEYS_MAX {
            return Begin::Full;
        }
        let entry = Entry {
            organization,
            key: Box::from(key),
            state: State::UnderWay(vec![waiter]),
        };
        let index = self.entries.insert(entry) as u32;
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.by_key
            .insert_unique(hash, index, |&i| entries[i as usize].hash(hasher));
        Begin::Fresh
    }

    /// Records the answer to the first request with a key. Returns everyone to give it to: that
    /// request first, then the repeats in order. Empty if no request with this key is under way.
    ///
    /// Every [`Begin::Fresh`] must come to this, with a refusal if need be: a request under way
    /// does not expire.
    #[must_use = "somebody waits for the answer"]
    pub fn complete(
        &mut self,
        now: Instant,
        organization: OrganizationId,
        key: &[u8],
        answer: Answer,
    ) -> Vec<W> {
        let hash = self.hasher.hash_one((organization, key));
        let Some(index) = self.find(hash, organization, key) else {
            return Vec::new();
        };
        let State::UnderWay(waiters) = &mut self.entries[index as usize].state else {
            return Vec::new();
        };
        let waiters = std::mem::take(waiters);
        if matches!(answer, Answer::Refused(_)) {
            self.remove(index);
        } else {
            self.entries[index as usize].state = State::Answered { answer, at: now };
            self.answered.push_back((now, index));
        }
        waiters
    }

    /// Forgets up to `budget` keys whose time is over. Each [`begin`](Self::begin) does so too; call
    /// this now and then so that memory is given up when no keys come.
    pub fn expire(&mut self, now: Instant, budget: usize) {
        for _ in 0..budget {
            let Some(&(at, index)) = self.answered.front() else {
                break;
            };
            if !is_expired(now, at) {
                break;
            }
            self.answered.pop_front();
            let entry = self.entries.get(index as usize);
            let same = entry.is_some_and(|entry| {
                matches!(entry.state, State::Answered { at: answered, .. } if answered == at)
            });
            if same {
                self.remove(index);
            }
        }
        if self.answered.is_empty() {
            self.answered = VecDeque::new();
        }
    }

    fn find(&self, hash: u64, organization: OrganizationId, key: &[u8]) -> Option<u32> {
        let found = self.by_key.find(hash, |&i| {
            let entry = &self.entries[i as usize];
            entry.organization == organization && *entry.key == *key
        });
        found.copied()
    }

    fn remove(&mut self, index: u32) {
        let hash = self.entries[index as usize].hash(&self.hasher);
        if let Ok(entry) = self.by_key.find_entry(hash, |&i| i == index) {
            entry.remove();
        }
        self.entries.remove(index as usize);
    }
}

impl<W> Entry<W> {
    fn hash(&self, hasher: &FixedState) -> u64 {
        hasher.hash_one((self.organization, &*self.key))
    }
}

fn is_expired(now: Instant, answered: Instant) -> bool {
    now.since(answered) >= IDEMPOTENCY_TTL
}

#[cfg(test)]
mod tests {
    use super::super::command::Refusal;
    use super::*;
    use std::time::Duration;

    const ORGANIZATION: OrganizationId = OrganizationId(1);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn ttl() -> u64 {
        IDEMPOTENCY_TTL.as_millis() as u64
    }

    #[test]
    fn a_repeat_waits_and_then_gets_the_first_answer() {
        let mut keys = Idempotency::new(1);
        assert_eq!(keys.begin(at(0), ORGANIZATION, b"k", 1), Begin::Fresh);
        assert_eq!(keys.begin(at(0), ORGANIZATION, b"k", 2), Begin::Waiting);
        assert_eq!(keys.begin(at(0), OrganizationId(2), b"k", 3), Begin::Fresh);
        let waiters = keys.complete(at(1), ORGANIZATION, b"k", Answer::Done);
        assert_eq!(waiters, [1, 2]);
        let done = Begin::Done(Answer::Done);
        assert_eq!(keys.begin(at(2), ORGANIZATION, b"k", 4), done);
        let again = Answer::Refused(Refusal::Busy);
        assert!(keys.complete(at(3), ORGANIZATION, b"k", again).is_empty());
        assert_eq!(keys.begin(at(ttl()), ORGANIZATION, b"k", 4), done);
        assert_eq!(
            keys.begin(at(ttl() + 1), ORGANIZATION, b"k", 5),
            Begin::Fresh
        );
    }

    #[test]
    fn a_refusal_is_handed_out_but_not_remembered() {
        let mut keys = Idempotency::new(1);
        keys.begin(at(0), ORGANIZATION, b"k", 1);
        keys.begin(at(0), ORGANIZATION, b"k", 2);
        let refused = Answer::Refused(Refusal::Busy);
        let waiters = keys.complete(at(0), ORGANIZATION, b"k", refused);
        assert_eq!(waiters, [1, 2]);
        assert!(keys.is_empty());
        assert_eq!(keys.begin(at(0), ORGANIZATION, b"k", 3), Begin::Fresh);
    }

    #[test]
    fn bounds_refuse_and_time_frees() {
        let mut keys = Idempotency::new(1);
        for i in 0..IDEMPOTENCY_KEYS_MAX {
            let key = i.to_le_bytes();
            assert_eq!(keys.begin(at(0), ORGANIZATION, &key, i), Begin::Fresh);
            assert_eq!(
                keys.complete(at(0), ORGANIZATION, &key, Answer::Done),
                [i],
                "key {i}"
            );
        }
        assert_eq!(keys.begin(at(1), ORGANIZATION, b"one more", 0), Begin::Full);
        let first = 0usize.to_le_bytes();
        let done = Begin::Done(Answer::Done);
        assert_eq!(keys.begin(at(1), ORGANIZATION, &first, 0), done);
        // One call forgets a few; what is expired but not forgotten yet is fresh all the same.
        let last = (IDEMPOTENCY_KEYS_MAX - 1).to_le_bytes();
        assert_eq!(keys.begin(at(ttl()), ORGANIZATION, &last, 0), Begin::Fresh);
        assert!(keys.len() > IDEMPOTENCY_KEYS_MAX / 2);
        keys.expire(at(ttl()), usize::MAX);
        assert_eq!(keys.len(), 1, "only the one under way is left");
        assert_eq!(
            keys.complete(at(ttl()), ORGANIZATION, &last, Answer::Done),
            [0]
        );
    }

    #[test]
    fn waiters_and_key_length_are_bounded() {
        let mut keys = Idempotency::new(1);
        keys.begin(at(0), ORGANIZATION, b"k", 0);
        for i in 1..=IDEMPOTENCY_WAITERS_MAX {
            assert_eq!(keys.begin(at(0), ORGANIZATION, b"k", i), Begin::Waiting);
        }
        assert_eq!(keys.begin(at(0), ORGANIZATION, b"k", 0), Begin::Full);
        let expected: Vec<_> = (0..=IDEMPOTENCY_WAITERS_MAX).collect();
        let waiters = keys.complete(at(0), ORGANIZATION, b"k", Answer::Done);
        assert_eq!(waiters, expected);
        let long = [b'x'; IDEMPOTENCY_KEY_BYTES_MAX + 1];
        assert_eq!(keys.begin(at(0), ORGANIZATION, &long, 0), Begin::Full);
    }

    #[test]
    fn a_stale_place_in_the_queue_spares_its_successor() {
        let mut keys = Idempotency::new(1);
        let mut publish = |ms: u64, key: &[u8]| {
            let begin = keys.begin(at(ms), ORGANIZATION, key, ());
            if begin == Begin::Fresh {
                assert_eq!(
                    keys.complete(at(ms), ORGANIZATION, key, Answer::Done).len(),
                    1
                );
            }
            begin
        };
        // More keys than one call forgets, so that the last is found expired before its turn.
        for i in 0..=EXPIRED_PER_CALL {
            assert_eq!(publish(0, &[i as u8]), Begin::Fresh);
        }
        let last = [EXPIRED_PER_CALL as u8];
        assert_eq!(publish(ttl(), &last), Begin::Fresh);
        let later = ttl() + Duration::from_secs(1).as_millis() as u64;
        assert_eq!(publish(later, b"other"), Begin::Fresh);
        assert_eq!(publish(later, &last), Begin::Done(Answer::Done));
    }
}
