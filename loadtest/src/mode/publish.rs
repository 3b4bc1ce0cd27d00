//! `publish`: how many events one shard accepts over HTTP in the dialects sessions and pubsub,
//! beside nginx with nchan on the same core.
//!
//! wrk loads both, in turns; each answered request is an accepted event or an error.

use std::path::Path;

use crate::client;
use crate::failure::Failure;
use crate::machine::{Usage, pin};
use crate::mode::session;
use crate::peer::nchan;
use crate::peer::server::Running;
use crate::peer::wrk::{self, Counted, Load};
use crate::report::{Cell, Report, Rounds};
use crate::target::{Target, TargetArgs};

/// How long and how often.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Kept-alive connections, one request in flight on each.
    #[arg(long, default_value_t = 50)]
    connections: u32,
    /// Seconds of one round of one server.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Rounds of each server that are measured, after a short one that is not.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Messages that nchan keeps for a channel. 1 is its fastest: with 0 it runs out of shared
    /// memory within seconds and refuses most of what it is sent.
    #[arg(long, default_value_t = 1)]
    nchan_buffer_length: u32,
}

const COLUMNS: [&str; 9] = [
    "server",
    "round",
    "events/s",
    "cpu us/event",
    "kernel %",
    "core busy %",
    "p50 us",
    "p99 us",
    "errors",
];

/// What is published to, and how.
struct Contender {
    name: &'static str,
    /// Not this server.
    is_peer: bool,
    url: String,
    body: String,
}

/// Runs it; `Ok(Err(reason))` when something it needs is not installed.
pub(crate) fn run(args: &PublishArgs) -> Result<Result<Report, &'static str>, Failure> {
    let wrk = match wrk::installed() {
        Ok(wrk) => wrk,
        Err(reason) => return Ok(Err(reason)),
    };
    let core = args.target.server_core;
    let target = Target::open(&args.target, 1, Some(core))?;
    let mut report = Report::new("publish", &COLUMNS);
    report.note(&target.banner);
    let (connections, seconds, driver) = (args.connections, args.seconds, &args.target.driver);
    report.note(format!(
        "publish: {connections} connections, one request in flight each, {seconds} s a round, \
         payload 128 B, driver {driver}, 1 shard"
    ));
    let nchan = match nchan::installed() {
        Ok(installed) => Some(nchan::start(&installed, core, args.nchan_buffer_length)?),
        Err(reason) => {
            report.note(format!("nchan skipped: {reason}"));
            None
        }
    };
    pin(args.target.probe_core)?;

    let contenders = contenders(&target, nchan.as_ref());
    let mut figures = vec![Rounds::default(); contenders.len()];
    for round in 0..=args.rounds {
        for (contender, figures) in contenders.iter().zip(&mut figures) {
            let usage = || match (contender.is_peer, &nchan) {
                (true, Some(nchan)) => nchan.usage(),
                _ => target.usage(),
            };
            let before = usage()?;
            let counted = load(args, &wrk, contender, round)?;
            let used = usage()?.since(before);
            if round > 0 {
                report.row(row(figures, contender.name, round, counted, used));
            }
        }
    }
    for (figures, contender) in figures.iter().zip(&contenders) {
        report.row(summary(contender.name, "median", figures.medians()));
    }
    let (first, others) = (&figures[0], figures.iter().zip(&contenders).skip(1));
    for (other, contender) in others {
        let name = format!("{} / {}", contenders[0].name, contender.name);
        let ratios = first.ratios(other);
        let mut row = summary(&name, "median", ratios);
        row[2] = Cell::Figure(ratios[0], 3);
        report.row(row);
    }
    drop(nchan);
    target.stop()?;
    Ok(Ok(report))
}

/// The servers that take part: the sessions dialect first, since the others are compared with it.
fn contenders(target: &Target, nchan: Option<&Running>) -> Vec<Contender> {
    let (address, session) = (target.address, session(0));
    let mut all = vec![
        Contender {
            name: "fanfare",
            is_peer: false,
            url: format!("http://{address}/api/sessions/{session}/events"),
            body: client::event(),
        },
        Contender {
            name: "pubsub",
            is_peer: false,
            url: format!("http://{address}/api/v1/pub_subs"),
            body: client::pubsub_event(&session),
        },
    ];
    all.extend(nchan.map(|nchan| Contender {
        name: "nchan",
        is_peer: true,
        url: format!("http://{}/pub?id=probe", nchan.subscribing.address),
        body: client::event(),
    }));
    all
}

fn load(
    args: &PublishArgs,
    wrk: &Path,
    contender: &Contender,
    round: u32,
) -> Result<Counted, Failure> {
    let seconds = if round == 0 { 1 } else { args.seconds };
    let connections = args.connections;
    wrk::run(
        wrk,
        Load {
            url: &contender.url,
            body: &contender.body,
            connections,
            seconds,
        },
    )
}

/// The row of a round, whose events per second and microseconds for each are added to the others'.
fn row(rounds: &mut Rounds<2>, name: &str, round: u32, counted: Counted, used: Usage) -> [Cell; 9] {
    let seconds = counted.micros as f64 / 1e6;
    let accepted = counted.requests.saturating_sub(counted.errors);
    let (per_second, micros) = (accepted as f64 / seconds, used.micros_per(accepted));
    rounds.add([per_second, micros]);
    [
        Cell::text(name),
        Cell::Count(round.into()),
        Cell::Figure(per_second, 0),
        Cell::Figure(micros, 3),
        Cell::Figure(used.system_percent(), 0),
        Cell::Figure(used.cpu.as_secs_f64() * 100.0 / seconds, 0),
        Cell::Count(counted.median_micros),
        Cell::Count(counted.p99_micros),
        Cell::Count(counted.errors),
    ]
}

fn summary(name: &str, what: &str, [per_second, micros]: [f64; 2]) -> [Cell; 9] {
    let mut row = [const { Cell::Empty }; 9];
    row[0] = Cell::text(name);
    row[1] = Cell::text(what);
    row[2] = Cell::Figure(per_second, 0);
    row[3] = Cell::Figure(micros, 3);
    row
}
