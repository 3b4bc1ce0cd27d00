//! Broadcasts: events for very many sessions, on their way into the logs a slice at a time.
//!
//! An event above sessions is accepted whole: weighed, given an id, answered, offered to live
//! subscribers. If more logs are to get it than one slice may append to, it then waits here, with
//! one bit for each session that it has not reached, and each tick brings it to some more. Nobody
//! sees a session in between: a session that is touched first catches up with all that waits for
//! it, oldest first. So each log has what was accepted, in the order in which it was accepted, and
//! only waiting readers are told later: even past the log's retention, for it is not their fault
//! that it became late.
//!
//! The bits are the sessions beneath the scope when the event was accepted: a session that moves
//! keeps its bit, one that is removed loses it, and a later session with the same index has none.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::bounds::{Bounds, Counts, Full, Table, Tally, Whose};
use super::command::Refusal;
use super::event::Event;
use super::hub::Hub;
use super::scope::OrganizationId;
use super::session::SessionIndex;
use crate::limits::BROADCASTS_PENDING_MAX;
use crate::time::{Instant, Now};

/// Bits in a word of a set.
const WORD_BITS: usize = u64::BITS as usize;

/// A set of sessions whose lowest index is found quickly.
#[derive(Debug, Default)]
struct SessionSet {
    words: Vec<u64>,
    /// Words before this one are empty.
    first: usize,
    len: usize,
}

impl SessionSet {
    /// A set of these sessions, each given once.
    fn new(sessions: &[SessionIndex]) -> Self {
        let top = sessions.iter().map(|session| session.index()).max();
        let mut words = vec![0; top.map_or(0, |top| top / WORD_BITS + 1)];
        for session in sessions {
            words[session.index() / WORD_BITS] |= 1 << (session.index() % WORD_BITS);
        }
        Self {
            words,
            first: 0,
            len: sessions.len(),
        }
    }

    /// Whether the set consists of exactly these sessions, each given once.
    fn is(&self, sessions: &[SessionIndex]) -> bool {
        let has = |session: &SessionIndex| {
            let word = self.words.get(session.index() / WORD_BITS);
            word.is_some_and(|word| word >> (session.index() % WORD_BITS) & 1 == 1)
        };
        self.len == sessions.len() && sessions.iter().all(has)
    }

    /// Removes a session. Returns whether it was in the set.
    fn take(&mut self, session: SessionIndex) -> bool {
        let bit = 1 << (session.index() % WORD_BITS);
        let word = self.words.get_mut(session.index() / WORD_BITS);
        let Some(word) = word.filter(|word| **word & bit != 0) else {
            return false;
        };
        *word &= !bit;
        self.len -= 1;
        true
    }

    /// Returns the session with the lowest index.
    fn first(&mut self) -> Option<SessionIndex> {
        let rest = &self.words[self.first..];
        self.first += rest.iter().take_while(|word| **word == 0).count();
        let word = self.words.get(self.first)?;
        let bit = word.trailing_zeros() as usize;
        Some(SessionIndex::new(self.first * WORD_BITS + bit))
    }
}

/// Bytes reserved for the growth of logs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reserve {
    /// Bytes for each session that is not reached yet.
    Each(usize),
    /// Total for all logs together: exact, because full logs evict as much as they gain. Reduced as
    /// logs actually grow.
    Whole(usize),
}

impl Reserve {
    /// Returns the bytes reserved while `unreached` sessions are left.
    const fn bytes(self, unreached: usize) -> usize {
        match self {
            Self::Each(bytes) => bytes.saturating_mul(unreached),
            Self::Whole(bytes) => bytes,
        }
    }

    /// Adds a reservation for the same sessions. Returns `false` if it is of the other kind.
    const fn join(&mut self, other: Self) -> bool {
        match (self, other) {
            (Self::Each(bytes), Self::Each(more)) | (Self::Whole(bytes), Self::Whole(more)) => {
                *bytes += more;
                true
            }
            _ => false,
        }
    }
}

/// Events of one publish that have not reached all their sessions.
#[derive(Debug)]
struct Broadcast {
    organization: OrganizationId,
    events: Vec<Arc<Event>>,
    /// Time of acceptance, from which the events' age counts.
    at: Instant,
    unreached: SessionSet,
    reserve: Reserve,
}

/// All broadcasts of a shard that are under way, oldest first.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    queue: VecDeque<Broadcast>,
    /// Broadcasts of each organization.
    counts: Counts,
    /// Events of all broadcasts.
    events: Tally,
    /// Bytes reserved for all broadcasts.
    reserved: Tally,
    /// Whether a broadcast has reached all its sessions.
    has_finished: bool,
    /// Scratch: the events that a session is to catch up with.
    due: Vec<(Instant, Arc<Event>)>,
}

impl Broadcasts {
    /// The most bytes that logs will still grow by.
    pub(super) const fn reserved(&self) -> &Tally {
        &self.reserved
    }

    /// Returns the holder of the bound that a broadcast of `events` events would exceed. An
    /// organization without a broadcast may begin one of any length: only its own sessions have to
    /// catch up with it.
    fn is_full(
        &self,
        organization: OrganizationId,
        events: usize,
        bounds: &Bounds,
    ) -> Option<Whose> {
        if self.queue.len() >= BROADCASTS_PENDING_MAX {
            return Some(Whose::Everyone);
        }
        let count = self.counts.of(organization);
        let events = self.events.of(organization) + events;
        let is_full = count >= bounds.broadcasts || events > bounds.broadcast_events;
        (count > 0 && is_full).then_some(Whose::Organization)
    }

    /// Begins a broadcast, or adds the events to the last one if that is for the same sessions in
    /// the same tick: the events of one publish come to other shards one by one.
    pub(super) fn begin(
        &mut self,
        now: Now,
        events: Vec<Arc<Event>>,
        sessions: &[SessionIndex],
        reserve: Reserve,
    ) {
        let Some(organization) = events.first().map(|event| event.scope.organization) else {
            return;
        };
        self.events.add(organization, events.len());
        let bytes = reserve.bytes(sessions.len());
        self.reserved.add(organization, bytes);
        if let Some(last) = self.queue.back_mut()
            && last.at == now.instant
            && last.unreached.is(sessions)
            && last.reserve.join(reserve)
        {
            last.events.extend(events);
            return;
        }
        self.counts.add(organization);
        self.queue.push_back(Broadcast {
            organization,
            events,
            at: now.instant,
            unreached: SessionSet::new(sessions),
            reserve,
        });
        self.has_finished |= sessions.is_empty();
        self.drop_finished();
    }

    /// The next unreached session of the oldest broadcast: of all, or of one organization's.
    fn next(&mut self, of: Option<OrganizationId>) -> Option<SessionIndex> {
        let mut queue = self.queue.iter_mut();
        let oldest = queue.find(|one| of.is_none_or(|of| of == one.organization))?;
        oldest.unreached.first()
    }

    /// Takes a session out of all broadcasts and gives its outstanding events to `each`, oldest
    /// first. Returns the bytes that were reserved for this session alone. To be followed by
    /// [`drop_finished`](Self::drop_finished).
    fn reach(
        &mut self,
        session: SessionIndex,
        mut each: impl FnMut(Instant, &Arc<Event>),
    ) -> usize {
        let reserved = self.reserved.all();
        for broadcast in &mut self.queue {
            if broadcast.unreached.take(session) {
                if let Reserve::Each(bytes) = broadcast.reserve {
                    self.reserved.remove(broadcast.organization, bytes);
                }
                self.has_finished |= broadcast.unreached.len == 0;
                let at = broadcast.at;
                broadcast.events.iter().for_each(|event| each(at, event));
            }
        }
        reserved - self.reserved.all()
    }

    /// Reduces an organization's shared reservations by the actual growth of its logs, oldest
    /// first, because older broadcasts end first.
    fn draw(&mut self, organization: OrganizationId, mut bytes: usize) {
        for broadcast in &mut self.queue {
            if let Reserve::Whole(rest) = &mut broadcast.reserve
                && broadcast.organization == organization
            {
                let drawn = bytes.min(*rest);
                *rest -= drawn;
                bytes -= drawn;
                self.reserved.remove(organization, drawn);
            }
        }
    }

    /// Drops finished broadcasts anywhere in the queue: one behind another organization's broadcast
    /// must not count until that ends.
    fn drop_finished(&mut self) {
        if !std::mem::take(&mut self.has_finished) {
            return;
        }
        self.queue.retain(|one| {
            let is_finished = one.unreached.len == 0;
            if is_finished {
                self.reserved.remove(one.organization, one.reserve.bytes(0));
                self.events.remove(one.organization, one.events.len());
                self.counts.remove(one.organization, 1);
            }
            !is_finished
        });
    }
}

impl Hub {
    /// Whether events that were accepted have not reached all sessions beneath.
    pub fn is_broadcasting(&self) -> bool {
        !self.broadcasts.queue.is_empty()
    }

    /// Broadcasts under way.
    pub fn broadcasts(&self) -> usize {
        self.broadcasts.queue.len()
    }

    /// Brings broadcasts to some more sessions: one slice. To be followed by
    /// [`take_ended`](Self::take_ended), as expired sessions are removed on the way.
    pub fn continue_broadcasts(&mut self, now: Now) {
        let (appends, woken) = (self.config.slice_appends, self.config.slice_woken);
        let woken = self.woken.len().saturating_add(woken.max(1));
        let mut done = 0;
        while done < appends.max(1) && self.woken.len() < woken {
            let Some(index) = self.broadcasts.next(None) else {
                break;
            };
            done += self.bring_to(now, index).max(1);
        }
    }

    /// Brings broadcasts to all their sessions at once, however long that takes.
    pub fn finish_broadcasts(&mut self, now: Now) {
        while let Some(index) = self.broadcasts.next(None) {
            self.bring_to(now, index);
        }
    }

    /// Errors if a broadcast of `events` events may not begin now. It may soon: broadcasts end
    /// within ticks.
    pub(super) fn check_broadcasts(
        &self,
        organization: OrganizationId,
        events: usize,
    ) -> Result<(), Refusal> {
        let bounds = self.bounds_of(organization);
        let full = self.broadcasts.is_full(organization, events, bounds);
        full.map_or(Ok(()), |whose| {
            let full = Full::new(Table::Broadcasts, whose, Duration::ZERO);
            Err(Refusal::Full(full))
        })
    }

    /// Makes room for an event that cannot be refused, by finishing the oldest broadcast, of all or
    /// of the organization, whichever bound is reached.
    pub(super) fn make_room_for_broadcast(&mut self, now: Now, organization: OrganizationId) {
        loop {
            let bounds = Bounds::of(&self.config.bounds, organization);
            let of = match self.broadcasts.is_full(organization, 1, bounds) {
                None => return,
                Some(Whose::Organization) => Some(organization),
                Some(Whose::Everyone) => None,
            };
            let Some(index) = self.broadcasts.next(of) else {
                return;
            };
            self.bring_to(now, index);
        }
    }

    /// Brings its broadcasts to one session, or removes the session if it has expired. Returns the
    /// number of events appended.
    fn bring_to(&mut self, now: Now, index: SessionIndex) -> usize {
        let session = self.sessions.get(index);
        if session.is_some_and(|s| s.is_expired(now, self.config.session_ttl)) {
            self.expire(now, index);
            return 0;
        }
        self.catch_up(now, index)
    }

    /// Appends the outstanding broadcast events to a session's log and returns their number. To be
    /// called before its log is looked at or appended to.
    pub(super) fn catch_up(&mut self, now: Now, index: SessionIndex) -> usize {
        if !self.is_broadcasting() {
            return 0;
        }
        let mut due = std::mem::take(&mut self.broadcasts.due);
        let each = |at, event: &Arc<Event>| due.push((at, Arc::clone(event)));
        let reserved = self.broadcasts.reach(index, each);
        let count = due.len();
        if count > 0 {
            // Waiting readers are told, however short the retention and however late it has become.
            let session = self.sessions.get(index);
            let is_waited_for = session.is_some_and(|session| !session.readers.is_empty());
            let organization = session.map(|session| session.key.organization);
            let before = self.retained.all();
            self.change_log(index, |log| {
                for (at, event) in due.drain(..) {
                    let young = log.young(at, now.instant);
                    log.append(if is_waited_for { young } else { at }, event);
                }
                log.trim(now.instant);
            });
            let growth = self.retained.all().saturating_sub(before);
            if let Some(organization) = organization {
                let shared = growth.saturating_sub(reserved);
                self.broadcasts.draw(organization, shared);
            }
            self.give_way(index);
            self.wake(index);
        }
        due.clear();
        self.broadcasts.due = due;
        self.broadcasts.drop_finished();
        count
    }

    /// Removes a session that is gone from all broadcasts.
    pub(super) fn forget_broadcasts(&mut self, index: SessionIndex) {
        self.broadcasts.reach(index, |_, _| {});
        self.broadcasts.drop_finished();
    }

    /// Evicts the oldest events of a log that grew by events that could not be refused, when the
    /// bytes of all logs, or of its organization's, are used up: bytes promised to others stay
    /// theirs.
    pub(super) fn give_way(&mut self, index: SessionIndex) {
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let organization = session.key.organization;
        let (all, own) = (self.retained_bytes(), self.retained_bytes_of(organization));
        let excess = all.saturating_sub(self.config.logs_bytes_max);
        let own_excess = own.saturating_sub(self.bounds_of(organization).logs_bytes);
        let excess = excess.max(own_excess);
        if excess > 0 {
            self.change_log(index, |log| log.evict(excess));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_set_gives_each_session_once_in_order(
            all in prop::collection::btree_set(0..500usize, 0..200),
            taken in prop::collection::vec(0..600usize, 0..100),
        ) {
            let sessions: Vec<_> = all.iter().map(|&index| SessionIndex::new(index)).collect();
            let mut set = SessionSet::new(&sessions);
            let mut model: BTreeSet<usize> = all;
            for (turn, index) in taken.into_iter().enumerate() {
                prop_assert_eq!(set.take(SessionIndex::new(index)), model.remove(&index));
                if turn % 3 == 0 {
                    let first = set.first().map(SessionIndex::index);
                    prop_assert_eq!(first, model.first().copied());
                }
                prop_assert_eq!(set.len, model.len());
                let rest: Vec<_> = model.iter().map(|&index| SessionIndex::new(index)).collect();
                prop_assert!(set.is(&rest) && !set.is(&[&rest[..], &[SessionIndex::new(600)]].concat()));
                if let [_, but_first @ ..] = &*rest {
                    prop_assert!(!set.is(but_first));
                    prop_assert!(!set.is(&[but_first, &[SessionIndex::new(600)]].concat()));
                }
            }
            while let Some(first) = set.first() {
                prop_assert_eq!(Some(first.index()), model.pop_first());
                prop_assert!(set.take(first) && !set.take(first));
            }
            prop_assert!(model.is_empty());
        }
    }
}
