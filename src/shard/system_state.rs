//! The node's own `system-state` event: when it is due, and to whom it goes.
//!
//! One shard of a node says it, to each organization. It is for live subscribers: no session's log gets
//! it, because it is about the machine and not about anything that a session's readers do.

use std::time::Duration;

use bytes::Bytes;

use super::{Mail, ReplyTo, Shard};
use crate::auth::OrganizationId;
use crate::config::SysadmConfig;
use crate::dialect::sysadm::{SYSTEM_STATE, SystemState};
use crate::hub::{Command, Draft, EventName, ShardId};
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

/// When the event is due.
#[derive(Debug)]
pub(super) struct SystemStateSchedule {
    interval: Duration,
    first: Duration,
    /// Known once the time is.
    started: Option<Instant>,
    due: Instant,
    /// When it was said last, and how many events had been published until then.
    last: (Instant, u64),
}

impl SystemStateSchedule {
    /// The schedule of one shard; `None` if the event is another's to publish, or nobody's.
    pub(super) fn of(shard: ShardId, config: &SysadmConfig) -> Option<Self> {
        let interval = config.state_interval.filter(|_| shard == ShardId(0))?;
        Some(Self {
            interval,
            first: config.state_first,
            started: None,
            due: Instant::NEVER,
            last: (Instant::default(), 0),
        })
    }
}

impl Shard {
    /// Whether [`publish_state`](Self::publish_state) should be called.
    pub fn wants_state(&mut self, now: Now) -> bool {
        let Some(schedule) = &mut self.system_state else {
            return false;
        };
        if schedule.started.is_none() {
            schedule.started = Some(now.instant);
            schedule.due = now.instant + schedule.first;
            schedule.last.0 = now.instant;
        }
        now.instant >= schedule.due && !self.draining
    }

    /// Publishes the node's state to all organizations.
    pub fn publish_state(&mut self, now: Now, machine: Machine) {
        let sum = |name: fn(&crate::metrics::Metrics) -> u64| self.metrics.iter().map(name).sum();
        let published: u64 = sum(|metrics| metrics.events_published.value());
        let connections = sum(|metrics| metrics.connections.value());
        let Some(schedule) = &mut self.system_state else {
            return;
        };
        schedule.due = now.instant + schedule.interval;
        let (since, before) = std::mem::replace(&mut schedule.last, (now.instant, published));
        let seconds = now.instant.since(since).as_secs_f64().max(1e-3);
        let started = schedule.started.unwrap_or(now.instant);
        let state = SystemState {
            hostname: machine.hostname,
            uptime: now.instant.since(started),
            load: machine.load,
            processors: machine.processors,
            memory: machine.memory,
            connections,
            events_per_second: published.saturating_sub(before) as f64 / seconds,
        };
        let payload = Bytes::from(state.to_json());
        let organizations: Vec<OrganizationId> = self.directory.organizations().collect();
        for organization in organizations {
            let draft = Draft {
                name: EventName::from_text(SYSTEM_STATE),
                payload: payload.clone(),
                metadata: None,
                origin: None,
                correlation: None,
            };
            let command = Command::Notify {
                organization,
                draft,
            };
            self.command_home(now, command);
        }
    }

    /// Executes a command at its home; nobody waits for the answer.
    fn command_home(&mut self, now: Now, command: Command) {
        let hash = self.placement.hash_of(&command);
        let home = self.placement.home_of_hash(hash);
        if home == self.id {
            self.execute(now, command, hash);
            self.spread(now);
        } else if self.has_room(home) {
            let reply = ReplyTo::Nobody;
            let mail = Mail::Command {
                reply,
                command,
                hash,
            };
            self.send(home, mail);
        }
    }
}
