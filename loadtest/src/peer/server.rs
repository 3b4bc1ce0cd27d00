//! What a server of somebody else must offer to stand beside ours in `fan-out`, `latency` and
//! `connect-storm`: every event that is published reaches every subscriber.
//!
//! A peer is one file with a [`Peer`] in the list; it says how it is started, what subscriber and
//! publisher say, and how the events in what a subscriber receives are told apart. It never has a
//! subscriber's socket: bytes in, events out, so that all are heard by the same fleet.

use std::fmt::Debug;
use std::net::SocketAddr;

use nix::unistd::Pid;

use super::decoder::EventDecoder;
use crate::failure::Failure;
use crate::machine::Usage;
use crate::publisher::Publishing;
use crate::websocket;

/// A server that can be measured beside ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Its name on the command line and in tables.
    pub(crate) name: &'static str,
    /// Why it cannot be started here, and what would install it; nothing if it can be.
    pub(crate) missing: fn() -> Option<String>,
    /// Starts it on one core, with the settings that its documentation offers for most throughput;
    /// on return it accepts connections.
    pub(crate) start: fn(core: usize) -> Result<Running, Failure>,
}

/// Makes a publisher of a server at this address.
pub(crate) type MakePublishing = fn(SocketAddr) -> Box<dyn Publishing>;

/// A peer that runs, and stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its processes, all of whose cpu is its cost.
    pub(crate) pids: Vec<Pid>,
    /// One line on what it is and how it was started.
    pub(crate) banner: String,
    /// How a subscriber opens.
    pub(crate) subscribing: Subscribing,
    /// Makes a decoder of what a subscriber receives: after the answer to a handshake, if there is
    /// one.
    pub(crate) decoder: fn() -> EventDecoder,
    /// Where the publisher connects, on a connection of its own, and what makes it.
    pub(crate) publisher: (SocketAddr, MakePublishing),
    /// What stops it when it is dropped.
    #[expect(dead_code, reason = "it is there to be dropped")]
    pub(crate) process: Box<dyn Debug>,
}

impl Running {
    /// cpu used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        Usage::of(&self.pids)
    }
}

/// How a subscriber opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscribing {
    /// Where it connects.
    pub(crate) address: SocketAddr,
    /// For a WebSocket: the path of the handshake, and its fields beside those of every handshake,
    /// each ended by CRLF.
    pub(crate) handshake: Option<(String, String)>,
    /// What is sent once the handshake is accepted, or at once where there is none: as it goes over
    /// the wire, in masked frames for a WebSocket.
    pub(crate) hello: Vec<u8>,
    /// Whether the server says when events will come; without it they do as soon as the handshake
    /// is accepted.
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::fleet::kinds::subscribers_of_peer;

    /// Starts a peer and checks that every subscriber hears every event once and in order, one at a
    /// time and several at once; where it is not installed, says so.
    pub(crate) fn hears_every_event(peer: Peer) {
        if let Some(why) = (peer.missing)() {
            eprintln!("{} skipped: {why}", peer.name);
            return;
        }
        let running = (peer.start)(0).expect(peer.name);
        let mut fleet = subscribers_of_peer(&running, 20, 64).expect(peer.name);
        let (address, publishing) = running.publisher;
        let attached = fleet.attach(address, publishing(address), 40);
        attached.expect(peer.name);
        for window in [1, 16, 64] {
            fleet.publish(window * 5, window).expect(peer.name);
        }
        assert_eq!(fleet.count(), 20);
        assert!(!running.pids.is_empty());
        assert!(running.banner.contains(peer.name), "{}", running.banner);
    }
}
