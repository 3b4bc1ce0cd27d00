//! `publish`: how many events one shard accepts over HTTP, beside nginx with nchan on the same core.
//!
//! wrk loads both, in turns; each answered request is an accepted event or an error.

use std::path::Path;

use crate::failure::Failure;
use crate::machine::{Usage, pin};
use crate::mode::session;
use crate::peer::nchan::{self, Nchan};
use crate::peer::wrk::{self, Counted, Load};
use crate::publisher;
use crate::report::{Cell, Report, median, median_ratio};
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

/// The figures of which medians are printed.
#[derive(Default)]
struct Figures {
    per_second: Vec<f64>,
    micros: Vec<f64>,
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
        Ok(installed) => Some(Nchan::start(&installed, core, args.nchan_buffer_length)?),
        Err(reason) => {
            report.note(format!("nchan skipped: {reason}"));
            None
        }
    };
    pin(args.target.probe_core)?;

    let urls = [
        Some(format!(
            "http://{}/api/sessions/{}/events",
            target.address,
            session(0)
        )),
        nchan
            .as_ref()
            .map(|nchan| format!("http://{}/publish", nchan.address)),
    ];
    let names = ["fanfare", "nchan"];
    let mut figures = [Figures::default(), Figures::default()];
    for round in 0..=args.rounds {
        for (index, url) in urls.iter().enumerate() {
            let Some(url) = url else { continue };
            let usage = || match (index, &nchan) {
                (1, Some(nchan)) => nchan.usage(),
                _ => target.usage(),
            };
            let before = usage()?;
            let counted = load(args, &wrk, url, round)?;
            let used = usage()?.since(before);
            if round > 0 {
                report.row(figures[index].add(names[index], round, counted, used));
            }
        }
    }
    for (figures, name) in figures.iter().zip(names) {
        if !figures.micros.is_empty() {
            report.row(summary(name, "median", figures.medians()));
        }
    }
    if nchan.is_some() {
        let [ours, theirs] = figures;
        let faster = median_ratio(&ours.per_second, &theirs.per_second);
        let dearer = median_ratio(&ours.micros, &theirs.micros);
        let mut row = summary("ratio", "median", (faster, dearer));
        row[2] = Cell::Figure(faster, 3);
        report.row(row);
    }
    drop(nchan);
    target.stop()?;
    Ok(Ok(report))
}

fn load(args: &PublishArgs, wrk: &Path, url: &str, round: u32) -> Result<Counted, Failure> {
    let seconds = if round == 0 { 1 } else { args.seconds };
    let body = publisher::event();
    let connections = args.connections;
    wrk::run(
        wrk,
        Load {
            url,
            body: &body,
            connections,
            seconds,
        },
    )
}

impl Figures {
    fn add(&mut self, name: &str, round: u32, counted: Counted, used: Usage) -> [Cell; 9] {
        let seconds = counted.micros as f64 / 1e6;
        let accepted = counted.requests.saturating_sub(counted.errors);
        let per_second = accepted as f64 / seconds;
        let micros = used.micros_per(accepted);
        self.per_second.push(per_second);
        self.micros.push(micros);
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

    fn medians(&self) -> (f64, f64) {
        (median(&self.per_second), median(&self.micros))
    }
}

fn summary(name: &str, what: &str, (per_second, micros): (f64, f64)) -> [Cell; 9] {
    let mut row = [const { Cell::Empty }; 9];
    row[0] = Cell::text(name);
    row[1] = Cell::text(what);
    row[2] = Cell::Figure(per_second, 0);
    row[3] = Cell::Figure(micros, 3);
    row
}
