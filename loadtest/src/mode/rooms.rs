//! `rooms`: thousands of sessions with a few subscribers each, and publishes spread over them at
//! random.
//!
//! What `fan-out` is not: nearly every event goes to connections that were quiet for long, and few
//! writes have anything to gather. First with a window of events in flight, then at a set rate.
//! Every delivery is looked at: a session's subscribers hear its events once and in order, and
//! nobody else's.

use std::rc::Rc;
use std::sync::Arc;

use crate::failure::Failure;
use crate::frames::sequence_field;
use crate::kind::Kind;
use crate::machine::{pin, reserve_descriptors};
use crate::mode::load::{COLUMNS, ExactFleet, Pace, Rounds, measure, open_planned};
use crate::mode::session;
use crate::names::Named;
use crate::publisher::{Plan, one_of};
use crate::report::Report;
use crate::target::{Target, TargetArgs};
use crate::voice::session::SessionVoice;

/// Sessions, their subscribers, and what comes to them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RoomsArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Sessions.
    #[arg(long, default_value_t = 5_000)]
    sessions: usize,
    /// Subscribers of each.
    #[arg(long, default_value_t = 3)]
    subscribers: usize,
    /// What they speak; several are measured one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Live, Kind::Room, Kind::Sse])]
    dialect: Vec<Kind>,
    /// Events in flight in the first load; 0 leaves it out.
    #[arg(long, default_value_t = 64)]
    window: u64,
    /// Events of the first load.
    #[arg(long, default_value_t = 40_000)]
    events: u64,
    /// Events per second in the second load; 0 leaves it out.
    #[arg(long, default_value_t = 5_000)]
    rate: u64,
    /// Seconds of the second load, after one that is not counted.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds of each driver and dialect, each with a server of its own.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Connections that publish.
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    /// What the order of sessions depends on.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bytes that pad each payload.
    #[arg(long, default_value_t = 40)]
    padding: usize,
}

/// Which session an event is for.
struct Spread {
    sessions: usize,
    seed: u64,
    padding: String,
}

impl Plan for Spread {
    fn group(&self, event: u64) -> usize {
        one_of(self.sessions, self.seed, event)
    }

    fn request(&self, event: u64) -> (String, String) {
        let path = format!("/api/sessions/{}/events", session(self.group(event)));
        let (field, padding) = (sequence_field(event), &self.padding);
        let body = format!(r#"{{"type":"probe","data":{{{field},"padding":"{padding}"}}}}"#);
        (path, body)
    }
}

/// Runs it.
pub(crate) fn run(args: &RoomsArgs) -> Result<Report, Failure> {
    let paces = paces(args);
    let is_empty = [args.sessions, args.subscribers, paces.len()].contains(&0);
    if is_empty || args.dialect.contains(&Kind::Poll) {
        return Err(Failure::new(
            "rooms: sessions and subscribers begin at 1, there is a window or a rate, and polls are for long-poll",
        ));
    }
    let connections = args.sessions * args.subscribers;
    reserve_descriptors(connections + args.publishers)?;
    pin(args.target.probe_core)?;
    let mut report = Report::new("rooms", &COLUMNS);
    let (sessions, subscribers) = (args.sessions, args.subscribers);
    report.note(format!(
        "rooms: {sessions} sessions with {subscribers} subscribers each, 1 shard"
    ));
    let mut all = Vec::new();
    for driver in args.target.drivers() {
        for &dialect in &args.dialect {
            let rounds = paces.iter();
            let rounds = rounds.map(|&pace| (pace, Rounds::new(&driver, &dialect.name(), pace)));
            all.push((driver.clone(), dialect, rounds.collect::<Vec<_>>()));
        }
    }
    for round in 0..args.rounds {
        for (driver, dialect, rounds) in &mut all {
            let target_args = args.target.with_driver(driver);
            let target = Target::open(&target_args, 1, Some(args.target.server_core))?;
            if round == 0 && *dialect == args.dialect[0] {
                report.note(&target.banner);
            }
            let mut fleet = open(args, *dialect, &target)?;
            for (pace, rounds) in rounds {
                warm_up(args, &mut fleet, *pace)?;
                let measured = measure(&|| target.usage(), &mut fleet, *pace)?;
                rounds.add(&measured, &mut report);
            }
            drop(fleet);
            target.stop()?;
        }
    }
    for (_, rounds) in all.iter().flat_map(|(_, _, rounds)| rounds) {
        rounds.sum_up(&mut report);
    }
    Ok(report)
}

fn paces(args: &RoomsArgs) -> Vec<Pace> {
    let window = Pace::Window {
        window: args.window,
        events: args.events,
    };
    let rate = Pace::Rate {
        rate: args.rate,
        seconds: args.seconds,
    };
    let mut paces = Vec::new();
    paces.extend((args.window > 0 && args.events > 0).then_some(window));
    paces.extend((args.rate > 0 && args.seconds > 0).then_some(rate));
    paces
}

/// What is not measured: nearly every session has had an event after the first, and a second of a
/// rate is over.
fn warm_up(args: &RoomsArgs, fleet: &mut ExactFleet, pace: Pace) -> Result<(), Failure> {
    let pace = match pace {
        Pace::Window { window, .. } => Pace::Window {
            window,
            events: 3 * args.sessions as u64,
        },
        Pace::Rate { rate, .. } => Pace::Rate { rate, seconds: 1 },
    };
    pace.run(fleet)?;
    Ok(())
}

fn open(args: &RoomsArgs, dialect: Kind, target: &Target) -> Result<ExactFleet, Failure> {
    let host = Arc::from(target.address.to_string());
    let subscriber = |index: usize| {
        let group = index % args.sessions;
        let voice = SessionVoice::by_sequence(dialect, &host, &session(group));
        (group, voice)
    };
    let connections = args.sessions * args.subscribers;
    let plan: Rc<dyn Plan> = Rc::new(Spread {
        sessions: args.sessions,
        seed: args.seed,
        padding: "x".repeat(args.padding),
    });
    let subscribers = (0..connections).map(subscriber).collect();
    open_planned(target.address, subscribers, args.publishers, &plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence;

    #[test]
    fn an_event_is_posted_to_the_session_of_its_group() {
        let spread = Spread {
            sessions: 50,
            seed: 3,
            padding: "xx".to_owned(),
        };
        for event in 0..200 {
            let (path, body) = spread.request(event);
            let session = session(spread.group(event));
            assert_eq!(path, format!("/api/sessions/{session}/events"));
            assert_eq!(sequence(body.as_bytes()), Some(event));
        }
    }
}
