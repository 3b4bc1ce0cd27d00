//! Measures a Fanfare server from outside.
//!
//! It shares no code with the server, so that a mistake cannot hide on both sides. Reading order:
//! [`mode`] (what is measured), [`target`] and [`machine`] (the server, as the kernel sees it),
//! [`fleet`] (the subscribers), [`voice`] (what each says on its wire), [`check`] (what they are to
//! hear), [`load`] and [`publisher`] (how fast it is published, and how), [`rpc`] (a gRPC client),
//! [`hostile`] (attackers and those beside them), [`floor`] (what nothing can be cheaper than).

mod check;
mod client;
mod compare;
mod control;
mod event_stream;
mod failure;
mod fault;
mod fleet;
mod floor;
mod frames;
mod hostile;
mod http;
mod kind;
mod load;
mod machine;
mod mode;
mod names;
mod partial;
mod peer;
mod publisher;
mod pump;
mod report;
mod rpc;
mod scrape;
mod sockets;
mod target;
mod voice;
mod websocket;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{During, Failure};

/// Measures a Fanfare server from outside. Exit code 1: a figure could not be had, or the server
/// lost, repeated or reordered an event.
#[derive(Debug, Parser)]
#[command(name = "fanfare-loadtest", version)]
struct Cli {
    /// Print one line of JSON after the table.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every measurement of the table against its bound, and a page with the outcome.
    Compare(compare::CompareArgs),
    /// What a connection costs when everyone comes at once.
    ConnectStorm(mode::connect_storm::ConnectStormArgs),
    /// Memory of connections that only wait.
    Idle(mode::idle::IdleArgs),
    /// How long events are on their way to those whose filters they match.
    Filters(mode::filters::FiltersArgs),
    /// How long events are on their way while they come at a set rate.
    Latency(mode::latency::LatencyArgs),
    /// Polls that park, are woken, answered and park again, beside nginx with nchan.
    LongPoll(mode::long_poll::LongPollArgs),
    /// Many sessions with a few subscribers each.
    Rooms(mode::rooms::RoomsArgs),
    /// cpu per answer when one event wakes every poll, beside the kernel's floor.
    Wake(mode::wake::WakeArgs),
    /// Events accepted over HTTP, beside nginx with nchan.
    Publish(mode::publish::PublishArgs),
    /// cpu per delivery when every event goes to every subscriber, beside the kernel's floor.
    FanOut(mode::fan_out::FanOutArgs),
    /// cpu per delivery when every event goes to every gRPC stream, beside a server written with
    /// tonic.
    GrpcFanOut(mode::grpc_fan_out::GrpcFanOutArgs),
    /// Memory of gRPC streams that only wait, beside a server written with tonic.
    GrpcIdle(mode::grpc_idle::GrpcIdleArgs),
    /// Events accepted by unary gRPC calls, beside a server written with tonic.
    GrpcPublish(mode::grpc_publish::GrpcPublishArgs),
    /// Who waits while one event goes to every session of an organization, and what it costs.
    Broadcast(mode::broadcast::BroadcastArgs),
    /// What it costs to look at everything that there is, and who waits meanwhile.
    Walk(mode::walk::WalkArgs),
    /// What some subscribers who stop reading are to the others, and what becomes of them.
    SlowConsumers(mode::slow_consumers::SlowConsumersArgs),
    /// Everyone is cut off, misses events, and comes back at once with a cursor.
    ResumeStorm(mode::resume_storm::ResumeStormArgs),
    /// Latency against offered load, up to where it is too much.
    Ramp(mode::ramp::RampArgs),
    /// What bystanders see, and what the server holds, while others attack it.
    Hostile(mode::hostile::HostileArgs),
    /// Everything at once for a long time: nothing lost unsaid, and memory flat.
    Soak(mode::soak::SoakArgs),
    /// cpu per delivery with more and more shards.
    Shards(mode::shards::ShardsArgs),
    #[command(hide = true)]
    FloorSender(floor::HelperArgs),
    #[command(hide = true)]
    FloorReader(floor::HelperArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A closed standard error is nobody's problem.
            let _ = writeln!(io::stderr(), "fanfare-loadtest: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let report = match &cli.command {
        Command::Compare(args) => compare::run(args)?,
        Command::ConnectStorm(args) => mode::connect_storm::run(args)?,
        Command::Idle(args) => mode::idle::run(args)?,
        Command::Broadcast(args) => mode::broadcast::run(args)?,
        Command::Walk(args) => mode::walk::run(args)?,
        Command::Filters(args) => mode::filters::run(args)?,
        Command::Latency(args) => mode::latency::run(args)?,
        Command::LongPoll(args) => mode::long_poll::run(args)?,
        Command::Rooms(args) => mode::rooms::run(args)?,
        Command::Wake(args) => mode::wake::run(args)?,
        Command::FanOut(args) => mode::fan_out::run(args)?,
        Command::GrpcFanOut(args) => mode::grpc_fan_out::run(args)?,
        Command::GrpcIdle(args) => mode::grpc_idle::run(args)?,
        Command::GrpcPublish(args) => mode::grpc_publish::run(args)?,
        Command::Shards(args) => mode::shards::run(args)?,
        Command::SlowConsumers(args) => mode::slow_consumers::run(args)?,
        Command::ResumeStorm(args) => mode::resume_storm::run(args)?,
        Command::Ramp(args) => mode::ramp::run(args)?,
        Command::Hostile(args) => mode::hostile::run(args)?,
        Command::Soak(args) => mode::soak::run(args)?,
        Command::Publish(args) => match mode::publish::run(args)? {
            Ok(report) => report,
            Err(reason) => {
                return writeln!(io::stdout(), "publish skipped: {reason}").during("printing");
            }
        },
        Command::FloorSender(args) => return floor::send(*args),
        Command::FloorReader(args) => return floor::receive(*args),
    };
    report.print(cli.json).during("printing")?;
    report.verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
