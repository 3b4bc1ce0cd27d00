//! Sockets that share one thread, and waiting for what comes of them.

use std::time::{Duration, Instant};

use crate::failure::Failure;

/// Nothing that is waited for takes longer.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// An owner of sockets that serves them whenever its thread has time.
pub(crate) trait Pump {
    /// Waits at most `timeout` for sockets, and serves a batch of them.
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure>;

    /// How far everybody is, for a sentence about what was waited for in vain.
    fn progress(&self) -> String;

    /// Serves everybody for a while.
    fn pump_for(&mut self, duration: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + duration;
        while let Some(left) = left(deadline) {
            self.pump(left)?;
        }
        Ok(())
    }

    /// Serves everybody until something is so, and fails if it is not within [`WAIT_TIMEOUT`].
    fn pump_until(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while !is_so(self) {
            let Some(left) = left(deadline) else {
                let progress = self.progress();
                return Err(Failure::new(format!(
                    "waited {WAIT_TIMEOUT:?} until {what}: {progress}"
                )));
            };
            self.pump(left)?;
        }
        Ok(())
    }
}

/// What is left until `deadline`; nothing once it has passed.
pub(crate) fn left(deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often it was pumped.
    struct Steps(u32);

    impl Pump for Steps {
        fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
            assert!(!timeout.is_zero() && timeout <= WAIT_TIMEOUT);
            self.0 += 1;
            if self.0 == 10 {
                return Err(Failure::new("no more"));
            }
            Ok(())
        }
        fn progress(&self) -> String {
            self.0.to_string()
        }
    }

    #[test]
    fn waiting_ends_when_it_is_so_or_when_a_socket_fails() {
        let mut steps = Steps(0);
        steps.pump_until("three", |steps| steps.0 == 3).expect("so");
        assert_eq!(steps.0, 3);
        steps.pump_until("still", |steps| steps.0 == 3).expect("so");
        assert_eq!(steps.0, 3);
        let why = steps.pump_until("never", |_| false).expect_err("failed");
        assert_eq!((why.to_string().as_str(), steps.0), ("no more", 10));
        steps.pump_for(Duration::ZERO).expect("no time to pump");
        assert_eq!(steps.0, 10);
    }
}
