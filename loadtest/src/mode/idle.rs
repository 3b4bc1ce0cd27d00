//! `idle`: what a connection that only waits costs in memory, and whether that grows.

use crate::client::SessionPublisher;
use crate::failure::Failure;
use crate::fleet::kinds::{Readers, readers};
use crate::kind::Kind;
use crate::machine::{Memory, reserve_descriptors};
use crate::mode::{begin, pause, session};
use crate::names::Named;
use crate::pump::Pump;
use crate::report::{Cell, Report};
use crate::target::TargetArgs;

/// Connections that wait, and how often they are woken.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// How the connections wait.
    #[arg(long, value_enum, default_value_t = Kind::Poll)]
    kind: Kind,
    /// Connections.
    #[arg(long, default_value_t = 15_000)]
    connections: usize,
    /// Sessions that they share.
    #[arg(long, default_value_t = 1)]
    sessions: usize,
    /// Events that wake all of them, one after the other.
    #[arg(long, default_value_t = 10)]
    cycles: u32,
}

const COLUMNS: [&str; 5] = [
    "stage",
    "rss KiB",
    "anon KiB",
    "KiB/conn",
    "since parked KiB",
];

/// Runs it.
pub(crate) fn run(args: &IdleArgs) -> Result<Report, Failure> {
    let sessions = args.sessions.clamp(1, args.connections.max(1));
    reserve_descriptors(args.connections + sessions)?;
    let (target, mut report) = begin(&args.target, "idle", &COLUMNS)?;
    let kind = args.kind.name();
    let (connections, driver) = (args.connections, &args.target.driver);
    report.note(format!(
        "idle: {connections} x {kind} on {sessions} session(s), driver {driver}, 1 shard"
    ));

    let mut publishers = Vec::with_capacity(sessions);
    for index in 0..sessions {
        publishers.push(SessionPublisher::connect(target.address, &session(index))?);
    }
    target.settle(pause)?;
    let before = target.memory()?;
    report.row(row("started", before, Cell::Empty, Cell::Empty));

    let mut fleet = readers(target.address, args.kind, connections, |index| {
        session(index % sessions)
    })?;
    target.settle(|duration| fleet.pump_for(duration))?;
    let parked = target.memory()?;
    let per_connection = |now: Memory| {
        let grown = now.anonymous as f64 - before.anonymous as f64;
        Cell::Figure(grown / connections.max(1) as f64, 3)
    };
    let since_parked =
        |now: Memory| Cell::Figure(now.anonymous as f64 - parked.anonymous as f64, 0);
    report.row(row("parked", parked, per_connection(parked), Cell::Empty));

    for cycle in 1..=args.cycles {
        wake(&mut fleet, &mut publishers, args.kind)?;
        target.settle(|duration| fleet.pump_for(duration))?;
        let now = target.memory()?;
        let stage = format!("woken {cycle} x");
        report.row(row(&stage, now, per_connection(now), since_parked(now)));
    }
    drop((fleet, publishers));
    target.settle(pause)?;
    let after = target.memory()?;
    report.row(row("all gone", after, Cell::Empty, since_parked(after)));
    target.stop()?;
    Ok(report)
}

/// One event to every session; every reader hears it, and polls ask again.
fn wake(
    fleet: &mut Readers,
    publishers: &mut [SessionPublisher],
    kind: Kind,
) -> Result<(), Failure> {
    let wanted = fleet.check().totals().events + fleet.count();
    let mut numbers = Vec::with_capacity(publishers.len());
    for publisher in publishers.iter_mut() {
        publisher.send()?;
        numbers.push(publisher.recv()?);
        fleet.pump(std::time::Duration::ZERO)?;
    }
    fleet.pump_until("every reader has heard the event", |fleet| {
        fleet.check().totals().events >= wanted
    })?;
    fleet
        .check()
        .verify(|index| numbers[index % numbers.len()])?;
    if kind == Kind::Poll {
        fleet.ask_again()?;
    }
    Ok(())
}

fn row(stage: &str, memory: Memory, per_connection: Cell, since_parked: Cell) -> [Cell; 5] {
    let (resident, anonymous) = (Cell::Count(memory.resident), Cell::Count(memory.anonymous));
    [
        Cell::text(stage),
        resident,
        anonymous,
        per_connection,
        since_parked,
    ]
}
