//! `fan-out`: every event goes to every WebSocket subscriber. What does a delivery cost in cpu, and what
//! does the kernel alone take for the same bytes?
//!
//! One publisher keeps a window of events in flight; one is finished when the last subscriber has heard
//! it. With a window of 1 there is one write per delivery, and only the kernel's path counts. With a
//! larger one the server may gather: frames per write say whether it does, the floor is one write of
//! the whole window. Each driver and the floor take turns.

use std::time::Duration;

use crate::audience::{Audience, Opening};
use crate::failure::Failure;
use crate::floor::Floor;
use crate::machine::{Usage, pin, reserve_descriptors};
use crate::mode::session;
use crate::pipeline::Form;
use crate::report::{Cell, Report, median, median_ratio, spread_percent};
use crate::scrape::Counters;
use crate::target::{Target, TargetArgs};

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
    fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stream => "stream",
            Self::Room => "room",
        }
    }

    /// The path of its socket.
    fn path(self) -> &'static str {
        match self {
            Self::Live => "/live/ws",
            Self::Stream => "/event/v2/stream",
            Self::Room => "/pubsub/ws?event_id=probe&session_id={session}",
        }
    }

    /// What a subscriber there says first, so that it hears what is published here and nothing else.
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

/// With one event in flight, the most that a delivery may cost of what the floor does.
const RATIO_TARGET: f64 = 1.15;
/// With sixteen, the most that it may cost: microseconds of cpu.
const MICROS_TARGET: f64 = 0.20;

/// Subscribers, and what is sent to them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FanOutArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
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
    /// Windows that are sent in one round.
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

/// One server with everything connected to it.
struct Arena {
    driver: String,
    dialect: Dialect,
    /// What the table calls it.
    name: String,
    /// Before the server, so that it is dropped first: nobody is left for a leaving server to wait for.
    audience: Audience,
    target: Target,
}

/// What one round found.
struct Round {
    per_second: f64,
    micros: f64,
    frames_per_write: f64,
}

/// Runs it.
pub(crate) fn run(args: &FanOutArgs) -> Result<Report, Failure> {
    let window_max = args.windows.iter().copied().max().unwrap_or(0);
    if args.windows.contains(&0) || window_max == 0 || args.subscribers == 0 {
        return Err(Failure::new("fan-out: windows and subscribers begin at 1"));
    }
    let drivers = args.target.drivers();
    let count = drivers.len() * args.dialect.len();
    reserve_descriptors(count * args.subscribers)?;
    let cores = (args.target.server_core, args.target.probe_core);
    let mut report = Report::new("fan-out", &COLUMNS);
    let mut arenas = Vec::with_capacity(count);
    for driver in &drivers {
        for &dialect in &args.dialect {
            let arena = Arena::open(args, driver, dialect, window_max.into())?;
            report.note(&arena.target.banner);
            arenas.push(arena);
        }
    }
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
    for &window in &args.windows {
        let mut figures: Vec<Figures> = arenas.iter().map(|_| Figures::default()).collect();
        for round in 0..=args.rounds {
            for (arena, figures) in arenas.iter_mut().zip(&mut figures) {
                let found = arena.round(args.turns, window)?;
                let frame = arena.audience.books().sample();
                let floor = floor_micros(&mut floor, frame, window, args.turns)?;
                // In the first round pages are touched and windows opened: not what is measured.
                if round > 0 {
                    let frame_bytes = arena.audience.books().frame_bytes();
                    let mut row = figures.add(&found, floor, frame_bytes);
                    row[0] = Cell::text(&arena.name);
                    row[1] = Cell::Count(window.into());
                    row[2] = Cell::Count(round.into());
                    report.row(row);
                }
            }
        }
        for (arena, figures) in arenas.iter().zip(&figures) {
            figures.sum_up(&arena.name, window, &mut report);
        }
        compare_dialects(&arenas, &figures, window, &mut report);
    }
    for Arena {
        target, audience, ..
    } in arenas
    {
        drop(audience);
        target.stop()?;
    }
    Ok(report)
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

impl Arena {
    fn open(
        args: &FanOutArgs,
        driver: &str,
        dialect: Dialect,
        window_max: usize,
    ) -> Result<Self, Failure> {
        let target_args = args.target.with_driver(driver);
        let target = Target::open(&target_args, 1, Some(args.target.server_core))?;
        let session = session(0);
        let path = args.path.as_deref().unwrap_or(dialect.path());
        let default_hello = args.path.is_none().then_some(dialect.hello());
        let opening = Opening::WebSocket {
            path: &path.replace("{session}", &session),
            hello: args.hello.as_deref().or(default_hello),
            answer: args.hello.as_ref().map_or(dialect.answer(), |_| ""),
            unasked: if args.path.is_none() {
                dialect.unasked()
            } else {
                0
            },
        };
        let mut audience = Audience::open(target.address, opening, args.subscribers, window_max)?;
        let form = Form {
            session,
            padding: args.padding,
            is_array: args.array,
        };
        audience.attach(target.address, form)?;
        let name = match args.dialect[..] {
            [_] => driver.to_owned(),
            _ => format!("{driver} {}", dialect.as_str()),
        };
        Ok(Self {
            driver: driver.to_owned(),
            dialect,
            name,
            audience,
            target,
        })
    }

    fn round(&mut self, turns: u64, window: u16) -> Result<Round, Failure> {
        let audience = &mut self.audience;
        let counted = Counters::scrape(self.target.address)?;
        self.target.settle(|duration| audience.pump_for(duration))?;
        let (before, answers) = (self.target.usage()?, audience.answer_reads());
        let events = turns * u64::from(window);
        let elapsed = audience.publish(events, window.into())?;
        // What the server does after its last frame is part of the price.
        let at_rest = self.target.settle(|duration| audience.pump_for(duration))?;
        let used: Usage = at_rest.since(before);
        let now = Counters::scrape(self.target.address)?;
        // The first scrape's own answer, and those to publishes, are writes without a frame.
        let others = 1 + audience.answer_reads() - answers;
        let writes = (now.writes - counted.writes).saturating_sub(others);
        let deliveries = events * audience.subscribers();
        Ok(Round {
            per_second: deliveries as f64 / elapsed.as_secs_f64(),
            micros: used.micros_per(deliveries),
            frames_per_write: (now.delivered - counted.delivered) as f64 / writes.max(1) as f64,
        })
    }
}

/// Notes what a delivery in each dialect costs of what it costs in the first, driver by driver.
fn compare_dialects(arenas: &[Arena], figures: &[Figures], window: u16, report: &mut Report) {
    let all = || arenas.iter().zip(figures);
    for (arena, found) in all() {
        let first = all().find(|(first, _)| first.driver == arena.driver);
        if let Some((first, base)) = first.filter(|(first, _)| first.dialect != arena.dialect) {
            let ratio = median_ratio(&found.micros, &base.micros);
            let (driver, ours, theirs) = (
                &arena.driver,
                arena.dialect.as_str(),
                first.dialect.as_str(),
            );
            report.note(format!(
                "window {window}, {driver}: {ours} costs {ratio:.3} of {theirs}"
            ));
        }
    }
}

/// The figures of which medians are printed.
#[derive(Default)]
struct Figures {
    per_second: Vec<f64>,
    micros: Vec<f64>,
    floors: Vec<f64>,
    frames_per_write: Vec<f64>,
}

impl Figures {
    /// The row of a round, without what names it.
    fn add(&mut self, round: &Round, floor: f64, frame_bytes: usize) -> [Cell; 9] {
        self.per_second.push(round.per_second);
        self.micros.push(round.micros);
        self.floors.push(floor);
        self.frames_per_write.push(round.frames_per_write);
        let mut row = [const { Cell::Empty }; 9];
        row[3] = Cell::Figure(round.per_second, 0);
        row[4] = Cell::Figure(round.micros, 3);
        row[5] = Cell::Figure(floor, 3);
        row[6] = Cell::Figure(round.micros / floor, 3);
        row[7] = Cell::Figure(round.frames_per_write, 2);
        row[8] = Cell::Count(frame_bytes as u64);
        row
    }

    /// The rows of medians and of spreads, and how the medians stand to the target.
    fn sum_up(&self, driver: &str, window: u16, report: &mut Report) {
        let ratios: Vec<f64> = self
            .micros
            .iter()
            .zip(&self.floors)
            .map(|(a, b)| a / b)
            .collect();
        let columns = [
            &self.per_second,
            &self.micros,
            &self.floors,
            &ratios,
            &self.frames_per_write,
        ];
        let digits = [0, 3, 3, 3, 2];
        let mut medians = [const { Cell::Empty }; 9];
        let mut spreads = [const { Cell::Empty }; 9];
        for (row, what) in [(&mut medians, "median"), (&mut spreads, "spread %")] {
            row[0] = Cell::text(driver);
            row[1] = Cell::Count(window.into());
            row[2] = Cell::text(what);
        }
        for (index, (values, digits)) in columns.into_iter().zip(digits).enumerate() {
            medians[3 + index] = Cell::Figure(median(values), digits);
            spreads[3 + index] = Cell::Figure(spread_percent(values), 0);
        }
        report.row(medians);
        report.row(spreads);
        let (ratio, micros) = (
            median_ratio(&self.micros, &self.floors),
            median(&self.micros),
        );
        let verdict = |is_met: bool| if is_met { "met" } else { "missed" };
        match window {
            1 => report.note(format!(
                "target of window 1, at most {RATIO_TARGET} of the floor: {driver} {ratio:.3}, {}",
                verdict(ratio <= RATIO_TARGET)
            )),
            16 => report.note(format!(
                "target of window 16, at most {MICROS_TARGET:.2} us: {driver} {micros:.3}, {}",
                verdict(micros <= MICROS_TARGET)
            )),
            _ => {}
        }
    }
}
