//! Subscribers that stop reading, leave and come back with a cursor, and their time: events when
//! they are due, and waiting until they are heard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Interest;

use super::Fleet;
use crate::check::resumable::{Group, Resumable};
use crate::failure::Failure;
use crate::kind::Kind;
use crate::load::{Load, Schedule, histogram, nanos};
use crate::publisher::HttpPublishing;
use crate::pump::Pump;
use crate::sockets::{OPEN_BATCH, connect_later};
use crate::voice::session::SessionVoice;

/// Connections under way at a time: fewer than a server keeps for itself until they are accepted,
/// for what is beyond waits a second until the kernel tries again.
const PENDING_MAX: usize = 2_048;
/// Events that are published without a look at the sockets.
const PUBLISH_BATCH: u64 = 256;

/// A subscriber to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// How it listens.
    pub(crate) kind: Kind,
    /// To what.
    pub(crate) topic: usize,
    /// What it is there for.
    pub(crate) group: Group,
}

/// Subscribers that come and go, each of one of a few sessions.
pub(crate) type Churning = Fleet<SessionVoice, Resumable>;

impl Churning {
    /// Subscribers of these sessions who are all away, and no publishers yet.
    pub(crate) fn of(
        address: SocketAddr,
        sessions: &[String],
        members: &[Member],
    ) -> Result<Self, Failure> {
        let (host, mut check) = (
            Arc::from(address.to_string()),
            Resumable::new(sessions.len()),
        );
        let voices = members.iter().map(|member| {
            let kind = member.kind;
            check.subscribe(member.topic, member.group, kind.has_cursor());
            SessionVoice::resuming(kind, &host, &sessions[member.topic])
        });
        let voices: Vec<SessionVoice> = voices.collect();
        Self::new(address, voices, check)
    }

    /// Connects a publisher for each session, perhaps of a server at another address than before.
    pub(crate) fn attach_publishers(
        &mut self,
        address: SocketAddr,
        sessions: &[String],
        padding: usize,
    ) -> Result<(), Failure> {
        self.address = address;
        let host = Arc::from(address.to_string());
        for subscriber in &mut self.subscribers {
            subscriber.voice.move_to(&host);
        }
        for session in sessions {
            let publishing = HttpPublishing::to_session(address, session, false);
            self.attach(address, Box::new(publishing), padding)?;
        }
        Ok(())
    }

    /// Lets go of the publishers, whose server is about to leave.
    pub(crate) fn detach_publishers(&mut self) {
        self.publishers.clear();
    }

    /// Whether a subscriber is away.
    pub(crate) fn is_away(&self, index: usize) -> bool {
        self.subscribers[index].stream.is_none()
    }

    /// Lets all leave.
    pub(crate) fn leave_all(&mut self) {
        (0..self.subscribers.len()).for_each(|index| self.leave(index));
    }

    /// Lets a subscriber that is away connect, with its cursor if it has one.
    pub(crate) fn join(&mut self, index: usize) -> Result<(), Failure> {
        let is_narrow = self.check.group(index) == Group::Slow;
        let stream = connect_later(self.address, index, is_narrow)?;
        self.admit(index, stream, Interest::READABLE | Interest::WRITABLE)
    }

    /// Has all who are away connect, as fast as they are accepted, and waits until they listen.
    pub(crate) fn join_all(&mut self) -> Result<(), Failure> {
        for index in 0..self.subscribers.len() {
            if self.is_away(index) {
                self.join(index)?;
            }
            if index % OPEN_BATCH == OPEN_BATCH - 1 {
                self.pump(Duration::ZERO)?;
                self.pump_until("connections are accepted", |fleet| {
                    fleet.pending < PENDING_MAX
                })?;
            }
        }
        self.pump_until("everybody listens", |fleet| fleet.pending == 0)
    }

    /// Has a subscriber read, or not.
    pub(crate) fn set_reading(&mut self, index: usize, is_reading: bool) -> Result<(), Failure> {
        self.subscribers[index].is_reading = is_reading;
        // What came meanwhile was announced, and will not be again; neither will its end.
        self.recv(index, true)
    }

    /// Publishes so many events at once, to one session after the other, and waits until they are
    /// answered.
    pub(crate) fn publish_to_all(&mut self, events: u64) -> Result<(), Failure> {
        for event in 1..=events {
            self.publish_next()?;
            if event % PUBLISH_BATCH == 0 {
                self.pump(Duration::ZERO)?;
            }
        }
        self.pump_until("publishes are answered", Self::is_answered)
    }

    /// Publishes at `rate` per second for a while, each event when it is due, and then waits until
    /// everyone who reads has heard them. `meanwhile` is asked for whatever else is to be done.
    pub(crate) fn offer(
        &mut self,
        rate: u64,
        duration: Duration,
        mut meanwhile: impl FnMut(&mut Self) -> Result<(), Failure>,
    ) -> Result<Load, Failure> {
        let schedule = Schedule {
            first: self.check.started(),
            start: Instant::now(),
            rate,
        };
        self.timing.begin(schedule);
        let mut lags = histogram()?;
        let end = schedule.start + duration;
        loop {
            let mut due = schedule.due(self.check.started());
            let now = Instant::now();
            while due <= now && due < end {
                lags.saturating_record(nanos(now - due));
                self.publish_next()?;
                due = schedule.due(self.check.started());
            }
            if now >= end {
                break;
            }
            meanwhile(self)?;
            // epoll counts in milliseconds: the last one is not waited for.
            let left = due.min(end).saturating_duration_since(Instant::now());
            self.pump(Duration::from_millis(
                u64::try_from(left.as_millis()).unwrap_or(0),
            ))?;
        }
        self.pump_until("publishes are answered", Self::is_answered)?;
        self.catch_up()?;
        self.timing.end(schedule.start, Some(lags))
    }

    /// Waits until everyone who is present and reads has heard, or was told of, all that was
    /// published.
    pub(crate) fn catch_up(&mut self) -> Result<(), Failure> {
        // Who has caught up stays so while nothing is published.
        let mut first = 0;
        self.pump_until("everyone has caught up", |fleet| {
            let behind = |index: usize| {
                let subscriber = &fleet.subscribers[index];
                subscriber.stream.is_some()
                    && subscriber.is_reading
                    && !fleet.check.is_current(index)
            };
            while first < fleet.subscribers.len() && !behind(first) {
                first += 1;
            }
            first == fleet.subscribers.len()
        })
    }

    fn publish_next(&mut self) -> Result<(), Failure> {
        let (topic, sequence) = self.check.start();
        let publisher = self.publishers.get_mut(topic);
        let publisher = publisher.ok_or_else(|| Failure::new("nobody is there to publish"))?;
        publisher.add(sequence);
        publisher.publish()
    }
}
