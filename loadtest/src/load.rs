//! How fast events are published: a closed window, or an open schedule; and how long each is on its
//! way.
//!
//! Of an open load an event is due at its time, whatever became of those before it, so that a
//! server that stalls is late for all that fell due meanwhile. Sockets are somebody else's.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::failure::{During, Failure};
use crate::pump::Pump;

/// A load that was heard to its end.
#[derive(Debug)]
pub(crate) struct Load {
    /// From the first event's time until the last one was heard.
    pub(crate) elapsed: Duration,
    /// Nanoseconds from when an event was due until it was heard.
    pub(crate) latencies: Histogram<u64>,
    /// Nanoseconds from when an event was due until it was sent.
    pub(crate) lags: Histogram<u64>,
}

/// When which event is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// The number of the first one, and its time.
    pub(crate) first: u64,
    pub(crate) start: Instant,
    /// Events per second.
    pub(crate) rate: u64,
}

/// What was heard when, as far as somebody wants to know.
#[derive(Debug)]
pub(crate) struct Timing {
    /// When what is looked at was received, once somebody has asked.
    now: Option<Instant>,
    /// The open load under way.
    schedule: Option<Schedule>,
    latencies: Histogram<u64>,
}

impl Timing {
    /// No load is under way.
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            now: None,
            schedule: None,
            latencies: histogram()?,
        })
    }

    /// Something else was received.
    #[inline]
    pub(crate) fn received(&mut self) {
        self.now = None;
    }

    /// The time at which what is looked at was received.
    pub(crate) fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(Instant::now)
    }

    /// An open load begins.
    pub(crate) fn begin(&mut self, schedule: Schedule) {
        self.schedule = Some(schedule);
    }

    /// When an event of the open load under way is due.
    #[inline]
    pub(crate) fn due(&self, event: u64) -> Option<Instant> {
        let schedule = self.schedule.filter(|schedule| event >= schedule.first)?;
        Some(schedule.due(event))
    }

    /// An event of the open load, if there is one, is heard.
    #[inline]
    pub(crate) fn heard(&mut self, event: u64) {
        if let Some(due) = self.due(event) {
            self.since(due);
        }
    }

    /// An event that was due at this time is heard.
    pub(crate) fn since(&mut self, due: Instant) {
        let late = self.now().saturating_duration_since(due);
        self.latencies.saturating_record(nanos(late));
    }

    /// A load ends that began at this time; events were sent late by `lags`.
    pub(crate) fn end(
        &mut self,
        start: Instant,
        lags: Option<Histogram<u64>>,
    ) -> Result<Load, Failure> {
        self.schedule = None;
        Ok(Load {
            elapsed: start.elapsed(),
            latencies: std::mem::replace(&mut self.latencies, histogram()?),
            lags: lags.map_or_else(histogram, Ok)?,
        })
    }
}

/// Subscribers to whom events can be published.
pub(crate) trait Subscribed: Pump {
    /// Events that were published; the number of the next.
    fn started(&self) -> u64;
    /// Events that all have heard who are to.
    fn finished(&self) -> u64;
    /// How many may be on their way.
    fn in_flight_max(&self) -> u64;
    /// Publishes so many more.
    fn start(&mut self, events: u64) -> Result<(), Failure>;
}

/// Publishes `events` and keeps `window` of them in flight, each until the last one has heard it.
pub(crate) fn keep_in_flight(
    to: &mut impl Subscribed,
    events: u64,
    window: u64,
) -> Result<(), Failure> {
    let goal = to.started() + events;
    while to.finished() < goal {
        let before = to.finished();
        let room = before + window - to.started();
        let due = room.min(goal - to.started());
        if due > 0 {
            to.start(due)?;
        }
        to.pump_until("everyone has heard who is to", |to| to.finished() > before)?;
    }
    Ok(())
}

impl Schedule {
    /// When an event is due.
    pub(crate) fn due(&self, event: u64) -> Instant {
        self.start + Duration::from_nanos((event - self.first) * 1_000_000_000 / self.rate)
    }

    /// Publishes `events`, each when it is due, and returns by how many nanoseconds each was late;
    /// nothing if the subscribers fall behind, when publishing ends. On return not all are heard.
    pub(crate) fn offer(
        &self,
        to: &mut impl Subscribed,
        events: u64,
    ) -> Result<Option<Histogram<u64>>, Failure> {
        let mut lags = histogram()?;
        let end = self.first + events;
        while to.started() < end {
            let (first, now) = (to.started(), Instant::now());
            let due = (first..end).take_while(|&event| self.due(event) <= now);
            let due = due
                .inspect(|&event| lags.saturating_record(nanos(now - self.due(event))))
                .count() as u64;
            if first + due - to.finished() > to.in_flight_max() {
                return Ok(None);
            }
            if due > 0 {
                to.start(due)?;
            }
            // epoll counts in milliseconds, which is too coarse to wait for the next one.
            to.pump(Duration::ZERO)?;
        }
        Ok(Some(lags))
    }

    /// The failure of subscribers who must not fall behind.
    pub(crate) fn fell_behind(rate: u64) -> Failure {
        Failure::new(format!(
            "fell behind: at {rate} events/s too many were on their way"
        ))
    }
}

/// Whole nanoseconds.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A histogram of nanoseconds up to a minute, with three digits that count; what takes longer
/// counts as that.
pub(crate) fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).during("a histogram")
}

/// The microseconds that a share of a histogram's nanoseconds does not exceed.
pub(crate) fn micros_at(of: &Histogram<u64>, share: f64) -> f64 {
    of.value_at_quantile(share) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hears everything one pump after it was published, up to `deaf_after`.
    #[derive(Default)]
    struct Echo {
        started: u64,
        finished: u64,
        deaf_after: u64,
        in_flight_most: u64,
        /// When each was published.
        times: Vec<Instant>,
    }

    impl Subscribed for Echo {
        fn started(&self) -> u64 {
            self.started
        }
        fn finished(&self) -> u64 {
            self.finished
        }
        fn in_flight_max(&self) -> u64 {
            8
        }
        fn start(&mut self, events: u64) -> Result<(), Failure> {
            self.times.extend((0..events).map(|_| Instant::now()));
            self.started += events;
            self.in_flight_most = self.in_flight_most.max(self.started - self.finished);
            Ok(())
        }
    }

    impl Pump for Echo {
        fn pump(&mut self, _: Duration) -> Result<(), Failure> {
            self.finished = self.started.min(self.deaf_after);
            Ok(())
        }
        fn progress(&self) -> String {
            format!("{} heard", self.finished)
        }
    }

    fn schedule(rate: u64) -> Schedule {
        Schedule {
            first: 0,
            start: Instant::now(),
            rate,
        }
    }

    #[test]
    fn nothing_is_published_before_it_is_due() {
        let schedule = schedule(10_000);
        let mut echo = Echo {
            deaf_after: u64::MAX,
            ..Echo::default()
        };
        // A thread that was not run in time publishes late, in one go, or not at all; never early.
        if let Ok(Some(lags)) = schedule.offer(&mut echo, 50) {
            assert_eq!((echo.started, lags.len()), (50, 50));
        }
        for (event, time) in (0..).zip(&echo.times) {
            assert!(*time >= schedule.due(event), "event {event}");
        }
    }

    #[test]
    fn who_does_not_hear_falls_behind() {
        let mut echo = Echo {
            deaf_after: 2,
            ..Echo::default()
        };
        let offered = schedule(100_000).offer(&mut echo, 100);
        assert_eq!(offered.expect("no sockets"), None);
        assert!(echo.started <= 10);
    }

    #[test]
    fn a_window_is_kept_and_no_more() {
        let mut echo = Echo {
            deaf_after: u64::MAX,
            ..Echo::default()
        };
        for (events, window) in [(10, 4), (1, 8), (0, 1)] {
            let before = echo.started;
            keep_in_flight(&mut echo, events, window).expect("no sockets");
            assert_eq!(
                (echo.started, echo.finished),
                (before + events, echo.started)
            );
        }
        assert_eq!(echo.in_flight_most, 4);
    }

    #[test]
    fn latencies_begin_when_an_event_was_due() {
        let mut timing = Timing::new().expect("a histogram");
        timing.heard(3);
        let start = Instant::now();
        timing.begin(Schedule {
            first: 5,
            start,
            rate: 1,
        });
        (4..6).for_each(|event| timing.heard(event));
        assert_eq!(
            (timing.due(4), timing.due(6)),
            (None, Some(start + Duration::from_secs(1)))
        );
        let load = timing.end(start, None).expect("a histogram");
        assert_eq!((load.latencies.len(), load.lags.len()), (1, 0));
        assert_eq!(timing.due(5), None);
    }

    #[test]
    fn due_times_do_not_drift() {
        let schedule = schedule(3);
        assert_eq!(
            schedule.due(3_000_000) - schedule.start,
            Duration::from_secs(1_000_000)
        );
    }
}
