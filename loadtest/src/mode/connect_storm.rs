//! `connect-storm`: everyone connects at once. What does a connection cost, from its handshake
//! until it listens?
//!
//! Sockets are opened one after the other, as fast as one thread can, and none waits for the answer
//! of another; a round ends when the last one is accepted. `core busy` well below 100 says that the
//! client was the limit: then cpu per connection is what tells servers apart. Peers take turns with
//! ours; only one has anybody connected at a time.

use std::time::Instant;

use crate::failure::Failure;
use crate::fleet::kinds::readers;
use crate::fleet::kinds::subscribers_of_peer;
use crate::kind::Kind;
use crate::machine::{Usage, pin, reserve_descriptors};
use crate::mode::arena::{Server, start};
use crate::mode::{pause, session};
use crate::names::Named;
use crate::peer::PeersArgs;
use crate::report::{self, Cell, Report, Rounds};
use crate::target::TargetArgs;

/// How many connect, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConnectStormArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    peers: PeersArgs,
    /// What they come for; polls have no answer to wait for, and are none of it. Peers
    /// have their own way.
    #[arg(long, value_enum, default_value_t = Kind::Websocket)]
    kind: Kind,
    /// Connections.
    #[arg(long, default_value_t = 15_000)]
    connections: usize,
    /// Sessions that they share.
    #[arg(long, default_value_t = 100)]
    sessions: usize,
    /// Rounds that are measured, after one that is not.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

const COLUMNS: [&str; 5] = [
    "server",
    "round",
    "connections/s",
    "cpu us/connection",
    "core busy %",
];

/// One server that takes its turn.
struct Subject {
    name: String,
    server: Server,
    /// The columns from `connections/s` on, a figure for each round.
    columns: Rounds<3>,
    /// Whether it turned somebody away.
    is_out: bool,
}

/// Runs it.
pub(crate) fn run(args: &ConnectStormArgs) -> Result<Report, Failure> {
    if args.connections == 0 || args.sessions == 0 || args.kind == Kind::Poll {
        return Err(Failure::new(
            "connect-storm: connections and sessions begin at 1, and nobody answers a poll that waits",
        ));
    }
    reserve_descriptors(args.connections)?;
    let mut report = Report::new("connect-storm", &COLUMNS);
    let subject = |(name, server)| Subject {
        name,
        server,
        columns: Rounds::default(),
        is_out: false,
    };
    let servers = start(&args.target, &args.peers, &mut report)?;
    let mut subjects: Vec<Subject> = servers.into_iter().map(subject).collect();
    pin(args.target.probe_core)?;
    let (connections, sessions, kind) = (args.connections, args.sessions, args.kind.name());
    report.note(format!(
        "connect-storm: {connections} x {kind} on {sessions} sessions, 1 shard"
    ));
    for round in 0..=args.rounds {
        for subject in subjects.iter_mut().filter(|subject| !subject.is_out) {
            let figures = match subject.round(args) {
                Ok(figures) => figures,
                Err(failure) if subject.server.is_peer() => {
                    report.note(format!("{}: {failure}, and is left out", subject.name));
                    subject.is_out = true;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            // In the first round pages are touched: not what is measured.
            if round == 0 {
                continue;
            }
            let digits = [0, 2, 0];
            report.row(row(
                &subject.name,
                Cell::Count(round.into()),
                figures,
                digits,
            ));
            subject.columns.add(figures);
        }
    }
    sum_up(&subjects, &mut report);
    for subject in subjects {
        subject.server.stop()?;
    }
    Ok(report)
}

impl Subject {
    /// Everybody comes, and goes again.
    fn round(&self, args: &ConnectStormArgs) -> Result<[f64; 3], Failure> {
        let connections = args.connections;
        self.server.settle(pause)?;
        let (before, begun) = (self.server.usage()?, Instant::now());
        let ended = |used: Usage| (begun.elapsed().as_secs_f64(), used.since(before));
        let (took, used) = match &self.server {
            Server::Ours(target) => {
                let fleet = readers(target.address, args.kind, connections, |index| {
                    session(index % args.sessions)
                })?;
                let ended = ended(self.server.usage()?);
                drop(fleet);
                ended
            }
            Server::Peer(running) => {
                let fleet = subscribers_of_peer(running, connections, 1)?;
                let ended = ended(self.server.usage()?);
                drop(fleet);
                ended
            }
        };
        Ok([
            connections as f64 / took,
            used.micros_per(connections as u64),
            used.cpu.as_secs_f64() * 100.0 / took,
        ])
    }
}

/// Medians of everybody, and how ours stand to those of each peer.
fn sum_up(subjects: &[Subject], report: &mut Report) {
    let present = || subjects.iter().filter(|subject| !subject.is_out);
    for Subject { name, columns, .. } in present() {
        report.row(row(
            name,
            Cell::text("median"),
            columns.medians(),
            [0, 2, 0],
        ));
    }
    for peer in present().filter(|subject| subject.server.is_peer()) {
        for ours in present().filter(|subject| !subject.server.is_peer()) {
            let name = format!("fanfare {} / {}", ours.name, peer.name);
            let ratios = ours.columns.ratios(&peer.columns);
            report.row(row(&name, Cell::text("ratio"), ratios, [3; 3]));
        }
    }
}

fn row(name: &str, round: Cell, figures: [f64; 3], digits: [usize; 3]) -> Vec<Cell> {
    let cells = report::figures(figures, digits);
    [Cell::text(name), round].into_iter().chain(cells).collect()
}
