//! `slow-consumers`: some subscribers stop reading while events come at a set rate. The others must
//! not notice.
//!
//! Three phases take turns: all read; a tenth has stopped; the tenth reads again, and whoever was
//! thrown out comes back. The load is open, latencies count from when an event was due, and only
//! those of the healthy count. The server is started with bounds that are soon reached, so that
//! what it does past them is seen: close, drop and say how many, or (who reads a log) tell of a
//! gap. All of it must add up.

use std::time::{Duration, Instant};

use crate::check::resumable::{Group, Tally};
use crate::failure::Failure;
use crate::fleet::churn::{Churning, Member};
use crate::kind::Kind;
use crate::load::{Load, micros_at};
use crate::machine::reserve_descriptors;
use crate::mode::{begin, close, configured, session};
use crate::names::Named;
use crate::pump::Pump;
use crate::report::{Cell, Report, median_ratio};
use crate::scrape::Counters;
use crate::target::{Target, TargetArgs};

/// How often memory is looked at.
const MEMORY_INTERVAL: Duration = Duration::from_millis(100);
/// What a slow reader of a log may hold in the server: what is pulled for it at a time, beyond what
/// it lets wait.
const PULLED_KIB_MAX: u64 = 256 + 64;
/// Memory that may come and go with anything, in KiB.
const SLACK_KIB: u64 = 16 * 1024;

/// What the server does with a subscriber who does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Policy {
    /// It is closed.
    Disconnect,
    /// Its oldest events are dropped, and it is told how many.
    DropOldest,
}

/// Subscribers, load, and the server's bounds.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SlowConsumersArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// How they listen.
    #[arg(long, value_enum, default_value_t = Kind::Live)]
    dialect: Kind,
    /// Subscribers of one session.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// One of so many is slow.
    #[arg(long, default_value_t = 10)]
    slow_of: usize,
    /// Events per second.
    #[arg(long, default_value_t = 50)]
    rate: u64,
    /// Seconds of each phase.
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Bytes that pad each payload: some hundred KiB fill what the kernel keeps for each who does
    /// not read.
    #[arg(long, default_value_t = 5_000)]
    padding: usize,
    /// Rounds of three phases.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// What becomes of a slow subscriber of the live dialect.
    #[arg(long, value_enum, default_value_t = Policy::Disconnect)]
    policy: Policy,
    /// KiB that may wait for one subscriber of the live dialect.
    #[arg(long, default_value_t = 64)]
    send_queue_kib: u32,
    /// Events that the log retains.
    #[arg(long, default_value_t = 50)]
    retain: u32,
}

const COLUMNS: [&str; 10] = [
    "phase",
    "round",
    "deliveries/s",
    "p50 us",
    "p99 us",
    "p99.9 us",
    "max us",
    "lag p99 us",
    "core busy %",
    "rss max KiB",
];
const PHASES: [&str; 3] = ["all read", "some stopped", "all again"];

/// Runs it.
pub(crate) fn run(args: &SlowConsumersArgs) -> Result<Report, Failure> {
    if args.subscribers == 0 || args.slow_of < 2 || args.rate == 0 || args.rounds == 0 {
        return Err(Failure::new(
            "slow-consumers: subscribers, rate and rounds begin at 1, and not all are slow",
        ));
    }
    reserve_descriptors(args.subscribers)?;
    let (_folder, target_args) = configured(&args.target, &config(args))?;
    let (target, mut report) = begin(&target_args, "slow-consumers", &COLUMNS)?;
    let mut scene = Scene::open(args, target)?;
    let slow = scene.slow.len();
    report.note(format!(
        "slow-consumers: {slow} of {} x {} stop reading; {} events/s of {} bytes and some, {} s each phase, driver {}, 1 \
         shard, send queue {} KiB, {} events retained",
        args.subscribers,
        args.dialect.name(),
        args.rate,
        args.padding,
        args.seconds,
        args.target.driver,
        args.send_queue_kib,
        args.retain
    ));
    let mut p99 = [const { Vec::new() }; 3];
    let mut peaks = [0; 3];
    for round in 1..=args.rounds {
        for (phase, name) in PHASES.into_iter().enumerate() {
            scene.begin(phase)?;
            let (load, busy, resident) = scene.offer(args)?;
            p99[phase].push(micros_at(&load.latencies, 0.99));
            peaks[phase] = resident.max(peaks[phase]);
            report.row(row(name, round, &load, busy, resident));
        }
    }
    let [before, during, after] = &p99;
    let (during, after) = (median_ratio(during, before), median_ratio(after, before));
    report.note(format!(
        "p99 of those who read: {during:.3} of what it was while some do not, {after:.3} while these catch up"
    ));
    let bound = slow as u64 * u64::from(args.send_queue_kib).max(PULLED_KIB_MAX) + SLACK_KIB;
    let grown = peaks[1].max(peaks[2]).saturating_sub(peaks[0]);
    report.note(format!(
        "rss grew by {grown} KiB through them, the bound is {bound} KiB"
    ));
    if grown > bound {
        report.fail(format!(
            "memory grew by {grown} KiB, and not more than {bound} KiB may wait"
        ));
    }
    scene.finish(&mut report)?;
    Ok(report)
}

fn config(args: &SlowConsumersArgs) -> String {
    let policy = match args.policy {
        Policy::Disconnect => "disconnect",
        Policy::DropOldest => "drop_oldest",
    };
    let bytes = u64::from(args.send_queue_kib) * 1024;
    let retain = args.retain;
    format!(
        "[hub]\nslow_consumer = \"{policy}\"\nsend_queue_bytes_max = {bytes}\n[hub.retention]\nevents = {retain}\n"
    )
}

fn row(name: &str, round: u32, load: &Load, busy: f64, resident: u64) -> [Cell; 10] {
    let micros = |quantile| Cell::Figure(micros_at(&load.latencies, quantile), 0);
    let deliveries = load.latencies.len() as f64 / load.elapsed.as_secs_f64();
    [
        Cell::text(name),
        Cell::Count(round.into()),
        Cell::Figure(deliveries, 0),
        micros(0.5),
        micros(0.99),
        micros(0.999),
        Cell::Figure(load.latencies.max() as f64 / 1e3, 0),
        Cell::Figure(micros_at(&load.lags, 0.99), 0),
        Cell::Figure(busy, 0),
        Cell::Count(resident),
    ]
}

/// The server and everyone connected to it.
struct Scene {
    /// Before the server, so that it is dropped first: nobody is left for a leaving server to wait
    /// for.
    fleet: Churning,
    slow: Vec<usize>,
    target: Target,
    counted: Counters,
}

impl Scene {
    fn open(args: &SlowConsumersArgs, target: Target) -> Result<Self, Failure> {
        let is_slow = |index: &usize| index.is_multiple_of(args.slow_of);
        let members = (0..args.subscribers).map(|index| Member {
            kind: args.dialect,
            topic: 0,
            group: if is_slow(&index) {
                Group::Slow
            } else {
                Group::Healthy
            },
        });
        let (sessions, members) = ([session(0)], members.collect::<Vec<_>>());
        let mut fleet = Churning::of(target.address, &sessions, &members)?;
        fleet.attach_publishers(target.address, &sessions, args.padding)?;
        fleet.join_all()?;
        // Pages are touched and windows opened: not what is measured.
        fleet.offer(args.rate, Duration::from_secs(1), |_| Ok(()))?;
        let slow = (0..args.subscribers).filter(is_slow).collect();
        let counted = Counters::scrape(target.address)?;
        Ok(Self {
            fleet,
            slow,
            target,
            counted,
        })
    }

    fn begin(&mut self, phase: usize) -> Result<(), Failure> {
        match phase {
            0 => {
                self.fleet.join_all()?;
                self.target
                    .settle(|duration| self.fleet.pump_for(duration))?;
            }
            1 => {
                for &index in &self.slow {
                    self.fleet.set_reading(index, false)?;
                }
            }
            _ => {
                for &index in &self.slow {
                    self.fleet.set_reading(index, true)?;
                }
            }
        }
        Ok(())
    }

    /// One phase; who was thrown out comes back as soon as it knows. Gives the load, how busy the
    /// server's core was in percent, and the most memory it had, in KiB.
    fn offer(&mut self, args: &SlowConsumersArgs) -> Result<(Load, f64, u64), Failure> {
        let Self {
            fleet,
            slow,
            target,
            ..
        } = self;
        let (mut resident, mut looked) = (target.memory()?.resident, Instant::now());
        let before = target.usage()?;
        let duration = Duration::from_secs(args.seconds.into());
        let load = fleet.offer(args.rate, duration, |fleet| {
            if looked.elapsed() >= MEMORY_INTERVAL {
                looked = Instant::now();
                resident = resident.max(target.memory()?.resident);
                for &index in slow.iter() {
                    if fleet.is_away(index) {
                        fleet.join(index)?;
                    }
                }
            }
            Ok(())
        })?;
        let used = target.usage()?.since(before).cpu;
        let busy = used.as_secs_f64() * 100.0 / load.elapsed.as_secs_f64();
        Ok((load, busy, resident))
    }

    /// Notes what happened to whom, and ends the check.
    fn finish(mut self, report: &mut Report) -> Result<(), Failure> {
        self.fleet.join_all()?;
        self.fleet.catch_up()?;
        let now = Counters::scrape(self.target.address)?;
        let (closed, dropped) = (
            now.slow_consumers - self.counted.slow_consumers,
            now.dropped - self.counted.dropped,
        );
        let slow = self.fleet.check().tally(Group::Slow).clone();
        report.note(format!("the slow: {}", sentence(&slow)));
        report.note(format!(
            "the server counted {closed} slow consumers closed, {dropped} events dropped"
        ));
        if closed != slow.ended() {
            let ended = slow.ended();
            report.fail(format!(
                "{ended} slow subscribers were closed, and the server counted {closed}"
            ));
        }
        if slow.ended() + slow.gaps + slow.drops == 0 {
            report.note("no bound was reached: the kernel kept all that the slow did not read; try more bytes or seconds");
        }
        let healthy = self.fleet.check().tally(Group::Healthy);
        if healthy.ended() + healthy.gaps + healthy.drops > 0 {
            report.fail(format!("those who read: {}", sentence(healthy)));
        }
        close(self.fleet.into_check(), report);
        self.target.stop()
    }
}

fn sentence(tally: &Tally) -> String {
    let codes: Vec<String> = tally
        .endings
        .iter()
        .map(|(code, count)| match code {
            0 => format!("{count} without a code"),
            code => format!("{count} with code {code}"),
        })
        .collect();
    let codes = if codes.is_empty() {
        "none".to_owned()
    } else {
        codes.join(", ")
    };
    format!(
        "told of {} gaps, {} times of drops, closed: {codes}",
        tally.gaps, tally.drops
    )
}
