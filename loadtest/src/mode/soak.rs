//! `soak`: every kind of subscriber at once, for as long as one likes, a tenth of them always on
//! its way out or back.
//!
//! Events come through HTTP at a modest open rate. Whoever leaves and when it comes back is drawn
//! from a seed. Who has a cursor resumes by it. At the end everyone is back and the check ends:
//! nothing may be missing unsaid. A row each interval says what memory and descriptors the server
//! has; logs are kept short, so that they are full after the first third, and from then on memory
//! must stay.

use std::time::{Duration, Instant};

use crate::check::resumable::Group;
use crate::failure::Failure;
use crate::fleet::churn::{Churning, Member};
use crate::kind::Kind;
use crate::load::{Load, micros_at};
use crate::machine::reserve_descriptors;
use crate::mode::{begin, close, configured, session};
use crate::report::{Cell, Report, median};
use crate::target::{Target, TargetArgs};

/// Everyone who can be there; those of one topic are as many of each.
const KINDS: [Kind; 5] = [
    Kind::Sse,
    Kind::Poll,
    Kind::Live,
    Kind::Room,
    Kind::Websocket,
];
/// Rows, of the shortest intervals that are not shorter than this.
const ROWS_MAX: u32 = 30;
/// The shortest interval between two rows.
const INTERVAL_MIN: Duration = Duration::from_secs(2);
/// How often it is looked who leaves and who is back.
const CHURN_INTERVAL: Duration = Duration::from_millis(50);
/// The longest absence in milliseconds; the mean is half of it.
const AWAY_MS_MAX: u64 = 2_000;
/// Memory that grows by less than this between the middle third and the last is flat: percent, and
/// KiB.
const FLAT_PERCENT: f64 = 3.0;
/// The same, in KiB: below it allocators come and go.
const FLAT_KIB: f64 = 1_024.0;

/// How many, how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Minutes, or parts of one.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Subscribers, of all kinds alike.
    #[arg(long, default_value_t = 2_000)]
    subscribers: usize,
    /// Sessions that they share.
    #[arg(long, default_value_t = 20)]
    sessions: usize,
    /// Events per second, of all sessions together.
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// One of so many is away at any time.
    #[arg(long, default_value_t = 10)]
    away_of: u64,
    /// Bytes that pad each payload.
    #[arg(long, default_value_t = 100)]
    padding: usize,
    /// Events that each log retains.
    #[arg(long, default_value_t = 100)]
    retain: u32,
    /// Who leaves when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const COLUMNS: [&str; 11] = [
    "second",
    "deliveries/s",
    "p50 us",
    "p99 us",
    "max us",
    "cpu %",
    "rss KiB",
    "anon KiB",
    "descriptors",
    "came back",
    "violations",
];

/// Subscribers that are away, and until when.
struct Churn {
    random: fastrand::Rng,
    away: Vec<(Instant, usize)>,
    looked: Instant,
    /// Subscribers that are away on average.
    wanted: u64,
}

/// Runs it.
pub(crate) fn run(args: &SoakArgs) -> Result<Report, Failure> {
    let is_odd = args.subscribers == 0 || args.sessions == 0 || args.rate == 0;
    if is_odd || args.away_of < 2 || !(0.01..=100_000.0).contains(&args.minutes) {
        return Err(Failure::new(
            "soak: subscribers, sessions and rate begin at 1, not all are away, and it ends some day",
        ));
    }
    reserve_descriptors(args.subscribers + args.sessions)?;
    let config = format!("[hub.retention]\nevents = {}\n", args.retain);
    let (_folder, target_args) = configured(&args.target, &config)?;
    let (target, mut report) = begin(&target_args, "soak", &COLUMNS)?;
    report.note(format!(
        "soak: {} subscribers of {} kinds on {} sessions, {} events/s, one of {} away, {} events retained, seed {}, driver {}, \
         1 shard",
        args.subscribers,
        KINDS.len(),
        args.sessions,
        args.rate,
        args.away_of,
        args.retain,
        args.seed,
        args.target.driver
    ));
    let members = (0..args.subscribers).map(|index| Member {
        kind: KINDS[index % KINDS.len()],
        topic: index / KINDS.len() % args.sessions,
        group: Group::Healthy,
    });
    let sessions: Vec<String> = (0..args.sessions).map(session).collect();
    let members: Vec<Member> = members.collect();
    let mut fleet = Churning::of(target.address, &sessions, &members)?;
    fleet.attach_publishers(target.address, &sessions, args.padding)?;
    fleet.join_all()?;
    let memory = soak(&mut fleet, &target, args, &mut report)?;
    judge_memory(&memory, &mut report);
    fleet.join_all()?;
    fleet.catch_up()?;
    let tally = fleet.check().tally(Group::Healthy);
    report.note(format!(
        "{} times one came to listen, {} gaps were told, {} connections were ended by the server",
        tally.opened,
        tally.gaps,
        tally.ended()
    ));
    if tally.ended() > 0 {
        let endings = &tally.endings;
        report.fail(format!(
            "the server ended connections, by code: {endings:?}"
        ));
    }
    close(fleet.into_check(), &mut report);
    target.stop()?;
    Ok(report)
}

/// All intervals. Gives the server's own memory after each, in KiB.
fn soak(
    fleet: &mut Churning,
    target: &Target,
    args: &SoakArgs,
    report: &mut Report,
) -> Result<Vec<f64>, Failure> {
    let whole = Duration::from_secs_f64(args.minutes * 60.0);
    let interval = (whole / ROWS_MAX).max(INTERVAL_MIN).min(whole);
    let start = Instant::now();
    let mut churn = Churn {
        random: fastrand::Rng::with_seed(args.seed),
        away: Vec::new(),
        looked: start,
        wanted: fleet.count() / args.away_of,
    };
    let mut memory = Vec::new();
    while start.elapsed() < whole {
        let (used, opened) = (target.usage()?, fleet.check().tally(Group::Healthy).opened);
        let load = fleet.offer(args.rate, interval, |fleet| churn.turn(fleet))?;
        let used = target.usage()?.since(used).cpu;
        let busy = used.as_secs_f64() * 100.0 / load.elapsed.as_secs_f64();
        let now = target.memory()?;
        memory.push(now.anonymous as f64);
        let [deliveries, p50, p99, max] = figures(&load);
        let (second, opened) = (
            start.elapsed().as_secs(),
            fleet.check().tally(Group::Healthy).opened - opened,
        );
        report.row([
            Cell::Count(second),
            deliveries,
            p50,
            p99,
            max,
            Cell::Figure(busy, 0),
            Cell::Count(now.resident),
            Cell::Count(now.anonymous),
            Cell::Count(target.descriptors()?),
            Cell::Count(opened),
            Cell::Count(fleet.check().totals().violations()),
        ]);
    }
    Ok(memory)
}

fn figures(load: &Load) -> [Cell; 4] {
    let late = &load.latencies;
    [
        Cell::Figure(late.len() as f64 / load.elapsed.as_secs_f64(), 0),
        Cell::Figure(micros_at(late, 0.5), 0),
        Cell::Figure(micros_at(late, 0.99), 0),
        Cell::Figure(late.max() as f64 / 1e3, 0),
    ]
}

impl Churn {
    /// Lets those come back whose time has come, and some leave.
    fn turn(&mut self, fleet: &mut Churning) -> Result<(), Failure> {
        let now = Instant::now();
        let since = now - self.looked;
        if since < CHURN_INTERVAL {
            return Ok(());
        }
        self.looked = now;
        let (back, away) = self.away.iter().partition(|(until, _)| *until <= now);
        self.away = away;
        let back: Vec<(Instant, usize)> = back;
        for (_, index) in back {
            // One that the server ended was not waited for.
            if fleet.is_away(index) {
                fleet.join(index)?;
            }
        }
        // Who leaves stays away for half the longest time on average.
        let per_second = self.wanted as f64 * 2_000.0 / AWAY_MS_MAX as f64;
        let mut leavers = per_second * since.as_secs_f64();
        while leavers >= 1.0 || self.chance(leavers) {
            leavers -= 1.0;
            let index = self.random.u64(..fleet.count());
            let index = usize::try_from(index).unwrap_or_default();
            if !fleet.is_away(index) {
                fleet.leave(index);
                let pause = Duration::from_millis(self.random.u64(..AWAY_MS_MAX));
                self.away.push((now + pause, index));
            }
        }
        Ok(())
    }

    /// Whether something of this probability happens.
    fn chance(&mut self, probability: f64) -> bool {
        self.random.f64() < probability
    }
}

/// Whether memory is flat, once the logs are full.
fn judge_memory(memory: &[f64], report: &mut Report) {
    let third = memory.len() / 3;
    if third == 0 {
        report.note("memory: too few intervals to judge");
        return;
    }
    let middle = median(&memory[third..memory.len() - third]);
    let last = median(&memory[memory.len() - third..]);
    let grown = last - middle;
    let percent = grown * 100.0 / middle;
    report.note(format!(
        "memory of the last third: {grown:.0} KiB ({percent:.1} %) more than of the middle one"
    ));
    if grown > FLAT_KIB && percent > FLAT_PERCENT {
        report.fail(format!(
            "memory is not flat: it grew by {grown:.0} KiB, {percent:.1} %"
        ));
    }
}
