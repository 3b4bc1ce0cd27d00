//! The fleets that most modes have: readers of logs, and subscribers who all hear the same, of ours
//! or of a peer.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::Fleet;
use crate::check::count::Count;
use crate::check::in_order::InOrder;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::peer::server::Running;
use crate::peer::voice::{CountingVoice, PeerVoice};
use crate::voice::frame::{FrameVoice, Opening};
use crate::voice::session::SessionVoice;

/// Readers of logs.
pub(crate) type Readers = Fleet<SessionVoice, InOrder>;

/// Connects so many readers, the `i`th to `session(i)`, and returns when all of them listen.
pub(crate) fn readers(
    address: SocketAddr,
    kind: Kind,
    count: usize,
    session: impl Fn(usize) -> String,
) -> Result<Readers, Failure> {
    let host = Arc::from(address.to_string());
    let voice = |index| SessionVoice::new(kind, &host, &session(index));
    Fleet::open(address, (0..count).map(voice), InOrder::new(count))
}

/// Subscribers who all hear the same, and only count it.
pub(crate) type CountingFleet = Fleet<CountingVoice, Count>;

/// Connects subscribers of a server that opens so, of whose events at most `window` will be in
/// flight.
pub(crate) fn subscribers(
    address: SocketAddr,
    opening: Opening,
    count: usize,
    window: usize,
) -> Result<CountingFleet, Failure> {
    let (opening, host) = (Rc::new(opening), Arc::from(address.to_string()));
    let voice = |index| CountingVoice::Frames(FrameVoice::new(&opening, &host, index));
    Fleet::open(address, (0..count).map(voice), Count::new(count, window))
}

/// The same for a peer.
pub(crate) fn subscribers_of_peer(
    peer: &Running,
    count: usize,
    window: usize,
) -> Result<CountingFleet, Failure> {
    let subscribing = Rc::new(peer.subscribing.clone());
    let voice = |_| CountingVoice::Peer(PeerVoice::new(peer, &subscribing));
    let check = Count::new(count, window);
    Fleet::open(subscribing.address, (0..count).map(voice), check)
}
