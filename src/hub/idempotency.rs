//! The answers given to each `Idempotency-Key`, so that a repeat publishes nothing.
//!
//! A key belongs to the target it was used for, and is remembered for [`IDEMPOTENCY_TTL`] after its
//! answer, with a digest of the publish: the same key there with anything else is refused, for else
//! that would be lost unsaid. While the first request with a key is under way, repeats wait for its
//! answer. A refusal is not remembered: the publisher may try again with the same key. Every bound
//! refuses rather than forgets, because forgetting a key early would publish twice; no organization
//! can use up all keys. The waiting requests (`W`) are the caller's type.

use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;

use super::bounds::Whose;
use super::command::{Answer, Refusal};
use super::publish_key::PublishKey;
use super::scope::OrganizationId;
use crate::limits::{IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_TTL, IDEMPOTENCY_WAITERS_MAX};
use crate::time::Instant;

/// Old keys forgotten per call: more than a call can add, so that a backlog shrinks, and few enough
/// that no call stands out.
const EXPIRED_PER_CALL: usize = 16;

/// The treatment of a request that carries a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The first with this key: execute it, then call [`Idempotency::complete`], which returns this
    /// request's waiter too.
    Fresh,
    /// The first is under way: [`Idempotency::complete`] will return the waiter.
    Waiting,
    /// A repeat: the remembered answer. The waiter was dropped.
    Done(Answer),
    /// The key was used for another publish, or a bound is reached. The waiter was dropped.
    Refused(Refusal),
}

/// The keys that one shard remembers.
#[derive(Debug)]
pub struct Idempotency<W> {
    entries: Slab<Entry<W>>,
    by_key: HashTable<u32>,
    hasher: FixedState,
    /// The share of each organization that holds any keys.
    shares: BTreeMap<OrganizationId, Share>,
    /// Most keys of one organization.
    keys_max: usize,
}

/// One organization's keys.
#[derive(Debug, Default)]
struct Share {
    /// Keys in memory.
    held: usize,
    /// Answered entries in order of their answer. One whose entry has changed since is void.
    answered: VecDeque<(Instant, u32)>,
}

#[derive(Debug)]
struct Entry<W> {
    key: PublishKey,
    state: State<W>,
}

#[derive(Debug)]
enum State<W> {
    UnderWay(Vec<W>),
    Answered { answer: Answer, at: Instant },
}

impl<W> Idempotency<W> {
    /// An empty table, with at most `keys_max` keys of one organization. `seed` keeps outsiders
    /// from choosing keys that collide.
    pub fn new(seed: u64, keys_max: usize) -> Self {
        Self {
            entries: Slab::new(),
            by_key: HashTable::new(),
            hasher: FixedState::with_seed(seed),
            shares: BTreeMap::new(),
            keys_max,
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

    /// Registers a request with a key. Returns how to treat it.
    pub fn begin(&mut self, now: Instant, key: &PublishKey, waiter: W) -> Begin {
        self.expire_of(now, key.organization, EXPIRED_PER_CALL);
        let hash = self.hasher.hash_one(key.prefix());
        if let Some(index) = self.find(hash, key) {
            let Entry { key: first, state } = &mut self.entries[index as usize];
            let is_other = first.body != key.body;
            match state {
                State::Answered { at, .. } if is_expired(now, *at) => self.remove(index),
                _ if is_other => return Begin::Refused(Refusal::KeyReused),
                State::Answered { answer, .. } => return Begin::Done(answer.clone()),
                // The first of them is not a waiter in the sense of the bound.
                State::UnderWay(waiters) if waiters.len() > IDEMPOTENCY_WAITERS_MAX => {
                    return Begin::Refused(Refusal::Busy);
                }
                State::UnderWay(waiters) => {
                    waiters.push(waiter);
                    return Begin::Waiting;
                }
            }
        }
        if let Some(refusal) = self.refusal(now, key.organization) {
            return Begin::Refused(refusal);
        }
        let state = State::UnderWay(vec![waiter]);
        let index = self.entries.insert(Entry { key: *key, state }) as u32;
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.by_key
            .insert_unique(hash, index, |&i| entries[i as usize].hash(hasher));
        self.shares.entry(key.organization).or_default().held += 1;
        Begin::Fresh
    }

    /// Returns a refusal if one more key of an organization would exceed a bound.
    fn refusal(&self, now: Instant, organization: OrganizationId) -> Option<Refusal> {
        let share = self.shares.get(&organization);
        let (of, oldest) = if share.is_some_and(|share| share.held >= self.keys_max) {
            (Whose::Organization, share.and_then(Share::oldest))
        } else if self.entries.len() >= IDEMPOTENCY_KEYS_MAX {
            let oldest = self.shares.values().filter_map(Share::oldest).min();
            (Whose::Everyone, oldest)
        } else {
            return None;
        };
        // Keys under way are answered within moments, and expired ones are about to be forgotten.
        let wait = oldest.map_or(0, |at| {
            let rest = IDEMPOTENCY_TTL.saturating_sub(now.since(at));
            rest.as_millis().div_ceil(1_000) as u32
        });
        let retry_after = wait.max(1);
        Some(Refusal::KeysHeld { of, retry_after })
    }

    /// Records the answer to the first request with a key. Returns all its recipients: that request
    /// first, then the repeats in order. Empty if no request with this key is under way.
    ///
    /// Every [`Begin::Fresh`] must come to this, with a refusal if need be: a request under way
    /// does not expire.
    #[must_use = "somebody waits for the answer"]
    pub fn complete(&mut self, now: Instant, key: &PublishKey, answer: Answer) -> Vec<W> {
        let hash = self.hasher.hash_one(key.prefix());
        let Some(index) = self.find(hash, key) else {
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
            let share = self.shares.entry(key.organization).or_default();
            share.answered.push_back((now, index));
        }
        waiters
    }

    /// Forgets up to `budget` expired keys. Each [`begin`](Self::begin) does so too, for its own
    /// organization; call this now and then so that memory is given up when no keys come.
    pub fn expire(&mut self, now: Instant, budget: usize) {
        let mut left = budget;
        let organizations: Vec<_> = self.shares.keys().copied().collect();
        for organization in organizations {
            left -= self.expire_of(now, organization, left);
            if self.shares.get(&organization).is_some_and(Share::is_empty) {
                self.shares.remove(&organization);
            }
        }
    }

    /// Forgets up to `budget` expired keys of an organization. Returns how many were looked at.
    fn expire_of(&mut self, now: Instant, organization: OrganizationId, budget: usize) -> usize {
        for done in 0..budget {
            let Some(share) = self.shares.get_mut(&organization) else {
                return done;
            };
            let Some(&(at, index)) = share.answered.front() else {
                share.answered = VecDeque::new();
                return done;
            };
            if !is_expired(now, at) {
                return done;
            }
            share.answered.pop_front();
            let entry = self.entries.get(index as usize);
            let same = entry.is_some_and(|entry| {
                matches!(entry.state, State::Answered { at: answered, .. } if answered == at)
            });
            if same {
                self.remove(index);
            }
        }
        budget
    }

    fn find(&self, hash: u64, key: &PublishKey) -> Option<u32> {
        let found = self
            .by_key
            .find(hash, |&i| self.entries[i as usize].key.id == key.id);
        found.copied()
    }

    fn remove(&mut self, index: u32) {
        let hash = self.entries[index as usize].hash(&self.hasher);
        if let Ok(entry) = self.by_key.find_entry(hash, |&i| i == index) {
            entry.remove();
        }
        let entry = self.entries.remove(index as usize);
        if let Some(share) = self.shares.get_mut(&entry.key.organization) {
            share.held -= 1;
        }
    }
}

impl<W> Entry<W> {
    fn hash(&self, hasher: &FixedState) -> u64 {
        hasher.hash_one(self.key.prefix())
    }
}

impl Share {
    fn oldest(&self) -> Option<Instant> {
        self.answered.front().map(|&(at, _)| at)
    }

    fn is_empty(&self) -> bool {
        self.held == 0 && self.answered.is_empty()
    }
}

fn is_expired(now: Instant, answered: Instant) -> bool {
    now.since(answered) >= IDEMPOTENCY_TTL
}

#[cfg(test)]
mod tests;
