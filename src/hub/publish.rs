//! Publishing: drafts become events, events go into logs, readers are woken.
//!
//! A publish is accepted whole or refused whole: the bytes of all its events are weighed before the
//! first is appended, and its parents are learned only then. Events for a scope above the session
//! are appended to each session beneath, on this shard and, by mail, on the others: at once, unless
//! there are so many that other clients would have to wait ([`broadcast`](super::broadcast)).

use std::sync::Arc;

use super::bounds::{Full, Table, Whose};
use super::broadcast::Reserve;
use super::command::{Answer, Refusal};
use super::event::{Draft, Event};
use super::hub::Hub;
use super::news::News;
use super::scope::{OrganizationId, Parents, Scope, ScopeName, SessionKey};
use super::session::SessionIndex;
use super::tree::Child;
use crate::time::Now;

impl Hub {
    /// Publishes to one session, creating it if need be; `hash` is
    /// [`Placement::session_hash`](super::Placement::session_hash) of the token. No key is
    /// allocated if the session exists. `parents` are the scopes above it that the call names:
    /// empty, most of the time. Without drafts, nothing happens.
    pub fn publish_session(
        &mut self,
        now: Now,
        organization: OrganizationId,
        token: &str,
        hash: u64,
        parents: &Parents,
        drafts: impl ExactSizeIterator<Item = Draft>,
    ) -> Answer {
        if drafts.len() == 0 {
            return Answer::Done;
        }
        self.tree.set_now(now.instant);
        let mut events = std::mem::take(&mut self.staged);
        let session = (organization, token, hash);
        let result = self.try_publish(now, session, parents, drafts, &mut events);
        events.clear();
        self.staged = events;
        result.unwrap_or_else(Answer::Refused)
    }

    fn try_publish(
        &mut self,
        now: Now,
        (organization, token, hash): (OrganizationId, &str, u64),
        parents: &Parents,
        drafts: impl Iterator<Item = Draft>,
        events: &mut Vec<Arc<Event>>,
    ) -> Result<Answer, Refusal> {
        // The session if it exists, else the key to create it by once everything is known to fit.
        let known = self.use_session(now, organization, token, hash);
        let key = if let Some(index) = known {
            let session = self.sessions.get(index).ok_or(Refusal::NotFound)?;
            session.key.clone()
        } else {
            self.check_implicit()?;
            let token = ScopeName::new(token);
            SessionKey {
                organization,
                token,
            }
        };
        let above = known.map_or_else(Parents::default, |index| self.tree.parents(index));
        // Parents that a publisher repeats with each call are learned once.
        let learns = !parents.are_among(&above);
        let above = if learns {
            let index = known.unwrap_or_else(|| self.sessions.vacant_index());
            self.foresee(organization, Child::Session(index), parents)?
        } else {
            above
        };
        let bytes = self.stage(now, (key.scope(), above), drafts, events);
        let Some(id) = events.first().map(|event| event.id) else {
            return Ok(Answer::Done);
        };
        let growth = match known {
            Some(index) => self.growth(now, index, bytes),
            None => bytes,
        };
        self.make_room(now, organization, growth)?;
        let index = if let Some(index) = known {
            if learns {
                self.learn_session(index, &key, parents)?;
            }
            index
        } else {
            self.insert(now, key, hash, parents, None)?
        };
        let log = self.sessions.get(index).map(|session| &session.log);
        let position = log.map(|log| (log.epoch(), log.next()));
        for event in events.drain(..) {
            self.offer(&event);
            self.append(now, index, event);
        }
        Ok(Answer::Published { id, position })
    }

    /// Publishes to a group, a project or the organization.
    pub(super) fn publish_above(
        &mut self,
        now: Now,
        scope: &Scope,
        parents: &Parents,
        drafts: Vec<Draft>,
    ) -> Result<Answer, Refusal> {
        self.check_known(scope)?;
        self.tree.touch(scope);
        self.tell_returned();
        let above = if parents.is_empty() {
            self.tree.parents_of(scope)
        } else {
            self.foresee_above(scope, parents)?.above(&scope.address)
        };
        let mut events = Vec::with_capacity(drafts.len());
        let place = (scope.clone(), above);
        let bytes = self.stage(now, place, drafts.into_iter(), &mut events);
        let Some(id) = events.first().map(|event| event.id) else {
            return Ok(Answer::Done);
        };
        let mut beneath = self.sessions_beneath(scope);
        let is_broadcast = self.is_broadcast(events.len(), &beneath);
        let room = if is_broadcast {
            self.check_broadcasts(scope.organization, events.len())
        } else {
            Ok(())
        };
        let organization = scope.organization;
        let reserve =
            room.and_then(|()| self.weigh(now, organization, &mut beneath, bytes, is_broadcast));
        let answer = match reserve {
            Err(refusal) => Err(refusal),
            Ok(reserve) => {
                if !parents.is_empty() {
                    self.learn_above(scope, parents)?;
                }
                self.spread_above(now, events, &beneath, is_broadcast.then_some(reserve));
                let position = None;
                Ok(Answer::Published { id, position })
            }
        };
        self.beneath = beneath;
        answer
    }

    /// Returns the bytes that all logs of a list will grow by. Errors if they do not fit. Takes
    /// expired sessions off the list, unless the publish becomes a broadcast and its sessions need
    /// not be looked at now.
    fn weigh(
        &mut self,
        now: Now,
        organization: OrganizationId,
        beneath: &mut Vec<SessionIndex>,
        bytes: usize,
        is_broadcast: bool,
    ) -> Result<Reserve, Refusal> {
        if !is_broadcast {
            self.remove_expired(now, beneath);
            // Earlier broadcasts take their bytes first, or they could take those that are weighed
            // here.
            for &index in &*beneath {
                self.catch_up(now, index);
            }
        }
        // Each log grows by at most `bytes`; an exact sum pays only if this does not fit.
        let each = bytes.saturating_mul(beneath.len());
        if each <= self.room_of(organization).0 {
            return Ok(Reserve::Each(bytes));
        }
        self.remove_expired(now, beneath);
        let growths = beneath.iter().map(|&index| self.growth(now, index, bytes));
        let growth = growths.fold(0, usize::saturating_add);
        self.make_room(now, organization, growth)?;
        Ok(Reserve::Whole(growth))
    }

    /// Gives accepted events to the sessions beneath, or begins a broadcast, and to live
    /// subscriptions.
    fn spread_above(
        &mut self,
        now: Now,
        events: Vec<Arc<Event>>,
        beneath: &[SessionIndex],
        broadcast: Option<Reserve>,
    ) {
        for event in &events {
            self.offer_here(event);
        }
        if self.placement.shards() > 1 {
            let effects = events.iter().map(|event| News::Append(Arc::clone(event)));
            self.effects.extend(effects);
        }
        if let Some(reserve) = broadcast {
            self.broadcasts.begin(now, events, beneath, reserve);
            return;
        }
        for &index in beneath {
            for event in &events {
                self.append(now, index, Arc::clone(event));
            }
        }
    }

    /// Appends an event that another shard accepted to the sessions beneath its scope.
    ///
    /// It can no longer be refused. When the bytes of all logs, or of the organization's, are used
    /// up, each log makes room for it by evicting its own oldest events, and if that is not enough
    /// the event itself: a gap that readers are told of.
    pub fn append_from_mail(&mut self, now: Now, event: &Arc<Event>) {
        self.offer_here(event);
        let mut beneath = self.sessions_beneath(&event.scope);
        let each = event.retained_bytes();
        let organization = event.scope.organization;
        if self.is_broadcast(1, &beneath) {
            let sessions = self.sessions.len();
            self.make_room_for_broadcast(now, organization);
            let _ = self.make_room(now, organization, each.saturating_mul(beneath.len()));
            if self.sessions.len() < sessions {
                // Sessions were removed on the way: later sessions in their places came after the
                // event.
                self.beneath = beneath;
                beneath = self.sessions_beneath(&event.scope);
            }
            let room = self.room_of(organization).0;
            // The logs will not grow by more than there is room for: they evict.
            let reserve = if each.saturating_mul(beneath.len()) <= room {
                Reserve::Each(each)
            } else {
                Reserve::Whole(room)
            };
            let events = vec![Arc::clone(event)];
            self.broadcasts.begin(now, events, &beneath, reserve);
            self.beneath = beneath;
            return;
        }
        self.remove_expired(now, &mut beneath);
        let growth = each.saturating_mul(beneath.len());
        if self.make_room(now, organization, growth).is_err() {
            for &index in &beneath {
                self.trim(now, index);
            }
        }
        for &index in &beneath {
            self.append(now, index, Arc::clone(event));
            self.give_way(index);
        }
        self.beneath = beneath;
    }

    /// Publishes an event of the server's own to a session.
    pub(super) fn announce(
        &mut self,
        now: Now,
        index: SessionIndex,
        draft: Draft,
    ) -> Result<(), Refusal> {
        let session = self.sessions.get(index).ok_or(Refusal::NotFound)?;
        let place = (session.key.scope(), self.tree.parents(index));
        let organization = session.key.organization;
        let event = self.accept(now, place, draft);
        let growth = self.growth(now, index, event.retained_bytes());
        self.make_room(now, organization, growth)?;
        self.offer(&event);
        self.append(now, index, event);
        Ok(())
    }

    /// Turns drafts into events. Returns the bytes they will count for in a log.
    fn stage(
        &mut self,
        now: Now,
        place: (Scope, Parents),
        mut drafts: impl Iterator<Item = Draft>,
        events: &mut Vec<Arc<Event>>,
    ) -> usize {
        let mut bytes = 0usize;
        // Most publishes are one event: the last one takes the place instead of sharing it.
        let mut place = Some(place);
        let mut next = drafts.next();
        while let Some(draft) = next {
            next = drafts.next();
            let its_own = if next.is_some() {
                place.clone()
            } else {
                place.take()
            };
            let Some(its_own) = its_own else { break };
            let event = self.accept(now, its_own, draft);
            bytes = bytes.saturating_add(event.retained_bytes());
            events.push(event);
        }
        bytes
    }

    pub(super) fn accept(
        &mut self,
        now: Now,
        (scope, parents): (Scope, Parents),
        draft: Draft,
    ) -> Arc<Event> {
        Arc::new(Event {
            id: self.ids.event_id(now.unix_ms),
            name: draft.name,
            payload: draft.payload,
            metadata: draft.metadata,
            origin: draft.origin,
            correlation: draft.correlation,
            scope,
            parents,
            time_ms: now.unix_ms,
        })
    }

    /// Returns the sessions beneath a scope, in the scratch list: hand it back when done.
    fn sessions_beneath(&mut self, scope: &Scope) -> Vec<SessionIndex> {
        let mut beneath = std::mem::take(&mut self.beneath);
        beneath.clear();
        self.tree.sessions_beneath(scope, &mut beneath);
        beneath
    }

    /// Removes expired sessions, from the hub and from the list.
    fn remove_expired(&mut self, now: Now, beneath: &mut Vec<SessionIndex>) {
        beneath.retain(|&index| {
            let session = self.sessions.get(index);
            let expired = session.is_some_and(|s| s.is_expired(now, self.config.session_ttl));
            if expired {
                self.expire(now, index);
            }
            !expired
        });
    }

    /// Whether that many events for these sessions are more than one tick may append.
    fn is_broadcast(&self, events: usize, beneath: &[SessionIndex]) -> bool {
        events.saturating_mul(beneath.len()) > self.config.slice_appends
    }

    /// Returns how much a session's log, trimmed to now, can grow by events of `bytes`.
    fn growth(&mut self, now: Now, index: SessionIndex, bytes: usize) -> usize {
        self.trim(now, index);
        let session = self.sessions.get(index);
        session.map_or(bytes, |session| session.log.growth(bytes))
    }

    /// Returns the bytes by which an organization's logs may still grow in all, and the holder of
    /// that bound.
    fn room_of(&self, organization: OrganizationId) -> (usize, Whose) {
        let all = self.config.logs_bytes_max;
        let all = all.saturating_sub(self.retained_bytes());
        let own = self.bounds_of(organization).logs_bytes;
        let own = own.saturating_sub(self.retained_bytes_of(organization));
        if own < all {
            (own, Whose::Organization)
        } else {
            (all, Whose::Everyone)
        }
    }

    /// Errors if an organization's logs may not grow by `growth` bytes in all, even after trimming
    /// some logs. They may once all that is retained now is too old, unless it is of sessions with
    /// an age of their own.
    fn make_room(
        &mut self,
        now: Now,
        organization: OrganizationId,
        growth: usize,
    ) -> Result<(), Refusal> {
        if growth <= self.room_of(organization).0 {
            return Ok(());
        }
        self.press(now);
        let (room, whose) = self.room_of(organization);
        if growth <= room {
            return Ok(());
        }
        let age = self.config.retention.age;
        Err(Refusal::Full(Full::new(Table::LogBytes, whose, age)))
    }

    /// Appends to a session's log, after its outstanding broadcasts, and wakes its readers.
    fn append(&mut self, now: Now, index: SessionIndex, event: Arc<Event>) {
        self.catch_up(now, index);
        self.change_log(index, |log| {
            log.append(now.instant, event);
        });
        self.wake(index);
    }
}
