//! Logins that outlive their connection: short tokens that a client of the sysadm dialect logs in
//! with again, each good for [`LOGIN_TTL`] after its last use.
//!
//! Logins stand in a list in the order of their last use, linked through their places, so that
//! renewing one and finding the oldest both cost the same however many there are. Past
//! [`LOGINS_MAX`] new ones are refused: dropping an old login would log its user out. A token is
//! compared in constant time once its hash has led to it.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;
use subtle::ConstantTimeEq as _;

use super::identity::Identity;
use crate::limits::{LOGIN_TTL, LOGINS_MAX, LOGINS_PER_ORGANIZATION_MAX};
use crate::time::Instant;

/// Length of a login token.
pub const LOGIN_TOKEN_CHARS: usize = 20;

/// Old logins forgotten when one is issued: more than one, so that a backlog shrinks.
const EXPIRED_PER_ISSUE: usize = 16;

/// The end of the list.
const NIL: u32 = u32::MAX;

/// A login token: 20 letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoginToken(pub [u8; LOGIN_TOKEN_CHARS]);

impl std::fmt::Debug for LoginToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The logins that one shard remembers.
#[derive(Debug)]
pub struct Logins {
    entries: Slab<Entry>,
    by_token: HashTable<u32>,
    /// The least recently used, and the most recently used.
    oldest: u32,
    newest: u32,
    /// Logins of each organization.
    counts: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    token: LoginToken,
    identity: Identity,
    used: Instant,
    /// Its neighbours in the order of use.
    older: u32,
    newer: u32,
}

// With the table's 5 bytes: under 4 MB at the bound.
const _: () = assert!(size_of::<Entry>() <= 56);

impl Default for Logins {
    fn default() -> Self {
        Self {
            entries: Slab::new(),
            by_token: HashTable::new(),
            oldest: NIL,
            newest: NIL,
            counts: Vec::new(),
        }
    }
}

impl Logins {
    /// Logins in memory.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no login is in memory.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Remembers a login. Returns `false` if there is no room. A known token passes to the new
    /// identity.
    pub fn issue(&mut self, now: Instant, token: LoginToken, identity: Identity) -> bool {
        self.expire(now, EXPIRED_PER_ISSUE);
        self.clear(&token);
        let organization = identity.organization.0 as usize;
        if self.counts.len() <= organization {
            self.counts.resize(organization + 1, 0);
        }
        if self.entries.len() >= LOGINS_MAX
            || self.counts[organization] >= LOGINS_PER_ORGANIZATION_MAX
        {
            return false;
        }
        self.counts[organization] += 1;
        let index = self.entries.insert(Entry {
            token,
            identity,
            used: now,
            older: NIL,
            newer: NIL,
        }) as u32;
        let entries = &self.entries;
        self.by_token
            .insert_unique(hash(&token), index, |&i| hash(&entries[i as usize].token));
        self.link_newest(index);
        true
    }

    /// Renews a login that is still good, and returns its identity.
    pub fn renew(&mut self, now: Instant, token: &LoginToken) -> Option<Identity> {
        let index = self.find(token)?;
        if is_expired(now, self.entries[index as usize].used) {
            self.remove(index);
            return None;
        }
        self.unlink(index);
        self.entries[index as usize].used = now;
        self.link_newest(index);
        Some(self.entries[index as usize].identity)
    }

    /// Forgets a login.
    pub fn clear(&mut self, token: &LoginToken) {
        if let Some(index) = self.find(token) {
            self.remove(index);
        }
    }

    /// Forgets expired logins, looking at `budget` of them.
    pub fn expire(&mut self, now: Instant, budget: usize) {
        for _ in 0..budget {
            let Some(oldest) = self.entries.get(self.oldest as usize) else {
                break;
            };
            if !is_expired(now, oldest.used) {
                break;
            }
            self.remove(self.oldest);
        }
    }

    fn find(&self, token: &LoginToken) -> Option<u32> {
        let found = self.by_token.find(hash(token), |&i| {
            self.entries[i as usize].token.0.ct_eq(&token.0).into()
        });
        found.copied()
    }

    fn remove(&mut self, index: u32) {
        self.unlink(index);
        let entry = self.entries.remove(index as usize);
        self.counts[entry.identity.organization.0 as usize] -= 1;
        if let Ok(found) = self
            .by_token
            .find_entry(hash(&entry.token), |&i| i == index)
        {
            found.remove();
        }
    }

    fn link_newest(&mut self, index: u32) {
        let before = std::mem::replace(&mut self.newest, index);
        let entry = &mut self.entries[index as usize];
        (entry.older, entry.newer) = (before, NIL);
        match self.entries.get_mut(before as usize) {
            Some(before) => before.newer = index,
            None => self.oldest = index,
        }
    }

    fn unlink(&mut self, index: u32) {
        let Entry { older, newer, .. } = self.entries[index as usize];
        match self.entries.get_mut(older as usize) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_mut(newer as usize) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
    }
}

/// Tokens in the table were drawn by this node, so outsiders cannot make them collide: no seed is
/// needed.
fn hash(token: &LoginToken) -> u64 {
    FixedState::default().hash_one(token)
}

fn is_expired(now: Instant, used: Instant) -> bool {
    now.since(used) >= LOGIN_TTL
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::identity::{Grants, OrganizationId};
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn ttl() -> u64 {
        LOGIN_TTL.as_millis() as u64
    }

    fn token(number: usize) -> LoginToken {
        let mut token = [b'a'; LOGIN_TOKEN_CHARS];
        token[..8].copy_from_slice(&number.to_le_bytes());
        LoginToken(token)
    }

    fn identity(organization: u32) -> Identity {
        Identity {
            organization: OrganizationId(organization),
            grants: Grants::ALL,
            ends: Instant::NEVER,
        }
    }

    #[test]
    fn each_use_renews() {
        let mut logins = Logins::default();
        assert!(logins.issue(at(0), token(1), identity(1)));
        assert_eq!(logins.renew(at(ttl() - 1), &token(1)), Some(identity(1)));
        assert_eq!(
            logins.renew(at(2 * ttl() - 2), &token(1)),
            Some(identity(1))
        );
        assert_eq!(logins.renew(at(3 * ttl() - 2), &token(1)), None);
        assert!(logins.is_empty());
        assert_eq!(format!("{:?}", token(1)), "***");
    }

    #[test]
    fn bounds_refuse_and_time_frees() {
        let mut logins = Logins::default();
        for number in 0..LOGINS_PER_ORGANIZATION_MAX {
            assert!(logins.issue(at(0), token(number), identity(1)));
        }
        // Another organization finds room.
        assert!(!logins.issue(at(0), token(LOGINS_MAX), identity(1)));
        for number in LOGINS_PER_ORGANIZATION_MAX..LOGINS_MAX {
            assert!(logins.issue(at(0), token(number), identity(2)));
        }
        assert!(!logins.issue(at(1), token(LOGINS_MAX), identity(1)));
        // A known token takes no more room.
        assert!(logins.issue(at(1), token(0), identity(3)));
        assert_eq!(logins.renew(at(1), &token(0)), Some(identity(3)));
        logins.expire(at(ttl()), 10);
        assert_eq!(logins.len(), LOGINS_MAX - 10);
        assert!(logins.issue(at(ttl()), token(LOGINS_MAX), identity(1)));
        logins.expire(at(ttl()), usize::MAX);
        assert_eq!(logins.len(), 2, "the renewed one and the new one");
    }

    #[derive(Clone, Debug)]
    enum Op {
        Wait(u64),
        Issue(usize, u32),
        Renew(usize),
        Clear(usize),
        Expire(usize),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let number = 0..8usize;
        let op = prop_oneof![
            2 => prop_oneof![0..10u64, ttl() / 3..ttl()].prop_map(Op::Wait),
            3 => (number.clone(), 0..3u32).prop_map(|(token, org)| Op::Issue(token, org)),
            4 => number.clone().prop_map(Op::Renew),
            1 => number.prop_map(Op::Clear),
            1 => (0..4usize).prop_map(Op::Expire),
        ];
        prop::collection::vec(op, 0..100)
    }

    proptest! {
        #[test]
        fn logins_match_a_naive_table(ops in ops()) {
            let mut logins = Logins::default();
            let mut naive: HashMap<usize, (u32, u64)> = HashMap::new();
            let mut now = 0;
            for op in ops {
                match op {
                    Op::Wait(ms) => now += ms,
                    Op::Issue(number, organization) => {
                        prop_assert!(logins.issue(at(now), token(number), identity(organization)));
                        naive.insert(number, (organization, now));
                    }
                    Op::Renew(number) => {
                        naive.retain(|_, (_, used)| now - *used < ttl());
                        let expected = naive.get_mut(&number).map(|(organization, used)| {
                            *used = now;
                            identity(*organization)
                        });
                        prop_assert_eq!(logins.renew(at(now), &token(number)), expected);
                    }
                    Op::Clear(number) => {
                        logins.clear(&token(number));
                        naive.remove(&number);
                    }
                    Op::Expire(budget) => {
                        let good = naive.values().filter(|(_, used)| now - used < ttl()).count();
                        let before = logins.len();
                        logins.expire(at(now), budget);
                        prop_assert_eq!(logins.len(), before - budget.min(before - good));
                    }
                }
                let good = naive.values().filter(|(_, used)| now - used < ttl()).count();
                prop_assert!(logins.len() >= good);
            }
            logins.expire(at(now), usize::MAX);
            naive.retain(|_, (_, used)| now - *used < ttl());
            prop_assert_eq!(logins.len(), naive.len());
            logins.expire(at(now + ttl()), usize::MAX);
            prop_assert!(logins.is_empty());
        }
    }
}
