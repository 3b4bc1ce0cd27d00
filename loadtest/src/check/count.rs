//! Subscribers who all hear the same events in the same order, so that how many each has heard
//! names the next.
//!
//! Only events in flight are looked after; a loss, a repetition or a swap is noticed wherever
//! events say which they are or differ in length.

use std::time::Instant;

use super::{DeliveryCheck, InFlight};
use crate::load::Timing;
use crate::voice::{Event, Heard};

/// An event in flight.
#[derive(Clone, Copy, Debug, Default)]
struct Pending {
    /// Subscribers that have not heard it.
    waiting: usize,
    /// Bytes of its frame, once a subscriber has heard it.
    frame_bytes: usize,
}

/// All events in flight.
#[derive(Debug)]
pub(crate) struct Count {
    /// How many events each subscriber has heard.
    heard: Vec<u64>,
    in_flight: Vec<Pending>,
    started: u64,
    finished: u64,
    frame_bytes: usize,
    /// The frame that was kept last.
    sample: Vec<u8>,
}

impl Count {
    /// Nothing is in flight, and never more than `window` events will be.
    pub(crate) fn new(subscribers: usize, window: usize) -> Self {
        Self {
            heard: vec![0; subscribers],
            in_flight: vec![Pending::default(); window.max(1)],
            started: 0,
            finished: 0,
            frame_bytes: 0,
            sample: Vec::new(),
        }
    }

    /// Bytes of the frame of the event that was finished last.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// A whole frame that was kept.
    pub(crate) fn sample(&self) -> &[u8] {
        &self.sample
    }

    #[inline]
    fn place(&self, event: u64) -> usize {
        let place = event % self.in_flight.len() as u64;
        // Less than a length.
        usize::try_from(place).unwrap_or_default()
    }

    /// A subscriber hears an event; returns which one that is.
    #[inline]
    fn enter(&mut self, subscriber: usize, found: Event<'_>) -> Result<u64, String> {
        let heard = self.heard[subscriber];
        if heard >= self.started {
            return Err(format!("heard more than the {heard} events there were"));
        }
        if let Some(sequence) = found.sequence {
            if sequence != heard {
                return Err(format!("expected event {heard}, heard {sequence}"));
            }
            if !found.frame.is_empty() {
                self.sample.clear();
                self.sample.extend_from_slice(found.frame);
            }
        }
        let place = self.place(heard);
        let event = &mut self.in_flight[place];
        if event.frame_bytes == 0 {
            event.frame_bytes = found.bytes;
        }
        if event.frame_bytes != found.bytes {
            let (expected, found) = (event.frame_bytes, found.bytes);
            return Err(format!(
                "event {heard} came in {found} bytes, to another subscriber in {expected}"
            ));
        }
        self.heard[subscriber] = heard + 1;
        event.waiting -= 1;
        if event.waiting == 0 {
            self.finished = heard + 1;
            self.frame_bytes = event.frame_bytes;
        }
        Ok(heard)
    }
}

impl DeliveryCheck for Count {
    #[inline]
    fn heard(
        &mut self,
        subscriber: usize,
        heard: Heard<'_>,
        timing: &mut Timing,
    ) -> Result<(), String> {
        match heard {
            Heard::Event(event) => {
                let event = self.enter(subscriber, event)?;
                timing.heard(event);
                Ok(())
            }
            Heard::Opened | Heard::Answered => Ok(()),
            Heard::Hole(_) => Err("told of a gap".to_owned()),
        }
    }

    fn progress(&self) -> String {
        let (started, finished) = (self.started, self.finished);
        format!("of {started} events all have heard {finished}")
    }
}

impl InFlight for Count {
    fn started(&self) -> u64 {
        self.started
    }

    fn finished(&self) -> u64 {
        self.finished
    }

    fn in_flight_max(&self) -> u64 {
        self.in_flight.len() as u64
    }

    fn start(&mut self, _: Instant) -> Result<(usize, u64), String> {
        let (place, event) = (self.place(self.started), self.started);
        debug_assert_eq!(self.in_flight[place].waiting, 0, "the window is exceeded");
        self.in_flight[place] = Pending {
            waiting: self.heard.len(),
            frame_bytes: 0,
        };
        self.started += 1;
        Ok((0, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many events on their way to so many subscribers.
    fn count(subscribers: usize, events: u64) -> Count {
        let mut count = Count::new(subscribers, 4);
        for event in 0..events {
            assert_eq!(count.start(Instant::now()), Ok((0, event)));
        }
        count
    }

    fn enter(count: &mut Count, subscriber: usize, bytes: usize) -> Result<u64, String> {
        let event = Event {
            bytes,
            ..Event::default()
        };
        count.enter(subscriber, event)
    }

    #[test]
    fn an_event_is_finished_when_the_last_has_heard_it() {
        let mut count = count(3, 2);
        for (subscriber, event, bytes) in [(0, 0, 100), (0, 1, 101), (2, 0, 100), (2, 1, 101)] {
            assert_eq!(enter(&mut count, subscriber, bytes), Ok(event));
            assert_eq!((count.started(), count.finished()), (2, 0));
        }
        enter(&mut count, 1, 100).expect("in order");
        assert_eq!((count.finished(), count.frame_bytes()), (1, 100));
        count.start(Instant::now()).expect("room");
        enter(&mut count, 1, 101).expect("in order");
        assert_eq!((count.finished(), count.frame_bytes()), (2, 101));
    }

    #[test]
    fn what_is_wrong_is_noticed() {
        enter(&mut count(2, 0), 0, 9).expect_err("nothing was published");
        let mut count = count(2, 1);
        enter(&mut count, 0, 9).expect("first");
        enter(&mut count, 1, 8).expect_err("another length");
        enter(&mut count, 0, 9).expect_err("one too many");
        let numbered = |sequence| Event {
            sequence: Some(sequence),
            bytes: 9,
            frame: b"kept",
            ..Event::default()
        };
        count.enter(1, numbered(0)).expect("the second subscriber");
        assert_eq!(count.sample(), b"kept");
        count.start(Instant::now()).expect("room");
        count.enter(1, numbered(0)).expect_err("the first again");
        count.enter(1, numbered(2)).expect_err("one is lost");
        count.enter(1, numbered(1)).expect("the second");
    }
}
