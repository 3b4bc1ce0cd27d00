//! `wake`: one event answers all polls of a session. What does an answer cost in cpu, and what does
//! the kernel alone take for it?
//!
//! Inside the measured window is one POST, nothing else: polls ask again only after it. Server and
//! floor take turns, so that whatever else the machine does meets both.

use std::time::Instant;

use crate::client::SessionPublisher;
use crate::failure::Failure;
use crate::fleet::kinds::{Readers, readers};
use crate::floor::Floor;
use crate::kind::Kind;
use crate::machine::{pin, reserve_descriptors};
use crate::mode::session;
use crate::pump::Pump;
use crate::report::{Cell, Report, Rounds};
use crate::target::{Target, TargetArgs};

/// Polls that wait, and how often they are woken.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WakeArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Polls parked on one session.
    #[arg(long, default_value_t = 10_000)]
    polls: usize,
    /// Events that are measured, after one that is not.
    #[arg(long, default_value_t = 21)]
    rounds: u32,
}

const COLUMNS: [&str; 6] = [
    "round",
    "cpu us/answer",
    "floor us/write",
    "ratio",
    "bytes/answer",
    "wall ms",
];

/// One event, from the first byte of the POST to the last answer.
struct Wake {
    micros_per_answer: f64,
    bytes_per_answer: u64,
    wall_millis: f64,
}

/// Runs it.
pub(crate) fn run(args: &WakeArgs) -> Result<Report, Failure> {
    reserve_descriptors(args.polls)?;
    let cores = (args.target.server_core, args.target.probe_core);
    let target = Target::open(&args.target, 1, Some(cores.0))?;
    pin(cores.1)?;
    let mut floor = Floor::open(args.polls, cores.0, cores.1, None)?;
    let mut publisher = SessionPublisher::connect(target.address, &session(0))?;
    let mut fleet = readers(target.address, Kind::Poll, args.polls, |_| session(0))?;

    let mut report = Report::new("wake", &COLUMNS);
    report.note(&target.banner);
    let (polls, driver) = (args.polls, &args.target.driver);
    report.note(format!(
        "wake: {polls} polls on 1 session, driver {driver}, 1 shard"
    ));
    let mut rounds = Rounds::default();
    for round in 0..=args.rounds {
        // Connecting was asking.
        let asks_again = round > 0;
        if asks_again {
            fleet.ask_again()?;
        }
        let wake = wake(&target, &mut fleet, &mut publisher)?;
        if fleet.sample().len() as u64 != wake.bytes_per_answer {
            return Err(Failure::new("answers differ in length, or come in pieces"));
        }
        if asks_again {
            floor.ask()?;
        }
        target.settle(|duration| fleet.pump_for(duration))?;
        let cpu = floor.answer(fleet.sample())?;
        // In the first round pages are touched and windows opened: not what is measured.
        if round > 0 {
            let (answer, floor) = (wake.micros_per_answer, cpu.as_secs_f64() * 1e6);
            let figures = [answer, floor, answer / floor, wake.wall_millis];
            rounds.add(figures);
            let bytes = Cell::Count(wake.bytes_per_answer);
            report.row(row(Cell::Count(round.into()), figures, bytes));
        }
    }
    report.row(row(Cell::text("median"), rounds.medians(), Cell::Empty));
    target.settle(|duration| fleet.pump_for(duration))?;
    drop((fleet, publisher));
    target.stop()?;
    Ok(report)
}

fn wake(
    target: &Target,
    fleet: &mut Readers,
    publisher: &mut SessionPublisher,
) -> Result<Wake, Failure> {
    target.settle(|duration| fleet.pump_for(duration))?;
    let (heard, received) = (fleet.check().totals(), fleet.received_bytes());
    let usage = target.usage()?;
    let start = Instant::now();
    publisher.send()?;
    let wanted = heard.answers + fleet.count();
    fleet.pump_until("every poll is answered", |fleet| {
        fleet.check().totals().answers >= wanted
    })?;
    let wall_millis = start.elapsed().as_secs_f64() * 1e3;
    let number = publisher.recv()?;
    // What the server does after its last answer is part of the price.
    let at_rest = target.settle(|duration| fleet.pump_for(duration))?;
    let used = at_rest.since(usage);

    let now = fleet.check().totals();
    let (answers, events) = (now.answers - heard.answers, now.events - heard.events);
    if answers != fleet.count() || events != answers {
        return Err(Failure::new(format!(
            "{} polls, one event: {answers} answers with {events} events",
            fleet.count()
        )));
    }
    fleet.check().verify(|_| number)?;
    Ok(Wake {
        micros_per_answer: used.micros_per(answers),
        bytes_per_answer: (fleet.received_bytes() - received) / answers.max(1),
        wall_millis,
    })
}

/// The figures of a round, or their medians, beside what the answers had in bytes.
fn row(round: Cell, [answer, floor, ratio, wall]: [f64; 4], bytes: Cell) -> [Cell; 6] {
    [
        round,
        Cell::Figure(answer, 3),
        Cell::Figure(floor, 3),
        Cell::Figure(ratio, 3),
        bytes,
        Cell::Figure(wall, 1),
    ]
}
