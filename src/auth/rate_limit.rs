//! The publish rate limit of an organization: the generic cell rate algorithm (ITU-T I.371, annex
//! A.1) in one number that all shards share.
//!
//! Each accepted event is paid for at the configured rate, one after the other. The number is the
//! time at which all accepted events will have been paid for, the *theoretical arrival time* of the
//! next event; a publish is accepted while no more than a second's worth of events would be unpaid.
//! So an organization that was silent for a second may publish that much at once (the burst), and
//! no window or timer is ever kept.
//!
//! A publish is accepted whole or refused whole, and one that is refused costs nothing. One of more
//! events than a second's worth could never fit: it is accepted when all before it is paid for, and
//! later ones wait until it is paid for as well. So in any span of time no more events are accepted
//! than the rate allows in it, plus one burst or, where that is larger, one publish.
//!
//! Time is counted in the parts of an event that a millisecond pays for, so that nothing is ever
//! rounded. The clock is an argument: that of one shard may be behind another's, which then finds a
//! little more unpaid than there is.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::limits::PUBLISHES_PER_SECOND_MAX;
use crate::time::Instant;

/// Cost of one event: a millisecond pays for as many parts as the rate has events per second.
const EVENT_PARTS: u64 = 1_000;

/// Ten years after its start a clock's milliseconds still fit, in parts at the highest rate.
const _: () = assert!(
    PUBLISHES_PER_SECOND_MAX as u64 <= u64::MAX / (10 * 366 * 24 * 3_600 * 1_000 + EVENT_PARTS)
);

/// The limit of one organization, alone in its cache line: shards that publish for others do not
/// wait for it.
#[derive(Debug)]
#[repr(align(64))]
pub struct RateLimit {
    /// Events per second; parts per millisecond.
    rate: u64,
    /// Time at which everything is paid for, in parts since the clock's start. It guards no other
    /// memory, so relaxed operations suffice.
    paid_at: AtomicU64,
}

impl RateLimit {
    /// A limit of `rate` events per second, of which nothing is used.
    pub const fn new(rate: NonZeroU32) -> Self {
        Self {
            rate: rate.get() as u64,
            paid_at: AtomicU64::new(0),
        }
    }

    /// Accepts a publish of `events` events, all or none.
    ///
    /// # Errors
    ///
    /// The time, to the millisecond, until it would be accepted if nothing else were.
    pub fn accept(&self, now: Instant, events: usize) -> Result<(), Duration> {
        let now = now.as_millis().saturating_mul(self.rate);
        let cost = (events as u64).saturating_mul(EVENT_PARTS);
        let burst = self.rate * EVENT_PARTS;
        // Parts that may be unpaid before; none if the publish is a burst or more by itself.
        let unpaid_max = burst.saturating_sub(cost);
        let unpaid = |paid_at: u64| paid_at.saturating_sub(now);
        let accepted = self.paid_at.fetch_update(Relaxed, Relaxed, |paid_at| {
            let paid_next = now.saturating_add(unpaid(paid_at)).saturating_add(cost);
            (unpaid(paid_at) <= unpaid_max).then_some(paid_next)
        });
        accepted.map(drop).map_err(|paid_at| {
            let missing = unpaid(paid_at) - unpaid_max;
            Duration::from_millis(missing.div_ceil(self.rate))
        })
    }
}

#[cfg(test)]
mod tests;
