//! One server with everybody connected to it, ours or a peer's: what takes turns in `fan-out` and
//! `latency`.

use std::net::SocketAddr;
use std::time::Duration;

use crate::failure::Failure;
use crate::fleet::kinds::{CountingFleet, subscribers, subscribers_of_peer};
use crate::machine::{DESCRIPTORS_RESERVED, Usage, descriptors_max};
use crate::peer::PeersArgs;
use crate::peer::server::Running;
use crate::publisher::HttpPublishing;
use crate::pump::Pump;
use crate::report::Report;
use crate::target::{Target, TargetArgs, settle};
use crate::voice::frame::Opening;

/// Subscribers, and how much is sent to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attendance {
    /// How many.
    pub(crate) subscribers: usize,
    /// Most events in flight.
    pub(crate) window: usize,
    /// Bytes that pad each payload.
    pub(crate) padding: usize,
    /// Publish what is due at the same time as one array; ours only.
    pub(crate) is_array: bool,
}

/// A server that takes its turn.
pub(crate) enum Server {
    /// One of ours.
    Ours(Target),
    /// Somebody else's.
    Peer(Running),
}

impl Server {
    /// Whether it is somebody else's.
    pub(crate) fn is_peer(&self) -> bool {
        matches!(self, Self::Peer(_))
    }

    /// Where subscribers connect.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Ours(target) => target.address,
            Self::Peer(running) => running.subscribing.address,
        }
    }

    /// cpu used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        match self {
            Self::Ours(target) => target.usage(),
            Self::Peer(running) => running.usage(),
        }
    }

    /// Waits until it does nothing, and returns what it had used when it fell quiet.
    pub(crate) fn settle(
        &self,
        wait: impl FnMut(Duration) -> Result<(), Failure>,
    ) -> Result<Usage, Failure> {
        settle(|| self.usage(), wait)
    }

    /// Stops it.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        match self {
            Self::Ours(target) => target.stop(),
            Self::Peer(_) => Ok(()),
        }
    }
}

/// Starts ours, with both drivers if there are peers beside it, and then the peers.
pub(crate) fn start(
    args: &TargetArgs,
    peers: &PeersArgs,
    report: &mut Report,
) -> Result<Vec<(String, Server)>, Failure> {
    let drivers = if peers.is_none() {
        vec![args.driver.clone()]
    } else {
        args.drivers()
    };
    let mut all = Vec::new();
    for driver in drivers {
        let target = Target::open(&args.with_driver(&driver), 1, Some(args.server_core))?;
        report.note(&target.banner);
        all.push((driver, Server::Ours(target)));
    }
    all.extend(start_peers(args, peers, report)?);
    Ok(all)
}

/// Starts the peers.
pub(crate) fn start_peers(
    args: &TargetArgs,
    peers: &PeersArgs,
    report: &mut Report,
) -> Result<impl Iterator<Item = (String, Server)> + use<>, Failure> {
    let started = peers.start(args.server_core, report)?;
    Ok(started
        .into_iter()
        .map(|(name, running)| (name.to_owned(), Server::Peer(running))))
}

/// One server with everybody connected to it, unless there is no room for everybody of every
/// server.
pub(crate) struct Arena {
    /// What the table calls it.
    pub(crate) name: String,
    attendance: Attendance,
    /// Before the server, so that it is dropped first: nobody is left for a leaving server to wait
    /// for.
    fleet: Option<CountingFleet>,
    /// How subscribers of ours open, and the session that is published to.
    opening: Opening,
    session: String,
    server: Server,
}

impl Arena {
    /// A server with nobody connected; `opening` is how subscribers of ours open, and the session
    /// that is published to.
    pub(crate) fn new(
        name: String,
        server: Server,
        (opening, session): (Opening, String),
        attendance: Attendance,
    ) -> Self {
        Self {
            name,
            attendance,
            fleet: None,
            opening,
            session,
            server,
        }
    }

    /// Our server, if it is one.
    pub(crate) fn target(&self) -> Option<&Target> {
        match &self.server {
            Server::Ours(target) => Some(target),
            Server::Peer(_) => None,
        }
    }

    /// Everybody; connects them if they are not, which the answer says.
    pub(crate) fn fleet(&mut self) -> Result<(&mut CountingFleet, bool), Failure> {
        let is_new = self.fleet.is_none();
        let fleet = match self.fleet.take() {
            Some(fleet) => fleet,
            None => self.gather()?,
        };
        Ok((self.fleet.insert(fleet), is_new))
    }

    /// Lets everybody go.
    pub(crate) fn disperse(&mut self) {
        self.fleet = None;
    }

    fn gather(&self) -> Result<CountingFleet, Failure> {
        let Attendance {
            subscribers: count,
            window,
            padding,
            is_array,
        } = self.attendance;
        match &self.server {
            Server::Ours(target) => {
                let opening = self.opening.clone();
                let mut fleet = subscribers(target.address, opening, count, window)?;
                let publishing =
                    HttpPublishing::to_session(target.address, &self.session, is_array);
                fleet.attach(target.address, Box::new(publishing), padding)?;
                Ok(fleet)
            }
            Server::Peer(running) => {
                let mut fleet = subscribers_of_peer(running, count, window)?;
                let (address, publishing) = running.publisher;
                fleet.attach(address, publishing(address), padding)?;
                Ok(fleet)
            }
        }
    }

    /// cpu used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        self.server.usage()
    }

    /// Serves everybody until the server does nothing, and returns what it had used when it fell
    /// quiet.
    pub(crate) fn settle(&mut self) -> Result<Usage, Failure> {
        self.fleet()?;
        let fleet = &mut self.fleet;
        self.server.settle(|duration| match fleet {
            Some(fleet) => fleet.pump_for(duration),
            None => Ok(()),
        })
    }

    /// Lets everybody go and stops the server.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        drop(self.fleet);
        self.server.stop()
    }

    /// The failure, with the name of the server that it is about.
    pub(crate) fn blame(&self, failure: &Failure) -> Failure {
        Failure::new(format!("{}: {failure}", self.name))
    }
}

/// Whether so many servers can have everybody connected at the same time.
pub(crate) fn is_room_for(servers: usize, subscribers: usize) -> Result<bool, Failure> {
    Ok(servers * subscribers + DESCRIPTORS_RESERVED <= descriptors_max()?)
}
