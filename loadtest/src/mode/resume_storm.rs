//! `resume-storm`: everyone is cut off at once, events are published meanwhile, and everyone comes
//! back at once, with a cursor. How long until the last has what it missed, and who has to wait
//! meanwhile?
//!
//! A round ends when every reader has heard, or was told of, all that was published while it was
//! away; the check says that nothing is missing unsaid. A bystander, a reader and a publisher of a
//! session that is none of it, takes the time of its own events before and during the storm. With
//! `--restart` the server itself leaves and another begins: its logs were in memory, so every
//! reader must be told so. With `--missed` beyond `--retain` every reader must be told of a gap.

use std::thread;
use std::time::{Duration, Instant};

use crate::check::resumable::Group;
use crate::control::Control;
use crate::failure::Failure;
use crate::fleet::churn::{Churning, Member};
use crate::kind::Kind;
use crate::load::{Load, micros_at};
use crate::machine::reserve_descriptors;
use crate::mode::{begin, close, configured, pause, session};
use crate::names::Named;
use crate::pump::Pump;
use crate::report::{self, Cell, Report, Rounds};
use crate::target::{Target, TargetArgs};

/// Events of each session that everyone hears before the storm.
const EVENTS_BEFORE: u64 = 5;
/// How long the bystander is watched before each storm.
const QUIET: Duration = Duration::from_secs(1);
/// How often a server that leaves is asked whether it is gone.
const LEAVING_INTERVAL: Duration = Duration::from_millis(10);

/// Readers, and what they miss.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ResumeStormArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// How they read: a kind that has cursors.
    #[arg(long, value_enum, default_value_t = Kind::Sse)]
    kind: Kind,
    /// Readers.
    #[arg(long, default_value_t = 15_000)]
    readers: usize,
    /// Sessions that they share.
    #[arg(long, default_value_t = 100)]
    sessions: usize,
    /// Events of each session that are published while all are away.
    #[arg(long, default_value_t = 20)]
    missed: u64,
    /// Events that a log retains.
    #[arg(long, default_value_t = 10_000)]
    retain: u32,
    /// The server leaves and another one begins, instead of the readers.
    #[arg(long, conflicts_with = "connect")]
    restart: bool,
    /// Events per second of the bystander.
    #[arg(long, default_value_t = 200)]
    bystander_rate: u64,
    /// Rounds that are measured, after one that is not.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

const COLUMNS: [&str; 10] = [
    "round",
    "resumptions/s",
    "caught up ms",
    "cpu us/resumption",
    "core busy %",
    "replayed",
    "bystander p99 us",
    "in storm p99 us",
    "in storm max us",
    "lag p99 us",
];

/// Runs it.
pub(crate) fn run(args: &ResumeStormArgs) -> Result<Report, Failure> {
    let is_odd =
        args.readers == 0 || args.sessions == 0 || args.missed == 0 || args.bystander_rate == 0;
    if is_odd || !args.kind.has_cursor() {
        return Err(Failure::new(
            "resume-storm: readers, sessions, missed events and rate begin at 1, and only who has a cursor resumes",
        ));
    }
    reserve_descriptors(args.readers + args.sessions)?;
    let config = format!("[hub.retention]\nevents = {}\n", args.retain);
    let (_folder, target_args) = configured(&args.target, &config)?;
    let (mut target, mut report) = begin(&target_args, "resume-storm", &COLUMNS)?;
    report.note(format!(
        "resume-storm: {} x {} on {} sessions miss {} events each {}, {} retained, driver {}, 1 shard",
        args.readers,
        args.kind.name(),
        args.sessions,
        args.missed,
        if args.restart {
            "while the server is replaced"
        } else {
            "while they are away"
        },
        args.retain,
        args.target.driver
    ));
    let members = (0..args.readers).map(|index| Member {
        kind: args.kind,
        topic: index % args.sessions,
        group: Group::Healthy,
    });
    let sessions: Vec<String> = (0..args.sessions).map(session).collect();
    let members: Vec<Member> = members.collect();
    let mut fleet = Churning::of(target.address, &sessions, &members)?;
    fleet.attach_publishers(target.address, &sessions, 0)?;
    fleet.join_all()?;
    let mut rounds = Rounds::default();
    for round in 0..=args.rounds {
        fleet.publish_to_all(EVENTS_BEFORE * args.sessions as u64)?;
        fleet.catch_up()?;
        if args.restart {
            target = replace(&mut fleet, &sessions, target, &target_args)?;
        } else {
            fleet.leave_all();
        }
        fleet.publish_to_all(args.missed * args.sessions as u64)?;
        let figures = storm(&mut fleet, &target, args, round)?;
        // In the first round pages are touched: not what is measured.
        if round > 0 {
            report.row(row(Cell::Count(round.into()), figures));
            rounds.add(figures);
        }
    }
    report.row(row(Cell::text("median"), rounds.medians()));
    let tally = fleet.check().tally(Group::Healthy);
    report.note(format!("{} gaps were told", tally.gaps));
    if !args.restart && tally.ended() > 0 {
        let endings = &tally.endings;
        report.fail(format!(
            "the server ended connections, by code: {endings:?}"
        ));
    }
    close(fleet.into_check(), &mut report);
    target.stop()?;
    Ok(report)
}

/// Lets the server leave, politely and with everyone connected to it, and starts another.
fn replace(
    fleet: &mut Churning,
    sessions: &[String],
    target: Target,
    args: &TargetArgs,
) -> Result<Target, Failure> {
    fleet.detach_publishers();
    let leaving = thread::spawn(move || target.stop());
    while !leaving.is_finished() {
        fleet.pump_for(LEAVING_INTERVAL)?;
    }
    let left = leaving.join();
    left.map_err(|_| Failure::new("nobody knows how the server left"))??;
    // Whoever was not told hears it from the kernel.
    fleet.pump_for(LEAVING_INTERVAL)?;
    fleet.leave_all();
    let target = Target::open(args, 1, Some(args.server_core))?;
    fleet.attach_publishers(target.address, sessions, 0)?;
    Ok(target)
}

/// Everyone comes back.
fn storm(
    fleet: &mut Churning,
    target: &Target,
    args: &ResumeStormArgs,
    round: u32,
) -> Result<[f64; 9], Failure> {
    target.settle(|duration| fleet.pump_for(duration))?;
    let watch = |name: &str| {
        let session = format!("{}-{name}-{round}", session(args.sessions));
        Control::start(target.address, &session, args.bystander_rate)
    };
    let bystander = watch("quiet")?;
    pause(QUIET)?;
    let quiet = bystander.finish()?;
    let bystander = watch("storm")?;
    let heard = fleet.check().totals().delivered;
    let (before, start) = (target.usage()?, Instant::now());
    fleet.join_all()?;
    fleet.catch_up()?;
    let took = start.elapsed().as_secs_f64();
    let used = target.usage()?.since(before);
    let Load {
        latencies, lags, ..
    } = bystander.finish()?;
    let readers = fleet.count();
    Ok([
        readers as f64 / took,
        took * 1e3,
        used.micros_per(readers),
        used.cpu.as_secs_f64() * 100.0 / took,
        (fleet.check().totals().delivered - heard) as f64,
        micros_at(&quiet.latencies, 0.99),
        micros_at(&latencies, 0.99),
        latencies.max() as f64 / 1e3,
        micros_at(&lags, 0.99),
    ])
}

fn row(name: Cell, figures: [f64; 9]) -> Vec<Cell> {
    let digits = [0, 1, 2, 0, 0, 0, 0, 0, 0];
    let cells = report::figures(figures, digits);
    std::iter::once(name).chain(cells).collect()
}
