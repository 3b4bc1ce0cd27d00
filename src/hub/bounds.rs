//! How much each organization may have on one shard, and what a refusal says of it: which bound, and whose.

use std::fmt;
use std::time::Duration;

use super::scope::OrganizationId;
use crate::limits::{
    NODES_MAX, READERS_MAX, SESSIONS_MAX, SUBSCRIPTIONS_MAX, WILDCARDS_PER_ORGANIZATION_MAX,
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
}

impl Table {
    /// What it holds, for people.
    const fn things(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Scopes => "groups and projects",
            Self::Readers => "readers of sessions",
            Self::Subscriptions => "subscriptions",
            Self::Wildcards => "different names with text behind a \"*\"",
        }
    }
}

/// Who has as much as it may.
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
    /// Of what there is too much.
    pub table: Table,
    /// Whose.
    pub whose: Whose,
    /// Seconds after which what nobody uses until then has expired; at least one.
    pub retry_after: u32,
}

impl Full {
    /// A bound of a table whose things expire `after` that long without use.
    pub(super) fn new(table: Table, whose: Whose, after: Duration) -> Self {
        let seconds = after.as_secs().saturating_add(1);
        Self {
            table,
            whose,
            retry_after: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }
}

/// A sentence for whoever is refused.
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
}

impl Bounds {
    /// All that a shard can hold.
    pub const ALL: Self = Self {
        sessions: SESSIONS_MAX,
        scopes: NODES_MAX,
        readers: READERS_MAX,
        subscriptions: SUBSCRIPTIONS_MAX,
        wildcards: WILDCARDS_PER_ORGANIZATION_MAX,
    };

    /// The share of one of several organizations: half, so that no single one takes all. What it may have of
    /// wildcards bounds what one of its own events costs.
    pub const SHARE: Self = Self {
        sessions: SESSIONS_MAX / 2,
        scopes: NODES_MAX / 2,
        readers: READERS_MAX / 2,
        subscriptions: SUBSCRIPTIONS_MAX / 2,
        wildcards: WILDCARDS_PER_ORGANIZATION_MAX,
    };

    /// An organization's, of a list by organization.
    pub(super) fn of(all: &[Self], organization: OrganizationId) -> Self {
        all.get(organization.0 as usize)
            .copied()
            .unwrap_or(Self::ALL)
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
