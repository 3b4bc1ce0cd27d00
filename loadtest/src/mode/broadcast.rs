//! `broadcast`: one event for every session of an organization. What does it cost, and who waits
//! meanwhile?
//!
//! A probe asks something small at fixed times, whether the last answer has come or not: its
//! latency counts from when it was due, so that one long stall is as many late answers as fell into
//! it. A window without a broadcast and one that begins with a broadcast take turns; then one more
//! broadcast, with nothing else to do, shows what it takes of the processor.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::failure::Failure;
use crate::fleet::kinds::{Readers, readers};
use crate::kind::Kind;
use crate::machine::reserve_descriptors;
use crate::mode::{FIRST_EVENT, begin, configured, create_sessions, events_path, session};
use crate::pump::Pump;
use crate::report::{Cell, Report, Rounds, verdict};
use crate::target::{Target, TargetArgs};

/// The most that 99 of 100 probes may take while a broadcast is under way, in milliseconds.
const P99_TARGET_MS: f64 = 20.0;

/// What the probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Ask {
    /// A publish to one of the sessions.
    Publish,
    /// `GET /healthz`.
    Health,
}

/// Sessions, readers, and how often what is told to all.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BroadcastArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Sessions of the organization.
    #[arg(long, default_value_t = 100_000)]
    sessions: usize,
    /// Readers that follow logs by web socket, each of another session.
    #[arg(long, default_value_t = 0)]
    readers: usize,
    /// What the probe asks.
    #[arg(long, value_enum, default_value_t = Ask::Publish)]
    ask: Ask,
    /// Rounds that are measured, after one that is not.
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Milliseconds of each window.
    #[arg(long, default_value_t = 200)]
    window_ms: u32,
    /// Microseconds between two questions of the probe.
    #[arg(long, default_value_t = 1_000)]
    interval_us: u32,
    /// Bytes of the payload that goes to all.
    #[arg(long, default_value_t = 128)]
    payload: usize,
    /// Events that each log retains; the server is started with it.
    #[arg(long, default_value_t = 8)]
    retain: u32,
}

const COLUMNS: [&str; 11] = [
    "round",
    "idle p50 us",
    "p99 us",
    "max us",
    "broadcast p50 us",
    "p99 us ",
    "max us ",
    "answer ms",
    "heard ms",
    "cpu ms",
    "cpu ns/session",
];

/// The server, and everyone who asks it.
struct Scene {
    /// Before the server, so that it is dropped first: nobody is left for a leaving server to wait
    /// for.
    fleet: Readers,
    probe: Client,
    publisher: Client,
    target: Target,
    question: Vec<u8>,
    broadcast: Vec<u8>,
}

/// Latencies in microseconds.
#[derive(Clone, Debug, Default)]
struct Latencies(Vec<f64>);

/// Runs it.
pub(crate) fn run(args: &BroadcastArgs) -> Result<Report, Failure> {
    if args.sessions == 0 || args.interval_us == 0 || args.readers > args.sessions {
        return Err(Failure::new(
            "broadcast: sessions and interval begin at 1, and each reader has a session of its own",
        ));
    }
    reserve_descriptors(args.readers)?;
    let config = format!("[hub.retention]\nevents = {}\n", args.retain);
    let (_folder, target_args) = configured(&args.target, &config)?;
    let (target, mut report) = begin(&target_args, "broadcast", &COLUMNS)?;
    let mut scene = Scene::open(args, target)?;
    let (sessions, readers, interval) = (args.sessions, args.readers, args.interval_us);
    report.note(format!(
        "broadcast: {sessions} sessions, {readers} readers, a question every {interval} us, windows of \
         {} ms, driver {}, 1 shard",
        args.window_ms, args.target.driver
    ));
    let (mut idle, mut meanwhile) = (Latencies::default(), Latencies::default());
    let mut rounds = Rounds::default();
    for round in 0..=args.rounds {
        let (quiet, busy) = scene.windows(args)?;
        let figures = scene.alone(sessions)?;
        // In the first round pages are touched and logs grow: not what is measured.
        if round == 0 {
            continue;
        }
        let name = Cell::Count(round.into());
        report.row(row(name, &quiet, &busy, &figures));
        idle.0.extend(quiet.0);
        meanwhile.0.extend(busy.0);
        rounds.add(figures);
    }
    let all = Cell::text("all");
    report.row(row(all, &idle, &meanwhile, &rounds.medians()));
    let p99_ms = meanwhile.quantile(0.99) / 1e3;
    report.note(format!(
        "target, p99 during broadcasts at most {P99_TARGET_MS} ms: {p99_ms:.2} ms, {}",
        verdict(p99_ms <= P99_TARGET_MS)
    ));
    let Scene { fleet, target, .. } = scene;
    drop(fleet);
    target.stop()?;
    Ok(report)
}

impl Scene {
    /// Connects everyone, and publishes once to each session.
    fn open(args: &BroadcastArgs, target: Target) -> Result<Self, Failure> {
        let address = target.address;
        let mut publisher = Client::connect(address)?;
        create_sessions(&mut publisher, args.sessions)?;
        let step = args.sessions / args.readers.max(1);
        let fleet = readers(address, Kind::Websocket, args.readers, |i| {
            session(i * step)
        })?;
        let probe = Client::connect(address)?;
        let question = match args.ask {
            // One that the server comes to late, whichever way it goes.
            Ask::Publish => probe.post(&events_path(args.sessions / 2 + 1), FIRST_EVENT),
            Ask::Health => format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes(),
        };
        let text = "x".repeat(args.payload.saturating_sub(11));
        let body = format!(r#"{{"name":"broadcast","payload":{{"text":"{text}"}}}}"#);
        let broadcast = publisher.post("/event/v2/publish", &body);
        Ok(Self {
            fleet,
            probe,
            publisher,
            target,
            question,
            broadcast,
        })
    }

    /// A window without a broadcast, and one with.
    fn windows(&mut self, args: &BroadcastArgs) -> Result<(Latencies, Latencies), Failure> {
        self.settle()?;
        let quiet = self.probe(args)?;
        let heard = self.fleet.check().totals().events;
        self.publisher.send(&self.broadcast)?;
        let busy = self.probe(args)?;
        self.publisher.recv()?;
        self.hear(heard)?;
        Ok((quiet, busy))
    }

    /// A broadcast with nothing else to do: milliseconds until its answer, until the last reader
    /// has heard it, of the processor, and nanoseconds of that for each session.
    fn alone(&mut self, sessions: usize) -> Result<[f64; 4], Failure> {
        let before = self.settle()?;
        let heard = self.fleet.check().totals().events;
        let start = Instant::now();
        self.publisher.send(&self.broadcast)?;
        self.publisher.recv()?;
        let answered = start.elapsed();
        self.hear(heard)?;
        let all = start.elapsed();
        // What the server does after its answer is most of the price.
        let cpu = self.settle()?.since(before).cpu.as_secs_f64();
        let [answered, all] = [answered, all].map(|elapsed| elapsed.as_secs_f64() * 1e3);
        Ok([answered, all, cpu * 1e3, cpu * 1e9 / sessions as f64])
    }

    /// Waits until every reader has heard one event more than it had.
    fn hear(&mut self, before: u64) -> Result<(), Failure> {
        let wanted = before + self.fleet.count();
        self.fleet.pump_until("all readers heard it", |fleet| {
            fleet.check().totals().events >= wanted
        })
    }

    fn settle(&mut self) -> Result<crate::machine::Usage, Failure> {
        let Self { target, fleet, .. } = self;
        target.settle(|duration| {
            // An epoll without sockets waits, too.
            fleet.pump_for(duration)
        })
    }

    /// Asks at fixed times for the length of a window, and waits for the last answers.
    fn probe(&mut self, args: &BroadcastArgs) -> Result<Latencies, Failure> {
        let interval = Duration::from_micros(args.interval_us.into());
        let window = Duration::from_millis(args.window_ms.into());
        let mut latencies = Latencies::default();
        let mut asked = VecDeque::new();
        let mut due = Duration::ZERO;
        self.probe.set_impatient(true)?;
        let start = Instant::now();
        // Looked at without a pause: waking up late would count as the server's.
        while due < window || !asked.is_empty() {
            if due < window && start.elapsed() >= due {
                self.probe.send(&self.question)?;
                asked.push_back(due);
                due += interval;
            }
            if self.probe.take()?.is_some()
                && let Some(due) = asked.pop_front()
            {
                let latency = start.elapsed().saturating_sub(due);
                latencies.0.push(latency.as_secs_f64() * 1e6);
            }
        }
        self.probe.set_impatient(false)?;
        Ok(latencies)
    }
}

impl Latencies {
    /// The latency that this share of all does not exceed.
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let place = (sorted.len() as f64 * share) as usize;
        let last = sorted.len().saturating_sub(1);
        sorted.get(place.min(last)).copied().unwrap_or(f64::NAN)
    }
}

fn row(name: Cell, idle: &Latencies, busy: &Latencies, figures: &[f64; 4]) -> [Cell; 11] {
    let micros = |latencies: &Latencies, share| Cell::Figure(latencies.quantile(share), 0);
    let [answered, heard, cpu, each] = *figures;
    [
        name,
        micros(idle, 0.5),
        micros(idle, 0.99),
        micros(idle, 1.0),
        micros(busy, 0.5),
        micros(busy, 0.99),
        micros(busy, 1.0),
        Cell::Figure(answered, 2),
        Cell::Figure(heard, 1),
        Cell::Figure(cpu, 1),
        Cell::Figure(each, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_measured() {
        let hundred = Latencies((0..100).rev().map(f64::from).collect());
        let found = [0.0, 0.5, 0.99, 1.0].map(|share| hundred.quantile(share));
        assert!(
            found
                .iter()
                .zip([0.0, 50.0, 99.0, 99.0])
                .all(|(a, b)| (a - b).abs() < 1e-9)
        );
        assert!(Latencies::default().quantile(0.5).is_nan());
    }
}
