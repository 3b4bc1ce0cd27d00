//! `hostile held`: ways of making the server hold what is not finished, or what nobody needs. Is a
//! bystander's event still accepted, and by what is the attacker stopped?

use std::time::Duration;

use crate::failure::Failure;
use crate::hostile::Attackers;
use crate::hostile::attackers::Manner;
use crate::hostile::judge::{Judge, SLACK_MIB, millis_at};
use crate::hostile::legitimate::{LegitimateClients, PUBLISH_INTERVAL, Task};
use crate::machine::reserve_descriptors;
use crate::mode::configured;
use crate::names::{Named, or_all};
use crate::report::{Cell, Report};

use super::organization::{Organizations, bearer};
use super::wants::Wants;
use super::ways::Way;
use super::{Memory, witness};

/// The relation of attackers to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Access {
    /// Nobody is asked: attackers and bystander share all tables.
    Open,
    /// There are organizations; attackers belong to none.
    Stranger,
    /// Attackers belong to one, the bystander to another, and asks for entries of the same tables.
    Member,
}

impl Access {
    fn sentence(self) -> &'static str {
        match self {
            Self::Open => "open to everybody",
            Self::Stranger => "attackers without a token",
            Self::Member => "attackers of another organization than the bystander",
        }
    }
}

/// Which ways, for how long, and what is let wait.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HeldArgs {
    #[command(flatten)]
    memory: Memory,
    /// Ways of holding, one after the other; all of them without it.
    #[arg(long, value_enum, value_delimiter = ',')]
    way: Vec<Way>,
    /// Bytes of what is large and unfinished.
    #[arg(long, default_value_t = 1_000_000)]
    bytes: usize,
    /// Sessions, groups and projects, or idempotency keys in all.
    #[arg(long, default_value_t = 500_000)]
    count: u64,
    /// Seconds of each way.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Who attackers are; through strangers the server may grow by 64 MiB only.
    #[arg(long, value_enum, default_value_t = Access::Open)]
    access: Access,
}

const COLUMNS: [&str; 14] = Memory::columns([
    "published",
    "refused",
    "bound refused",
    "bystander",
    "p99 ms",
    "last answer",
]);

/// Runs it.
pub(crate) fn run(args: &HeldArgs) -> Result<Report, Failure> {
    if args.memory.connections == Some(0) || args.seconds == 0 || args.bytes == 0 {
        return Err(Failure::new(
            "hostile held: connections, seconds and bytes begin at 1",
        ));
    }
    reserve_descriptors(args.memory.connections.unwrap_or(1_000))?;
    let mut report = Report::new("hostile-held", &COLUMNS);
    let who = args.access.sentence();
    report.note(format!(
        "hostile held: {} bytes unfinished, {} names, {} s each way, {who}, {}",
        args.bytes,
        args.count,
        args.seconds,
        args.memory.common.sentence()
    ));
    let organizations = match args.access {
        Access::Open => None,
        _ => Some(Organizations::draw(&args.memory.common.target.server)?),
    };
    let mut judge = Judge::default();
    for &way in or_all(&args.way) {
        one(args, way, organizations.as_ref(), &mut judge, &mut report)?;
    }
    judge.close(args.memory.common.judge, &mut report);
    Ok(report)
}

fn one(
    args: &HeldArgs,
    way: Way,
    organizations: Option<&Organizations>,
    judge: &mut Judge,
    report: &mut Report,
) -> Result<(), Failure> {
    let config = organizations.map_or("", |all| &all.config);
    let (_folder, target_args) = configured(&args.memory.common.target, config)?;
    let target = args.memory.common.start(&target_args)?;
    let address = target.address;
    let connections = args.memory.connections.unwrap_or(way.connections());
    let duration = Duration::from_secs(args.seconds);
    let mut wants = Wants {
        host: address,
        index: 0,
        bytes: args.bytes,
        count: args.count / connections as u64,
        token: None,
    };
    let fields = organizations.map_or(String::new(), |all| bearer(&all.bystanders));
    if let (Access::Member, Some(all)) = (args.access, organizations) {
        wants.token = Some(all.attackers.clone());
    }
    let clients = || {
        let requests = way.calmly(address, &fields, args.access == Access::Member);
        let clients = LegitimateClients::start(&[], address, "", duration);
        clients.and_publish(address, requests, PUBLISH_INTERVAL, duration)
    };
    let open = || {
        Attackers::open(address, connections, Manner::default(), move |index| {
            way.attacker(&Wants {
                index,
                ..wants.clone()
            })
        })
    };
    let witnessed = witness(&target, duration, clients, open)?;
    let seen = witnessed.of(Task::Load)?;
    // Who has not logged in has no share of what may wait.
    let budget_mib = if args.access == Access::Stranger {
        0
    } else {
        args.memory.budget_mib
    };
    // Tables have bounds of their own.
    let bound = way.waits().then(|| f64::from(budget_mib) + SLACK_MIB);
    let mut row = witnessed.memory(&way.name(), connections, bound, judge);
    let refused = seen.refused();
    let what = format!("publishes refused beside {}", way.name());
    let accepted = judge.at_most(&what, refused as f64, Some(0.0));
    row.push(Cell::Count(seen.told.answers));
    row.push(Cell::Count(refused));
    row.extend(accepted);
    row.push(Cell::figure(millis_at(&seen.latencies, 0.99), 2));
    row.push(Cell::text(&seen.last));
    report.row(row);
    let told = &witnessed.told;
    let stopped = told.first_refusal().unwrap_or("nothing");
    report.note(format!(
        "{}: stopped by {stopped}; accepted {}, answered {}, still connected {}; refused: {}; ended: {}",
        way.name(),
        told.opened,
        told.answers,
        witnessed.connected,
        told.refusals.sentence(),
        told.endings.sentence()
    ));
    witnessed.note_waited(&way.name(), report);
    target.stop()
}
