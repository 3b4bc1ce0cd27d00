//! `walk`: what it costs to look at everything that there is, and who waits meanwhile.
//!
//! Many sessions and many connections are walked in pages, one after the other, beside a bystander
//! whose events come at fixed times. A window without a walk and one that is as long as a walk take
//! turns; then one more walk, with nothing else to do, shows what a page takes of the processor.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::control::Control;
use crate::failure::{During, Failure};
use crate::fleet::kinds::readers;
use crate::kind::Kind;
use crate::load::{Load, micros_at};
use crate::machine::{pin, reserve_descriptors};
use crate::mode::{create_sessions, session};
use crate::pump::Pump;
use crate::report::{Cell, Report, median, verdict};
use crate::target::{Target, TargetArgs};

/// The most that 99 of 100 of the bystander's events may take while somebody walks, in
/// milliseconds.
const P99_TARGET_MS: f64 = 5.0;
/// The most of the processor that a page may take, in milliseconds.
const PAGE_TARGET_MS: f64 = 10.0;

/// How much there is, and how it is walked.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WalkArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Sessions that exist.
    #[arg(long, default_value_t = 100_000)]
    sessions: usize,
    /// Connections that listen, each to a session's log by a WebSocket.
    #[arg(long, default_value_t = 20_000)]
    connections: usize,
    /// Things on a page.
    #[arg(long, default_value_t = 1_000)]
    limit: usize,
    /// Events of the bystander per second.
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// Shards of the server.
    #[arg(long, default_value_t = 1)]
    shards: u16,
    /// Rounds that are measured, after one that is not.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

const COLUMNS: [&str; 10] = [
    "round",
    "things",
    "pages",
    "walk ms",
    "quiet p50 us",
    "p99 us",
    "walked p50 us",
    "p99 us ",
    "max us",
    "cpu ms/page",
];

/// What a walk came to.
#[derive(Clone, Copy, Debug, Default)]
struct Walked {
    things: usize,
    pages: usize,
    took: Duration,
}

/// Runs it.
pub(crate) fn run(args: &WalkArgs) -> Result<Report, Failure> {
    let connections = args.connections.min(args.sessions.max(1) * 64);
    reserve_descriptors(connections)?;
    let core = (args.shards == 1).then_some(args.target.server_core);
    let target = Target::open(&args.target, args.shards, core)?;
    pin(args.target.probe_core)?;
    let mut report = Report::new("walk", &COLUMNS);
    report.note(&target.banner);
    report.note(format!(
        "walk: {} sessions, {connections} connections, pages of {}, a bystander's event {} times a second, \
         driver {}, {} shard(s)",
        args.sessions, args.limit, args.rate, args.target.driver, args.shards
    ));
    create_sessions(&mut Client::connect(target.address)?, args.sessions)?;
    let mut fleet = readers(target.address, Kind::Websocket, connections, |index| {
        session(index % args.sessions.max(1))
    })?;
    let mut client = Client::connect(target.address)?;
    let (mut p99s, mut pages) = (Vec::new(), Vec::new());
    for round in 0..=args.rounds {
        target.settle(|duration| fleet.pump_for(duration))?;
        let begun = target.usage()?;
        let walked = walk(&mut client, args)?;
        let cpu = target.usage()?.since(begun).cpu.as_secs_f64() * 1e3;
        let page = cpu / walked.pages.max(1) as f64;
        let quiet = beside(&target, args, || {
            std::thread::sleep(walked.took.max(Duration::from_secs(1)));
            Ok(())
        })?;
        let busy = beside(&target, args, || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(1) {
                walk(&mut client, args)?;
            }
            Ok(())
        })?;
        // In the first round pages are touched and orders are built: not what is measured.
        if round == 0 {
            report.note(format!(
                "the first walk: {} pages, {page:.2} ms cpu each",
                walked.pages
            ));
            continue;
        }
        p99s.push(micros_at(&busy.latencies, 0.99) / 1e3);
        pages.push(page);
        report.row(row(round, walked, &quiet, &busy, page));
    }
    judge(
        &mut report,
        "p99 of others meanwhile",
        median(&p99s),
        P99_TARGET_MS,
    );
    judge(&mut report, "cpu of a page", median(&pages), PAGE_TARGET_MS);
    drop((fleet, client));
    target.stop()?;
    Ok(report)
}

fn judge(report: &mut Report, what: &str, found_ms: f64, target_ms: f64) {
    let verdict = verdict(found_ms <= target_ms);
    report.note(format!(
        "target, {what} at most {target_ms} ms: {found_ms:.2} ms, {verdict}"
    ));
}

/// How a bystander fares while something else is done.
fn beside(
    target: &Target,
    args: &WalkArgs,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<Load, Failure> {
    let control = Control::start(target.address, &session(args.sessions + 1), args.rate)?;
    work()?;
    control.finish()
}

/// Walks all sessions, then all connections.
fn walk(client: &mut Client, args: &WalkArgs) -> Result<Walked, Failure> {
    let start = Instant::now();
    let mut all = Walked::default();
    for (set, wanted) in [
        ("sessions", args.sessions),
        ("connections", args.connections),
    ] {
        let mut things = 0;
        let mut after = String::new();
        loop {
            let path = format!("/live/{set}?limit={}{after}", args.limit);
            let page = client.fetch(&path)?;
            let (count, next) = read_page(&page)?;
            things += count;
            all.pages += 1;
            match next {
                Some(id) => after = format!("&after={id}"),
                None => break,
            }
        }
        if things < wanted {
            return Err(Failure::new(format!(
                "{things} of {wanted} {set} were seen"
            )));
        }
        all.things += things;
    }
    all.took = start.elapsed();
    Ok(all)
}

/// How many things a page shows, and where to go on.
fn read_page(page: &[u8]) -> Result<(usize, Option<String>), Failure> {
    let page: serde_json::Value = serde_json::from_slice(page).during("reading a page")?;
    let count = page["items"].as_array().map_or(0, Vec::len);
    Ok((count, page["next"].as_str().map(str::to_owned)))
}

fn row(round: u32, walked: Walked, quiet: &Load, busy: &Load, page: f64) -> [Cell; 10] {
    let micros = |load: &Load, share| Cell::Figure(micros_at(&load.latencies, share), 0);
    [
        Cell::Count(round.into()),
        Cell::Count(walked.things as u64),
        Cell::Count(walked.pages as u64),
        Cell::Figure(walked.took.as_secs_f64() * 1e3, 0),
        micros(quiet, 0.5),
        micros(quiet, 0.99),
        micros(busy, 0.5),
        micros(busy, 0.99),
        micros(busy, 1.0),
        Cell::Figure(page, 2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_to_go_on() {
        let (count, next) = read_page(br#"{"items":[{},{}],"next":"x"}"#).unwrap();
        assert_eq!((count, next.as_deref()), (2, Some("x")));
        assert_eq!(
            read_page(br#"{"items":[],"next":null}"#).unwrap(),
            (0, None)
        );
        assert!(read_page(b"").is_err());
    }
}
