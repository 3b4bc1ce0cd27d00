//! `shards`: what a delivered event costs in cpu, all threads together, with one shard and with
//! more.
//!
//! Shards share nothing, so the sum should hardly grow. The servers stay up side by side and take
//! turns; each pins its own threads. On a machine with fewer cores than shards this says nothing
//! about speed.

use crate::client::SessionPublisher;
use crate::failure::Failure;
use crate::fleet::kinds::{Readers, readers};
use crate::kind::Kind;
use crate::machine::{Usage, reserve_descriptors};
use crate::mode::session;
use crate::names::Named;
use crate::pump::Pump;
use crate::report::{Cell, Report, median, median_ratio};
use crate::target::{Target, TargetArgs};

/// Sessions, their readers, and how many events they hear.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ShardsArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Servers with so many shards are compared with the first.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    shards: Vec<u16>,
    /// How the readers listen.
    #[arg(long, value_enum, default_value_t = Kind::Websocket)]
    kind: Kind,
    /// Sessions, each with a publisher that has one event in flight.
    #[arg(long, default_value_t = 16)]
    sessions: usize,
    /// Readers of each session.
    #[arg(long, default_value_t = 50)]
    readers: usize,
    /// Events to each session in one round.
    #[arg(long, default_value_t = 200)]
    events: u32,
    /// Rounds of each server that are measured, after one that is not.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

const COLUMNS: [&str; 6] = [
    "shards",
    "round",
    "deliveries",
    "cpu us/delivery",
    "kernel %",
    "to first",
];

/// One server with everything connected to it.
struct Arena {
    shards: u16,
    target: Target,
    fleet: Readers,
    publishers: Vec<SessionPublisher>,
    micros: Vec<f64>,
}

/// Runs it.
pub(crate) fn run(args: &ShardsArgs) -> Result<Report, Failure> {
    if args.kind == Kind::Poll {
        return Err(Failure::new(
            "shards: polls would ask again inside what is measured",
        ));
    }
    if args.target.connect.is_some() {
        return Err(Failure::new(
            "shards: compares servers that it starts itself",
        ));
    }
    reserve_descriptors(args.shards.len() * (args.readers + 1) * args.sessions)?;
    let mut report = Report::new("shards", &COLUMNS);
    let (kind, driver) = (args.kind.name(), &args.target.driver);
    let (sessions, readers) = (args.sessions, args.readers);
    report.note(format!(
        "shards: {sessions} sessions with {readers} {kind} readers each, driver {driver}"
    ));
    let mut arenas = Vec::with_capacity(args.shards.len());
    for &shards in &args.shards {
        let arena = Arena::open(args, shards)?;
        report.note(&arena.target.banner);
        arenas.push(arena);
    }
    for round in 0..=args.rounds {
        for arena in &mut arenas {
            let (deliveries, used) = arena.round(args.events)?;
            if round == 0 {
                continue;
            }
            let micros = used.micros_per(deliveries);
            arena.micros.push(micros);
            report.row([
                Cell::Count(arena.shards.into()),
                Cell::Count(round.into()),
                Cell::Count(deliveries),
                Cell::Figure(micros, 3),
                Cell::Figure(used.system_percent(), 0),
                Cell::Empty,
            ]);
        }
    }
    let first = arenas.first().map(|arena| arena.micros.clone());
    let first = first.unwrap_or_default();
    for arena in arenas {
        report.row([
            Cell::Count(arena.shards.into()),
            Cell::text("median"),
            Cell::Empty,
            Cell::Figure(median(&arena.micros), 3),
            Cell::Empty,
            Cell::Figure(median_ratio(&arena.micros, &first), 3),
        ]);
        drop((arena.fleet, arena.publishers));
        arena.target.stop()?;
    }
    Ok(report)
}

impl Arena {
    fn open(args: &ShardsArgs, shards: u16) -> Result<Self, Failure> {
        let target = Target::open(&args.target, shards, None)?;
        let sessions = args.sessions.max(1);
        let count = args.readers * sessions;
        let fleet = readers(target.address, args.kind, count, |index| {
            session(index % sessions)
        })?;
        let publishers =
            (0..sessions).map(|index| SessionPublisher::connect(target.address, &session(index)));
        let publishers = publishers.collect::<Result<_, _>>()?;
        Ok(Self {
            shards,
            target,
            fleet,
            publishers,
            micros: Vec::new(),
        })
    }

    /// Publishes, and returns deliveries and the cpu they took with everything around them.
    fn round(&mut self, events: u32) -> Result<(u64, Usage), Failure> {
        let fleet = &mut self.fleet;
        self.target.settle(|duration| fleet.pump_for(duration))?;
        let heard = fleet.check().totals();
        let before = self.target.usage()?;
        let mut numbers = vec![0; self.publishers.len()];
        for event in 1..=u64::from(events) {
            for publisher in &mut self.publishers {
                publisher.send()?;
            }
            let wanted = heard.events + event * fleet.count();
            fleet.pump_until("every reader has heard", |fleet| {
                fleet.check().totals().events >= wanted
            })?;
            for (publisher, number) in self.publishers.iter_mut().zip(&mut numbers) {
                *number = publisher.recv()?;
            }
        }
        let at_rest = self.target.settle(|duration| fleet.pump_for(duration))?;
        let used = at_rest.since(before);
        let deliveries = fleet.check().totals().events - heard.events;
        let wanted = u64::from(events) * fleet.count();
        if deliveries != wanted {
            return Err(Failure::new(format!(
                "{deliveries} deliveries instead of {wanted}"
            )));
        }
        fleet
            .check()
            .verify(|index| numbers[index % numbers.len()])?;
        Ok((deliveries, used))
    }
}
