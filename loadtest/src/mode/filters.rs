//! `filters`: thousands of connections of the live dialect, each with a filter like no other. How
//! long is an event on its way to the last of the few that it matches?
//!
//! The load is open, as in `latency`. Every delivery is looked at: who is entitled to an event
//! hears it once and in order, who is not hears nothing. Drivers are measured one after the other,
//! round by round, since all their connections together would be too many for one process.

use std::rc::Rc;
use std::sync::Arc;

use crate::failure::Failure;
use crate::frames::sequence_field;
use crate::kind::Kind;
use crate::machine::{pin, reserve_descriptors};
use crate::mode::load::{COLUMNS, ExactFleet, P99, Pace, Rounds, measure, open_planned};
use crate::mode::session;
use crate::publisher::{Plan, one_of};
use crate::report::{Report, verdict};
use crate::target::{Target, TargetArgs};
use crate::voice::session::SessionVoice;

/// The most that 99 of 100 events may take to the last one they match, in microseconds.
const P99_TARGET_MICROS: f64 = 1_000.0;
/// Names that events have.
const NAMES: usize = 4;
/// Ways in which filters are put together.
const FORMS: usize = 5;

/// Connections, and what comes to them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FiltersArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// WebSocket connections, each with a filter of its own.
    #[arg(long, default_value_t = 15_000)]
    connections: usize,
    /// How many of these each event matches; a divisor of them.
    #[arg(long, default_value_t = 10)]
    matches: usize,
    /// Events per second.
    #[arg(long, default_value_t = 5_000)]
    rate: u64,
    /// Seconds of a round, after one that is not counted.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds of each driver, each with a server of its own.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Connections that publish.
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    /// What the order of events depends on.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bytes that pad each payload.
    #[arg(long, default_value_t = 40)]
    padding: usize,
}

/// Kinds of events, and who wants them: one kind has the same properties and matches the same
/// filters.
///
/// A kind has a name, which a fourth of all have, a device, which no other has, and a place in a
/// square of rows and columns. Some filters find it by one property, some only by several of which
/// each has many.
#[derive(Clone, Debug)]
struct Kinds {
    count: usize,
    columns: usize,
    session: String,
    seed: u64,
    padding: String,
}

impl Kinds {
    fn new(args: &FiltersArgs) -> Self {
        let count = args.connections / args.matches;
        Self {
            count,
            columns: count.isqrt().max(1),
            session: session(0),
            seed: args.seed,
            padding: "x".repeat(args.padding),
        }
    }

    /// The predicates of the `form`th filter that matches a kind: properties, and values of which
    /// one must be theirs.
    fn filter(&self, kind: usize, form: usize) -> Vec<(&'static str, Vec<String>)> {
        let (row, column) = (kind / self.columns, kind % self.columns);
        let name = ("type", vec![format!("reading-{}", kind % NAMES)]);
        let device = ("device", vec![format!("d{kind}")]);
        let row = ("row", vec![row.to_string()]);
        let column = ("column", vec![column.to_string()]);
        let any = ("device", vec!["*".to_owned()]);
        let mut predicates = match form % FORMS {
            0 => vec![name, device],
            1 => vec![row, column],
            2 => vec![name, row, column],
            3 => vec![device, row],
            _ => vec![any, row, column],
        };
        // One more alternative, which never comes, tells those apart that are put together alike.
        if let (Some((_, values)), 1..) = (predicates.last_mut(), form / FORMS) {
            values.push(format!("spare-{}", form / FORMS));
        }
        predicates
    }

    /// The message that sets it.
    fn hello(&self, kind: usize, form: usize) -> String {
        let predicates = self.filter(kind, form);
        let all = predicates.iter().flat_map(|(property, values)| {
            let one = move |value| format!(r#"{{"property":"{property}","value":"{value}"}}"#);
            values.iter().map(one)
        });
        let all: Vec<String> = all.collect();
        format!(r#"{{"type":"filter","filters":[{}]}}"#, all.join(","))
    }

    fn body(&self, event: u64, kind: usize) -> String {
        let (field, padding) = (sequence_field(event), &self.padding);
        let (name, row, column) = (kind % NAMES, kind / self.columns, kind % self.columns);
        format!(
            r#"{{"type":"reading-{name}","data":{{{field},"device":"d{kind}","row":{row},"column":{column},"on":true,"padding":"{padding}"}}}}"#
        )
    }
}

impl Plan for Kinds {
    fn group(&self, event: u64) -> usize {
        one_of(self.count, self.seed, event)
    }

    fn request(&self, event: u64) -> (String, String) {
        let path = format!("/api/sessions/{}/events", self.session);
        (path, self.body(event, self.group(event)))
    }
}

/// Runs it.
pub(crate) fn run(args: &FiltersArgs) -> Result<Report, Failure> {
    let FiltersArgs {
        connections,
        matches,
        rate,
        seconds,
        ..
    } = *args;
    if [connections, matches].contains(&0) || connections % matches > 0 || rate * seconds == 0 {
        return Err(Failure::new(
            "filters: connections, matches, rate and seconds begin at 1, and matches divide connections",
        ));
    }
    reserve_descriptors(connections + args.publishers)?;
    pin(args.target.probe_core)?;
    let mut report = Report::new("filters", &COLUMNS);
    let pace = Pace::Rate { rate, seconds };
    let drivers = args.target.drivers();
    let of = |driver: &String| (driver.clone(), Rounds::new(driver, "live", pace));
    let mut all: Vec<(String, Rounds)> = drivers.iter().map(of).collect();
    report.note(format!(
        "filters: {connections} connections with different filters, each event matches {matches}, {rate} events/s \
         for {seconds} s, 1 shard"
    ));
    for round in 0..args.rounds {
        for (driver, rounds) in &mut all {
            let target_args = args.target.with_driver(driver);
            let target = Target::open(&target_args, 1, Some(args.target.server_core))?;
            if round == 0 {
                report.note(&target.banner);
            }
            let mut fleet = open(args, &target)?;
            fleet.publish_at(rate, rate)?;
            let measured = measure(&|| target.usage(), &mut fleet, pace)?;
            rounds.add(&measured, &mut report);
            drop(fleet);
            target.stop()?;
        }
    }
    for (driver, rounds) in &all {
        let p99 = rounds.sum_up(&mut report)[P99];
        let verdict = verdict(p99 <= P99_TARGET_MICROS);
        report.note(format!(
            "target, p99 at most {P99_TARGET_MICROS} us at {rate} events/s: {driver} {p99:.0} us, {verdict}"
        ));
    }
    Ok(report)
}

fn open(args: &FiltersArgs, target: &Target) -> Result<ExactFleet, Failure> {
    let kinds = Kinds::new(args);
    let host = Arc::from(target.address.to_string());
    let subscriber = |index: usize| {
        let (kind, form) = (index % kinds.count, index / kinds.count);
        let voice = SessionVoice::by_sequence(Kind::Live, &host, &kinds.session);
        (kind, voice.saying(kinds.hello(kind, form)))
    };
    let subscribers = (0..args.connections).map(subscriber).collect();
    let plan: Rc<dyn Plan> = Rc::new(kinds.clone());
    open_planned(target.address, subscribers, args.publishers, &plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::HashSet;

    fn kinds(count: usize) -> Kinds {
        Kinds {
            count,
            columns: count.isqrt().max(1),
            session: "s".to_owned(),
            seed: 1,
            padding: String::new(),
        }
    }

    /// Whether an event matches, as the dialect's contract has it.
    fn is_match(filter: &[(&str, Vec<String>)], event: &Value) -> bool {
        filter.iter().all(|(property, values)| {
            let found = match *property {
                "type" => &event["type"],
                other => &event["data"][other],
            };
            let text = found.as_str().map_or(found.to_string(), str::to_owned);
            !found.is_null() && (values.iter().any(|value| value == "*" || *value == text))
        })
    }

    #[test]
    fn each_event_matches_its_own_filters_and_no_others() {
        for (count, forms) in [(1, 7), (12, 5), (30, 12)] {
            let kinds = kinds(count);
            for of in 0..count {
                let event = serde_json::from_str(&kinds.body(3, of)).expect("JSON");
                for (kind, form) in (0..count).flat_map(|kind| (0..forms).map(move |f| (kind, f))) {
                    let found = is_match(&kinds.filter(kind, form), &event);
                    assert_eq!(found, kind == of, "event of {of}, filter {form} of {kind}");
                }
            }
        }
    }

    #[test]
    fn no_two_filters_are_the_same() {
        let kinds = kinds(30);
        let all = (0..30).flat_map(|kind| (0..12).map(move |form| (kind, form)));
        let hellos: Vec<String> = all.map(|(kind, form)| kinds.hello(kind, form)).collect();
        for hello in &hellos {
            let hello: Value = serde_json::from_str(hello).expect("JSON");
            assert!(hello["filters"].as_array().expect("filters").len() >= 2);
        }
        let different: HashSet<&String> = hellos.iter().collect();
        assert_eq!(different.len(), hellos.len());
    }
}
