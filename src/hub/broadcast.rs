//! Broadcasts: events for very many sessions, on their way into the logs a slice at a time.
//!
//! An event above sessions is accepted whole: weighed, named, answered, offered to live subscribers. If more
//! logs are to get it than one slice may append to, it then waits here, with one bit for each session that it
//! has not reached, and each tick brings it to some more. Whoever looks at a session in between does not see
//! that: a session that is touched first catches up with all that waits for it, oldest first. So each
//! log has what was accepted, in the order in which it was accepted, and only readers that wait are told later:
//! even past the log's retention, for it is not their fault that it became late.
//!
//! The bits say who stood beneath when the event was accepted: a session that moves keeps its bit, one that is
//! removed loses it, and whoever gets its index has none.

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

/// A set of sessions, of which the first is soon found.
#[derive(Debug, Default)]
struct SessionSet {
    words: Vec<u64>,
    /// Words before this one are empty.
    first: usize,
    len: usize,
}

impl SessionSet {
    /// Of sessions that are given once each.
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

    /// Whether it has these sessions, given once each, and no others.
    fn is(&self, sessions: &[SessionIndex]) -> bool {
        let has = |session: &SessionIndex| {
            let word = self.words.get(session.index() / WORD_BITS);
            word.is_some_and(|word| word >> (session.index() % WORD_BITS) & 1 == 1)
        };
        self.len == sessions.len() && sessions.iter().all(has)
    }

    /// Takes a session out; whether it was there.
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

    /// The session of the lowest index.
    fn first(&mut self) -> Option<SessionIndex> {
        let rest = &self.words[self.first..];
        self.first += rest.iter().take_while(|word| **word == 0).count();
        let word = self.words.get(self.first)?;
        let bit = word.trailing_zeros() as usize;
        Some(SessionIndex::new(self.first * WORD_BITS + bit))
    }
}

/// How many bytes the logs are expected to grow by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reserve {
    /// By so many for each session that is not reached.
    Each(usize),
    /// By so many in all, as logs that are full let go of as much as they get. By how much they grow is taken off.
    Whole(usize),
}

impl Reserve {
    /// While so many sessions are not reached.
    const fn bytes(self, unreached: usize) -> usize {
        match self {
            Self::Each(bytes) => bytes.saturating_mul(unreached),
            Self::Whole(bytes) => bytes,
        }
    }

    /// Adds another for the same sessions, if that is of the same kind.
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
    /// When they were accepted, from when on their age counts.
    at: Instant,
    unreached: SessionSet,
    reserve: Reserve,
}

/// All broadcasts of a shard that are under way, oldest first.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    queue: VecDeque<Broadcast>,
    /// How many each organization has.
    counts: Counts,
    /// Of all of them.
    events: Tally,
    /// Of all of them.
    reserved: Tally,
    /// Whether one has reached all its sessions.
    has_finished: bool,
    /// Scratch: what a session is to catch up with.
    due: Vec<(Instant, Arc<Event>)>,
}

impl Broadcasts {
    /// Bytes that logs will grow by, at most.
    pub(super) const fn reserved(&self) -> &Tally {
        &self.reserved
    }

    /// Whose bound one more of so many events would exceed. Who has none under way may begin one of any length:
    /// it is its own sessions only that have to catch up with it.
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

    /// Begins one, or has the last one bring these events too, if that is for the same and came in the same tick:
    /// what one publish accepted comes to other shards one by one.
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

    /// A session that the oldest has not reached: of all, or of an organization's.
    fn next(&mut self, of: Option<OrganizationId>) -> Option<SessionIndex> {
        let mut queue = self.queue.iter_mut();
        let oldest = queue.find(|one| of.is_none_or(|of| of == one.organization))?;
        oldest.unreached.first()
    }

    /// Nothing more is to reach this session: what would have, goes to `each`, oldest first. Answers how many
    /// bytes were reserved for that alone. To be followed by [`drop_finished`](Self::drop_finished).
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

    /// An organization's log has grown by what was reserved for many. Older ones end first, so theirs may be used up
    /// first.
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

    /// Wherever they stand: an organization's do not count for it until another's are at their end.
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

    /// How many broadcasts that are.
    pub fn broadcasts(&self) -> usize {
        self.broadcasts.queue.len()
    }

    /// Brings them to some more sessions: one slice. To be followed by [`take_ended`](Self::take_ended), as
    /// sessions whose time is over are removed on the way.
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

    /// Brings them to all sessions at once, however long that takes.
    pub fn finish_broadcasts(&mut self, now: Now) {
        while let Some(index) = self.broadcasts.next(None) {
            self.bring_to(now, index);
        }
    }

    /// Whether a broadcast of so many events may begin. If not, it may soon: they are at their end within ticks.
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

    /// Brings the oldest to its end, or the organization's oldest, if there is no room for another event that cannot
    /// be refused.
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

    /// How many events that were.
    fn bring_to(&mut self, now: Now, index: SessionIndex) -> usize {
        let session = self.sessions.get(index);
        if session.is_some_and(|s| s.is_expired(now, self.config.session_ttl)) {
            self.expire(now, index);
            return 0;
        }
        self.catch_up(now, index)
    }

    /// Appends to a session's log what was accepted for it and has not reached it; answers how many events that
    /// is. To be called before its log is looked at or appended to.
    pub(super) fn catch_up(&mut self, now: Now, index: SessionIndex) -> usize {
        if !self.is_broadcasting() {
            return 0;
        }
        let mut due = std::mem::take(&mut self.broadcasts.due);
        let each = |at, event: &Arc<Event>| due.push((at, Arc::clone(event)));
        let reserved = self.broadcasts.reach(index, each);
        let count = due.len();
        if count > 0 {
            // Readers who were there are told, however short the retention and however late it has become.
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

    /// Nothing is to reach a session that is gone.
    pub(super) fn forget_broadcasts(&mut self, index: SessionIndex) {
        self.broadcasts.reach(index, |_, _| {});
        self.broadcasts.drop_finished();
    }

    /// Lets a log give up its oldest events for what could not be refused, when the bytes of all logs, or of its
    /// organization's, are used up: what others were promised stays theirs.
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
