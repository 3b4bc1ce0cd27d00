//! All sessions of a shard: stable small indices, and an index by hash that stores no key twice.
//!
//! The hash is [`Placement::session_hash`](super::super::Placement::session_hash), computed once
//! per request and handed in: this file never hashes. A session that was not created explicitly is
//! as small as can be; fields that only some sessions have are in [`Details`].

use std::time::Duration;

use hashbrown::HashTable;
use slab::Slab;

use super::super::bounds::Counts;
use super::super::command::Status;
use super::super::scope::{OrganizationId, SessionKey};
use super::index::SessionIndex;
use super::log::Log;
use super::readers::ReaderList;
use crate::time::{Instant, Now};

/// A leaf of the tree. Its parents are known to the tree only.
#[derive(Debug)]
pub(in super::super) struct Session {
    pub(in super::super) key: SessionKey,
    /// Hash of the key: a growing index need not hash a million tokens again.
    pub(in super::super) hash: u64,
    pub(in super::super) log: Log,
    pub(in super::super) readers: ReaderList,
    pub(in super::super) details: Option<Box<Details>>,
    pub(in super::super) created_ms: u64,
    pub(in super::super) last_used: Instant,
    pub(in super::super) status: Status,
    /// Whether it was created explicitly, rather than by its first use.
    pub(in super::super) declared: bool,
    /// Whether it has events that its readers were not shown yet: it is in the hub's list.
    pub(in super::super) woken: bool,
    /// Whether it has ended, and exists only until its readers were shown its last event.
    pub(in super::super) doomed: bool,
}

// A million of them should fit in 200 MB.
const _: () = assert!(size_of::<Session>() <= 160);

/// Fields of sessions that were created or started explicitly. Unix milliseconds.
#[derive(Debug, Default)]
pub(in super::super) struct Details {
    pub(in super::super) labels: Vec<String>,
    pub(in super::super) started_ms: Option<u64>,
    pub(in super::super) finished_ms: Option<u64>,
    pub(in super::super) expires_ms: Option<u64>,
}

impl Session {
    pub(in super::super) fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    /// Whether the session is past its date, or was unused for longer than `ttl`. Attached readers
    /// are use; a date holds regardless.
    pub(in super::super) fn is_expired(&self, now: Now, ttl: Duration) -> bool {
        let date = self.details.as_ref().and_then(|d| d.expires_ms);
        date.is_some_and(|date| now.unix_ms >= date)
            || (self.readers.is_empty() && now.instant.since(self.last_used) > ttl)
    }

    /// Returns the time of its date, unless it had been unused for longer than `ttl` by then.
    pub(in super::super) fn ended_by_date(&self, now: Now, ttl: Duration) -> Option<Instant> {
        let date = self.details.as_ref().and_then(|d| d.expires_ms)?;
        let ago_ms = now.unix_ms.checked_sub(date)?;
        let at = Instant::from_millis(now.instant.as_millis().saturating_sub(ago_ms));
        let unused = self.readers.is_empty() && at.since(self.last_used) > ttl;
        (!unused).then_some(at)
    }
}

/// The sessions of a shard.
#[derive(Debug, Default)]
pub(in super::super) struct SessionTable {
    slab: Slab<Session>,
    by_key: HashTable<u32>,
    counts: Counts,
    /// One past the highest index ever used: the end of a walk.
    top: usize,
}

impl SessionTable {
    /// Sessions in memory, the doomed ones included.
    pub(in super::super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Returns the number of sessions of an organization.
    pub(in super::super) fn count_of(&self, organization: OrganizationId) -> usize {
        self.counts.of(organization)
    }

    /// One past the highest index that [`get`](Self::get) may find.
    pub(in super::super) fn top(&self) -> usize {
        self.top
    }

    pub(in super::super) fn get(&self, index: SessionIndex) -> Option<&Session> {
        self.slab.get(index.index())
    }

    pub(in super::super) fn get_mut(&mut self, index: SessionIndex) -> Option<&mut Session> {
        self.slab.get_mut(index.index())
    }

    /// Finds a session by its key, given the key's hash.
    pub(in super::super) fn find(
        &self,
        organization: OrganizationId,
        token: &str,
        hash: u64,
    ) -> Option<SessionIndex> {
        let found = self.by_key.find(mix(hash), |&i| {
            let session = &self.slab[i as usize];
            session.hash == hash
                && session.key.organization == organization
                && session.key.token.as_str() == token
        });
        found.map(|&i| SessionIndex::new(i as usize))
    }

    /// Returns all organizations' sessions of a token, given its hash; in no order to rely on.
    pub(in super::super) fn of_token(
        &self,
        token: &str,
        hash: u64,
    ) -> impl Iterator<Item = &Session> {
        let hashed = self.by_key.iter_hash(mix(hash));
        let sessions = hashed.map(|&i| &self.slab[i as usize]);
        sessions.filter(move |s| s.hash == hash && s.key.token.as_str() == token)
    }

    /// Returns the place of the next inserted session.
    pub(in super::super) fn vacant_index(&self) -> SessionIndex {
        SessionIndex::new(self.slab.vacant_key())
    }

    /// Inserts a session whose key is not there yet.
    pub(in super::super) fn insert(&mut self, session: Session) -> SessionIndex {
        let hash = mix(session.hash);
        self.counts.add(session.key.organization);
        let index = self.slab.insert(session) as u32;
        let slab = &self.slab;
        self.by_key
            .insert_unique(hash, index, |&i| mix(slab[i as usize].hash));
        self.top = self.top.max(index as usize + 1);
        SessionIndex::new(index as usize)
    }

    /// Forgets a session's key, so that it is found by its index only.
    pub(in super::super) fn unlink(&mut self, index: SessionIndex) {
        let Some(session) = self.slab.get(index.index()) else {
            return;
        };
        let hash = mix(session.hash);
        if let Ok(entry) = self
            .by_key
            .find_entry(hash, |&i| i as usize == index.index())
        {
            entry.remove();
        }
    }

    /// Removes a session.
    pub(in super::super) fn remove(&mut self, index: SessionIndex) -> Option<Session> {
        self.unlink(index);
        let session = self.slab.try_remove(index.index())?;
        self.counts.remove(session.key.organization, 1);
        Some(session)
    }

    /// All sessions in order of index.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slab.iter().map(|(_, session)| session)
    }
}

/// Returns the hash for the index. Placement has spent the high bits (all sessions of a shard agree
/// in them), but `HashTable` tells entries of one bucket apart by exactly those.
const fn mix(hash: u64) -> u64 {
    hash.rotate_left(32)
}
