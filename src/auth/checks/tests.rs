//! The order of turns, and the refusals; and that however attempts come, each gets exactly one
//! verdict.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::limits::LOGIN_FAILURES_MAX;

const HOUR: Duration = Duration::from_secs(3_600);
const TOOK: Duration = Duration::from_millis(20);

fn network(number: u32) -> Network {
    Network::of(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn attempt(name: &str, password: &str) -> Attempt {
    Attempt {
        user: Some(UserId(0)),
        name: name.into(),
        password: Secret::new(password),
    }
}

/// A node in virtual time: each check takes 20 ms, and `right` is the only password.
struct Node {
    checks: Checks<u32>,
    now: u64,
    heard: BTreeMap<u32, (u64, Verdict)>,
}

impl Node {
    fn new() -> Self {
        Self {
            checks: Checks::new(Some(HOUR)),
            now: 0,
            heard: BTreeMap::new(),
        }
    }

    fn submit(&mut self, from: u32, name: &str, password: &str, waiter: u32) -> bool {
        self.submit_at(network(from), name, password, waiter)
    }

    fn submit_at(&mut self, from: Network, name: &str, password: &str, waiter: u32) -> bool {
        let attempt = attempt(name, password);
        match self.checks.submit(at(self.now), from, attempt, waiter) {
            Ok(()) => true,
            Err(verdict) => {
                assert_eq!(self.heard.insert(waiter, (self.now, verdict)), None);
                false
            }
        }
    }

    /// Checks one, if one waits.
    fn work(&mut self) -> bool {
        let Some(attempt) = self.checks.begin() else {
            return false;
        };
        let right = attempt.password == Secret::new("right");
        self.now += TOOK.as_millis() as u64;
        for (waiter, verdict) in self.checks.finish(at(self.now), right, TOOK) {
            assert_eq!(self.heard.insert(waiter, (self.now, verdict)), None);
        }
        true
    }

    fn verdict(&self, waiter: u32) -> Option<Verdict> {
        self.heard.get(&waiter).map(|(_, verdict)| *verdict)
    }
}

#[test]
fn who_never_failed_waits_for_a_few_checks_while_two_hundred_guess() {
    // From this machine, whose addresses are never blocked: each guesses again as soon as it may.
    let mut node = Node::new();
    let guesser = |number: u32| Network::of(Ipv4Addr::new(127, 0, 1, number as u8).into());
    let mut waiter = 1_000;
    for round in 0..400u32 {
        for number in 0..200 {
            waiter += 1;
            node.submit_at(guesser(number), &format!("n{round}"), "wrong", waiter);
        }
        node.work();
        if round > 200 && round % 20 == 0 {
            // Even the name that they guess can log in.
            let came = node.now;
            assert!(node.submit(round, &format!("n{round}"), "right", round));
            while node.verdict(round).is_none() {
                assert!(node.work());
            }
            let (heard, verdict) = node.heard[&round];
            assert_eq!(verdict, Verdict::Right);
            assert!(heard - came <= 100, "{} ms", heard - came);
        }
    }
}

#[test]
fn who_comes_while_many_fresh_addresses_guess_is_not_behind_all_of_them() {
    let mut node = Node::new();
    for number in 0..200 {
        assert!(node.submit(number, "anybody", "wrong", 1_000 + number));
    }
    assert!(node.submit(500, "mikey", "right", 1));
    node.work();
    node.work();
    assert_eq!(node.verdict(1), Some(Verdict::Right));
    // And the oldest has its turn, too.
    assert_eq!(node.verdict(1_000), Some(Verdict::Wrong));
}

#[test]
fn after_five_wrong_ones_an_address_is_blocked_and_what_it_has_waiting_dismissed() {
    let mut node = Node::new();
    for waiter in 0..12 {
        assert!(node.submit(1, &format!("n{waiter}"), "wrong", waiter));
    }
    assert!(node.submit(2, "mikey", "right", 100));
    while node.work() {}
    let wrong = (0..12).filter(|&waiter| node.verdict(waiter) == Some(Verdict::Wrong));
    assert_eq!(wrong.count(), LOGIN_FAILURES_MAX);
    let retry_after = 3_600;
    assert_eq!(node.verdict(11), Some(Verdict::Blocked { retry_after }));
    assert_eq!(node.verdict(100), Some(Verdict::Right));
    assert!(node.checks.is_idle());
    // Even the right one is not looked at, for an hour.
    node.now += 1_500_000;
    assert!(!node.submit(1, "mikey", "right", 200));
    let Some(Verdict::Blocked { retry_after }) = node.verdict(200) else {
        panic!("{:?}", node.verdict(200));
    };
    assert_eq!(retry_after, 2_100);
    node.now += 2_100_000;
    assert!(node.submit(1, "mikey", "right", 201));
    node.work();
    assert_eq!(node.verdict(201), Some(Verdict::Right));
}

#[test]
fn the_same_attempt_joins_and_another_password_waits_its_turn() {
    let mut node = Node::new();
    for waiter in 0..PASSWORD_WAITERS_MAX as u32 {
        assert!(node.submit(1, "mikey", "right", waiter));
    }
    assert!(
        !node.submit(1, "mikey", "right", 1_000),
        "no more than that"
    );
    assert!(!node.submit(1, "mikey", "wrong", 1_001));
    assert!(node.submit(2, "mikey", "wrong", 1_002), "elsewhere");
    for waiter in [1_000, 1_001] {
        let busy = node.verdict(waiter);
        assert_eq!(busy, Some(Verdict::Busy { retry_after: 1 }));
    }
    node.work();
    for waiter in 0..PASSWORD_WAITERS_MAX as u32 {
        assert_eq!(node.verdict(waiter), Some(Verdict::Right));
    }
    // While it is under way, too.
    assert!(node.submit(1, "mikey", "right", 2_000));
    while node.checks.running.is_none() {
        let attempt = node.checks.begin().cloned();
        if attempt != Some(self::attempt("mikey", "right")) {
            node.checks.finish(at(0), false, TOOK);
        }
    }
    assert!(node.submit(1, "mikey", "right", 2_001));
    let verdicts = node.checks.finish(at(0), true, TOOK);
    assert_eq!(verdicts, [(2_000, Verdict::Right), (2_001, Verdict::Right)]);
}

#[test]
fn bounds_refuse_and_say_when_to_try_again() {
    let mut node = Node::new();
    for waiter in 0..PASSWORD_CHECKS_PER_NETWORK_MAX as u32 {
        assert!(node.submit(1, &format!("n{waiter}"), "right", waiter));
    }
    assert!(!node.submit(1, "one more", "right", 500));
    let mut waiter = 1_000;
    while node.submit(waiter, "n", "right", waiter) {
        waiter += 1;
    }
    let waiting = node.checks.waiting[0];
    assert_eq!(waiting, PASSWORD_CHECKS_MAX);
    // At 50 ms each, as long as none was timed.
    let retry_after = (waiting as u32).div_ceil(20);
    assert_eq!(node.verdict(waiter), Some(Verdict::Busy { retry_after }));
    for _ in 0..100 {
        node.work();
    }
    assert!(node.submit(waiter, "n", "right", 700));
    while node.work() {}
    assert!(node.checks.is_idle());
    assert_eq!(node.checks.waiting, [0, 0]);
}

#[derive(Clone, Debug)]
enum Op {
    Submit(u32, u8, bool),
    Work,
    Wait(u32),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (0..6u32, 0..4u8, any::<bool>()).prop_map(|(n, name, right)| Op::Submit(n, name, right)),
        3 => Just(Op::Work),
        1 => (0..2_000_000u32).prop_map(Op::Wait),
    ];
    prop::collection::vec(op, 0..200)
}

proptest! {
    #[test]
    fn everybody_gets_one_true_verdict(ops in ops()) {
        let mut node = Node::new();
        let mut asked = Vec::new();
        for op in ops {
            match op {
                Op::Submit(from, name, right) => {
                    let waiter = asked.len() as u32;
                    asked.push(right);
                    let password = if right { "right" } else { "wrong" };
                    // Network 0 stands for this machine.
                    let from = if from == 0 { Network::LOOPBACK } else { network(from) };
                    node.submit_at(from, &name.to_string(), password, waiter);
                }
                Op::Work => {
                    node.work();
                }
                Op::Wait(millis) => node.now += u64::from(millis),
            }
            let lines = node.checks.lines.values();
            let waiting: usize = lines.map(|line| line.checks.len()).sum();
            prop_assert_eq!(waiting, node.checks.waiting.iter().sum::<usize>());
            let turns = node.checks.fresh.len() + node.checks.suspect.len();
            prop_assert_eq!(turns, node.checks.lines.len());
        }
        while node.work() {}
        prop_assert!(node.checks.is_idle());
        for (waiter, right) in asked.iter().enumerate() {
            match node.verdict(waiter as u32) {
                Some(Verdict::Right) => prop_assert!(right),
                Some(Verdict::Wrong) => prop_assert!(!right),
                Some(Verdict::Blocked { retry_after } | Verdict::Busy { retry_after }) => {
                    prop_assert!((1..=3_600).contains(&retry_after));
                }
                None => prop_assert!(false, "no verdict"),
            }
        }
    }
}
