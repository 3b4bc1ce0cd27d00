//! `latency`: how long an event is on its way to every subscriber, while events come at a set rate.
//!
//! The load is open: an event is due at its time whether or not those before it were heard, and its
//! latency counts from when it was due. So a server that stalls is late for all that fell due
//! meanwhile, and nothing is omitted because the client waited along with it. First the peak is
//! found, with a window of events in flight; then the rates are shares of it: of each server's own
//! peak, and where there are peers, of the peer's for both. `lag` is the client's own: how long
//! after it was due an event was sent.

use std::time::Duration;

use crate::failure::Failure;
use crate::fleet::kinds::CountingFleet;
use crate::load::{Load, micros_at};
use crate::machine::{Usage, pin, reserve_descriptors};
use crate::mode::arena::{Arena, Attendance, Server, start};
use crate::mode::session;
use crate::peer::PeersArgs;
use crate::report::{self, Cell, Report};
use crate::target::TargetArgs;
use crate::voice::frame::Opening;

/// Events that may be on their way before a server is said to have fallen behind.
const IN_FLIGHT_MAX: usize = 1 << 16;
/// Events in flight while the peak is looked for.
const PEAK_WINDOW: u64 = 64;
/// The load at which ours and a peer are offered the same, in percent of the peer's peak.
const SHARED_PERCENT: u64 = 50;

/// Subscribers and rates.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LatencyArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    peers: PeersArgs,
    /// WebSocket subscribers of the live dialect.
    #[arg(long, default_value_t = 100)]
    subscribers: usize,
    /// Offered loads, in percent of the peak.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 25, 50, 75, 90])]
    percent: Vec<u32>,
    /// Seconds of each load, after one that is not counted.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Bytes that pad each payload.
    #[arg(long, default_value_t = 40)]
    padding: usize,
}

const COLUMNS: [&str; 11] = [
    "server",
    "load %",
    "events/s",
    "deliveries/s",
    "p50 us",
    "p90 us",
    "p99 us",
    "p99.9 us",
    "max us",
    "lag p99 us",
    "core busy %",
];

/// One server that takes its turn.
struct Subject {
    arena: Arena,
    is_peer: bool,
    /// Events per second with [`PEAK_WINDOW`] in flight.
    peak: u64,
    /// Whether it lost something or fell behind.
    is_out: bool,
}

/// What one load found: the columns from `events/s` on.
type Figures = [f64; 9];

/// Runs it.
pub(crate) fn run(args: &LatencyArgs) -> Result<Report, Failure> {
    if args.subscribers == 0 || args.percent.contains(&0) || args.seconds == 0 {
        return Err(Failure::new(
            "latency: subscribers, loads and seconds begin at 1",
        ));
    }
    reserve_descriptors(args.subscribers)?;
    let mut report = Report::new("latency", &COLUMNS);
    let mut subjects = subjects(args, &mut report)?;
    reserve_descriptors(args.subscribers * subjects.len())?;
    pin(args.target.probe_core)?;
    report.note(format!(
        "latency: {} subscribers, {} s each, 1 shard",
        args.subscribers, args.seconds
    ));
    for subject in &mut subjects {
        let (fleet, _) = subject.arena.fleet()?;
        let found = peak(fleet);
        if let Some(peak) = subject.judge(found, &mut report)? {
            subject.peak = peak;
            let name = &subject.arena.name;
            report.note(format!(
                "{name}: peak {peak} events/s with {PEAK_WINDOW} in flight"
            ));
        }
    }
    for &percent in &args.percent {
        let load = Cell::Count(percent.into());
        let own = |subject: &Subject| subject.peak * u64::from(percent) / 100;
        take_turns(args, &mut subjects, |_| true, own, &load, &mut report)?;
    }
    let peers: Vec<String> = subjects
        .iter()
        .filter(|subject| subject.is_peer && !subject.is_out)
        .map(|subject| subject.arena.name.clone())
        .collect();
    for peer in &peers {
        let theirs = subjects.iter().find(|subject| subject.arena.name == *peer);
        let rate = theirs.map_or(0, |theirs| theirs.peak) * SHARED_PERCENT / 100;
        let load = Cell::text(format!("{SHARED_PERCENT} of {peer}"));
        let takes_part = |subject: &Subject| !subject.is_peer || subject.arena.name == *peer;
        take_turns(
            args,
            &mut subjects,
            takes_part,
            |_| rate,
            &load,
            &mut report,
        )?;
    }
    for subject in subjects {
        subject.arena.stop()?;
    }
    Ok(report)
}

/// Starts everybody, with nobody connected. Beside peers both drivers are measured.
fn subjects(args: &LatencyArgs, report: &mut Report) -> Result<Vec<Subject>, Failure> {
    let attendance = Attendance {
        subscribers: args.subscribers,
        window: IN_FLIGHT_MAX,
        padding: args.padding,
        is_array: false,
    };
    let subject = |(name, server): (String, Server)| Subject {
        is_peer: server.is_peer(),
        arena: Arena::new(name, server, (Opening::of_live(), session(0)), attendance),
        peak: 0,
        is_out: false,
    };
    let servers = start(&args.target, &args.peers, report)?;
    Ok(servers.into_iter().map(subject).collect())
}

/// Offers everybody who takes part one load after the other, and adds their rows and how ours stand
/// to each peer's.
fn take_turns(
    args: &LatencyArgs,
    subjects: &mut [Subject],
    takes_part: impl Fn(&Subject) -> bool,
    rate: impl Fn(&Subject) -> u64,
    load: &Cell,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut found: Vec<(String, bool, Figures)> = Vec::new();
    for subject in subjects.iter_mut() {
        if subject.is_out || !takes_part(subject) {
            continue;
        }
        let rate = rate(subject).max(1);
        let measured = measure(&mut subject.arena, rate, args.seconds);
        if let Some(figures) = subject.judge(measured, report)? {
            let name = subject.arena.name.clone();
            report.row(row(&name, load, figures, [0; 9]));
            found.push((name, subject.is_peer, figures));
        }
    }
    for (theirs, _, below) in found.iter().filter(|(_, is_peer, _)| *is_peer) {
        for (ours, _, above) in found.iter().filter(|(_, is_peer, _)| !is_peer) {
            let name = format!("fanfare {ours} / {theirs}");
            let ratios = std::array::from_fn(|index| above[index] / below[index]);
            report.row(row(&name, load, ratios, [3; 9]));
        }
    }
    Ok(())
}

impl Subject {
    /// What was found; a peer for which nothing could be is out, and a note says why.
    fn judge<T>(
        &mut self,
        found: Result<T, Failure>,
        report: &mut Report,
    ) -> Result<Option<T>, Failure> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(failure) if self.is_peer => {
                report.note(format!("{}, and is left out", self.arena.blame(&failure)));
                self.is_out = true;
                self.arena.disperse();
                Ok(None)
            }
            Err(failure) => Err(self.arena.blame(&failure)),
        }
    }
}

/// One load for so many seconds, after one second that does not count.
fn measure(arena: &mut Arena, rate: u64, seconds: u32) -> Result<Figures, Failure> {
    arena.settle()?;
    arena.fleet()?.0.publish_at(rate, rate)?;
    let before = arena.usage()?;
    let load = arena
        .fleet()?
        .0
        .publish_at(rate, rate * u64::from(seconds))?;
    Ok(figures(rate, &load, arena.usage()?.since(before)))
}

fn figures(rate: u64, load: &Load, used: Usage) -> Figures {
    let seconds = load.elapsed.as_secs_f64();
    let late = &load.latencies;
    [
        rate as f64,
        late.len() as f64 / seconds,
        micros_at(late, 0.5),
        micros_at(late, 0.9),
        micros_at(late, 0.99),
        micros_at(late, 0.999),
        late.max() as f64 / 1e3,
        micros_at(&load.lags, 0.99),
        used.cpu.as_secs_f64() * 100.0 / seconds,
    ]
}

fn row(name: &str, load: &Cell, figures: Figures, digits: [usize; 9]) -> Vec<Cell> {
    let cells = report::figures(figures, digits);
    [Cell::text(name), load.clone()]
        .into_iter()
        .chain(cells)
        .collect()
}

/// Events per second with a window of them in flight.
fn peak(fleet: &mut CountingFleet) -> Result<u64, Failure> {
    let warm_up = 20 * PEAK_WINDOW;
    let rate = per_second(warm_up, fleet.publish(warm_up, PEAK_WINDOW)?.elapsed);
    // As many as take about a second.
    let count = rate.max(warm_up);
    Ok(per_second(
        count,
        fleet.publish(count, PEAK_WINDOW)?.elapsed,
    ))
}

/// Whole events in a second, of so many in that time.
fn per_second(count: u64, took: Duration) -> u64 {
    let nanos = took.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_whole_events() {
        assert_eq!(per_second(30, Duration::from_millis(1_500)), 20);
        assert_eq!(per_second(1, Duration::from_secs(3)), 0);
        assert_eq!(per_second(5, Duration::ZERO), 5_000_000_000);
    }
}
