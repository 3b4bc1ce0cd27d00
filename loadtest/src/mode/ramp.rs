//! `ramp`: more and more events per second, until they take too long. Where is the knee of the
//! curve?
//!
//! The offered load is doubled while it is carried, and then the interval in which the knee lies is
//! halved a few times. A load is carried if its p99 stays within a bound and the queue does not
//! grow: the last event is heard within that bound after the last was due, and the events on their
//! way never exceed what a server lets wait for one subscriber. A load that is not carried is tried
//! twice: a machine that did something else is not the server's fault.

use std::time::Duration;

use crate::failure::Failure;
use crate::fleet::kinds::{CountingFleet, subscribers};
use crate::load::{Load, micros_at};
use crate::machine::reserve_descriptors;
use crate::mode::{begin, session};
use crate::publisher::HttpPublishing;
use crate::pump::Pump;
use crate::report::{Cell, Report};
use crate::target::{Target, TargetArgs};
use crate::voice::frame::Opening;

/// Events that may be on their way: with their frames of some 150 bytes less than the MiB that may
/// wait for one subscriber by default.
const IN_FLIGHT_MAX: usize = 4_096;
/// No server carries as many events per second.
const RATE_MAX: u64 = 10_000_000;

/// Subscribers, bound, and how closely to look.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RampArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// WebSocket subscribers of the live dialect.
    #[arg(long, default_value_t = 100)]
    subscribers: usize,
    /// Events per second to begin with.
    #[arg(long, default_value_t = 500)]
    from: u64,
    /// The bound of p99, in milliseconds.
    #[arg(long, default_value_t = 10)]
    p99_ms: u32,
    /// Times that the interval is halved.
    #[arg(long, default_value_t = 4)]
    halvings: u32,
    /// Seconds of each load.
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Bytes that pad each payload.
    #[arg(long, default_value_t = 40)]
    padding: usize,
}

const COLUMNS: [&str; 9] = [
    "events/s",
    "offered/s",
    "delivered/s",
    "p50 us",
    "p99 us",
    "p99.9 us",
    "cpu %",
    "lag p99 us",
    "carried",
];

/// One load, and what came of it.
struct Step {
    rate: u64,
    /// Nothing if too many events were on their way.
    load: Option<Load>,
    /// cpu of the server, in percent of a core.
    busy: f64,
    is_carried: bool,
}

/// Runs it.
pub(crate) fn run(args: &RampArgs) -> Result<Report, Failure> {
    if args.subscribers == 0 || args.from == 0 || args.seconds == 0 {
        return Err(Failure::new(
            "ramp: subscribers, rate and seconds begin at 1",
        ));
    }
    reserve_descriptors(args.subscribers)?;
    let (target, mut report) = begin(&args.target, "ramp", &COLUMNS)?;
    let (address, opening) = (target.address, Opening::of_live());
    let mut fleet = subscribers(address, opening, args.subscribers, IN_FLIGHT_MAX)?;
    let publishing = HttpPublishing::to_session(address, &session(0), false);
    fleet.attach(address, Box::new(publishing), args.padding)?;
    let (count, bound) = (args.subscribers, args.p99_ms);
    report.note(format!(
        "ramp: {count} subscribers, {} s each, p99 within {bound} ms, driver {}, 1 shard",
        args.seconds, args.target.driver
    ));
    fleet.try_publish_at(args.from, args.from)?;
    let mut steps = Vec::new();
    let knee = search(args.from, args.halvings, |rate| {
        let step = step(&target, &mut fleet, args, rate)?;
        let is_carried = step.is_carried;
        steps.push(step);
        Ok(is_carried)
    })?;
    steps.sort_by_key(|step| step.rate);
    for step in &steps {
        report.row(row(step, count as u64));
    }
    report.note(match knee {
        0 => format!("the knee: below {} events/s", args.from),
        rate => format!(
            "the knee: {rate} events/s, {} deliveries/s",
            rate * count as u64
        ),
    });
    let late = steps.iter().filter(|step| is_the_client_late(step)).count();
    if late > 0 {
        report.note(format!(
            "in {late} of the loads that were not carried the client itself was late for half of p99: the machine is the \
             limit, not the server"
        ));
    }
    drop(fleet);
    target.stop()?;
    Ok(report)
}

/// Whether a load was not carried, and half of what it took is how late it was sent.
fn is_the_client_late(step: &Step) -> bool {
    let load = step.load.as_ref().filter(|_| !step.is_carried);
    load.is_some_and(|load| 2.0 * micros_at(&load.lags, 0.99) >= micros_at(&load.latencies, 0.99))
}

/// The largest rate that is carried, 0 if not even the first is: doubled, and then the interval
/// halved.
fn search(
    from: u64,
    halvings: u32,
    mut carries: impl FnMut(u64) -> Result<bool, Failure>,
) -> Result<u64, Failure> {
    let mut is_carried = |rate| Ok(carries(rate)? || carries(rate)?);
    let (mut held, mut rate) = (0, from);
    while rate <= RATE_MAX && is_carried(rate)? {
        held = rate;
        rate *= 2;
    }
    let mut failed = rate;
    for _ in 0..halvings {
        let middle = held.midpoint(failed);
        if held == 0 || middle == held {
            break;
        }
        if is_carried(middle)? {
            held = middle;
        } else {
            failed = middle;
        }
    }
    Ok(held)
}

fn step(
    target: &Target,
    fleet: &mut CountingFleet,
    args: &RampArgs,
    rate: u64,
) -> Result<Step, Failure> {
    let before = target.settle(|duration| fleet.pump_for(duration))?;
    let load = fleet.try_publish_at(rate, rate * u64::from(args.seconds))?;
    let used = target.usage()?.since(before);
    let bound = Duration::from_millis(args.p99_ms.into());
    let offered = Duration::from_secs(args.seconds.into());
    let is_carried = load.as_ref().is_some_and(|load| {
        let p99 = micros_at(&load.latencies, 0.99);
        p99 <= bound.as_secs_f64() * 1e6 && load.elapsed <= offered + bound
    });
    let busy = load.as_ref().map_or(f64::NAN, |load| {
        used.cpu.as_secs_f64() * 100.0 / load.elapsed.as_secs_f64()
    });
    Ok(Step {
        rate,
        load,
        busy,
        is_carried,
    })
}

fn row(step: &Step, subscribers: u64) -> [Cell; 9] {
    let mut row = [const { Cell::Empty }; 9];
    row[0] = Cell::Count(step.rate);
    row[1] = Cell::Count(step.rate * subscribers);
    if let Some(load) = &step.load {
        let micros = |quantile| Cell::Figure(micros_at(&load.latencies, quantile), 0);
        let delivered = load.latencies.len() as f64 / load.elapsed.as_secs_f64();
        row[2] = Cell::Figure(delivered, 0);
        row[3] = micros(0.5);
        row[4] = micros(0.99);
        row[5] = micros(0.999);
        row[6] = Cell::Figure(step.busy, 0);
        row[7] = Cell::Figure(micros_at(&load.lags, 0.99), 0);
    }
    row[8] = Cell::text(if step.is_carried { "yes" } else { "no" });
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_found_by_halving() {
        for knee in [0, 99, 100, 150, 1_000, 12_345] {
            let found = search(100, 16, |rate| Ok(rate <= knee)).expect("no server");
            assert_eq!(found, if knee < 100 { 0 } else { knee });
        }
        let roughly = search(100, 2, |rate| Ok(rate <= 1_000)).expect("no server");
        assert_eq!(roughly, 1_000);
        let roughly = search(100, 2, |rate| Ok(rate <= 1_100)).expect("no server");
        assert_eq!(roughly, 1_000);
    }

    #[test]
    fn one_failure_is_forgiven() {
        let mut tries = 0;
        let found = search(100, 1, |rate| {
            tries += 1;
            Ok(rate <= 200 && tries % 2 == 0)
        });
        assert_eq!(found.expect("no server"), 200);
    }
}
