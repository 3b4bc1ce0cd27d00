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

use super::event::Event;
use super::hub::Hub;
use super::session::SessionIndex;
use crate::limits::{BROADCAST_EVENTS_PENDING_MAX, BROADCASTS_PENDING_MAX};
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

/// Events of one publish that have not reached all their sessions.
#[derive(Debug)]
struct Broadcast {
    events: Vec<Arc<Event>>,
    /// When they were accepted, from when on their age counts.
    at: Instant,
    unreached: SessionSet,
    reserve: Reserve,
}

impl Broadcast {
    fn reserved_bytes(&self) -> usize {
        match self.reserve {
            Reserve::Each(bytes) => bytes.saturating_mul(self.unreached.len),
            Reserve::Whole(bytes) => bytes,
        }
    }
}

/// All broadcasts of a shard that are under way, oldest first.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    queue: VecDeque<Broadcast>,
    /// Of all of them.
    events: usize,
    /// Of all of them.
    reserved_bytes: usize,
    /// Scratch: what a session is to catch up with.
    due: Vec<(Instant, Arc<Event>)>,
}

impl Broadcasts {
    /// Bytes that logs will grow by, at most.
    pub(super) const fn reserved_bytes(&self) -> usize {
        self.reserved_bytes
    }

    /// Whether one more of so many events may begin.
    pub(super) fn has_room(&self, events: usize) -> bool {
        self.queue.is_empty()
            || (self.queue.len() < BROADCASTS_PENDING_MAX
                && self.events + events <= BROADCAST_EVENTS_PENDING_MAX)
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
        if let Some(last) = self.queue.back_mut()
            && let (Reserve::Each(bytes), Reserve::Each(more)) = (&mut last.reserve, reserve)
            && last.at == now.instant
            && last.unreached.is(sessions)
        {
            *bytes += more;
            let more = more.saturating_mul(sessions.len());
            self.reserved_bytes = self.reserved_bytes.saturating_add(more);
            self.events += events.len();
            last.events.extend(events);
            return;
        }
        let broadcast = Broadcast {
            events,
            at: now.instant,
            unreached: SessionSet::new(sessions),
            reserve,
        };
        self.events += broadcast.events.len();
        self.reserved_bytes = self
            .reserved_bytes
            .saturating_add(broadcast.reserved_bytes());
        self.queue.push_back(broadcast);
        self.drop_finished();
    }

    /// A session that the oldest has not reached.
    fn next(&mut self) -> Option<SessionIndex> {
        self.queue.front_mut()?.unreached.first()
    }

    /// Nothing more is to reach this session: what would have, goes to `each`, oldest first. Answers how many
    /// bytes were reserved for that alone. To be followed by [`drop_finished`](Self::drop_finished).
    fn reach(
        &mut self,
        session: SessionIndex,
        mut each: impl FnMut(Instant, &Arc<Event>),
    ) -> usize {
        let reserved = self.reserved_bytes;
        for broadcast in &mut self.queue {
            if broadcast.unreached.take(session) {
                if let Reserve::Each(bytes) = broadcast.reserve {
                    self.reserved_bytes = self.reserved_bytes.saturating_sub(bytes);
                }
                let at = broadcast.at;
                broadcast.events.iter().for_each(|event| each(at, event));
            }
        }
        reserved - self.reserved_bytes
    }

    /// A log has grown by what was reserved for many. Older ones end first, so theirs may be used up first.
    fn draw(&mut self, mut bytes: usize) {
        for broadcast in &mut self.queue {
            if let Reserve::Whole(rest) = &mut broadcast.reserve {
                let drawn = bytes.min(*rest);
                *rest -= drawn;
                bytes -= drawn;
                self.reserved_bytes = self.reserved_bytes.saturating_sub(drawn);
            }
        }
    }

    fn drop_finished(&mut self) {
        while let Some(front) = self.queue.front()
            && front.unreached.len == 0
        {
            self.reserved_bytes = self.reserved_bytes.saturating_sub(front.reserved_bytes());
            self.events -= front.events.len();
            self.queue.pop_front();
        }
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
            let Some(index) = self.broadcasts.next() else {
                break;
            };
            done += self.bring_to(now, index).max(1);
        }
    }

    /// Brings them to all sessions at once, however long that takes.
    pub fn finish_broadcasts(&mut self, now: Now) {
        while let Some(index) = self.broadcasts.next() {
            self.bring_to(now, index);
        }
    }

    /// Brings the oldest to its end if there is no room for another event that cannot be refused.
    pub(super) fn make_room_for_broadcast(&mut self, now: Now) {
        while !self.broadcasts.has_room(1)
            && let Some(index) = self.broadcasts.next()
        {
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
            let before = self.retained_bytes;
            self.change_log(index, |log| {
                for (at, event) in due.drain(..) {
                    let young = log.young(at, now.instant);
                    log.append(if is_waited_for { young } else { at }, event);
                }
                log.trim(now.instant);
            });
            let growth = self.retained_bytes.saturating_sub(before);
            self.broadcasts.draw(growth.saturating_sub(reserved));
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

    /// Lets a log give up its oldest events for what could not be refused, when the bytes of all logs are
    /// used up.
    pub(super) fn give_way(&mut self, index: SessionIndex) {
        let bytes_max = self.config.logs_bytes_max;
        let excess = self.retained_bytes.saturating_sub(bytes_max);
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
