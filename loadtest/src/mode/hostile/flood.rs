//! `hostile flood`: connections ask without end and as fast as they are let; how long do bystanders
//! wait?
//!
//! The same bystanders are there before, when nobody floods: what they see then is the machine's,
//! not the flood's.

use std::net::SocketAddr;
use std::time::Duration;

use crate::failure::Failure;
use crate::hostile::attackers::Manner;
use crate::hostile::http1::{Pipelined, Unfinished, event_stream, post, publish};
use crate::hostile::http2::{Call, Habits, Streams, block};
use crate::hostile::judge::{FloodBounds, Judge, millis_at};
use crate::hostile::legitimate::{LegitimateClients, Seen, Task};
use crate::hostile::socket::{After, Dialect, Socket};
use crate::hostile::{Attacker, Attackers, Filler, Says};
use crate::machine::reserve_descriptors;
use crate::mode::configured;
use crate::names::Named;
use crate::report::{Cell, Report};
use crate::target::Target;

use super::{Common, witness};

/// Sessions that floods publish to: a few, so that memory is not what is measured.
const SESSIONS: usize = 10;
/// A flood's own configuration: logs that do not grow with it.
const CONFIG: &str = "[hub.retention]\nevents = 1000\n";
/// Streams of a connection at a time, which is fewer than the server allows.
const STREAMS: u64 = 200;
/// More of a chunk than anybody sends.
const CHUNK: &str = "7fffffff";

/// What a flood consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Publishes over HTTP/1.1, pipelined.
    Http1,
    /// Publishes over HTTP/2, many streams at a time.
    Http2,
    /// Pings of the stream dialect on a WebSocket.
    Websocket,
    /// Bytes after the request of an event stream, which the server throws away.
    Discarded,
    /// Bodies without end; who is refused comes again.
    Upload,
}

impl Kind {}

/// The flood, and how long it lasts.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FloodArgs {
    #[command(flatten)]
    common: Common,
    /// What they flood with; several one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Http1])]
    kind: Vec<Kind>,
    /// Connections that flood.
    #[arg(long, default_value_t = 200)]
    connections: usize,
    /// Bytes of a request, as far as it can be so short; of a ping they are a payload.
    #[arg(long, default_value_t = 160)]
    bytes: usize,
    /// Requests that a connection leaves unanswered at most; as many as fit, or 200 streams,
    /// without it.
    #[arg(long)]
    window: Option<u64>,
    /// Seconds of the flood.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds without it before.
    #[arg(long, default_value_t = 3)]
    quiet_seconds: u64,
}

const COLUMNS: [&str; 11] = [
    "bystander",
    "flood",
    "asked",
    "refused",
    "p50 ms",
    "p99 ms",
    "max ms",
    "lag p99 ms",
    "bound ms",
    "verdict",
    "last answer",
];

/// Runs it.
pub(crate) fn run(args: &FloodArgs) -> Result<Report, Failure> {
    if args.connections == 0 || args.seconds == 0 || args.window == Some(0) {
        return Err(Failure::new(
            "hostile flood: connections, seconds and the window begin at 1",
        ));
    }
    reserve_descriptors(args.connections)?;
    let mut report = Report::new("hostile-flood", &COLUMNS);
    let window = args.window.map_or("as many as fit".to_owned(), |window| {
        format!("at most {window}")
    });
    report.note(format!(
        "hostile flood: {} connections, requests of {} bytes, {window} unanswered, {} s, {}",
        args.connections,
        args.bytes,
        args.seconds,
        args.common.sentence()
    ));
    let mut judge = Judge::default();
    for &kind in &args.kind {
        one(args, kind, &mut judge, &mut report)?;
    }
    judge.close(args.common.judge, &mut report);
    Ok(report)
}

/// How long a bystander may wait, if anything is asked, in milliseconds.
fn bound(args: &FloodArgs, task: Task) -> Option<f64> {
    let bounds = FloodBounds::beside(args.connections)?;
    match task {
        Task::Open => Some(bounds.open),
        Task::New => Some(bounds.new),
        Task::Poll => Some(bounds.poll),
        Task::Publish | Task::Load => None,
    }
}

/// One sort of flood against a server of its own.
fn one(
    args: &FloodArgs,
    kind: Kind,
    judge: &mut Judge,
    report: &mut Report,
) -> Result<(), Failure> {
    let (_folder, target_args) = configured(&args.common.target, CONFIG)?;
    let target = args.common.start(&target_args)?;
    report.note(&target.banner);
    let address = target.address;
    let quiet = Duration::from_secs(args.quiet_seconds);
    let clients = |duration| LegitimateClients::start(&Task::ALL, address, "", duration);
    if args.quiet_seconds > 0 {
        for (task, seen) in clients(quiet).finish()? {
            let p99 = millis_at(&seen.latencies, 0.99);
            if let Some(bound) = bound(args, task)
                && p99 > bound
            {
                let name = task.as_str();
                report.note(format!(
                    "{name}: {p99:.0} ms without a flood, and the bound is {bound:.0}: this machine is too busy to judge"
                ));
            }
            report.row(row(task, "none", &seen, [Cell::Empty, Cell::Empty]));
        }
    }
    let duration = Duration::from_secs(args.seconds);
    let witnessed = witness(
        &target,
        duration,
        || clients(duration),
        || attackers(args, kind, &target),
    )?;
    for (task, seen) in &witnessed.seen {
        let bound = bound(args, *task);
        let what = format!("{} beside {}", task.as_str(), kind.name());
        let verdict = match (seen.refused(), bound) {
            // Who is refused was not served in time.
            (refused @ 1.., Some(bound)) => judge.broken(&what, refused, bound),
            _ => judge.at_most(&what, millis_at(&seen.latencies, 0.99), bound),
        };
        report.row(row(*task, &kind.name(), seen, verdict));
    }
    let (told, resident) = (&witnessed.told, witnessed.resident);
    let rate = told.answers as f64 / witnessed.took.as_secs_f64();
    let mib = witnessed.sent_bytes as f64 / witnessed.took.as_secs_f64() / 1024.0 / 1024.0;
    report.note(format!(
        "{}: {rate:.0} answers/s to the flood, which sent {mib:.1} MiB/s; {} still connected; refused: {}; ended: {}",
        kind.name(),
        witnessed.connected,
        told.refusals.sentence(),
        told.endings.sentence()
    ));
    report.note(format!(
        "{}: rss {:.1} MiB before, {:.1} at most, {:.1} after",
        kind.name(),
        resident.before,
        resident.peak,
        resident.after
    ));
    witnessed.note_waited(&kind.name(), report);
    target.stop()
}

fn row(task: Task, flood: &str, seen: &Seen, [bound, verdict]: [Cell; 2]) -> [Cell; 11] {
    let millis = |share| Cell::figure(millis_at(&seen.latencies, share), 2);
    [
        Cell::text(task.as_str()),
        Cell::text(flood),
        Cell::Count(seen.asked()),
        Cell::Count(seen.refused()),
        millis(0.5),
        millis(0.99),
        Cell::Figure(seen.latencies.max() as f64 / 1e6, 2),
        Cell::figure(millis_at(&seen.lags, 0.99), 2),
        bound,
        verdict,
        Cell::text(&seen.last),
    ]
}

/// The attackers.
fn attackers(args: &FloodArgs, kind: Kind, target: &Target) -> Result<Attackers, Failure> {
    let (address, bytes, window) = (target.address, args.bytes, args.window);
    let manner = Manner {
        comes_again: true,
        is_narrow: false,
    };
    Attackers::open(address, args.connections, manner, move |index| {
        let session = format!("flooded-{}", index % SESSIONS);
        attacker(kind, address, &session, bytes, window)
    })
}

fn attacker(
    kind: Kind,
    address: SocketAddr,
    session: &str,
    bytes: usize,
    window: Option<u64>,
) -> Box<dyn Attacker> {
    let window_or = |otherwise: u64| window.unwrap_or(otherwise);
    match kind {
        Kind::Http1 => {
            let requests = Says::Same(publish(address, session, bytes));
            Box::new(Pipelined::endless(requests).with_window(window_or(u64::MAX)))
        }
        Kind::Http2 => {
            let (path, host) = (
                format!("/api/sessions/{session}/events"),
                address.to_string(),
            );
            let block = block(true, &path, &host, &[]);
            let padding = bytes.saturating_sub(block.len() + 2 * 9 + 26);
            let body = format!(r#"{{"type":"flood","data":"{}"}}"#, "x".repeat(padding));
            let call = Call {
                block,
                body: body.into_bytes(),
                ends: true,
            };
            let habits = Habits {
                streams: window_or(STREAMS),
                limit: u64::MAX,
                window: 1 << 20,
                reads: true,
            };
            Box::new(Streams::new(Says::Same(call), habits))
        }
        Kind::Websocket => {
            let handshake = Dialect::Stream.handshake(address, session, "");
            let padding = "x".repeat(bytes.saturating_sub(18).max(1));
            let ping = format!(r#"{{"ping":"{padding}"}}"#);
            Box::new(Socket::new(
                handshake,
                After::Messages(Says::Same(ping), u64::MAX),
            ))
        }
        Kind::Discarded => Box::new(Unfinished::new(
            event_stream(address, session, ""),
            Filler::Endless,
        )),
        Kind::Upload => {
            let path = format!("/api/sessions/{session}/events");
            let head = post(address, &path, "", "");
            // The length gives way to chunks, of which the first never ends.
            let head = String::from_utf8_lossy(&head);
            let head = head.replace("Content-Length: 0", "Transfer-Encoding: chunked");
            Box::new(Unfinished::new(
                format!("{head}{CHUNK}\r\n"),
                Filler::Endless,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::Told;

    #[test]
    fn every_flood_goes_on_as_long_as_it_is_let() {
        let address = SocketAddr::from(([127, 0, 0, 1], 7400));
        for kind in [Kind::Http1, Kind::Discarded, Kind::Upload] {
            let mut attacker = attacker(kind, address, "s", 160, None);
            for _ in 0..3 {
                let mut buf = Vec::new();
                attacker.say(&mut buf);
                assert!(!buf.is_empty(), "{kind:?}");
            }
        }
        let mut windowed = attacker(Kind::Http1, address, "s", 160, Some(5));
        let mut buf = Vec::new();
        windowed.say(&mut buf);
        assert_eq!(buf.len(), 5 * 160);
        let mut told = Told::default();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        windowed.hear(answer, &mut told).expect("sound");
        windowed.say(&mut buf);
        assert_eq!(buf.len(), 6 * 160);
    }

    #[test]
    fn an_upload_is_one_chunk_without_end() {
        let address = SocketAddr::from(([127, 0, 0, 1], 7400));
        let mut attacker = attacker(Kind::Upload, address, "s", 160, None);
        let mut buf = Vec::new();
        attacker.say(&mut buf);
        let text = String::from_utf8(buf).expect("text");
        assert!(
            text.ends_with("\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n"),
            "{text}"
        );
    }
}
