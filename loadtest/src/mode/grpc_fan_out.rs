//! `grpc-fan-out`: every event goes to every gRPC stream. What does a delivery cost in cpu, here
//! and in a server written with tonic?
//!
//! One publisher keeps a window of events in flight on a stream of its own; one is finished when
//! the last stream has heard it. The servers take turns on one core.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::check::count::Count;
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::machine::{Usage, pin, reserve_descriptors};
use crate::peer::tonic::{PeerArgs, Subject, start};
use crate::pump::Pump;
use crate::report::{Cell, Report, Rounds};
use crate::rpc::STREAMS_PER_CONNECTION_MAX;
use crate::rpc::publishing::StreamPublishing;
use crate::target::TargetArgs;
use crate::voice::grpc::GrpcVoice;

/// Streams, and what is sent to them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GrpcFanOutArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    peer: PeerArgs,
    /// Streams and the connections that carry them, at most 100 on each.
    #[arg(
        long,
        value_name = "STREAMS/CONNECTIONS",
        value_delimiter = ',',
        default_value = "100/10,1000/10,1000/100"
    )]
    shapes: Vec<Spread>,
    /// Events in flight; each window is measured by itself.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    windows: Vec<u16>,
    /// Deliveries of one round, as far as windows go into them.
    #[arg(long, default_value_t = 200_000)]
    deliveries: u64,
    /// Bytes of a payload, as compact JSON.
    #[arg(long, default_value_t = 128)]
    payload: usize,
    /// Rounds of each server that are measured, after one that is not.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

/// So many streams over so many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) streams: usize,
    pub(crate) connections: usize,
}

impl FromStr for Spread {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').ok_or("no slash")?;
        let number = |digits: &str| digits.parse().map_err(|_| "not a number");
        let (streams, connections) = (number(parts.0)?, number(parts.1)?);
        if connections == 0 || streams < connections {
            return Err("every connection has a stream");
        }
        Ok(Self {
            streams,
            connections,
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.streams, self.connections)
    }
}

/// Streams that all hear the same.
pub(super) type StreamFleet = Fleet<GrpcVoice, Count>;

/// How many streams over how many connections, and what is published to them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Streams that listen, and the connections that carry them; the publisher has one of its own.
    pub(super) spread: Spread,
    /// The most events in flight.
    pub(super) window: usize,
    /// Bytes of a payload as compact JSON.
    pub(super) payload_bytes: usize,
}

/// Connects everybody, and returns when all are subscribed.
pub(super) fn subscribe(address: SocketAddr, shape: Shape) -> Result<StreamFleet, Failure> {
    let Spread {
        streams,
        connections,
    } = shape.spread;
    let per_connection = streams.div_ceil(connections.max(1));
    if per_connection > STREAMS_PER_CONNECTION_MAX {
        return Err(Failure::new(format!(
            "{per_connection} streams on a connection; any server allows {STREAMS_PER_CONNECTION_MAX}"
        )));
    }
    let mut unplaced = streams;
    let voices = (0..connections).map(|_| {
        let here = unplaced.min(per_connection);
        unplaced -= here;
        GrpcVoice::new(address, here)
    });
    let mut fleet = Fleet::open(address, voices, Count::new(streams, shape.window))?;
    let publishing = StreamPublishing::new(address, shape.payload_bytes);
    fleet.attach(address, Box::new(publishing), 0)?;
    Ok(fleet)
}

const COLUMNS: [&str; 10] = [
    "server",
    "streams",
    "window",
    "round",
    "deliveries/s",
    "cpu us/delivery",
    "deliveries/cpu s",
    "kernel %",
    "core busy %",
    "message bytes",
];

/// Runs it.
pub(crate) fn run(args: &GrpcFanOutArgs) -> Result<Report, Failure> {
    if args.windows.contains(&0) {
        return Err(Failure::new("grpc-fan-out: windows begin at 1"));
    }
    let connections = args.shapes.iter().map(|shape| shape.connections);
    reserve_descriptors(2 * connections.max().unwrap_or(0))?;
    let mut report = Report::new("grpc-fan-out", &COLUMNS);
    let subjects = start(&args.target, &args.peer, &mut report)?;
    pin(args.target.probe_core)?;
    let payload = args.payload;
    report.note(format!(
        "grpc-fan-out: payload {payload} B, one publisher on a stream of its own, 1 core"
    ));
    for &shape in &args.shapes {
        measure(args, shape, &subjects, &mut report)?;
    }
    for subject in subjects {
        subject.target.stop()?;
    }
    Ok(report)
}

/// One shape: everybody connects to each server, and the servers take turns.
fn measure(
    args: &GrpcFanOutArgs,
    spread: Spread,
    subjects: &[Subject],
    report: &mut Report,
) -> Result<(), Failure> {
    let shape = Shape {
        spread,
        window: args.windows.iter().copied().max().unwrap_or(1).into(),
        payload_bytes: args.payload,
    };
    let open = |subject: &Subject| {
        let fleet = subscribe(subject.target.address, shape);
        fleet.map_err(|failure| subject.blame(&failure))
    };
    let mut fleets: Vec<StreamFleet> = subjects.iter().map(open).collect::<Result<_, _>>()?;
    for &window in &args.windows {
        let mut figures = vec![Rounds::default(); subjects.len()];
        let named = |name: &str, what: Cell| {
            let mut row = [const { Cell::Empty }; 10];
            row[0] = Cell::text(name);
            row[1] = Cell::text(spread.to_string());
            row[2] = Cell::Count(window.into());
            row[3] = what;
            row
        };
        for round in 0..=args.rounds {
            for ((subject, fleet), figures) in subjects.iter().zip(&mut fleets).zip(&mut figures) {
                let turns = args.deliveries / (fleet.count() * u64::from(window));
                let found = turn(subject, fleet, turns.max(1), window)?;
                // In the first round pages are touched and windows opened: not what is measured.
                if round > 0 {
                    let mut row = named(subject.name, Cell::Count(round.into()));
                    let per_second = found.deliveries as f64 / found.seconds;
                    let both = [per_second, found.used.micros_per(found.deliveries)];
                    figures.add(both);
                    row[4..7].clone_from_slice(&rates(both));
                    let busy = found.used.cpu.as_secs_f64() * 100.0 / found.seconds;
                    row[7] = Cell::Figure(found.used.system_percent(), 0);
                    row[8] = Cell::Figure(busy, 0);
                    row[9] = Cell::Count(fleet.check().frame_bytes() as u64);
                    report.row(row);
                }
            }
        }
        for (subject, figures) in subjects.iter().zip(&figures) {
            let mut row = named(subject.name, Cell::text("median"));
            row[4..7].clone_from_slice(&rates(figures.medians()));
            report.row(row);
        }
        if let [ours, theirs] = &figures[..] {
            let mut row = named("ratio", Cell::text("median"));
            row[4..7].clone_from_slice(&rate_ratios(ours, theirs));
            report.row(row);
        }
    }
    Ok(())
}

/// What one round of one server found.
struct Turn {
    deliveries: u64,
    seconds: f64,
    used: Usage,
}

fn turn(
    subject: &Subject,
    fleet: &mut StreamFleet,
    turns: u64,
    window: u16,
) -> Result<Turn, Failure> {
    let target = &subject.target;
    let named = |failure: Failure| subject.blame(&failure);
    target
        .settle(|duration| fleet.pump_for(duration))
        .map_err(named)?;
    let before = target.usage()?;
    let events = turns * u64::from(window);
    let elapsed = fleet.publish(events, window.into()).map_err(named)?.elapsed;
    // What the server does after its last message is part of the price.
    let at_rest = target
        .settle(|duration| fleet.pump_for(duration))
        .map_err(named)?;
    Ok(Turn {
        deliveries: events * fleet.count(),
        seconds: elapsed.as_secs_f64(),
        used: at_rest.since(before),
    })
}

/// The cells of deliveries or calls per second, of the cpu that each takes, and of how many a
/// second of cpu bears.
pub(super) fn rates([per_second, micros]: [f64; 2]) -> [Cell; 3] {
    [
        Cell::Figure(per_second, 0),
        Cell::Figure(micros, 3),
        Cell::Figure(1e6 / micros, 0),
    ]
}

/// The same of how ours stand to a peer's.
pub(super) fn rate_ratios(ours: &Rounds<2>, theirs: &Rounds<2>) -> [Cell; 3] {
    let ([faster, dearer], [_, cheaper]) = (ours.ratios(theirs), theirs.ratios(ours));
    [faster, dearer, cheaper].map(|ratio| Cell::Figure(ratio, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_read_as_it_is_written() {
        let spread: Spread = "1000/10".parse().expect("sound");
        assert_eq!((spread.streams, spread.connections), (1_000, 10));
        assert_eq!(spread.to_string(), "1000/10");
        for text in ["", "5", "5/0", "5/6", "a/1"] {
            assert!(text.parse::<Spread>().is_err(), "{text}");
        }
    }
}
