//! A whole node in virtual time, from one seed, with faults injected.
//!
//! `FANFARE_SEED=7` runs one seed, `FANFARE_SEEDS=5000` that many. A failure prints its seed, and
//! the same seed fails the same way. What must hold of logs is in `oracle.rs`, of live
//! subscriptions in `hearing.rs`.

mod caller;
mod faults;
mod hearing;
mod oracle;
mod publisher;
mod random;
mod reader;
mod room;
mod slices;
mod subscriber;
#[path = "../support/mod.rs"]
mod support;
mod turns;
mod walks;
mod world;

/// How many seeds are run unless the environment says otherwise.
const SEEDS: u64 = 60;

/// Says which seed it was, should the scene panic.
struct Announce(u64);

impl Drop for Announce {
    #[expect(
        clippy::print_stdout,
        reason = "whoever reads the failure needs the seed"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("run this seed again with FANFARE_SEED={}", self.0);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text:?}")),
    )
}

#[test]
fn nobody_misses_anything_silently() {
    let seeds = match number("FANFARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FANFARE_SEEDS").unwrap_or(SEEDS),
    };
    let mut facts = oracle::Facts::default();
    for seed in seeds.clone() {
        let announce = Announce(seed);
        facts.add(&world::World::new(seed).run());
        drop(announce);
    }
    if seeds.end - seeds.start >= SEEDS {
        facts.assert_eventful();
    }
}
