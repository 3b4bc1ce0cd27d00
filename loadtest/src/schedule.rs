//! When events of an open load are due, and histograms of how long after that something happened.
//!
//! An event is due at its time whatever became of those before it: who waits for a stalled server before it asks
//! again does not see the stall.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::failure::{During, Failure};

/// When which event is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// The number of the first one.
    pub(crate) first: u64,
    /// Its time.
    pub(crate) start: Instant,
    /// Events per second, at least 1.
    pub(crate) rate: u64,
}

impl Schedule {
    /// When an event is due that is not before the first.
    pub(crate) fn due(&self, event: u64) -> Instant {
        self.start + Duration::from_nanos((event - self.first) * 1_000_000_000 / self.rate)
    }
}

/// A load at a set rate.
#[derive(Debug)]
pub(crate) struct Load {
    /// From the first event's time until the last one was heard.
    pub(crate) elapsed: Duration,
    /// Nanoseconds from when an event was due until a subscriber heard it.
    pub(crate) latencies: Histogram<u64>,
    /// Nanoseconds from when an event was due until it was sent.
    pub(crate) lags: Histogram<u64>,
}

/// Whole nanoseconds.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A histogram of nanoseconds up to a minute, with three digits that count; what takes longer counts as that.
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

    #[test]
    fn an_event_is_due_whatever_became_of_others() {
        let schedule = Schedule {
            first: 10,
            start: Instant::now(),
            rate: 4,
        };
        assert_eq!(schedule.due(10), schedule.start);
        assert_eq!(
            schedule.due(15) - schedule.start,
            Duration::from_millis(1_250)
        );
    }
}
