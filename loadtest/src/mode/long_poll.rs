//! `long-poll`: polls park, an event wakes them, each is answered and asks for what comes next. How
//! many such cycles does a second of the server's cpu bear, beside nginx with nchan?
//!
//! Two shapes. In `own` each poll waits on a session of its own, and publishes go round: between
//! two events of a session all others have one, so that its poll is parked again long before. In
//! `one` all wait on one session, and the next event is published when all have asked again.
//! Clients ask by the number of the last event, or by what nchan's answer says (`Last-Modified`,
//! `Etag`); every answer must be the next event of that session. cpu counts publishing, too, and
//! servers take turns.

use std::rc::Rc;
use std::sync::Arc;

use crate::failure::Failure;
use crate::frames::sequence_field;
use crate::kind::Kind;
use crate::machine::{pin, reserve_descriptors};
use crate::mode::arena::Server;
use crate::mode::load::{ExactFleet, Measured, Pace, measure, note_waiting, open_planned};
use crate::mode::session;
use crate::names::Named;
use crate::peer::nchan;
use crate::publisher::Plan;
use crate::report::{Cell, Report, Rounds, verdict};
use crate::target::{Target, TargetArgs};
use crate::voice::session::SessionVoice;

/// The least that this server must bear of what nchan does.
const RATIO_TARGET: f64 = 2.0;
/// Events that nchan keeps for a channel: what a poll that is under way when its event comes needs.
const NCHAN_BUFFER_LENGTH: u32 = 1;

/// What polls wait on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    /// Each on a session of its own.
    Own,
    /// All on one.
    One,
}

/// Polls, and how often they are woken.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LongPollArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Polls, of each server.
    #[arg(long, default_value_t = 1_000)]
    polls: usize,
    /// What they wait on; several are measured one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Shape::Own, Shape::One])]
    shape: Vec<Shape>,
    /// Connections that publish when sessions are many, with one request in flight each.
    #[arg(long, default_value_t = 50)]
    publishers: usize,
    /// Cycles of one round of one server.
    #[arg(long, default_value_t = 20_000)]
    cycles: u64,
    /// Rounds of each server that are measured, after one that is not.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Bytes that pad each payload.
    #[arg(long, default_value_t = 40)]
    padding: usize,
}

const COLUMNS: [&str; 9] = [
    "server",
    "shape",
    "round",
    "cycles/s",
    "cpu us/cycle",
    "cycles/cpu s",
    "core busy %",
    "client busy %",
    "waited %",
];

/// Everyone who waits on one server, and what was found.
struct Arena<'s> {
    name: &'s str,
    server: &'s Server,
    fleet: ExactFleet,
    /// Cycles per second, per second of the server's cpu, and the share of time in which it waited.
    rounds: Rounds<3>,
}

/// Events of all sessions in turn.
struct Round {
    sessions: usize,
    /// Whether these are paths of nchan.
    is_nchan: bool,
    padding: String,
}

impl Plan for Round {
    fn group(&self, event: u64) -> usize {
        let place = event % self.sessions as u64;
        // Less than a count.
        usize::try_from(place).unwrap_or_default()
    }

    fn request(&self, event: u64) -> (String, String) {
        let session = session(self.group(event));
        let path = if self.is_nchan {
            format!("/pub?id={session}")
        } else {
            format!("/api/sessions/{session}/events")
        };
        let (field, padding) = (sequence_field(event), &self.padding);
        let body = format!(r#"{{"type":"probe","data":{{{field},"padding":"{padding}"}}}}"#);
        (path, body)
    }
}

impl Shape {
    /// Sessions of so many polls.
    fn sessions(self, polls: usize) -> usize {
        match self {
            Self::Own => polls,
            Self::One => 1,
        }
    }

    /// How many events are in flight, and how many make these cycles. No more publishes may be in
    /// flight than leave a session's poll time to park.
    fn pace(self, args: &LongPollArgs, cycles: u64) -> Pace {
        let polls = args.polls as u64;
        match self {
            Self::Own => Pace::Window {
                window: (args.publishers as u64).min(polls.div_ceil(2)),
                events: cycles,
            },
            Self::One => Pace::Window {
                window: 1,
                events: (cycles / polls).max(1),
            },
        }
    }
}

/// Runs it.
pub(crate) fn run(args: &LongPollArgs) -> Result<Report, Failure> {
    if args.polls == 0 || args.publishers == 0 || args.cycles == 0 {
        return Err(Failure::new(
            "long-poll: polls, publishers and cycles begin at 1",
        ));
    }
    let drivers = args.target.drivers();
    reserve_descriptors((drivers.len() + 1) * (args.polls + args.publishers))?;
    let core = args.target.server_core;
    let mut report = Report::new("long-poll", &COLUMNS);
    let mut servers = Vec::with_capacity(drivers.len() + 1);
    for driver in drivers {
        let target = Target::open(&args.target.with_driver(&driver), 1, Some(core))?;
        report.note(&target.banner);
        servers.push((format!("fanfare {driver}"), Server::Ours(target)));
    }
    match nchan::installed() {
        Ok(installed) => {
            let nchan = nchan::start(&installed, core, NCHAN_BUFFER_LENGTH)?;
            servers.push(("nchan".to_owned(), Server::Peer(nchan)));
        }
        Err(reason) => report.note(format!("nchan skipped: {reason}")),
    }
    pin(args.target.probe_core)?;
    let (polls, publishers) = (args.polls, args.publishers);
    report.note(format!(
        "long-poll: {polls} polls a server, {publishers} publishers when sessions are many, {} cycles a round, \
         1 shard",
        args.cycles
    ));
    for &shape in &args.shape {
        measure_shape(args, shape, &servers, &mut report)?;
    }
    for (_, server) in servers {
        server.stop()?;
    }
    Ok(report)
}

fn measure_shape(
    args: &LongPollArgs,
    shape: Shape,
    servers: &[(String, Server)],
    report: &mut Report,
) -> Result<(), Failure> {
    let opened = servers
        .iter()
        .map(|server| Arena::open(args, shape, server));
    let mut arenas = opened.collect::<Result<Vec<_>, _>>()?;
    for round in 0..=args.rounds {
        for arena in &mut arenas {
            let cycles = if round == 0 {
                // Every session has had an event when it is over.
                args.cycles.min(2 * args.polls as u64)
            } else {
                args.cycles
            };
            let server = arena.server;
            let pace = shape.pace(args, cycles);
            let measured = measure(&|| server.usage(), &mut arena.fleet, pace)?;
            // In the first round pages are touched: not what is measured.
            if round > 0 {
                report.row(arena.add(shape, round, &measured));
            }
        }
    }
    for arena in &arenas {
        let name = arena.name;
        let [per_second, per_cpu_second, waited] = arena.rounds.medians();
        report.row(summary(name, shape, [per_second, per_cpu_second]));
        let names = format!("{name}, {}", shape.name());
        note_waiting(&names, waited, report);
    }
    let Some((peer, ours)) = arenas
        .split_last()
        .filter(|(peer, _)| peer.server.is_peer())
    else {
        return Ok(());
    };
    for arena in ours {
        let name = arena.name;
        let [faster, ratio, _] = arena.rounds.ratios(&peer.rounds);
        let mut row = summary(&format!("{name} / nchan"), shape, [faster, ratio]);
        row[3] = Cell::Figure(faster, 3);
        row[4] = Cell::Empty;
        row[5] = Cell::Figure(ratio, 3);
        report.row(row);
        let verdict = verdict(ratio >= RATIO_TARGET);
        report.note(format!(
            "target of {}, at least {RATIO_TARGET} times nchan's cycles per cpu second: {name} {ratio:.2}, {verdict}",
            shape.name()
        ));
    }
    Ok(())
}

impl<'s> Arena<'s> {
    fn open(
        args: &LongPollArgs,
        shape: Shape,
        (name, server): &'s (String, Server),
    ) -> Result<Self, Failure> {
        let (address, is_nchan) = (server.address(), server.is_peer());
        let (host, sessions) = (Arc::from(address.to_string()), shape.sessions(args.polls));
        let subscriber = |index: usize| {
            let group = index % sessions;
            let session = session(group);
            let voice = if is_nchan {
                SessionVoice::of_nchan(&host, &format!("/sub?id={session}"))
            } else {
                SessionVoice::by_sequence(Kind::Poll, &host, &session)
            };
            (group, voice)
        };
        let plan: Rc<dyn Plan> = Rc::new(Round {
            sessions,
            is_nchan,
            padding: "x".repeat(args.padding),
        });
        let publishers = match shape {
            Shape::Own => args.publishers,
            Shape::One => 1,
        };
        let subscribers = (0..args.polls).map(subscriber).collect();
        Ok(Self {
            name,
            server,
            fleet: open_planned(address, subscribers, publishers, &plan)?,
            rounds: Rounds::default(),
        })
    }

    fn add(&mut self, shape: Shape, round: u32, measured: &Measured) -> [Cell; 9] {
        let (per_second, micros) = (measured.per_second(), measured.micros());
        self.rounds
            .add([per_second, 1e6 / micros, measured.waited()]);
        let mut row = summary(self.name, shape, [per_second, 1e6 / micros]);
        row[2] = Cell::Count(round.into());
        row[6] = Cell::Figure(measured.core_busy(), 0);
        row[7] = Cell::Figure(measured.client_busy(), 0);
        row[8] = Cell::Figure(measured.waited(), 1);
        row
    }
}

fn summary(name: &str, shape: Shape, [per_second, per_cpu_second]: [f64; 2]) -> [Cell; 9] {
    let mut row = [const { Cell::Empty }; 9];
    row[0] = Cell::text(name);
    row[1] = Cell::text(shape.name());
    row[2] = Cell::text("median");
    row[3] = Cell::Figure(per_second, 0);
    row[4] = Cell::Figure(1e6 / per_cpu_second, 2);
    row[5] = Cell::Figure(per_cpu_second, 0);
    row
}
