//! The pause before reconnecting: exponential backoff with full jitter.
//!
//! Each pause is drawn evenly from zero to a bound that doubles, so that the clients of a restarted
//! server come back spread out. Randomness is an argument.

use std::time::Duration;

use crate::limits;

/// The bound of the next pause.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    bound: Duration,
}

impl Backoff {
    /// Starts at [`limits::CLIENT_BACKOFF_FIRST`].
    pub(super) fn new() -> Self {
        Self {
            first: limits::CLIENT_BACKOFF_FIRST,
            bound: limits::CLIENT_BACKOFF_FIRST,
        }
    }

    /// Resets the next pause after a connection that worked: short again, or the one the server
    /// asked for.
    pub(super) fn reset(&mut self, asked: Option<Duration>) {
        self.first = asked
            .unwrap_or(limits::CLIENT_BACKOFF_FIRST)
            .clamp(limits::CLIENT_BACKOFF_FIRST, limits::CLIENT_BACKOFF_MAX);
        self.bound = self.first;
    }

    /// Returns the next pause, at most [`limits::CLIENT_BACKOFF_MAX`]; `random` is any 64 even
    /// bits.
    pub(super) fn pause(&mut self, random: u64) -> Duration {
        let bound = self.bound;
        self.bound = (bound * 2).min(limits::CLIENT_BACKOFF_MAX);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        // The high half of the product maps 64 random bits evenly onto 0..nanos.
        Duration::from_nanos(((u128::from(random) * u128::from(nanos)) >> 64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_cap_and_starts_again() {
        let mut backoff = Backoff::new();
        let longest: Vec<u128> = (0..7)
            .map(|_| backoff.pause(u64::MAX).as_millis() + 1)
            .collect();
        assert_eq!(longest, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        backoff.reset(None);
        assert_eq!(backoff.pause(0), Duration::ZERO);
        assert_eq!(
            backoff.pause(u64::MAX / 2 + 1),
            limits::CLIENT_BACKOFF_FIRST
        );
    }

    #[test]
    fn a_server_may_ask_for_more_but_not_for_ever() {
        let mut backoff = Backoff::new();
        backoff.reset(Some(Duration::from_secs(3)));
        assert_eq!(backoff.pause(u64::MAX).as_millis(), 2_999);
        backoff.reset(Some(Duration::MAX));
        assert_eq!(backoff.pause(u64::MAX).as_millis(), 4_999);
        backoff.reset(Some(Duration::ZERO));
        assert_eq!(backoff.pause(u64::MAX).as_millis(), 249);
    }
}
