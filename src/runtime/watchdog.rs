//! A watchdog: a thread that looks after the shards and needs none of them.
//!
//! A shard that no longer turns cannot say so, and one that does not leave cannot end the process.
//! This thread looks at each shard's count of turns now and then, names the one that stands still,
//! and ends the process when it was told to leave and has not within its time. A thread that panics
//! ends the process by itself ([`abort_on_panic`]).

use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::error;

use super::shard_loop::NodeState;
use crate::dialect::AllMetrics;
use crate::dialect::Config;
use crate::limits::{DRAIN_GRACE, EXIT_LOST, SHARD_STALL_MAX, WATCH_INTERVAL};

/// Times after which a node is said to be ill, or is ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Most time that the node may take to leave by itself.
    pub(super) drain: Duration,
    /// Most time that a shard may stand still before the process ends; `None` is for ever.
    pub(super) stall_exit: Option<Duration>,
}

impl Patience {
    /// The operator's settings.
    pub(super) const fn of(config: &Config) -> Self {
        Self {
            drain: config.server.drain_timeout,
            stall_exit: config.server.stall_exit,
        }
    }
}

/// A finding of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// This shard has not turned for that long.
    Stalled(usize, Duration),
    /// It turns again, after that long.
    Recovered(usize, Duration),
    /// It stands still for too long.
    Lost(usize, Duration),
    /// The node should have left by now.
    Overdue,
}

/// The state of the shards between two looks.
#[derive(Debug)]
struct Watch {
    patience: Patience,
    shards: Vec<Pulse>,
    looked_at: Instant,
    leaves_by: Option<Instant>,
}

/// One shard as seen from outside.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    turns: u64,
    /// Time it has stood still between looks that were on time: time during which the whole process
    /// was stopped does not count.
    still: Duration,
    is_told: bool,
}

impl Watch {
    fn new(patience: Patience, shards: usize, now: Instant) -> Self {
        let pulse = Pulse {
            turns: 0,
            still: Duration::ZERO,
            is_told: false,
        };
        Self {
            patience,
            shards: vec![pulse; shards],
            looked_at: now,
            leaves_by: None,
        }
    }

    /// Looks at the shards' counts of turns. A shard that has left (`None`) is done.
    fn look(
        &mut self,
        now: Instant,
        draining: bool,
        turns: impl Iterator<Item = Option<u64>>,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let passed = (now - self.looked_at).min(2 * WATCH_INTERVAL);
        self.looked_at = now;
        for (shard, (pulse, turns)) in self.shards.iter_mut().zip(turns).enumerate() {
            pulse.still += passed;
            let still = pulse.still;
            if turns != Some(pulse.turns) {
                if pulse.is_told {
                    findings.push(Finding::Recovered(shard, still));
                }
                *pulse = Pulse {
                    turns: turns.unwrap_or(pulse.turns),
                    still: Duration::ZERO,
                    is_told: false,
                };
                continue;
            }
            if self.patience.stall_exit.is_some_and(|exit| still >= exit) {
                findings.push(Finding::Lost(shard, still));
            } else if still >= SHARD_STALL_MAX && !pulse.is_told {
                pulse.is_told = true;
                findings.push(Finding::Stalled(shard, still));
            }
        }
        if draining {
            let patience = self.patience.drain + DRAIN_GRACE;
            let leaves_by = *self.leaves_by.get_or_insert(now + patience);
            if now >= leaves_by {
                findings.push(Finding::Overdue);
            }
        }
        findings
    }
}

/// A handle on the thread: it ends with the node.
#[derive(Debug)]
pub(super) struct Watchdog(Arc<AtomicBool>);

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Starts looking after the shards of a node.
pub(super) fn start(
    patience: Patience,
    state: Arc<NodeState>,
    metrics: AllMetrics,
) -> std::io::Result<Watchdog> {
    let over = Arc::new(AtomicBool::new(false));
    let watchdog = Watchdog(Arc::clone(&over));
    std::thread::Builder::new()
        .name(String::from("watchdog"))
        .spawn(move || {
            let mut watch = Watch::new(patience, metrics.len(), Instant::now());
            while !over.load(Ordering::Acquire) {
                std::thread::sleep(WATCH_INTERVAL);
                let draining = state.draining.load(Ordering::Acquire);
                let turns = metrics.iter().map(|shard| shard.ticks.value());
                let turns = turns.zip(state.left.iter()).map(|(turns, left)| {
                    let has_left = left.load(Ordering::Acquire);
                    (!has_left).then_some(turns)
                });
                for finding in watch.look(Instant::now(), draining, turns) {
                    if over.load(Ordering::Acquire) {
                        return;
                    }
                    act(finding);
                }
            }
        })?;
    Ok(watchdog)
}

fn act(finding: Finding) {
    match finding {
        Finding::Stalled(shard, still) => error!(shard, ?still, "a shard stands still"),
        Finding::Recovered(shard, still) => {
            tracing::warn!(shard, ?still, "a shard that stood still goes on");
        }
        Finding::Lost(shard, still) => {
            error!(
                shard,
                ?still,
                "a shard stands still for too long: the process ends"
            );
            std::process::exit(i32::from(EXIT_LOST));
        }
        Finding::Overdue => {
            error!("the shards did not leave within server.drain_timeout: the process ends");
            std::process::exit(i32::from(EXIT_LOST));
        }
    }
}

/// From now on a panic of any thread ends the process at once, with exit code [`EXIT_LOST`]: the
/// remaining threads would look alive and serve half of its clients. The panic's message goes to
/// standard error and to the log first.
pub fn abort_on_panic() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        default(info);
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        error!(thread, place, "a thread panicked: the process ends");
        std::process::exit(i32::from(EXIT_LOST));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        drain: Duration::from_secs(10),
        stall_exit: Some(Duration::from_secs(20)),
    };

    /// Looks once a second; the counts of two shards at each look.
    fn findings(patience: Patience, looks: &[(bool, [Option<u64>; 2])]) -> Vec<(usize, Finding)> {
        let start = Instant::now();
        let mut watch = Watch::new(patience, 2, start);
        let mut all = Vec::new();
        for (second, &(draining, turns)) in looks.iter().enumerate() {
            let now = start + Duration::from_secs(second as u64);
            let found = watch.look(now, draining, turns.into_iter());
            all.extend(found.into_iter().map(|finding| (second, finding)));
        }
        all
    }

    /// Tells the child of the next test from the test.
    const CHILD: &str = "FANFARE_TEST_PANICS";

    #[test]
    fn a_panic_of_any_thread_ends_the_process_at_once() {
        if std::env::var_os(CHILD).is_some() {
            abort_on_panic();
            let lost = std::thread::Builder::new().name(String::from("shard-7"));
            let lost = lost.spawn(|| panic!("a bug")).expect("a thread");
            // A server whose other threads go on.
            let _ = lost.join();
            std::thread::sleep(Duration::from_mins(1));
        }
        let name = "runtime::watchdog::tests::a_panic_of_any_thread_ends_the_process_at_once";
        let program = std::env::current_exe().expect("this program");
        let since = Instant::now();
        let output = std::process::Command::new(program)
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .expect("it starts");
        assert_eq!(output.status.code(), Some(i32::from(EXIT_LOST)));
        assert!(since.elapsed() < Duration::from_secs(30));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("a bug") && said.contains("shard-7"), "{said}");
    }

    #[test]
    fn shards_that_turn_are_left_alone() {
        let looks: Vec<_> = (1..100).map(|n| (false, [Some(n), Some(7 * n)])).collect();
        assert_eq!(findings(PATIENCE, &looks), []);
    }

    #[test]
    fn a_shard_that_stands_still_is_named_once_and_when_it_goes_on() {
        let secs = Duration::from_secs;
        let mut looks: Vec<_> = (1..15).map(|n| (false, [Some(n), Some(1)])).collect();
        looks.push((false, [Some(15), Some(2)]));
        let expected = [
            (10, Finding::Stalled(1, secs(10))),
            (14, Finding::Recovered(1, secs(14))),
        ];
        assert_eq!(findings(PATIENCE, &looks), expected);
    }

    #[test]
    fn a_shard_that_stands_still_for_too_long_ends_the_process_if_that_is_configured() {
        let looks: Vec<_> = (1..23).map(|n| (false, [Some(n), Some(1)])).collect();
        let lost = |(_, finding): &(usize, Finding)| matches!(finding, Finding::Lost(1, _));
        assert_eq!(findings(PATIENCE, &looks).iter().position(lost), Some(1));
        let never = Patience {
            stall_exit: None,
            ..PATIENCE
        };
        assert_eq!(findings(never, &looks).iter().position(lost), None);
    }

    #[test]
    fn who_has_left_owes_nothing_and_who_has_not_is_overdue() {
        let looks: Vec<_> = (0..13).map(|n| (true, [None, Some(n)])).collect();
        let late = PATIENCE.drain + DRAIN_GRACE;
        let first = findings(PATIENCE, &looks).first().copied();
        assert_eq!(first, Some((late.as_secs() as usize, Finding::Overdue)));
    }
}
