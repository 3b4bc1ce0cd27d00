//! One server with everybody connected to it, ours or a peer's: what takes turns in `fan-out` and `latency`.

use std::time::Duration;

use crate::audience::{Audience, Opening};
use crate::failure::Failure;
use crate::machine::{DESCRIPTORS_RESERVED, Usage, descriptors_max};
use crate::peer::fan_out::Running;
use crate::pipeline::HttpPublishing;
use crate::pump::Pump;
use crate::target::{Target, settle};

/// Who listens, and how much is sent to them.
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

/// How subscribers of ours open: [`Opening::WebSocket`], owned.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) path: String,
    pub(crate) message: Option<String>,
    pub(crate) answer: &'static str,
    pub(crate) unasked: u64,
    /// The session that is published to.
    pub(crate) session: String,
}

/// A server.
#[derive(Debug)]
enum Server {
    Ours(Target, Hello),
    Peer(Box<dyn Running>),
}

/// One server with everybody connected to it, unless there is no room for everybody of every server.
#[derive(Debug)]
pub(crate) struct Arena {
    /// What the table calls it.
    pub(crate) name: String,
    attendance: Attendance,
    /// Before the server, so that it is dropped first: nobody is left for a leaving server to wait for.
    audience: Option<Audience>,
    server: Server,
}

impl Arena {
    /// One of ours, with nobody connected.
    pub(crate) fn ours(name: String, target: Target, hello: Hello, attendance: Attendance) -> Self {
        let server = Server::Ours(target, hello);
        Self {
            name,
            attendance,
            audience: None,
            server,
        }
    }

    /// A peer, with nobody connected.
    pub(crate) fn peer(name: &str, running: Box<dyn Running>, attendance: Attendance) -> Self {
        Self {
            name: name.to_owned(),
            attendance,
            audience: None,
            server: Server::Peer(running),
        }
    }

    /// Our server, if it is one.
    pub(crate) fn target(&self) -> Option<&Target> {
        match &self.server {
            Server::Ours(target, _) => Some(target),
            Server::Peer(_) => None,
        }
    }

    /// Everybody; connects them if they are not, which the answer says.
    pub(crate) fn audience(&mut self) -> Result<(&mut Audience, bool), Failure> {
        let is_new = self.audience.is_none();
        let audience = match self.audience.take() {
            Some(audience) => audience,
            None => self.gather()?,
        };
        Ok((self.audience.insert(audience), is_new))
    }

    /// Lets everybody go.
    pub(crate) fn disperse(&mut self) {
        self.audience = None;
    }

    fn gather(&self) -> Result<Audience, Failure> {
        let attendance = self.attendance;
        match &self.server {
            Server::Ours(target, hello) => {
                let opening = Opening::WebSocket {
                    path: &hello.path,
                    hello: hello.message.as_deref(),
                    answer: hello.answer,
                    unasked: hello.unasked,
                };
                let address = target.address;
                let mut audience =
                    Audience::open(address, opening, attendance.subscribers, attendance.window)?;
                let publishing =
                    HttpPublishing::to_session(address, &hello.session, attendance.is_array);
                audience.attach(Box::new(publishing), attendance.padding)?;
                Ok(audience)
            }
            Server::Peer(running) => {
                let mut audience =
                    Audience::open_peer(&**running, attendance.subscribers, attendance.window)?;
                audience.attach(running.publishing(), attendance.padding)?;
                Ok(audience)
            }
        }
    }

    /// cpu used so far.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        match &self.server {
            Server::Ours(target, _) => target.usage(),
            Server::Peer(running) => running.usage(),
        }
    }

    /// Serves everybody until the server does nothing, and gives what it had used when it fell quiet.
    pub(crate) fn settle(&mut self) -> Result<Usage, Failure> {
        self.audience()?;
        let audience = &mut self.audience;
        let wait = |duration: Duration| match audience {
            Some(audience) => audience.pump_for(duration),
            None => Ok(()),
        };
        match &self.server {
            Server::Ours(target, _) => target.settle(wait),
            Server::Peer(running) => settle(|| running.usage(), wait),
        }
    }

    /// Lets everybody go and stops the server.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        drop(self.audience);
        match self.server {
            Server::Ours(target, _) => target.stop(),
            Server::Peer(_) => Ok(()),
        }
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
