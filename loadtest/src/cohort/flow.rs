//! A cohort's time: events when they are due, and waiting until they are heard.

use std::time::{Duration, Instant};

use super::{Cohort, Timed};
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::pump::Pump;
use crate::schedule::{Load, Schedule, histogram, nanos};
use crate::swarm::OPEN_BATCH;

/// Connections under way at a time: fewer than a server keeps for itself until they are accepted, for what is beyond
/// waits a second until the kernel tries again.
const PENDING_MAX: usize = 2_048;
/// Events that are published without a look at the sockets.
const PUBLISH_BATCH: u64 = 256;

impl Cohort {
    /// Has all who are away connect, as fast as they are accepted, and waits until they listen.
    pub(crate) fn join_all(&mut self) -> Result<(), Failure> {
        for index in 0..self.count() {
            if self.is_away(index) {
                self.join(index)?;
            }
            if index % OPEN_BATCH == OPEN_BATCH - 1 {
                self.pump(Duration::ZERO)?;
                self.pump_until("connections are accepted", |cohort| {
                    cohort.pending < PENDING_MAX
                })?;
            }
        }
        self.pump_until("everybody listens", |cohort| cohort.pending == 0)
    }

    /// Publishes so many events at once, to one topic after the other, and waits until they are answered.
    pub(crate) fn publish(&mut self, events: u64) -> Result<(), Failure> {
        for event in 1..=events {
            self.publish_next()?;
            if event % PUBLISH_BATCH == 0 {
                self.pump(Duration::ZERO)?;
            }
        }
        self.pump_until("publishes are answered", Self::is_answered)
    }

    /// Publishes at `rate` per second for a while, each event when it is due, and then waits until everyone who reads has
    /// heard them. `meanwhile` is asked for whatever else is to be done.
    pub(crate) fn offer(
        &mut self,
        rate: u64,
        duration: Duration,
        mut meanwhile: impl FnMut(&mut Self) -> Result<(), Failure>,
    ) -> Result<Load, Failure> {
        let schedule = Schedule {
            first: self.published,
            start: Instant::now(),
            rate,
        };
        self.timed = Some(Timed {
            schedule,
            latencies: histogram()?,
        });
        let mut lags = histogram()?;
        let end = schedule.start + duration;
        loop {
            let mut due = schedule.due(self.published);
            let now = Instant::now();
            while due <= now && due < end {
                lags.saturating_record(nanos(now - due));
                self.publish_next()?;
                due = schedule.due(self.published);
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
        let elapsed = schedule.start.elapsed();
        let timed = self.timed.take();
        let latencies = timed.map_or_else(histogram, |timed| Ok(timed.latencies))?;
        Ok(Load {
            elapsed,
            latencies,
            lags,
        })
    }

    /// Waits until everyone who is present and reads has heard, or was told of, all that was published.
    pub(crate) fn catch_up(&mut self) -> Result<(), Failure> {
        // Who has caught up stays so while nothing is published.
        let mut first = 0;
        self.pump_until("everyone has caught up", |cohort| {
            let behind = |index: usize| {
                let member = &cohort.members[index];
                member.link.is_some()
                    && member.is_reading
                    && !cohort.audit.is_current(member.account)
            };
            while first < cohort.members.len() && !behind(first) {
                first += 1;
            }
            first == cohort.members.len()
        })
    }

    fn publish_next(&mut self) -> Result<(), Failure> {
        let topics = self.topics.len() as u64;
        let topic = usize::try_from(self.published % topics).unwrap_or_default();
        let sequence = self.published / topics;
        self.published += 1;
        self.audit.publish(topic, 1);
        match &mut self.topics[topic].publisher {
            Some(publisher) => publisher.publish(sequence..sequence + 1, self.padding),
            None => Err(Failure::new("nobody is there to publish")),
        }
    }

    fn is_answered(&self) -> bool {
        let mut publishers = self
            .topics
            .iter()
            .filter_map(|topic| topic.publisher.as_ref());
        publishers.all(Pipeline::is_answered)
    }
}
