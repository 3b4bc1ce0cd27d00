//! `grpc-publish`: how many events one shard accepts by unary gRPC calls, beside a server written
//! with tonic on the same core.
//!
//! Every call is a stream of its own; it counts when its answer has an id and its trailers have
//! come.

use std::time::Duration;

use crate::failure::Failure;
use crate::machine::{Usage, pin, reserve_descriptors};
use crate::mode::grpc_fan_out::{rate_ratios, rates};
use crate::peer::tonic::{PeerArgs, Subject, start};
use crate::pump::Pump;
use crate::report::{Cell, Report, Rounds};
use crate::rpc::STREAMS_PER_CONNECTION_MAX;
use crate::rpc::callers::{Called, Callers};
use crate::target::TargetArgs;

/// How long and how often.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GrpcPublishArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    peer: PeerArgs,
    /// Connections; each number is measured by itself.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4])]
    connections: Vec<usize>,
    /// Calls in flight on each connection, at most 100.
    #[arg(long, default_value_t = 64)]
    in_flight: u64,
    /// Bytes of a payload, as compact JSON.
    #[arg(long, default_value_t = 128)]
    payload: usize,
    /// Seconds of one round of one server.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds of each server that are measured, after a short one that is not.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

const COLUMNS: [&str; 10] = [
    "server",
    "connections",
    "round",
    "calls/s",
    "cpu us/call",
    "calls/cpu s",
    "kernel %",
    "core busy %",
    "p50 us",
    "p99 us",
];

/// Runs it.
pub(crate) fn run(args: &GrpcPublishArgs) -> Result<Report, Failure> {
    if args.in_flight == 0 || args.in_flight > STREAMS_PER_CONNECTION_MAX as u64 {
        return Err(Failure::new("grpc-publish: 1 to 100 calls are in flight"));
    }
    reserve_descriptors(2 * args.connections.iter().copied().max().unwrap_or(0))?;
    let mut report = Report::new("grpc-publish", &COLUMNS);
    let subjects = start(&args.target, &args.peer, &mut report)?;
    pin(args.target.probe_core)?;
    let (in_flight, payload, seconds) = (args.in_flight, args.payload, args.seconds);
    report.note(format!(
        "grpc-publish: {in_flight} calls in flight on each connection, {seconds} s a round, payload \
         {payload} B, 1 core"
    ));
    for &connections in &args.connections {
        measure(args, connections, &subjects, &mut report)?;
    }
    for subject in subjects {
        subject.target.stop()?;
    }
    Ok(report)
}

/// One number of connections: each server has its own, and the servers take turns.
fn measure(
    args: &GrpcPublishArgs,
    connections: usize,
    subjects: &[Subject],
    report: &mut Report,
) -> Result<(), Failure> {
    let open = |subject: &Subject| Callers::open(subject.target.address, connections, args.payload);
    let mut callers: Vec<Callers> = subjects.iter().map(open).collect::<Result<_, _>>()?;
    let mut figures = vec![Rounds::default(); subjects.len()];
    let named = |name: &str, what: Cell| {
        let mut row = [const { Cell::Empty }; 10];
        row[0] = Cell::text(name);
        row[1] = Cell::Count(connections as u64);
        row[2] = what;
        row
    };
    for round in 0..=args.rounds {
        for ((subject, callers), figures) in subjects.iter().zip(&mut callers).zip(&mut figures) {
            let seconds = if round == 0 { 1 } else { args.seconds };
            let (called, used) = turn(subject, callers, seconds, args.in_flight)?;
            if round > 0 {
                let mut row = named(subject.name, Cell::Count(round.into()));
                let seconds = called.elapsed.as_secs_f64();
                let both = [
                    called.calls() as f64 / seconds,
                    used.micros_per(called.calls()),
                ];
                figures.add(both);
                row[3..6].clone_from_slice(&rates(both));
                row[6] = Cell::Figure(used.system_percent(), 0);
                row[7] = Cell::Figure(used.cpu.as_secs_f64() * 100.0 / seconds, 0);
                row[8] = Cell::Count(called.percentile(50));
                row[9] = Cell::Count(called.percentile(99));
                report.row(row);
            }
        }
    }
    for (subject, figures) in subjects.iter().zip(&figures) {
        let mut row = named(subject.name, Cell::text("median"));
        row[3..6].clone_from_slice(&rates(figures.medians()));
        report.row(row);
    }
    if let [ours, theirs] = &figures[..] {
        let mut row = named("ratio", Cell::text("median"));
        row[3..6].clone_from_slice(&rate_ratios(ours, theirs));
        report.row(row);
    }
    Ok(())
}

fn turn(
    subject: &Subject,
    callers: &mut Callers,
    seconds: u64,
    in_flight: u64,
) -> Result<(Called, Usage), Failure> {
    let target = &subject.target;
    let named = |failure: Failure| subject.blame(&failure);
    target
        .settle(|duration| callers.pump_for(duration))
        .map_err(named)?;
    let before = target.usage()?;
    let called = callers.publish(Duration::from_secs(seconds), in_flight);
    let called = called.map_err(named)?;
    let used = target.usage()?.since(before);
    Ok((called, used))
}
