//! `connect-storm`: everyone connects at once. What does a connection cost, from its handshake until it listens?
//!
//! Sockets are opened one after the other, as fast as one thread can, and none waits for the answer of another; a round
//! ends when the last one is accepted. `core busy` well below 100 says that the client was the limit: then cpu per
//! connection is what tells servers apart.

use std::time::Instant;

use crate::failure::Failure;
use crate::kind::Kind;
use crate::machine::{pin, reserve_descriptors};
use crate::mode::{pause, session};
use crate::report::{Cell, Report, median};
use crate::swarm::Swarm;
use crate::target::{Target, TargetArgs};

/// How many connect, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConnectStormArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// What they come for; polls have no answer to wait for, and are none of it.
    #[arg(long, value_enum, default_value_t = Kind::Websocket)]
    kind: Kind,
    /// Connections.
    #[arg(long, default_value_t = 15_000)]
    connections: usize,
    /// Sessions that they share.
    #[arg(long, default_value_t = 100)]
    sessions: usize,
    /// Rounds that are measured, after one that is not.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

const COLUMNS: [&str; 4] = ["round", "connections/s", "cpu us/connection", "core busy %"];

/// Runs it.
pub(crate) fn run(args: &ConnectStormArgs) -> Result<Report, Failure> {
    if args.connections == 0 || args.sessions == 0 || args.kind == Kind::Poll {
        return Err(Failure::new(
            "connect-storm: connections and sessions begin at 1, and nobody answers a poll that waits",
        ));
    }
    reserve_descriptors(args.connections)?;
    let target = Target::open(&args.target, 1, Some(args.target.server_core))?;
    pin(args.target.probe_core)?;
    let mut report = Report::new("connect-storm", &COLUMNS);
    report.note(&target.banner);
    let (kind, driver) = (args.kind.as_str(), &args.target.driver);
    let (connections, sessions) = (args.connections, args.sessions);
    report.note(format!(
        "connect-storm: {connections} x {kind} on {sessions} sessions, driver {driver}, 1 shard"
    ));
    let mut columns: [Vec<f64>; 3] = Default::default();
    for round in 0..=args.rounds {
        target.settle(pause)?;
        let (before, start) = (target.usage()?, Instant::now());
        let swarm = Swarm::open(target.address, args.kind, connections, |index| {
            session(index % sessions)
        })?;
        let took = start.elapsed().as_secs_f64();
        let used = target.usage()?.since(before);
        drop(swarm);
        // In the first round pages are touched: not what is measured.
        if round == 0 {
            continue;
        }
        let figures = [
            connections as f64 / took,
            used.micros_per(connections as u64),
            used.cpu.as_secs_f64() * 100.0 / took,
        ];
        report.row(row(Cell::Count(round.into()), figures));
        for (column, figure) in columns.iter_mut().zip(figures) {
            column.push(figure);
        }
    }
    let medians = columns.each_ref().map(|column| median(column));
    report.row(row(Cell::text("median"), medians));
    target.stop()?;
    Ok(report)
}

fn row(name: Cell, [per_second, micros, busy]: [f64; 3]) -> [Cell; 4] {
    [
        name,
        Cell::Figure(per_second, 0),
        Cell::Figure(micros, 2),
        Cell::Figure(busy, 0),
    ]
}
