//! `grpc-idle`: what a gRPC stream that only waits costs in memory, with its share of the
//! connections that carry it, beside a server written with tonic.

use crate::failure::Failure;
use crate::machine::{Memory, pin, reserve_descriptors};
use crate::mode::grpc_fan_out::{Shape, Spread, subscribe};
use crate::mode::pause;
use crate::peer::tonic::{PeerArgs, Subject, start};
use crate::pump::Pump;
use crate::report::{Cell, Report};
use crate::target::TargetArgs;

/// Streams that wait, and how often they are woken.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GrpcIdleArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    peer: PeerArgs,
    /// Streams and the connections that carry them, at most 100 on each.
    #[arg(long, value_name = "STREAMS/CONNECTIONS", default_value = "1000/10")]
    shape: Spread,
    /// Events that all of them hear, one after the other, before memory is looked at once more.
    #[arg(long, default_value_t = 100)]
    events: u64,
}

const COLUMNS: [&str; 5] = ["server", "stage", "rss KiB", "anon KiB", "KiB/stream"];

/// Runs it.
pub(crate) fn run(args: &GrpcIdleArgs) -> Result<Report, Failure> {
    reserve_descriptors(2 * args.shape.connections)?;
    let mut report = Report::new("grpc-idle", &COLUMNS);
    let subjects = start(&args.target, &args.peer, &mut report)?;
    pin(args.target.probe_core)?;
    let Spread {
        streams,
        connections,
    } = args.shape;
    report.note(format!(
        "grpc-idle: {streams} subscribed streams on {connections} connections, 1 shard"
    ));
    for subject in subjects {
        measure(args, &subject, &mut report).map_err(|failure| subject.blame(&failure))?;
        subject.target.stop()?;
    }
    Ok(report)
}

fn measure(args: &GrpcIdleArgs, subject: &Subject, report: &mut Report) -> Result<(), Failure> {
    let target = &subject.target;
    target.settle(pause)?;
    let before = target.memory()?;
    let mut row = |stage: &str, now: Memory| {
        let grown = now.anonymous as f64 - before.anonymous as f64;
        report.row([
            Cell::text(subject.name),
            Cell::text(stage),
            Cell::Count(now.resident),
            Cell::Count(now.anonymous),
            Cell::Figure(grown / args.shape.streams as f64, 3),
        ]);
    };
    row("started", before);
    let shape = Shape {
        spread: args.shape,
        window: 1,
        payload_bytes: 128,
    };
    let mut fleet = subscribe(target.address, shape)?;
    target.settle(|duration| fleet.pump_for(duration))?;
    row("subscribed", target.memory()?);
    fleet.publish(args.events, 1)?;
    target.settle(|duration| fleet.pump_for(duration))?;
    row("woken", target.memory()?);
    drop(fleet);
    target.settle(pause)?;
    row("all gone", target.memory()?);
    Ok(())
}
