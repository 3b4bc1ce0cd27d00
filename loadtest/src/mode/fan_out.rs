//! `fan-out`: every event goes to every WebSocket subscriber. What does a delivery cost in cpu, and
//! what does the kernel alone take for the same bytes?
//!
//! One publisher keeps a window of events in flight; one is finished when the last subscriber has
//! heard it. With a window of 1 there is one write per delivery, and only the kernel's path counts.
//! With a larger one the server may gather: frames per write say whether it does, the floor is one
//! write of the whole window. Each driver, the floor and each peer take turns. A peer that loses an
//! event is left out from then on, and a note says what it lost.

mod figures;

use std::time::Duration;

use crate::failure::Failure;
use crate::floor::Floor;
use crate::machine::{pin, reserve_descriptors};
use crate::mode::arena::{Arena, Attendance, Server, is_room_for, start_peers};
use crate::mode::session;
use crate::names::Named;
use crate::peer::PeersArgs;
use crate::report::{Cell, Report, Rounds};
use crate::scrape::Counters;
use crate::target::{Target, TargetArgs};
use crate::voice::frame::Opening;
use figures::{Figures, MICROS, RATIO, ratio_row, row};

/// What subscribers of a dialect speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Dialect {
    /// Every event of the organization, filtered by its type.
    Live,
    /// The same by a subscription.
    Stream,
    /// The session's events by their name, from its log.
    Room,
}

impl Dialect {
    /// The path of its socket.
    fn path(self) -> &'static str {
        match self {
            Self::Live => "/live/ws",
            Self::Stream => "/event/v2/stream",
            Self::Room => "/pubsub/ws?event_id=probe&session_id={session}",
        }
    }

    /// What a subscriber there says first, so that it hears what is published here and nothing
    /// else.
    fn hello(self) -> &'static str {
        match self {
            Self::Live => r#"{"type":"filter","filters":[{"property":"type","value":"probe"}]}"#,
            Self::Stream => r#"{"subscribe":{"name":"probe"},"correlationId":"c1"}"#,
            Self::Room => r#"{"action":"subscribe-event","data":{"eventName":"probe"},"ref":1}"#,
        }
    }

    /// A word in the answer to that.
    fn answer(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Stream | Self::Room => "\"subscribed\"",
        }
    }

    /// Messages that the server begins with.
    fn unasked(self) -> u64 {
        match self {
            Self::Live | Self::Stream => 0,
            Self::Room => 1,
        }
    }
}

/// About how long a round of a peer takes: one that is ten times slower need not be measured ten
/// times longer.
const PEER_ROUND: Duration = Duration::from_secs(2);

/// Subscribers, and what is sent to them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FanOutArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    peers: PeersArgs,
    /// WebSocket subscribers.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// What they speak; several take turns. The publisher is the same for all.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Dialect::Live])]
    dialect: Vec<Dialect>,
    /// Another path than a dialect's; `{session}` stands for the session that is published to.
    #[arg(long, conflicts_with = "dialect")]
    path: Option<String>,
    /// Their first message, whose answer is waited for. Without it: what selects the probe's events
    /// in the dialect, and none with `--path`.
    #[arg(long)]
    hello: Option<String>,
    /// Events in flight; each window is measured by itself.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    windows: Vec<u16>,
    /// Windows that are sent in one round; to a peer at most so many, and no more than take about
    /// two seconds.
    #[arg(long, default_value_t = 400)]
    turns: u64,
    /// Bytes that pad each payload.
    #[arg(long, default_value_t = 40)]
    padding: usize,
    /// Publish what is due at the same time as one array instead of one request for each event.
    #[arg(long)]
    array: bool,
    /// Rounds of each driver that are measured, after one that is not.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

const COLUMNS: [&str; 9] = [
    "driver",
    "window",
    "round",
    "deliveries/s",
    "cpu us/delivery",
    "floor us",
    "ratio",
    "frames/write",
    "frame bytes",
];

/// One server that takes its turn.
struct Subject {
    driver: String,
    /// What is spoken; a peer has none.
    dialect: Option<Dialect>,
    arena: Arena,
    rounds: Rounds<5>,
    /// Windows of its next round.
    turns: u64,
    /// Whether it lost something.
    is_out: bool,
}

/// What one round found: the figures, and bytes of a frame.
type Round = (Figures, usize);

/// Runs it.
pub(crate) fn run(args: &FanOutArgs) -> Result<Report, Failure> {
    let window_max = args.windows.iter().copied().max().unwrap_or(0);
    if args.windows.contains(&0) || window_max == 0 || args.subscribers == 0 {
        return Err(Failure::new("fan-out: windows and subscribers begin at 1"));
    }
    reserve_descriptors(args.subscribers)?;
    let cores = (args.target.server_core, args.target.probe_core);
    let mut report = Report::new("fan-out", &COLUMNS);
    let mut subjects = subjects(args, window_max, &mut report)?;
    pin(cores.1)?;
    let floor_window = Some(window_max.into());
    let mut floor = Floor::open(args.subscribers, cores.0, cores.1, floor_window)?;
    let subscribers = args.subscribers;
    let dialects: Vec<&str> = args.dialect.iter().map(|dialect| dialect.path()).collect();
    let path = args.path.clone().unwrap_or(dialects.join(" and "));
    let form = if args.array { "arrays" } else { "one each" };
    report.note(format!(
        "fan-out: {subscribers} subscribers of {path}, requests: {form}, 1 shard"
    ));
    let stays = is_room_for(subjects.len(), subscribers)?;
    for &window in &args.windows {
        for subject in &mut subjects {
            subject.rounds = Rounds::default();
            subject.turns = subject.first_turns(args.turns);
        }
        for round in 0..=args.rounds {
            for subject in subjects.iter_mut().filter(|subject| !subject.is_out) {
                let row = subject.turn(round, window, args.turns, &mut floor, &mut report)?;
                if let Some(row) = row {
                    report.row(row);
                }
                if !stays {
                    subject.arena.disperse();
                }
            }
        }
        sum_up(&subjects, window, &mut report);
    }
    for subject in subjects {
        subject.arena.stop()?;
    }
    Ok(report)
}

/// Starts everybody, with nobody connected.
fn subjects(
    args: &FanOutArgs,
    window_max: u16,
    report: &mut Report,
) -> Result<Vec<Subject>, Failure> {
    let mut subjects = Vec::new();
    let attendance = Attendance {
        subscribers: args.subscribers,
        window: window_max.into(),
        padding: args.padding,
        is_array: args.array,
    };
    let subject = |driver: &str, dialect, arena| Subject {
        driver: driver.to_owned(),
        dialect,
        arena,
        rounds: Rounds::default(),
        turns: args.turns,
        is_out: false,
    };
    for driver in args.target.drivers() {
        for &dialect in &args.dialect {
            let arena = ours(args, &driver, dialect, attendance, report)?;
            subjects.push(subject(&driver, Some(dialect), arena));
        }
    }
    for (name, server) in start_peers(&args.target, &args.peers, report)? {
        let arena = Arena::new(name.clone(), server, Default::default(), attendance);
        subjects.push(subject(&name, None, arena));
    }
    Ok(subjects)
}

fn ours(
    args: &FanOutArgs,
    driver: &str,
    dialect: Dialect,
    attendance: Attendance,
    report: &mut Report,
) -> Result<Arena, Failure> {
    let target_args = args.target.with_driver(driver);
    let target = Target::open(&target_args, 1, Some(args.target.server_core))?;
    report.note(&target.banner);
    let session = session(0);
    let path = args.path.as_deref().unwrap_or(dialect.path());
    let default_hello = args.path.is_none().then_some(dialect.hello());
    let opening = Opening {
        path: Some(path.replace("{session}", &session)),
        hello: args.hello.as_deref().or(default_hello).map(str::to_owned),
        answer: args.hello.as_ref().map_or(dialect.answer(), |_| ""),
        unasked: if args.path.is_none() {
            dialect.unasked()
        } else {
            0
        },
    };
    let name = match args.dialect[..] {
        [_] => driver.to_owned(),
        _ => format!("{driver} {}", dialect.name()),
    };
    let server = Server::Ours(target);
    Ok(Arena::new(name, server, (opening, session), attendance))
}

/// cpu of the floor for each frame, when a window of them is one write.
fn floor_micros(floor: &mut Floor, frame: &[u8], window: u16, turns: u64) -> Result<f64, Failure> {
    let frames = frame.repeat(window.into());
    let mut cpu = Duration::ZERO;
    for _ in 0..turns {
        cpu += floor.send(&frames, window.into())?;
    }
    Ok(cpu.as_secs_f64() * 1e6 / (turns.max(1) * u64::from(window)) as f64)
}

impl Subject {
    /// Ours are measured as was asked; a peer shows first how fast it is.
    fn first_turns(&self, turns: u64) -> u64 {
        match self.dialect {
            Some(_) => turns,
            None => turns.div_ceil(10),
        }
    }

    /// One round, and the floor's beside it if it is ours; its row, if it counts.
    fn turn(
        &mut self,
        round: u32,
        window: u16,
        turns_max: u64,
        floor: &mut Floor,
        report: &mut Report,
    ) -> Result<Option<[Cell; 9]>, Failure> {
        let (mut figures, frame_bytes) = match self.round(window, turns_max) {
            Ok(found) => found,
            Err(failure) if self.dialect.is_none() => {
                report.note(format!("{}, and is left out", self.arena.blame(&failure)));
                self.is_out = true;
                return Ok(None);
            }
            Err(failure) => return Err(self.arena.blame(&failure)),
        };
        if self.dialect.is_some() {
            let (fleet, _) = self.arena.fleet()?;
            let frame = fleet.check().sample();
            let floor = floor_micros(floor, frame, window, self.turns)?;
            (figures[RATIO - 1], figures[RATIO]) = (floor, figures[MICROS] / floor);
        }
        // In the first round pages are touched and windows opened: not what is measured.
        if round == 0 {
            return Ok(None);
        }
        self.rounds.add(figures);
        let round = Cell::Count(round.into());
        let mut row = row(&self.arena.name, window, round, figures, [0, 3, 3, 3, 2]);
        row[8] = Cell::Count(frame_bytes as u64);
        Ok(Some(row))
    }

    fn round(&mut self, window: u16, turns_max: u64) -> Result<Round, Failure> {
        let turns = self.turns;
        let (fleet, is_new) = self.arena.fleet()?;
        if is_new {
            fleet.publish(turns.div_ceil(10) * u64::from(window), window.into())?;
        }
        let counters = |arena: &Arena| match arena.target() {
            Some(target) => Counters::scrape(target.address).map(Some),
            None => Ok(None),
        };
        let counted = counters(&self.arena)?;
        self.arena.settle()?;
        let before = self.arena.usage()?;
        let (fleet, _) = self.arena.fleet()?;
        let answers = fleet.answer_reads();
        let events = turns * u64::from(window);
        let elapsed = fleet.publish(events, window.into())?.elapsed;
        // What the server does after its last frame is part of the price.
        let used = self.arena.settle()?.since(before);
        let now = counters(&self.arena)?;
        let (fleet, _) = self.arena.fleet()?;
        // The first scrape's own answer, and those to publishes, are writes without a frame.
        let others = 1 + fleet.answer_reads() - answers;
        let frames_per_write = counted.zip(now).map(|(counted, now)| {
            let writes = (now.writes - counted.writes).saturating_sub(others);
            (now.delivered - counted.delivered) as f64 / writes.max(1) as f64
        });
        let deliveries = events * fleet.count();
        let frame_bytes = fleet.check().frame_bytes();
        if self.dialect.is_none() {
            let fitting = turns as f64 * PEER_ROUND.as_secs_f64() / elapsed.as_secs_f64();
            self.turns = whole(fitting).clamp(1, turns_max);
        }
        let figures = [
            deliveries as f64 / elapsed.as_secs_f64(),
            used.micros_per(deliveries),
            f64::NAN,
            f64::NAN,
            frames_per_write.unwrap_or(f64::NAN),
        ];
        Ok((figures, frame_bytes))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive count of windows, which is then bounded"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Medians and spreads of everybody, and how ours stand to those of each peer.
fn sum_up(subjects: &[Subject], window: u16, report: &mut Report) {
    let present = || subjects.iter().filter(|subject| !subject.is_out);
    for subject in present() {
        let name = &subject.arena.name;
        figures::sum_up(&subject.rounds, name, window, report);
    }
    for peer in present().filter(|subject| subject.dialect.is_none()) {
        for ours in present().filter(|subject| subject.dialect.is_some()) {
            let name = format!("fanfare {} / {}", ours.arena.name, peer.arena.name);
            report.row(ratio_row(&ours.rounds, &peer.rounds, &name, window));
        }
    }
    compare_dialects(subjects, window, report);
}

/// Notes what a delivery in each dialect costs of what it costs in the first, driver by driver.
fn compare_dialects(subjects: &[Subject], window: u16, report: &mut Report) {
    for subject in subjects {
        let first = subjects.iter().find(|first| first.driver == subject.driver);
        let dialects = first.and_then(|first| first.dialect.zip(subject.dialect));
        if let (Some(first), Some((base, dialect))) = (first, dialects)
            && base != dialect
        {
            let ratio = subject.rounds.ratios(&first.rounds)[MICROS];
            let (driver, ours, theirs) = (&subject.driver, dialect.name(), base.name());
            report.note(format!(
                "window {window}, {driver}: {ours} costs {ratio:.3} of {theirs}"
            ));
        }
    }
}
