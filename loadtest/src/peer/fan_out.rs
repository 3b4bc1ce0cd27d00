//! What a server of somebody else must offer to stand beside ours in `fan-out`, `latency` and `connect-storm`:
//! every event that is published reaches every subscriber.
//!
//! A peer is one file with a [`Peer`] in [`PEERS`]; it says how it is started, what subscriber and publisher say, and
//! how the events in what a subscriber receives are told apart. It never has a subscriber's socket: bytes in, events
//! out, so that all are heard by the same loop.

use std::fmt::Debug;
use std::net::SocketAddr;

use nix::unistd::Pid;

use super::{mosquitto, nats, nchan, redis, sockets, sockudo};
use crate::failure::Failure;
use crate::machine::Usage;
use crate::report::Report;
use crate::websocket;

/// A server that can be measured beside ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Its name on the command line and in tables.
    pub(crate) name: &'static str,
    /// Why it cannot be started here, and what would install it; nothing if it can be.
    pub(crate) missing: fn() -> Option<String>,
    /// Starts it on one core, with the settings that its documentation offers for most throughput; on return it
    /// accepts connections.
    pub(crate) start: fn(core: usize) -> Result<Box<dyn Running>, Failure>,
}

/// All that can be measured: one line a peer.
pub(crate) const PEERS: &[Peer] = &[
    nchan::PEER,
    sockets::AXUM,
    sockets::FASTWEBSOCKETS,
    sockets::NODE,
    nats::PEER,
    nats::PEER_TCP,
    mosquitto::PEER,
    mosquitto::PEER_TCP,
    redis::PEER,
    sockudo::PEER,
];

/// Who stands beside the server, in the modes where everybody hears everything.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PeersArgs {
    /// Peers by name, `all` or `none`; what is not installed is left out, and a note says so.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values_t = ["none".to_owned()], value_parser = names())]
    pub(crate) peers: Vec<String>,
}

fn names() -> clap::builder::PossibleValuesParser {
    let names = PEERS.iter().map(|peer| peer.name);
    names.chain(["all", "none"]).collect::<Vec<_>>().into()
}

impl PeersArgs {
    /// Whether anybody was asked for.
    pub(crate) fn is_none(&self) -> bool {
        self.peers.iter().all(|name| name == "none")
    }

    /// Starts those that are installed, on one core, and notes how they run or why they do not.
    pub(crate) fn start(&self, core: usize, report: &mut Report) -> Result<Vec<Started>, Failure> {
        let is_wanted = |peer: &&Peer| {
            let mut names = self.peers.iter();
            names.any(|name| name == peer.name || name == "all")
        };
        let mut started = Vec::new();
        for peer in PEERS.iter().filter(is_wanted) {
            if let Some(why) = (peer.missing)() {
                report.note(format!("{} skipped: {why}", peer.name));
                continue;
            }
            let running = (peer.start)(core)?;
            report.note(running.banner());
            started.push(Started {
                name: peer.name,
                running,
            });
        }
        Ok(started)
    }
}

/// A peer by its name.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) name: &'static str,
    pub(crate) running: Box<dyn Running>,
}

/// A peer that runs, and stops when this is dropped.
pub(crate) trait Running: Debug {
    /// Its processes, all of whose cpu is its cost.
    fn pids(&self) -> &[Pid];
    /// What they used so far.
    fn usage(&self) -> Result<Usage, Failure> {
        Usage::of(self.pids())
    }
    /// One line on what it is and how it was started.
    fn banner(&self) -> String;
    /// How a subscriber opens.
    fn subscribing(&self) -> Subscribing;
    /// A counter for what a subscriber receives: after the answer to a handshake, if there is one.
    fn counter(&self) -> Box<dyn Counter>;
    /// Who publishes, on a connection of its own.
    fn publishing(&self) -> Box<dyn Publishing>;
}

/// How a subscriber opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscribing {
    /// Where it connects.
    pub(crate) address: SocketAddr,
    /// For a WebSocket: the path of the handshake, and its fields beside those of every handshake, each ended by CRLF.
    pub(crate) handshake: Option<(String, String)>,
    /// What is sent once the handshake is accepted, or at once where there is none: as it goes over the wire, in masked
    /// frames for a WebSocket.
    pub(crate) hello: Vec<u8>,
    /// Whether [`Heard::Subscribed`] says when events will come; without it they do as soon as the handshake is
    /// accepted.
    pub(crate) is_confirmed: bool,
}

impl Subscribing {
    /// What a subscriber sends as soon as it is connected.
    pub(crate) fn request(&self) -> Vec<u8> {
        let Some((path, more)) = &self.handshake else {
            return Vec::new();
        };
        let (host, fields) = (self.address, websocket::handshake_fields());
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}{more}\r\n").into_bytes()
    }
}

/// What was found in the bytes that a subscriber received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Events that are published from now on are heard.
    Subscribed,
    /// An event that has come to its end.
    Event {
        /// Its [`sequence`](crate::frames::sequence).
        number: u64,
        /// Bytes of its message on the wire, as far as they are its own.
        bytes: usize,
    },
}

/// Tells events apart in what one subscriber receives, however it is cut. It must be light: whoever listens to the
/// server must not be slower than it.
pub(crate) trait Counter: Debug {
    /// Takes what was received. Tells `each` of what ends in it; what must be sent back (a pong) is appended to
    /// `replies`. Fails with what is wrong.
    fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut dyn FnMut(Heard),
    ) -> Result<(), String>;
}

/// Answers taken from what a publisher received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// How many.
    pub(crate) count: u64,
    /// Bytes that they, and whatever else is understood, took.
    pub(crate) bytes: usize,
}

/// How a publisher speaks on its connection.
pub(crate) trait Publishing: Debug {
    /// Where it connects.
    fn address(&self) -> SocketAddr;
    /// What it sends before anything else.
    fn hello(&self) -> Vec<u8> {
        Vec::new()
    }
    /// Appends what publishes these events, of which `bodies` are the JSON texts: delivered as they are, to everyone.
    /// Gives the number of answers that will come.
    fn encode(&mut self, bodies: &[String], requests: &mut Vec<u8>) -> u64;
    /// Takes whole answers from the start of `received`; what must be sent back (a pong) is appended to `replies`. Fails
    /// if one refuses an event.
    fn take(&mut self, received: &[u8], replies: &mut Vec<u8>) -> Result<Answers, String>;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::audience::Audience;

    /// Starts a peer and checks that every subscriber hears every event once and in order, one at a time and several at
    /// once; where it is not installed, says so.
    pub(crate) fn hears_every_event(peer: Peer) {
        if let Some(why) = (peer.missing)() {
            eprintln!("{} skipped: {why}", peer.name);
            return;
        }
        let running = (peer.start)(0).expect(peer.name);
        let mut audience = Audience::open_peer(&*running, 20, 64).expect(peer.name);
        audience.attach(running.publishing(), 40).expect(peer.name);
        for window in [1, 16, 64] {
            audience.publish(window * 5, window).expect(peer.name);
        }
        assert_eq!(audience.books().finished(), 5 * (1 + 16 + 64));
        assert!(!running.pids().is_empty());
        assert!(running.banner().contains(peer.name), "{}", running.banner());
    }

    #[test]
    fn names_are_distinct() {
        for (index, peer) in PEERS.iter().enumerate() {
            let others = &PEERS[index + 1..];
            assert!(others.iter().all(|other| other.name != peer.name));
        }
    }
}
