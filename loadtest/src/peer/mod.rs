//! Programs that are not ours and stand beside the server: the peer it is compared with, and the
//! load generator that asks neither of us. Each is skipped by name where it is not installed.

pub(crate) mod decoder;
pub(crate) mod mosquitto;
pub(crate) mod nats;
pub(crate) mod nchan;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod sockets;
pub(crate) mod sockudo;
pub(crate) mod tonic;
pub(crate) mod voice;
pub(crate) mod wrk;

use std::env;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::report::Report;
use server::{Peer, Running};

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

/// The peers beside the server, in the modes where everybody hears everything.
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
    pub(crate) fn start(
        &self,
        core: usize,
        report: &mut Report,
    ) -> Result<Vec<(&'static str, Running)>, Failure> {
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
            report.note(&running.banner);
            started.push((peer.name, running));
        }
        Ok(started)
    }
}

/// Where a program is, or that it is missing and what installs it.
fn installed(name: &str, by: &str) -> Result<PathBuf, String> {
    program(name).ok_or_else(|| format!("{name} is not installed: {by}"))
}

/// Where a program is, if it is installed.
fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers where ordinary users do not look.
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        for (index, peer) in PEERS.iter().enumerate() {
            let others = &PEERS[index + 1..];
            assert!(others.iter().all(|other| other.name != peer.name));
        }
    }
}
