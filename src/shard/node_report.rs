//! The node's report on itself: when it is due, and to whom it goes.
//!
//! One shard of a node publishes it, to each organization. It is for live subscribers: no session's
//! log gets it, because it is about the machine and not about anything that a session's readers do.

use super::{Mail, ReplyTo, Shard};
use crate::auth::OrganizationId;
use crate::dialect::{Dialects, NodeReport, Reporting};
use crate::hub::{Command, ShardId};
use crate::time::{Instant, Now};

/// What the machine knows about itself; the shard adds the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Its name.
    pub hostname: Box<str>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Processors that this process may use.
    pub processors: usize,
    /// Bytes of memory: all of it, and what could be had.
    pub memory: (u64, u64),
}

/// When the report is due.
#[derive(Debug)]
pub(super) struct ReportSchedule {
    reporting: Reporting,
    /// Known once the time is.
    started: Option<Instant>,
    due: Instant,
    /// When it was published last, and how many events had been until then.
    last: (Instant, u64),
}

impl ReportSchedule {
    /// The schedule of one shard; `None` if the report is another's to publish, or nobody's.
    pub(super) fn of(shard: ShardId, dialects: &Dialects) -> Option<Self> {
        Some(Self {
            reporting: dialects.reporting().filter(|_| shard == ShardId(0))?,
            started: None,
            due: Instant::NEVER,
            last: (Instant::default(), 0),
        })
    }

    /// Whether the report is due. The first call begins to count.
    fn is_due(&mut self, now: Instant) -> bool {
        if self.started.is_none() {
            self.started = Some(now);
            self.due = now + self.reporting.first;
            self.last.0 = now;
        }
        now >= self.due
    }
}

impl Shard {
    /// Whether [`publish_report`](Self::publish_report) should be called.
    pub fn wants_report(&mut self, now: Now) -> bool {
        let draining = self.draining;
        let report = self.report.as_mut();
        report.is_some_and(|report| report.is_due(now.instant) && !draining)
    }

    /// Publishes the node's report on itself to all organizations.
    pub fn publish_report(&mut self, now: Now, machine: Machine) {
        let sum = |name: fn(&crate::metrics::Metrics) -> u64| self.metrics.iter().map(name).sum();
        let published: u64 = sum(|metrics| metrics.events_published.value());
        let connections = sum(|metrics| metrics.connections.value());
        let Some(schedule) = &mut self.report else {
            return;
        };
        schedule.due = now.instant + schedule.reporting.interval;
        let (since, before) = std::mem::replace(&mut schedule.last, (now.instant, published));
        let seconds = now.instant.since(since).as_secs_f64().max(1e-3);
        let started = schedule.started.unwrap_or(now.instant);
        let draft = (schedule.reporting.event)(&NodeReport {
            hostname: machine.hostname,
            uptime: now.instant.since(started),
            load: machine.load,
            processors: machine.processors,
            memory: machine.memory,
            connections,
            events_per_second: published.saturating_sub(before) as f64 / seconds,
        });
        let organizations: Vec<OrganizationId> = self.directory.organizations().collect();
        for organization in organizations {
            let draft = draft.clone();
            let command = Command::Notify {
                organization,
                draft,
            };
            self.command_home(now, command);
        }
    }

    /// Executes a command at its home; nobody waits for the answer.
    fn command_home(&mut self, now: Now, command: Command) {
        let (hash, home) = self.post.home_of(&command);
        if home == self.id {
            self.execute(now, command, hash);
            self.spread(now);
        } else if self.post.has_room(home) {
            let mail = Mail::Command {
                reply: ReplyTo::Nobody,
                command,
                hash,
            };
            self.post.send(home, mail);
        }
    }
}
