//! A hub that keeps everything in lists and maps and computes each answer from scratch.
//!
//! What cannot be foreseen (ids, epochs) is taken from the real answer the first time it shows, and
//! must stay as it is from then on.

use std::collections::HashMap;

use fanfare::hub::{
    Address, Epoch, Event, EventId, Full, HubConfig, News, Parents, Refusal, Scope, SessionKey,
    Status, Table, Whose,
};
use fanfare::time::{Instant, Now};

use crate::facts::Facts;
use crate::naive_tree::Child;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NaiveEvent {
    pub(crate) name: String,
    pub(crate) payload: String,
    pub(crate) bytes: usize,
    pub(crate) at: Instant,
}

#[derive(Clone, Debug)]
pub(crate) struct NaiveSession {
    pub(crate) uid: usize,
    pub(crate) organization: u32,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) events: Vec<NaiveEvent>,
    pub(crate) age_ms: u64,
    pub(crate) status: Status,
    pub(crate) labels: Vec<String>,
    pub(crate) created_ms: u64,
    pub(crate) started_ms: Option<u64>,
    pub(crate) finished_ms: Option<u64>,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) last_used: Instant,
    pub(crate) connections: Vec<u32>,
    pub(crate) declared: bool,
}

pub(crate) type Key = (u32, String);

pub(crate) struct NaiveHub {
    pub(crate) config: HubConfig,
    pub(crate) sessions: HashMap<Key, NaiveSession>,
    /// Ended, but their readers have not seen the last event.
    pub(crate) doomed: Vec<NaiveSession>,
    pub(crate) facts: HashMap<u32, Facts>,
    /// Uids of sessions to show to readers.
    pub(crate) woken: Vec<usize>,
    /// The order is not promised: a woken session was removed and its place taken, or one event
    /// woke several.
    pub(crate) woken_any_order: bool,
    /// Uids of sessions that were without a reader since the last tick: one that comes has read
    /// what there is, and may be shown it again, or not.
    pub(crate) left: Vec<usize>,
    pub(crate) ended: Vec<u32>,
    /// Sessions that were ended, and when a reader last asked for them.
    pub(crate) tombstones: HashMap<Key, Instant>,
    pub(crate) effects: Vec<News>,
    /// What stood above the scope of the events that were accepted last.
    pub(crate) above_events: Parents,
    pub(crate) last_id: Option<EventId>,
    uids: usize,
}

pub(crate) fn key(session: &SessionKey) -> Key {
    (session.organization.0, session.token.to_string())
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

impl NaiveSession {
    /// The number of the oldest event within retention.
    pub(crate) fn oldest(&self, config: &HubConfig, now: Instant) -> usize {
        let fits = |&first: &usize| {
            let tail = &self.events[first..];
            let bytes: usize = tail.iter().map(|e| e.bytes).sum();
            let small = tail.len() <= config.retention.events && bytes <= config.retention.bytes;
            let young = |e: &NaiveEvent| now.since(e.at).as_millis() <= u128::from(self.age_ms);
            tail.iter().all(young) && (small || tail.len() == 1)
        };
        let len = self.events.len();
        (0..len).find(fits).unwrap_or(len)
    }

    pub(crate) fn bytes(&self, config: &HubConfig, now: Instant) -> usize {
        let tail = &self.events[self.oldest(config, now)..];
        tail.iter().map(|e| e.bytes).sum()
    }

    /// A publish is charged what it could add at most.
    pub(crate) fn growth(&self, config: &HubConfig, now: Instant, bytes: usize) -> usize {
        let before = self.bytes(config, now);
        let after = (before + bytes).min(config.retention.bytes.max(bytes));
        after.saturating_sub(before)
    }
}

impl NaiveHub {
    pub(crate) fn new(config: HubConfig) -> Self {
        Self {
            config,
            sessions: HashMap::new(),
            doomed: Vec::new(),
            facts: HashMap::new(),
            woken: Vec::new(),
            woken_any_order: false,
            left: Vec::new(),
            ended: Vec::new(),
            tombstones: HashMap::new(),
            effects: Vec::new(),
            above_events: Parents::default(),
            last_id: None,
            uids: 0,
        }
    }

    /// Removes what is past its time. The real hub may do so later, but nobody can see it.
    pub(crate) fn expire(&mut self, now: Now) {
        let ttl = self.config.session_ttl;
        let expired = |s: &NaiveSession| {
            s.expires_ms.is_some_and(|date| date <= now.unix_ms)
                || (s.connections.is_empty() && now.instant.since(s.last_used) > ttl)
        };
        let sessions = self.sessions.iter();
        let gone = sessions.filter(|(_, s)| expired(s)).map(|(k, _)| k.clone());
        for key in gone.collect::<Vec<_>>() {
            let session = &self.sessions[&key];
            if let Some(ago_ms) = session
                .expires_ms
                .and_then(|date| now.unix_ms.checked_sub(date))
            {
                let at = Instant::from_millis(now.instant.as_millis().saturating_sub(ago_ms));
                if !session.connections.is_empty() || at.since(session.last_used) <= ttl {
                    self.tombstones.insert(key.clone(), at);
                }
            }
            self.remove(&key);
        }
        self.tombstones
            .retain(|_, asked| now.instant.since(*asked) <= ttl);
    }

    pub(crate) fn retained_bytes(&self, now: Instant) -> usize {
        let all = self.sessions.values().chain(&self.doomed);
        all.map(|s| s.bytes(&self.config, now)).sum()
    }

    pub(crate) fn retained_bytes_of(&self, organization: u32, now: Instant) -> usize {
        let living = self.sessions.iter();
        let living = living.filter(|(key, _)| key.0 == organization);
        let doomed = self.doomed.iter();
        let doomed = doomed.filter(|session| session.organization == organization);
        let all = living.map(|(_, session)| session).chain(doomed);
        all.map(|s| s.bytes(&self.config, now)).sum()
    }

    /// Sessions beneath an address above sessions.
    pub(crate) fn beneath(
        &self,
        organization: u32,
        address: &Address,
    ) -> Result<Vec<Key>, Refusal> {
        let facts = self.facts.get(&organization).cloned().unwrap_or_default();
        let (known, uids) = match address {
            Address::Organization => (true, facts.beneath(None, None)),
            Address::Group(g) => (
                facts.groups.iter().any(|known| known == g.as_str()),
                facts.beneath(None, Some(g.as_str())),
            ),
            Address::Project(p) => (
                facts.projects.iter().any(|known| known == p.as_str()),
                facts.beneath(Some(p.as_str()), None),
            ),
            Address::Session(_) => unreachable!(),
        };
        if self.config.declared_scopes && !known {
            return Err(Refusal::Undeclared);
        }
        let sessions = self.sessions.iter();
        let beneath = sessions.filter(|(k, s)| k.0 == organization && uids.contains(&s.uid));
        Ok(beneath.map(|(k, _)| k.clone()).collect())
    }

    /// An event from another shard; only for a hub with room.
    pub(crate) fn mail(&mut self, now: Now, event: &Event) {
        self.expire(now);
        let events = [NaiveEvent {
            name: text(event.name.as_json()),
            payload: text(&event.payload),
            bytes: event.retained_bytes(),
            at: now.instant,
        }];
        let beneath = self.beneath(event.scope.organization.0, &event.scope.address);
        self.woken_any_order = true;
        for key in beneath.unwrap_or_default() {
            self.append(&key, &events);
        }
    }

    pub(crate) fn attach(
        &mut self,
        now: Now,
        session: &SessionKey,
        connection: u32,
    ) -> Result<(), Refusal> {
        self.expire(now);
        if self.used(now, session).is_err() {
            self.check_readable(now, &key(session))?;
            if self.config.declared_scopes {
                return Err(Refusal::Undeclared);
            }
            self.insert(now, &key(session), &Parents::default())?;
        }
        let session = self.used(now, session)?;
        session.connections.push(connection);
        Ok(())
    }

    pub(crate) fn detach(&mut self, now: Now, connection: u32) {
        self.expire(now);
        for session in self.sessions.values_mut().chain(&mut self.doomed) {
            if session.connections.contains(&connection) {
                session.connections.retain(|&c| c != connection);
                if session.connections.is_empty() {
                    self.left.push(session.uid);
                }
                session.last_used = now.instant;
            }
        }
    }

    pub(crate) fn place(
        &mut self,
        now: Now,
        scope: &Scope,
        parents: &Parents,
    ) -> Result<Parents, Refusal> {
        let organization = scope.organization;
        let Address::Session(token) = &scope.address else {
            self.beneath(organization.0, &scope.address)?;
            let Some(child) = Child::of(&scope.address) else {
                let nothing = parents.is_empty().then(Parents::default);
                return nothing.ok_or(Refusal::Contradiction);
            };
            self.check(organization.0, child, parents)?;
            return self.learn(organization.0, child, parents);
        };
        let session = SessionKey {
            organization,
            token: token.clone(),
        };
        let key = key(&session);
        let uid = if let Ok(session) = self.used(now, &session) {
            let uid = session.uid;
            self.check(key.0, Child::Session(uid), parents)?;
            self.learn_session(&key, uid, parents)?;
            uid
        } else {
            self.check_readable(now, &key)?;
            if self.config.declared_scopes {
                return Err(Refusal::Undeclared);
            }
            self.insert(now, &key, parents)?.uid
        };
        Ok(self.parents(key.0, uid))
    }

    /// Readers do not bring back what was ended.
    fn check_readable(&mut self, now: Now, key: &Key) -> Result<(), Refusal> {
        match self.tombstones.get_mut(key) {
            Some(asked) => {
                *asked = now.instant;
                Err(Refusal::Gone)
            }
            None => Ok(()),
        }
    }

    pub(crate) fn used(
        &mut self,
        now: Now,
        session: &SessionKey,
    ) -> Result<&mut NaiveSession, Refusal> {
        let session = self.sessions.get_mut(&key(session));
        let session = session.ok_or(Refusal::NotFound)?;
        session.last_used = now.instant;
        Ok(session)
    }

    pub(crate) fn insert(
        &mut self,
        now: Now,
        key: &Key,
        parents: &Parents,
    ) -> Result<&mut NaiveSession, Refusal> {
        if self.sessions.len() + self.doomed.len() >= self.config.sessions_max {
            return Err(Refusal::Full(Full {
                table: Table::Sessions,
                whose: Whose::Everyone,
                retry_after: self.config.session_ttl.as_secs() as u32 + 1,
            }));
        }
        self.uids += 1;
        let uid = self.uids;
        self.learn_session(key, uid, parents)?;
        let session = NaiveSession {
            uid,
            organization: key.0,
            epoch: None,
            events: Vec::new(),
            age_ms: self.config.retention.age.as_millis() as u64,
            status: Status::Pending,
            labels: Vec::new(),
            created_ms: now.unix_ms,
            started_ms: None,
            finished_ms: None,
            expires_ms: None,
            last_used: now.instant,
            connections: Vec::new(),
            declared: false,
        };
        self.tombstones.remove(key);
        Ok(self.sessions.entry(key.clone()).or_insert(session))
    }

    pub(crate) fn facts_of(&mut self, uid: usize) -> &mut Facts {
        let mut all = self.facts.values_mut();
        all.find(|facts| facts.sessions.contains(&uid)).unwrap()
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        let session = self.sessions.remove(key).unwrap();
        self.facts_of(session.uid).remove(session.uid);
        self.ended.extend(&session.connections);
        self.woken_any_order |= self.woken.contains(&session.uid);
    }

    pub(crate) fn check_room(
        &self,
        now: Now,
        organization: u32,
        growth: usize,
    ) -> Result<(), Refusal> {
        let bounds = self.config.bounds.get(organization as usize);
        let own = bounds.map_or(usize::MAX, |bounds| bounds.logs_bytes);
        let own = own.saturating_sub(self.retained_bytes_of(organization, now.instant));
        let all = self.config.logs_bytes_max;
        let all = all.saturating_sub(self.retained_bytes(now.instant));
        if growth <= own.min(all) {
            return Ok(());
        }
        Err(Refusal::Full(Full {
            table: Table::LogBytes,
            whose: if own < all {
                Whose::Organization
            } else {
                Whose::Everyone
            },
            retry_after: self.config.retention.age.as_secs() as u32 + 1,
        }))
    }

    pub(crate) fn append(&mut self, key: &Key, events: &[NaiveEvent]) {
        let session = self.sessions.get_mut(key).unwrap();
        session.events.extend_from_slice(events);
        if !session.connections.is_empty() && !self.woken.contains(&session.uid) {
            self.woken.push(session.uid);
        }
    }

    pub(crate) fn announce(
        &mut self,
        now: Now,
        session: &SessionKey,
        name: &str,
        payload: &str,
    ) -> Result<(), Refusal> {
        let event = NaiveEvent {
            name: name.to_owned(),
            payload: payload.to_owned(),
            bytes: size_of::<Event>() + name.len() + payload.len(),
            at: now.instant,
        };
        let known = &self.sessions[&key(session)];
        let growth = known.growth(&self.config, now.instant, event.bytes);
        self.check_room(now, session.organization.0, growth)?;
        self.append(&key(session), &[event]);
        Ok(())
    }
}
