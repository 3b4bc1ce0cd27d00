//! The limit beside a queue of accepted events with their times, and under several threads at once.
#![allow(
    clippy::disallowed_methods,
    reason = "shards are threads, and what they share is tested with some"
)]

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::*;

fn limit(rate: u32) -> RateLimit {
    RateLimit::new(NonZeroU32::new(rate).expect("a limit"))
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn wait(millis: u64) -> Result<(), Duration> {
    Err(Duration::from_millis(millis))
}

#[test]
fn a_seconds_worth_may_come_at_once_and_then_one_by_one() {
    let limit = limit(4);
    for _ in 0..4 {
        assert_eq!(limit.accept(at(5_000), 1), Ok(()));
    }
    assert_eq!(limit.accept(at(5_000), 1), wait(250));
    assert_eq!(limit.accept(at(5_249), 1), wait(1));
    assert_eq!(limit.accept(at(5_250), 1), Ok(()));
    assert_eq!(limit.accept(at(5_250), 1), wait(250));
    // However long it was silent, it is owed no more than the burst.
    assert_eq!(limit.accept(at(60_000), 4), Ok(()));
    assert_eq!(limit.accept(at(60_000), 1), wait(250));
}

#[test]
fn a_publish_is_refused_whole_and_then_costs_nothing() {
    let limit = limit(10);
    assert_eq!(limit.accept(at(1_000), 7), Ok(()));
    for _ in 0..100 {
        assert_eq!(limit.accept(at(1_000), 4), wait(100));
    }
    assert_eq!(limit.accept(at(1_000), 3), Ok(()));
    assert_eq!(limit.accept(at(1_000), 1), wait(100));
}

#[test]
fn more_than_a_seconds_worth_waits_for_all_before_it_and_all_after_it() {
    let limit = limit(10);
    assert_eq!(limit.accept(at(1_000), 1), Ok(()));
    assert_eq!(limit.accept(at(1_000), 35), wait(100));
    assert_eq!(limit.accept(at(1_100), 35), Ok(()));
    // 35 events are paid for after 3.5 s; one more fits when nine are unpaid.
    assert_eq!(limit.accept(at(1_100), 1), wait(2_600));
    assert_eq!(limit.accept(at(1_100), 35), wait(3_500));
    assert_eq!(limit.accept(at(3_699), 1), wait(1));
    assert_eq!(limit.accept(at(3_700), 1), Ok(()));
}

#[test]
fn nothing_is_rounded_in_the_publishers_favour_or_against_it() {
    // Neither 3 nor 7 divides a second's milliseconds.
    for rate in [3, 7, 999, 1_001, PUBLISHES_PER_SECOND_MAX as u32] {
        let limit = limit(rate);
        let start = 10 * 366 * 24 * 3_600 * 1_000;
        assert_eq!(limit.accept(at(start), rate as usize), Ok(()));
        let accepted: u64 = (1..=1_000)
            .map(|millis| {
                let one = || limit.accept(at(start + millis), 1).is_ok();
                (0..20_000).take_while(|_| one()).count() as u64
            })
            .sum();
        assert_eq!(accepted, u64::from(rate), "{rate}");
    }
}

#[test]
fn a_clock_that_is_behind_gets_no_more() {
    let limit = limit(10);
    assert_eq!(limit.accept(at(1_000), 10), Ok(()));
    assert_eq!(limit.accept(at(990), 1), wait(110));
    assert_eq!(limit.accept(at(0), 1), wait(1_100));
    assert_eq!(limit.accept(at(1_100), 1), Ok(()));
    assert_eq!(limit.accept(at(990), 1), wait(210));
}

#[test]
fn threads_together_are_held_to_one_limit() {
    const THREADS: usize = 4;
    const RATE: u32 = 100_000;
    const MILLIS: u64 = 2_000;
    let limit = limit(RATE);
    let accepted = AtomicUsize::new(0);
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (limit, accepted, start) = (&limit, &accepted, &start);
            scope.spawn(move || {
                start.wait();
                // All see the same milliseconds, each at its own pace. Each asks for more than
                // there is, two of them for single events: nothing is left over.
                for millis in 0..=MILLIS {
                    for _ in 0..RATE / 100 {
                        let events = 1 + thread % 2;
                        if limit.accept(at(10_000 + millis), events).is_ok() {
                            accepted.fetch_add(events, Relaxed);
                        }
                    }
                }
            });
        }
    });
    let most = u64::from(RATE) + u64::from(RATE) * MILLIS / 1_000;
    assert_eq!(accepted.load(Relaxed) as u64, most);
}

/// All accepted publishes, with their times: a limit for which memory and time cost nothing.
struct Naive {
    rate: u64,
    accepted: Vec<(u64, u64)>,
}

impl Naive {
    /// Events that are unpaid, in thousandths: each millisecond pays for `rate` thousandths, while
    /// there are any.
    fn unpaid(&self, now: u64) -> u64 {
        let mut unpaid = 0u64;
        let mut last = 0;
        for &(millis, events) in &self.accepted {
            unpaid = unpaid.saturating_sub((millis - last) * self.rate) + events * 1_000;
            last = millis;
        }
        unpaid.saturating_sub((now - last) * self.rate)
    }

    fn fits(&self, now: u64, events: u64) -> bool {
        let unpaid = self.unpaid(now);
        unpaid == 0 || unpaid + events * 1_000 <= self.rate * 1_000
    }

    /// The most events, beyond what the rate allows, in any span that begins and ends with a
    /// publish.
    fn excess(&self) -> i128 {
        let spans = (0..self.accepted.len()).flat_map(|from| {
            let start = self.accepted[from].0;
            let rate = i128::from(self.rate);
            self.accepted[from..]
                .iter()
                .scan(0, move |sum, &(millis, events)| {
                    *sum += i128::from(events) * 1_000;
                    Some(*sum - i128::from(millis - start) * rate)
                })
        });
        spans.max().unwrap_or(0)
    }
}

proptest! {
    #[test]
    fn it_is_what_the_naive_limit_is(
        rate in prop_oneof![1u32..5, 1u32..2_000],
        steps in prop::collection::vec((0u64..400, prop_oneof![1u64..4, 1u64..1_001]), 1..120),
    ) {
        let limit = limit(rate);
        let mut naive = Naive { rate: u64::from(rate), accepted: Vec::new() };
        let mut now = 10_000;
        let mut largest = u64::from(rate);
        for (pause, events) in steps {
            now += pause;
            let fits = naive.fits(now, events);
            match limit.accept(at(now), events as usize) {
                Ok(()) => {
                    prop_assert!(fits, "too much at {}", now);
                    naive.accepted.push((now, events));
                    largest = largest.max(events);
                }
                Err(wait) => {
                    prop_assert!(!fits, "too little at {}", now);
                    let wait = wait.as_millis() as u64;
                    prop_assert!(wait > 0 && naive.fits(now + wait, events));
                    prop_assert!(!naive.fits(now + wait - 1, events));
                }
            }
        }
        prop_assert!(naive.excess() <= i128::from(largest) * 1_000);
    }
}
