//! `hostile unread`: ways of asking and not reading the answer; how much does the server keep for
//! them?
//!
//! Each way is tried against a server of its own, which retains a log of some megabytes, and in
//! which large events go to everybody at a set rate meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Client;
use crate::failure::{During, Failure};
use crate::hostile::attackers::Manner;
use crate::hostile::http1::{Deaf, Pipelined, event_stream, post};
use crate::hostile::http2::{Call, Habits, Streams, block};
use crate::hostile::judge::{FloodBounds, Judge, SLACK_MIB, millis_at};
use crate::hostile::legitimate::{LegitimateClients, Task};
use crate::hostile::socket::{After, Dialect, Socket};
use crate::hostile::{Attacker, Attackers, Says};
use crate::machine::reserve_descriptors;
use crate::names::{Named, or_all};
use crate::report::{Cell, Report};
use crate::rpc;
use crate::scrape::Counters;
use crate::target::Target;

use super::{Memory, witness};

/// The session whose log is asked for.
const SESSION: &str = "hostile-log";
/// What large events are called: one of sysadm's classes, so that every dialect can hear of them.
const NAME: &str = "dispatcher";
/// Polls of all connections that poll, together.
const POLLS: usize = 250;

/// A way of not reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    /// Pipelined polls of the log, HTTP/1.1.
    Http1Polls,
    /// Polls of the log on one HTTP/2 connection, whose streams have no window.
    Http2Polls,
    /// Event streams, from the beginning of the log.
    Sse,
    /// gRPC streams whose socket is not read.
    Grpc,
    /// gRPC streams without a window, whose socket is read.
    GrpcWindow,
    /// Sockets of the sessions dialect.
    Sessions,
    /// Sockets of the sysadm dialect.
    Sysadm,
    /// Sockets of the live dialect.
    Live,
    /// Sockets of the stream dialect.
    Stream,
    /// Rooms.
    Pubsub,
}

impl Way {
    fn connections(self) -> usize {
        match self {
            Self::Http1Polls => 10,
            Self::Http2Polls => 1,
            _ => 100,
        }
    }

    fn attacker(self, address: SocketAddr, connections: usize) -> Box<dyn Attacker> {
        let polls = POLLS.div_ceil(connections) as u64;
        match self {
            Self::Http1Polls => {
                let request = move |number| {
                    let path = poll_path(number);
                    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes()
                };
                let requests = Says::Numbered(Box::new(request));
                Box::new(Pipelined::endless(requests).with_limit(polls).unread())
            }
            Self::Http2Polls => {
                let call = move |number| Call {
                    block: block(false, &poll_path(number), &address.to_string(), &[]),
                    body: Vec::new(),
                    ends: true,
                };
                let habits = Habits {
                    streams: polls,
                    limit: polls,
                    window: 0,
                    reads: true,
                };
                Box::new(Streams::new(Says::Numbered(Box::new(call)), habits))
            }
            Self::Sse => Box::new(Deaf::new(event_stream(address, SESSION, "?last_event=-1"))),
            Self::Grpc => Box::new(grpc(address, u32::MAX >> 1, false)),
            Self::GrpcWindow => Box::new(grpc(address, 0, true)),
            Self::Sessions => socket(Dialect::Sessions, address),
            Self::Sysadm => socket(Dialect::Sysadm, address),
            Self::Live => socket(Dialect::Live, address),
            Self::Stream => socket(Dialect::Stream, address),
            Self::Pubsub => socket(Dialect::Pubsub, address),
        }
    }
}

/// Every other poll stands elsewhere in the log, so that no two neighbours have the same answer.
fn poll_path(number: u64) -> String {
    let last_event = if number.is_multiple_of(2) { -1 } else { 0 };
    format!("/api/sessions/{SESSION}/events?last_event={last_event}")
}

fn grpc(address: SocketAddr, window: u32, reads: bool) -> Streams {
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    let call = Call {
        block: block(true, rpc::STREAM, &address.to_string(), &fields),
        body: rpc::subscribe_to(NAME),
        ends: false,
    };
    let habits = Habits {
        streams: 1,
        limit: 1,
        window,
        reads,
    };
    Streams::new(Says::Same(call), habits)
}

fn socket(dialect: Dialect, address: SocketAddr) -> Box<dyn Attacker> {
    let hello = dialect.subscribe(NAME);
    let count = u64::from(hello.is_some());
    let after = After::Messages(Says::Same(hello.unwrap_or_default()), count);
    let handshake = dialect.handshake(address, SESSION, "");
    Box::new(Socket::new(handshake, after).unread())
}

/// Which ways, for how long, and what is let wait.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct UnreadArgs {
    #[command(flatten)]
    memory: Memory,
    /// Ways of not reading, one after the other; all of them without it.
    #[arg(long, value_enum, value_delimiter = ',')]
    way: Vec<Way>,
    /// Seconds of each way.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// KiB of the log.
    #[arg(long, default_value_t = 7_500)]
    log_kib: usize,
    /// KiB of a large event.
    #[arg(long, default_value_t = 100)]
    event_kib: usize,
    /// Large events per second.
    #[arg(long, default_value_t = 20)]
    rate: u32,
}

const COLUMNS: [&str; 14] = Memory::columns([
    "open p99 ms",
    "open max ms",
    "bound ms",
    "bystander",
    "events refused",
    "too slow",
]);

/// Runs it.
pub(crate) fn run(args: &UnreadArgs) -> Result<Report, Failure> {
    if args.memory.connections == Some(0)
        || args.seconds == 0
        || args.rate == 0
        || args.event_kib == 0
    {
        return Err(Failure::new(
            "hostile unread: connections, seconds, rate and events begin at 1",
        ));
    }
    reserve_descriptors(args.memory.connections.unwrap_or(100))?;
    let mut report = Report::new("hostile-unread", &COLUMNS);
    report.note(format!(
        "hostile unread: a log of {} KiB, {} events/s of {} KiB, {} s each way, {}",
        args.log_kib,
        args.rate,
        args.event_kib,
        args.seconds,
        args.memory.common.sentence()
    ));
    let mut judge = Judge::default();
    for &way in or_all(&args.way) {
        one(args, way, &mut judge, &mut report)?;
    }
    judge.close(args.memory.common.judge, &mut report);
    Ok(report)
}

fn one(args: &UnreadArgs, way: Way, judge: &mut Judge, report: &mut Report) -> Result<(), Failure> {
    let target = args.memory.common.start(&args.memory.common.target)?;
    let address = target.address;
    fill(&target, args.log_kib, args.event_kib)?;
    let connections = args.memory.connections.unwrap_or(way.connections());
    let duration = Duration::from_secs(args.seconds);
    let clients = || {
        let interval = Duration::from_secs(1) / args.rate;
        LegitimateClients::start(&[Task::Open], address, "", duration).and_publish(
            address,
            Says::Same(large_event(address, args.event_kib)),
            interval,
            duration,
        )
    };
    let manner = Manner {
        comes_again: false,
        is_narrow: true,
    };
    let open = || {
        Attackers::open(address, connections, manner, move |_| {
            way.attacker(address, connections)
        })
    };
    let witnessed = witness(&target, duration, clients, open)?;
    let (seen, load) = (witnessed.of(Task::Open)?, witnessed.of(Task::Load)?);
    let bound = f64::from(args.memory.budget_mib) + SLACK_MIB;
    let mut row = witnessed.memory(&way.name(), connections, Some(bound), judge);
    let p99 = millis_at(&seen.latencies, 0.99);
    let open_bound = FloodBounds::beside(connections).map(|bounds| bounds.open);
    let waits = judge.at_most(&format!("open beside {}", way.name()), p99, open_bound);
    row.push(Cell::figure(p99, 2));
    row.push(Cell::Figure(seen.latencies.max() as f64 / 1e6, 2));
    row.extend(waits);
    row.push(Cell::Count(load.refused()));
    // Who does not read does not see that it was cut off.
    let counted = Counters::scrape(address)?;
    row.push(Cell::Count(counted.slow_consumers));
    report.row(row);
    let told = &witnessed.told;
    report.note(format!(
        "{}: refused: {}; ended: {}; events: {} accepted, {} deliveries, refused: {}",
        way.name(),
        told.refusals.sentence(),
        told.endings.sentence(),
        load.told.answers,
        counted.delivered,
        load.told.refusals.sentence(),
    ));
    witnessed.note_waited(&way.name(), report);
    target.stop()
}

/// Publishes so much to the session.
fn fill(target: &Target, log_kib: usize, event_kib: usize) -> Result<(), Failure> {
    let (address, padding) = (target.address, "x".repeat(event_kib * 1024));
    let body = format!(r#"{{"type":"probe","data":"{padding}"}}"#);
    let path = format!("/api/sessions/{SESSION}/events");
    let request = post(address, &path, "", &body);
    let mut client = Client::connect(address)?;
    for _ in 0..log_kib.div_ceil(event_kib) {
        client.send(&request)?;
        client.recv().during("filling a log")?;
    }
    Ok(())
}

/// An event for the organization, which all dialects hear.
fn large_event(address: SocketAddr, event_kib: usize) -> Vec<u8> {
    let padding = "x".repeat(event_kib * 1024);
    let body = format!(r#"{{"name":"{NAME}","payload":{{"padding":"{padding}"}}}}"#);
    post(address, "/event/v2/publish", "", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_polls_differ() {
        assert_ne!(poll_path(0), poll_path(1));
        assert_eq!(poll_path(0), poll_path(2));
        assert!(poll_path(1).ends_with("?last_event=0"));
    }

    #[test]
    fn large_events_are_large() {
        let address = SocketAddr::from(([127, 0, 0, 1], 7400));
        let event = large_event(address, 100);
        assert!((100 * 1024..101 * 1024).contains(&event.len()));
    }

    #[test]
    fn polls_are_shared_out_and_answers_left() {
        let address = SocketAddr::from(([127, 0, 0, 1], 7400));
        let mut attacker = Way::Http1Polls.attacker(address, 10);
        let mut buf = Vec::new();
        attacker.say(&mut buf);
        let text = String::from_utf8(buf).expect("text");
        assert_eq!(text.matches("GET /api").count(), POLLS / 10);
        assert!(!attacker.reads());
        for way in [Way::Sse, Way::Grpc] {
            assert!(!way.attacker(address, 1).reads(), "{way:?}");
        }
        for way in [Way::Http2Polls, Way::GrpcWindow] {
            assert!(way.attacker(address, 1).reads(), "{way:?}");
        }
    }
}
