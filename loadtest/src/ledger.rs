//! Who is entitled to which event, and who has heard it: exactly once, in order, and nobody else.
//!
//! Listeners are in groups, and an event is for all of one group. Unlike [`Books`](crate::books::Books), where everyone
//! hears everything and counting suffices, what is heard must say which event it is. No sockets; times are arguments.

use std::collections::VecDeque;
use std::time::Instant;

/// An event that not everyone has heard.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    group: usize,
    /// Members of the group that have not heard it.
    waiting: usize,
    due: Instant,
}

/// Listeners that are entitled to the same events.
#[derive(Clone, Debug, Default)]
struct Group {
    members: usize,
    /// Its events that not every member has heard, in order.
    events: VecDeque<u64>,
    /// How many it had before these.
    gone: u64,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Ledger {
    groups: Vec<Group>,
    /// Of each listener, its group and how many events it has heard.
    listeners: Vec<(usize, u64)>,
    /// From the oldest event that is not finished on; those among them that are, wait for nobody.
    in_flight: VecDeque<InFlight>,
    oldest: u64,
    finished: u64,
    deliveries: u64,
}

impl Ledger {
    /// Nothing was published; listener `i` is in group `groups[i]`.
    pub(crate) fn new(groups: impl IntoIterator<Item = usize>) -> Self {
        let listeners: Vec<(usize, u64)> = groups.into_iter().map(|group| (group, 0)).collect();
        let mut all: Vec<Group> = Vec::new();
        for &(group, _) in &listeners {
            if all.len() <= group {
                all.resize(group + 1, Group::default());
            }
            all[group].members += 1;
        }
        Self {
            groups: all,
            listeners,
            in_flight: VecDeque::new(),
            oldest: 0,
            finished: 0,
            deliveries: 0,
        }
    }

    /// Events that were started; the number of the next.
    pub(crate) fn started(&self) -> u64 {
        self.oldest + self.in_flight.len() as u64
    }

    /// Events that everyone has heard who is entitled to.
    pub(crate) fn finished(&self) -> u64 {
        self.finished
    }

    /// Times that an event was heard by somebody.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// One more event is on its way, for a group that has members.
    pub(crate) fn start(&mut self, group: usize, due: Instant) -> Result<(), String> {
        let event = self.started();
        let to = self.groups.get_mut(group);
        let to = to.filter(|group| group.members > 0);
        let to = to.ok_or_else(|| format!("event {event} is for nobody"))?;
        to.events.push_back(event);
        let waiting = to.members;
        self.in_flight.push_back(InFlight {
            group,
            waiting,
            due,
        });
        Ok(())
    }

    /// A listener hears an event; gives when that was due if everyone has heard it now. Fails if it is not the next one
    /// that the listener is entitled to.
    pub(crate) fn enter(&mut self, listener: usize, event: u64) -> Result<Option<Instant>, String> {
        let (group, heard) = &mut self.listeners[listener];
        let Group { events, gone, .. } = &mut self.groups[*group];
        // Nobody is before what is gone: that is what everybody has heard.
        let place = usize::try_from(*heard - *gone).unwrap_or(usize::MAX);
        let expected = events.get(place).copied();
        if expected != Some(event) {
            let of = event.checked_sub(self.oldest).and_then(|place| {
                let place = usize::try_from(place).ok()?;
                self.in_flight.get(place)
            });
            let whose = match of {
                Some(other) if other.group != *group => ", which is for others",
                _ => "",
            };
            return Err(format!("expected event {expected:?}, heard {event}{whose}"));
        }
        *heard += 1;
        self.deliveries += 1;
        let place = usize::try_from(event - self.oldest).unwrap_or(usize::MAX);
        let in_flight = &mut self.in_flight[place];
        in_flight.waiting -= 1;
        if in_flight.waiting > 0 {
            return Ok(None);
        }
        let due = in_flight.due;
        // Each member hears in order, so it was the first that not all had heard.
        events.pop_front();
        *gone += 1;
        self.finished += 1;
        while self
            .in_flight
            .front()
            .is_some_and(|first| first.waiting == 0)
        {
            self.in_flight.pop_front();
            self.oldest += 1;
        }
        Ok(Some(due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Listeners 0 and 2 in one group, 1 in another; events 0 and 2 for the first, 1 for the second.
    fn ledger() -> (Ledger, [Instant; 3]) {
        let mut ledger = Ledger::new([0, 1, 0]);
        let start = Instant::now();
        let due = [0, 1, 2].map(|second| start + Duration::from_secs(second));
        for (group, due) in [0, 1, 0].into_iter().zip(due) {
            ledger.start(group, due).expect("it has members");
        }
        (ledger, due)
    }

    #[test]
    fn an_event_is_finished_when_the_last_entitled_one_has_heard_it() {
        let (mut ledger, due) = ledger();
        assert_eq!((ledger.started(), ledger.finished()), (3, 0));
        // Listener, event, when what is finished now was due, and how many are.
        let story = [
            (0, 0, None, 0),
            (0, 2, None, 0),
            (1, 1, Some(due[1]), 1),
            (2, 0, Some(due[0]), 2),
            (2, 2, Some(due[2]), 3),
        ];
        for (listener, event, expected, finished) in story {
            assert_eq!(ledger.enter(listener, event), Ok(expected));
            assert_eq!(ledger.finished(), finished);
        }
        assert_eq!((ledger.deliveries(), ledger.in_flight.len()), (5, 0));
        ledger.start(0, due[0]).expect("it has members");
        ledger.enter(0, 3).expect("the next");
    }

    #[test]
    fn what_is_wrong_is_noticed() {
        let said = |listener, events: &[u64]| {
            let (mut ledger, _) = ledger();
            let mut last = Ok(None);
            for &event in events {
                last = ledger.enter(listener, event);
            }
            last.expect_err("wrong")
        };
        assert!(said(0, &[1]).contains("for others"), "not entitled");
        assert!(said(0, &[0, 0]).contains("expected event Some(2)"), "twice");
        assert!(said(0, &[2]).contains("expected event Some(0)"), "lost");
        assert!(said(1, &[1, 1]).contains("expected event None"), "too many");
        assert!(said(1, &[99]).contains("heard 99"), "never published");
        let (mut ledger, due) = ledger();
        assert!(ledger.start(2, due[0]).is_err(), "nobody is there");
    }
}
