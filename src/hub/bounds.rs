//! How much each organization may have on one shard, and what a refusal says: which bound was
//! reached, and whether it is the organization's own or everyone's.

use std::fmt;
use std::time::Duration;

use super::scope::OrganizationId;
use crate::limits::{
    BROADCAST_EVENTS_PENDING_MAX, BROADCASTS_PENDING_MAX, LOGS_BYTES_DEFAULT, NODES_MAX,
    READERS_MAX, SESSIONS_MAX, SUBSCRIPTIONS_MAX, WILDCARDS_PER_ORGANIZATION_MAX,
};

/// A table with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Sessions.
    Sessions,
    /// Groups and projects.
    Scopes,
    /// Connections that read a session's log.
    Readers,
    /// Live subscriptions.
    Subscriptions,
    /// Different wildcards of subscriptions that are [costly](super::NamePattern::is_costly).
    Wildcards,
    /// Bytes that logs retain.
    LogBytes,
    /// Broadcasts that have not reached all their sessions, or events of these.
    Broadcasts,
}

impl Table {
    /// The things it holds, as a word for people.
    const fn things(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Scopes => "groups and projects",
            Self::Readers => "readers of sessions",
            Self::Subscriptions => "subscriptions",
            Self::Wildcards => "different names with text behind a \"*\"",
            Self::LogBytes => "bytes in logs",
            Self::Broadcasts => "broadcasts under way",
        }
    }
}

/// The holder of a bound that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The organization that asked.
    Organization,
    /// All organizations together.
    Everyone,
}

/// A bound that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Full {
    /// The table that is full.
    pub table: Table,
    /// The holder of the bound.
    pub whose: Whose,
    /// Seconds after which entries unused until then have expired; at least one.
    pub retry_after: u32,
}

impl Full {
    /// A full table whose entries expire after `after` without use.
    pub(super) fn new(table: Table, whose: Whose, after: Duration) -> Self {
        let seconds = after.as_secs().saturating_add(1);
        Self {
            table,
            whose,
            retry_after: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }
}

/// A sentence for the refused client.
impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.whose {
            Whose::Organization => "this organization",
            Whose::Everyone => "this server",
        };
        write!(f, "{who} has as many {} as it may", self.table.things())
    }
}

/// How much one organization may have on one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Sessions.
    pub sessions: usize,
    /// Groups and projects.
    pub scopes: usize,
    /// Connections that read a session's log: polls, feeds, rooms.
    pub readers: usize,
    /// Live subscriptions.
    pub subscriptions: usize,
    /// Different wildcards that are [costly](super::NamePattern::is_costly).
    pub wildcards: usize,
    /// Bytes that its logs retain together.
    pub logs_bytes: usize,
    /// Broadcasts under way.
    pub broadcasts: usize,
    /// Events of these together, unless it is one broadcast.
    pub broadcast_events: usize,
}

impl Bounds {
    /// All that a shard can hold.
    pub const ALL: Self = Self {
        sessions: SESSIONS_MAX,
        scopes: NODES_MAX,
        readers: READERS_MAX,
        subscriptions: SUBSCRIPTIONS_MAX,
        wildcards: WILDCARDS_PER_ORGANIZATION_MAX,
        logs_bytes: usize::MAX,
        broadcasts: BROADCASTS_PENDING_MAX,
        broadcast_events: BROADCAST_EVENTS_PENDING_MAX,
    };

    /// The share of one of several organizations: half, so that no single one takes all. The bound
    /// on wildcards limits the cost of one of its own events.
    pub const SHARE: Self = Self {
        sessions: SESSIONS_MAX / 2,
        scopes: NODES_MAX / 2,
        readers: READERS_MAX / 2,
        subscriptions: SUBSCRIPTIONS_MAX / 2,
        wildcards: WILDCARDS_PER_ORGANIZATION_MAX,
        logs_bytes: LOGS_BYTES_DEFAULT / 2,
        broadcasts: BROADCASTS_PENDING_MAX / 2,
        broadcast_events: BROADCAST_EVENTS_PENDING_MAX / 2,
    };

    /// The bounds of one organization, from a list indexed by organization.
    pub(super) fn of(all: &[Self], organization: OrganizationId) -> &Self {
        all.get(organization.0 as usize).unwrap_or(&Self::ALL)
    }
}

/// How many things each organization has.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<usize>);

impl Counts {
    pub(super) fn of(&self, organization: OrganizationId) -> usize {
        self.0.get(organization.0 as usize).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, organization: OrganizationId) {
        let at = organization.0 as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] += 1;
    }

    pub(super) fn remove(&mut self, organization: OrganizationId, count: usize) {
        if let Some(held) = self.0.get_mut(organization.0 as usize) {
            *held -= count;
        }
    }
}

/// A sum over all organizations, and the part of each. Both change together, so that they agree.
#[derive(Debug, Default)]
pub(super) struct Tally {
    all: usize,
    each: Vec<usize>,
}

impl Tally {
    pub(super) const fn all(&self) -> usize {
        self.all
    }

    pub(super) fn of(&self, organization: OrganizationId) -> usize {
        let part = self.each.get(organization.0 as usize);
        part.copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, organization: OrganizationId, amount: usize) {
        self.replace(organization, 0, amount);
    }

    pub(super) fn remove(&mut self, organization: OrganizationId, amount: usize) {
        self.replace(organization, amount, 0);
    }

    /// Changes an organization's part from `before` to `now`.
    pub(super) fn replace(&mut self, organization: OrganizationId, before: usize, now: usize) {
        let at = organization.0 as usize;
        if self.each.len() <= at {
            self.each.resize(at + 1, 0);
        }
        let part = &mut self.each[at];
        debug_assert!(*part >= before, "no more is taken than there was");
        *part = part.saturating_sub(before).saturating_add(now);
        self.all = self.all.saturating_sub(before).saturating_add(now);
        debug_assert_eq!(self.each.iter().sum::<usize>(), self.all);
    }
}
