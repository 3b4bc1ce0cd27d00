//! `hostile`: what bystanders see, and what the server holds, while others attack it.
//!
//! Attackers and bystanders are [`crate::hostile`]'s; here is who attacks how, one file an attack,
//! each against servers that are started for it. A bound that is missed is printed; with `--judge`
//! it is exit code 1.

mod flood;
mod held;
mod logins;
mod organization;
mod unread;
mod wants;
mod ways;

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::hostile::judge::{Judge, mib};
use crate::hostile::legitimate::{LegitimateClients, Seen, Task};
use crate::hostile::peak::Peak;
use crate::hostile::{Attackers, Told};
use crate::machine::{Usage, pin};
use crate::mode::pause;
use crate::pump::Pump;
use crate::report::{Cell, Report};
use crate::target::{Target, TargetArgs};

/// Above this share of the time, in percent, in which the server could have run and its core was
/// somebody else's, what bystanders saw is not the server's doing alone.
const WAITED_PERCENT_MAX: f64 = 2.0;
/// How long attackers pump before it is looked whether bystanders are back.
const PUMP_SLICE: Duration = Duration::from_millis(50);
/// How many times more for those who are not back in time.
const PATIENCE_SLICES: u32 = 40;
/// How long a server has to give back what it held for those who have gone.
const AFTER_PAUSE: Duration = Duration::from_secs(2);

/// Which attack.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HostileArgs {
    #[command(subcommand)]
    attack: Attack,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Attack {
    /// Connections that ask without end: how long bystanders wait.
    Flood(flood::FloodArgs),
    /// Ways of not reading: how much the server keeps for them.
    Unread(unread::UnreadArgs),
    /// Ways of making the server hold what is not finished, or not needed.
    Held(held::HeldArgs),
    /// Wrong passwords without end: whether right ones are still let in.
    Logins(logins::LoginsArgs),
}

/// What every attack has.
#[derive(Clone, Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    target: TargetArgs,
    /// Shards of the server; one runs on --server-core, more choose their own.
    #[arg(long, default_value_t = 1)]
    shards: u16,
    /// Fail when a bound is missed.
    #[arg(long)]
    judge: bool,
}

/// What attacks on memory have as well.
#[derive(Clone, Debug, clap::Args)]
struct Memory {
    #[command(flatten)]
    common: Common,
    /// Connections of each way; without it as many as suit the way.
    #[arg(long)]
    connections: Option<usize>,
    /// MiB that the server is configured to let wait; it may grow by that and 64 MiB.
    #[arg(long, default_value_t = 256)]
    budget_mib: u32,
}

impl Memory {
    /// The columns of such an attack, the last of which are its own.
    const fn columns(own: [&'static str; 6]) -> [&'static str; 14] {
        let mut all = [
            "way",
            "connections",
            "rss before MiB",
            "peak MiB",
            "after MiB",
            "grown MiB",
            "bound MiB",
            "memory",
            "",
            "",
            "",
            "",
            "",
            "",
        ];
        let mut place = 0;
        while place < own.len() {
            all[all.len() - own.len() + place] = own[place];
            place += 1;
        }
        all
    }
}

/// Runs it.
pub(crate) fn run(args: &HostileArgs) -> Result<Report, Failure> {
    match &args.attack {
        Attack::Flood(args) => flood::run(args),
        Attack::Unread(args) => unread::run(args),
        Attack::Held(args) => held::run(args),
        Attack::Logins(args) => logins::run(args),
    }
}

impl Common {
    /// Starts a server, and moves this thread, and those it starts, to the probe's core.
    fn start(&self, target: &TargetArgs) -> Result<Target, Failure> {
        let core = (self.shards == 1).then_some(self.target.server_core);
        let target = Target::open(target, self.shards, core)?;
        pin(self.target.probe_core)?;
        Ok(target)
    }

    /// The circumstances, for a note.
    fn sentence(&self) -> String {
        let (driver, shards) = (&self.target.driver, self.shards);
        format!("driver {driver}, {shards} shard{}", plural(shards))
    }
}

fn plural(count: u16) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// What was resident before an attack, at most during it, and after the attackers had gone, in MiB.
#[derive(Clone, Copy, Debug)]
struct Resident {
    before: f64,
    peak: f64,
    after: f64,
}

impl Resident {
    fn grown(self) -> f64 {
        self.peak - self.before
    }

    fn cells(self) -> [Cell; 4] {
        [self.before, self.peak, self.after, self.grown()].map(|mib| Cell::Figure(mib, 1))
    }
}

/// What was seen of an attack.
struct Witnessed {
    seen: Vec<(Task, Seen)>,
    resident: Resident,
    /// The attackers as it was when the bystanders' time was over.
    told: Told,
    connected: usize,
    sent_bytes: u64,
    /// How long it attacked.
    took: Duration,
    /// The server could have run and did not, in percent of the time.
    waited_percent: f64,
}

impl Witnessed {
    fn of(&self, task: Task) -> Result<&Seen, Failure> {
        let found = self.seen.iter().find(|(found, _)| *found == task);
        found
            .map(|(_, seen)| seen)
            .ok_or_else(|| Failure::new("no bystander was sent for this"))
    }

    /// The cells that attacks on memory have in common; the server may grow by `bound`.
    fn memory(
        &self,
        way: &str,
        connections: usize,
        bound: Option<f64>,
        judge: &mut Judge,
    ) -> Vec<Cell> {
        let mut row = vec![Cell::text(way), Cell::Count(connections as u64)];
        row.extend(self.resident.cells());
        let what = format!("MiB grown by {way}");
        row.extend(judge.at_most(&what, self.resident.grown(), bound));
        row
    }

    /// A note where the machine was not idle.
    fn note_waited(&self, what: &str, report: &mut Report) {
        if self.waited_percent > WAITED_PERCENT_MAX {
            report.note(format!(
                "{what}: the server waited {:.1} % of the time for its core: the machine is not idle",
                self.waited_percent
            ));
        }
    }
}

/// Lets a attackers attack for so long, while bystanders go about their tasks.
fn witness(
    target: &Target,
    duration: Duration,
    clients: impl FnOnce() -> LegitimateClients,
    open: impl FnOnce() -> Result<Attackers, Failure>,
) -> Result<Witnessed, Failure> {
    let before = target.memory()?.resident;
    let (usage, peak, start) = (target.usage()?, Peak::watch(target.pid()), Instant::now());
    let mut attackers = open()?;
    // It is under way when bystanders come.
    attackers.pump_for(duration.min(10 * PUMP_SLICE))?;
    let clients = clients();
    attackers.pump_for(duration)?;
    // Polls end by their own time, and the attack goes on as long as they wait; where nothing is
    // answered any more, it ends first.
    for _ in 0..PATIENCE_SLICES {
        if clients.are_done() {
            break;
        }
        attackers.pump_for(PUMP_SLICE)?;
    }
    let took = start.elapsed();
    let waited_percent = waited_percent(target, usage, took)?;
    let (told, connected) = (attackers.told().clone(), attackers.connected());
    let sent_bytes = attackers.sent_bytes();
    drop(attackers);
    let seen = clients.finish()?;
    let peak = peak.finish()?;
    pause(AFTER_PAUSE)?;
    let after = target.memory()?.resident;
    Ok(Witnessed {
        seen,
        resident: Resident {
            before: mib(before),
            peak: mib(peak),
            after: mib(after),
        },
        told,
        connected,
        sent_bytes,
        took,
        waited_percent,
    })
}

/// In percent of the time, all threads of the server together.
fn waited_percent(target: &Target, before: Usage, duration: Duration) -> Result<f64, Failure> {
    let waited = target.usage()?.since(before).waited;
    Ok(waited.as_secs_f64() * 100.0 / duration.as_secs_f64())
}
