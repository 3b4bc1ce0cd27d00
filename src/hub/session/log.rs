//! One session's log: a ring of shared events with dense numbers, bounded by age, count and bytes.
//!
//! The bound reached first evicts the oldest events; numbers are never reused within an epoch, so
//! that an eviction is always visible as a [`Gap`]. All operations take O(1) amortised time, and
//! the ring gives memory back: an empty log owns none. The log knows nothing of its readers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::super::event::{Epoch, Event, Number};
use super::cursor::{Cursor, Gap};
use crate::limits::{LOG_AGE_DEFAULT, LOG_BYTES_DEFAULT, LOG_EVENTS_DEFAULT, LOG_EVENTS_MAX};
use crate::time::Instant;

/// A ring of this many slots (512 bytes) is not worth shrinking while it holds anything.
const RING_SLOTS_KEPT: usize = 32;

/// The retention of a log; the bound reached first evicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Greatest age of an event. Whole milliseconds count; past 49 days is 49 days.
    pub age: Duration,
    /// Most events, at most [`LOG_EVENTS_MAX`].
    pub events: usize,
    /// Most bytes, as [`Event::retained_bytes`] counts them.
    pub bytes: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: LOG_AGE_DEFAULT,
            events: LOG_EVENTS_DEFAULT,
            bytes: LOG_BYTES_DEFAULT,
        }
    }
}

/// A reader's next position, and the gap before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The first number to read.
    pub from: Number,
    /// The gap before `from`, if there is one.
    pub gap: Option<Gap>,
}

/// The events of one session, in the order of acceptance.
///
/// The newest event is evicted by age alone: were it evicted by count or bytes, even waiting
/// readers could never be told. So a log exceeds its bytes by one event at most.
#[derive(Debug)]
pub struct Log {
    ring: VecDeque<Slot>,
    next: Number,
    epoch: Epoch,
    bytes: usize,
    bytes_max: usize,
    events_max: u32,
    age_ms_max: u32,
}

#[derive(Debug)]
struct Slot {
    event: Arc<Event>,
    appended: Instant,
}

impl Log {
    /// An empty log whose first event will get number 0.
    pub fn new(epoch: Epoch, retention: Retention) -> Self {
        Self {
            ring: VecDeque::new(),
            next: 0,
            epoch,
            bytes: 0,
            bytes_max: retention.bytes,
            events_max: retention.events.min(LOG_EVENTS_MAX) as u32,
            age_ms_max: u32::try_from(retention.age.as_millis()).unwrap_or(u32::MAX),
        }
    }

    /// Appends an event and returns its number; evicts events that no longer fit beside it.
    pub fn append(&mut self, now: Instant, event: Arc<Event>) -> Number {
        let bytes = event.retained_bytes();
        while self.front_is_old(now)
            || self.ring.len() >= self.events_max as usize
            || self.bytes.saturating_add(bytes) > self.bytes_max
        {
            if self.pop_front().is_none() {
                break;
            }
        }
        let number = self.next;
        self.ring.push_back(Slot {
            event,
            appended: now,
        });
        self.bytes += bytes;
        self.next += 1;
        self.give_back();
        number
    }

    /// Evicts events that are older than the retention's age at `now`.
    pub fn trim(&mut self, now: Instant) {
        if self.front_is_old(now) {
            while self.front_is_old(now) {
                self.pop_front();
            }
            self.give_back();
        }
    }

    /// Evicts the oldest events until at least `bytes` are free or nothing is left.
    pub(crate) fn evict(&mut self, bytes: usize) {
        let mut freed = 0;
        while freed < bytes {
            let Some(bytes) = self.pop_front() else {
                break;
            };
            freed += bytes;
        }
        self.give_back();
    }

    /// Returns the first instant, not before `at`, whose events are not too old `now`.
    pub(crate) fn young(&self, at: Instant, now: Instant) -> Instant {
        let oldest = now.as_millis().saturating_sub(self.age_ms_max.into());
        at.max(Instant::from_millis(oldest))
    }

    /// Returns how much [`bytes`](Self::bytes) can grow at most by appending events of `bytes` in
    /// all.
    pub(crate) fn growth(&self, bytes: usize) -> usize {
        let bound = self.bytes_max.max(bytes);
        self.bytes
            .saturating_add(bytes)
            .min(bound)
            .saturating_sub(self.bytes)
    }

    /// The oldest retained number; equals [`next`](Self::next) when nothing is retained.
    pub fn oldest(&self) -> Number {
        self.next - self.ring.len() as Number
    }

    /// The number that the next event will get.
    pub fn next(&self) -> Number {
        self.next
    }

    /// Identifies this life of the session's log.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Bytes of the retained events.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns where a reader with this cursor goes on. [`trim`](Self::trim) first, or the result
    /// may include events past their age.
    pub fn resume(&self, cursor: Cursor) -> Resume {
        let seen = Number::try_from(cursor.last).ok();
        let reset = cursor.epoch.is_some_and(|epoch| epoch != self.epoch)
            || seen.is_some_and(|last| last >= self.next);
        let oldest = self.oldest();
        if reset {
            return Resume {
                from: oldest,
                gap: Some(Gap::Reset),
            };
        }
        let wanted = seen.map_or(0, |last| last + 1);
        let gap = (wanted < oldest).then(|| Gap::Range {
            first: wanted,
            last: oldest - 1,
        });
        Resume {
            from: wanted.max(oldest),
            gap,
        }
    }

    /// The retained events with numbers from `from` on, ascending.
    pub fn range(
        &self,
        from: Number,
    ) -> impl DoubleEndedIterator<Item = (Number, &Arc<Event>)> + ExactSizeIterator {
        let oldest = self.oldest();
        let from = from.clamp(oldest, self.next);
        self.ring
            .range((from - oldest) as usize..)
            .enumerate()
            .map(move |(i, slot)| (from + i as Number, &slot.event))
    }

    fn front_is_old(&self, now: Instant) -> bool {
        let age_max = Duration::from_millis(u64::from(self.age_ms_max));
        self.ring
            .front()
            .is_some_and(|slot| now.since(slot.appended) > age_max)
    }

    /// Evicts the oldest event. Returns the bytes it counted for; `None` if the log is empty.
    fn pop_front(&mut self) -> Option<usize> {
        let bytes = self.ring.pop_front()?.event.retained_bytes();
        self.bytes -= bytes;
        Some(bytes)
    }

    /// Returns memory once three quarters of the ring are unused. Half of the rest stays free, so
    /// that at least as many operations as slots were copied precede the next move.
    fn give_back(&mut self) {
        let (len, capacity) = (self.ring.len(), self.ring.capacity());
        if len == 0 {
            self.ring = VecDeque::new();
        } else if capacity > RING_SLOTS_KEPT && len <= capacity / 4 {
            self.ring.shrink_to((2 * len).max(RING_SLOTS_KEPT));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{EventId, EventName, OrganizationId, ScopeName, SessionKey};
    use bytes::Bytes;

    fn event() -> Arc<Event> {
        let key = SessionKey {
            organization: OrganizationId(0),
            token: ScopeName::new("s"),
        };
        Arc::new(Event {
            id: EventId(uuid::Uuid::nil()),
            name: EventName::from_json(Bytes::from_static(b"\"n\"")),
            payload: Bytes::from_static(b"1"),
            metadata: None,
            origin: None,
            correlation: None,
            scope: key.scope(),
            parents: crate::hub::Parents::default(),
            time_ms: 0,
        })
    }

    #[test]
    fn the_ring_gives_memory_back() {
        let mut log = Log::new(Epoch(1), Retention::default());
        let at = |ms| Instant::from_millis(ms);
        for i in 0..10_000 {
            log.append(at(i), event());
        }
        let full = log.ring.capacity();
        log.trim(at(9_900 + LOG_AGE_DEFAULT.as_millis() as u64));
        assert_eq!((log.oldest(), log.next()), (9_900, 10_000));
        assert!(log.ring.capacity() * 10 < full);
        log.trim(at(u64::MAX));
        assert_eq!((log.oldest(), log.next(), log.bytes()), (10_000, 10_000, 0));
        assert_eq!(log.ring.capacity(), 0);
    }

    #[test]
    fn the_newest_event_outlives_count_and_bytes_but_not_age() {
        let nothing = Retention {
            age: Duration::from_millis(5),
            events: 0,
            bytes: 0,
        };
        let mut log = Log::new(Epoch(1), nothing);
        for number in 0..3 {
            assert_eq!(log.append(Instant::from_millis(10), event()), number);
            assert_eq!(log.range(0).map(|(n, _)| n).collect::<Vec<_>>(), [number]);
        }
        log.trim(Instant::from_millis(15));
        assert_eq!(log.range(0).len(), 1);
        log.trim(Instant::from_millis(16));
        assert_eq!(log.range(0).len(), 0);
    }

    #[test]
    fn extreme_cursors_do_not_overflow() {
        let mut log = Log::new(Epoch(1), Retention::default());
        log.append(Instant::default(), event());
        let resume = |last| log.resume(Cursor { epoch: None, last });
        assert_eq!(resume(i64::MAX).gap, Some(Gap::Reset));
        assert_eq!(resume(i64::MIN), resume(-1));
        assert_eq!(resume(-1), Resume { from: 0, gap: None });
        assert_eq!(resume(0), Resume { from: 1, gap: None });
        assert_eq!(log.range(Number::MAX).len(), 0);
    }
}
