//! The only reader of the system's clocks.

use std::time::{Instant as StdInstant, SystemTime, UNIX_EPOCH};

use crate::time::{Instant, Now};

/// Both clocks, read together. All shards of a node share one start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: StdInstant,
}

impl Clock {
    pub(super) fn new() -> Self {
        let start = StdInstant::now();
        Self { start }
    }

    /// Microseconds since the start, for measuring durations.
    pub(super) fn micros(self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    pub(super) fn now(self) -> Now {
        let elapsed = self.start.elapsed().as_millis();
        // A wall clock before 1970 is wrong, and no reason to stop.
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            instant: Instant::from_millis(elapsed as u64),
            unix_ms: unix.as_millis() as u64,
        }
    }
}
