//! Events each of which is for a group of subscribers: all of it hear it, once and in order, and
//! nobody else does.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use super::{DeliveryCheck, InFlight};
use crate::load::Timing;
use crate::publisher::Plan;
use crate::voice::Heard;

/// Events that may be on their way before a server is said to have fallen behind.
const IN_FLIGHT_MAX: u64 = 1 << 16;

/// An event that not everyone has heard.
#[derive(Clone, Copy, Debug)]
struct InFlightEvent {
    group: usize,
    /// Members of the group that have not heard it.
    waiting: usize,
    due: Instant,
}

/// Subscribers that are entitled to the same events.
#[derive(Clone, Debug, Default)]
struct Group {
    members: usize,
    /// Its events that not every member has heard, in order.
    events: VecDeque<u64>,
    /// How many it had before these.
    gone: u64,
}

/// All of them, and what is published to whom.
pub(crate) struct Exact {
    plan: Rc<dyn Plan>,
    publishers: usize,
    groups: Vec<Group>,
    /// Of each subscriber, its group and how many events it has heard.
    subscribers: Vec<(usize, u64)>,
    /// From the oldest event that is not finished on; those among them that are, wait for nobody.
    in_flight: VecDeque<InFlightEvent>,
    oldest: u64,
    finished: u64,
    deliveries: u64,
}

impl Exact {
    /// Nothing was published; subscriber `i` is in group `groups[i]`. A group's events are
    /// published by one of the publishers, so that they stay in order.
    pub(crate) fn new(
        groups: impl IntoIterator<Item = usize>,
        plan: Rc<dyn Plan>,
        publishers: usize,
    ) -> Self {
        let subscribers: Vec<(usize, u64)> = groups.into_iter().map(|group| (group, 0)).collect();
        let mut groups: Vec<Group> = Vec::new();
        for &(group, _) in &subscribers {
            if groups.len() <= group {
                groups.resize(group + 1, Group::default());
            }
            groups[group].members += 1;
        }
        Self {
            plan,
            publishers: publishers.max(1),
            groups,
            subscribers,
            in_flight: VecDeque::new(),
            oldest: 0,
            finished: 0,
            deliveries: 0,
        }
    }

    /// Times that an event was heard by somebody.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// A subscriber hears an event; returns when that was due if everyone has heard it now. Fails
    /// if it is not the next one that the subscriber is entitled to.
    fn enter(&mut self, subscriber: usize, event: u64) -> Result<Option<Instant>, String> {
        let (group, heard) = &mut self.subscribers[subscriber];
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

impl DeliveryCheck for Exact {
    const TIMES_WORK: bool = true;

    fn heard(
        &mut self,
        subscriber: usize,
        heard: Heard<'_>,
        timing: &mut Timing,
    ) -> Result<(), String> {
        match heard {
            Heard::Event(event) => {
                let sequence = event
                    .sequence
                    .ok_or("an event that nobody published here")?;
                if let Some(due) = self.enter(subscriber, sequence)? {
                    timing.since(due);
                }
                Ok(())
            }
            Heard::Opened | Heard::Answered => Ok(()),
            Heard::Hole(_) => Err("told of a gap".to_owned()),
        }
    }

    fn progress(&self) -> String {
        let (started, finished) = (self.started(), self.finished);
        format!("of {started} events {finished} were heard by all")
    }
}

impl InFlight for Exact {
    fn started(&self) -> u64 {
        self.oldest + self.in_flight.len() as u64
    }

    fn finished(&self) -> u64 {
        self.finished
    }

    fn in_flight_max(&self) -> u64 {
        IN_FLIGHT_MAX
    }

    fn start(&mut self, due: Instant) -> Result<(usize, u64), String> {
        let event = self.started();
        let group = self.plan.group(event);
        let to = self.groups.get_mut(group);
        let to = to.filter(|group| group.members > 0);
        let to = to.ok_or_else(|| format!("event {event} is for nobody"))?;
        to.events.push_back(event);
        let waiting = to.members;
        self.in_flight.push_back(InFlightEvent {
            group,
            waiting,
            due,
        });
        Ok((group % self.publishers, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Of two groups, the first has every other event; the third has no members.
    struct Turns;

    impl Plan for Turns {
        fn group(&self, event: u64) -> usize {
            [0, 1, 0, 0, 2][usize::try_from(event).expect("few")]
        }
        fn request(&self, _: u64) -> (String, String) {
            Default::default()
        }
    }

    /// Subscribers 0 and 2 in one group, 1 in another; events 0 and 2 for the first, 1 for the
    /// second.
    fn exact() -> (Exact, [Instant; 3]) {
        let mut exact = Exact::new([0, 1, 0], Rc::new(Turns), 1);
        let start = Instant::now();
        let due = [0, 1, 2].map(|second| start + Duration::from_secs(second));
        for (event, due) in (0..).zip(due) {
            assert_eq!(exact.start(due), Ok((0, event)));
        }
        (exact, due)
    }

    #[test]
    fn an_event_is_finished_when_the_last_entitled_one_has_heard_it() {
        let (mut exact, due) = exact();
        assert_eq!((exact.started(), exact.finished()), (3, 0));
        // Subscriber, event, when what is finished now was due, and how many are.
        let story = [
            (0, 0, None, 0),
            (0, 2, None, 0),
            (1, 1, Some(due[1]), 1),
            (2, 0, Some(due[0]), 2),
            (2, 2, Some(due[2]), 3),
        ];
        for (subscriber, event, expected, finished) in story {
            assert_eq!(exact.enter(subscriber, event), Ok(expected));
            assert_eq!(exact.finished(), finished);
        }
        assert_eq!((exact.deliveries(), exact.in_flight.len()), (5, 0));
        exact.start(due[0]).expect("it has members");
        exact.enter(0, 3).expect("the next");
        exact.start(due[0]).expect_err("nobody is there");
    }

    #[test]
    fn what_is_wrong_is_noticed() {
        let said = |subscriber, events: &[u64]| {
            let (mut exact, _) = exact();
            let mut last = Ok(None);
            for &event in events {
                last = exact.enter(subscriber, event);
            }
            last.expect_err("wrong")
        };
        assert!(said(0, &[1]).contains("for others"), "not entitled");
        assert!(said(0, &[0, 0]).contains("expected event Some(2)"), "twice");
        assert!(said(0, &[2]).contains("expected event Some(0)"), "lost");
        assert!(said(1, &[1, 1]).contains("expected event None"), "too many");
        assert!(said(1, &[99]).contains("heard 99"), "never published");
    }
}
