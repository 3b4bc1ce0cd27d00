//! Time as a value.
//!
//! Nothing below `runtime` may read a clock: the driver reads it once per tick and passes a [`Now`]
//! down. Simulations pass whatever they like.

use std::ops::Add;
use std::time::Duration;

/// A point on the monotonic clock, in whole milliseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Later than any other: the deadline of something that has none.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `millis` milliseconds after the clock's start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the clock's start.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(rhs.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

/// The time of one tick on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: for deadlines and retention.
    pub instant: Instant,
    /// Wall clock, milliseconds since 1970-01-01T00:00:00Z: for people and other systems.
    pub unix_ms: u64,
}
