//! Inspection for administrators: sessions, groups and projects in the order of their ids, without
//! using any of them. Looking at a session does not prolong its life.

use std::ops::Bound;

use uuid::Uuid;

use super::catalogue::Catalogue;
use super::hub::Hub;
use super::nodes::{Level, NodeId};
use super::question::{Kind, Named, SessionState};
use super::scope::{Address, OrganizationId, Scope, ScopeName, SessionKey};
use super::session::SessionIndex;
use crate::time::Now;

/// The orders of a hub's sessions and nodes.
#[derive(Debug, Default)]
pub(super) struct Inspected {
    pub(super) sessions: Catalogue<(OrganizationId, Uuid, SessionIndex)>,
}

/// A group or project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: ScopeName,
    /// The group of a project, if it is known.
    pub group: Option<ScopeName>,
}

impl Hub {
    /// Goes on putting the sessions in order. Returns whether all are.
    pub fn order_sessions(&mut self, now: Now, budget: &mut usize) -> bool {
        let sessions = &self.sessions;
        self.inspected
            .sessions
            .build(now, sessions.top(), budget, |place| {
                let index = SessionIndex::new(place);
                let session = sessions.get(index).filter(|session| !session.doomed)?;
                Some(session_entry(&session.key, index))
            })
    }

    /// Returns the session that follows a place in one organization's order, built by
    /// [`order_sessions`](Self::order_sessions).
    pub fn session_after(
        &self,
        organization: OrganizationId,
        after: Option<(Uuid, SessionIndex)>,
    ) -> Option<(Uuid, SessionIndex)> {
        let bound = match after {
            Some((id, index)) => Bound::Excluded((organization, id, index)),
            None => Bound::Included((organization, Uuid::nil(), SessionIndex::new(0))),
        };
        let (found, id, index) = self.inspected.sessions.next(bound)?;
        (found == organization).then_some((id, index))
    }

    /// Finds a session by its id; requires the same order.
    pub fn session_of_id(&self, organization: OrganizationId, id: Uuid) -> Option<SessionIndex> {
        let first = (organization, id, SessionIndex::new(0));
        let (found, found_id, index) = self.inspected.sessions.next(Bound::Included(first))?;
        ((found, found_id) == (organization, id)).then_some(index)
    }

    /// Returns a session's present state, unless it has expired. Its log is caught up with
    /// broadcasts.
    pub fn session_state(&mut self, now: Now, index: SessionIndex) -> Option<SessionState> {
        let session = self.sessions.get(index)?;
        if session.doomed || session.is_expired(now, self.config.session_ttl) {
            return None;
        }
        self.catch_up(now, index);
        self.trim(now, index);
        let session = self.sessions.get(index)?;
        let token = session.key.token.clone();
        Some(SessionState {
            id: Kind::Session.id_of(token.as_str()),
            token,
            parents: self.tree.parents(index),
            status: session.status,
            created_ms: session.created_ms,
            epoch: session.log.epoch(),
            oldest: session.log.oldest(),
            next: session.log.next(),
            bytes: session.log.bytes(),
            readers: session.readers.len(),
        })
    }

    /// Finds a session by its token.
    pub fn session_of_token(
        &self,
        organization: OrganizationId,
        token: &str,
    ) -> Option<SessionIndex> {
        let hash = self.placement.session_hash(token);
        self.sessions.find(organization, token, hash)
    }

    /// Whether a session of this token was ended a short time ago, and has not come back.
    pub fn has_ended(&mut self, now: Now, organization: OrganizationId, token: &str) -> bool {
        let hash = self.placement.session_hash(token);
        let ttl = self.config.session_ttl;
        self.tombstones.stands(now.instant, ttl, organization, hash)
    }

    /// Goes on putting groups and projects in order. Returns whether all are.
    pub fn order_nodes(&mut self, now: Now, budget: &mut usize) -> bool {
        self.tree.nodes_mut().put_in_order(now, budget)
    }

    /// Returns the group or project that follows a place in one organization's order, if this shard
    /// is its home; others are skipped, at most `budget` of them. No state if the budget is used
    /// up.
    pub fn node_after(
        &self,
        (organization, kind): (OrganizationId, Kind),
        after: Option<Uuid>,
        budget: &mut usize,
    ) -> Option<(Uuid, Option<NodeState>)> {
        let level = if kind == Kind::Group {
            Level::Group
        } else {
            Level::Project
        };
        let mut bound = match after {
            Some(id) => Bound::Excluded((organization, level, id, NodeId::LAST)),
            None => Bound::Included((organization, level, Uuid::nil(), NodeId::new(0))),
        };
        loop {
            let key = self.tree.nodes().next(bound)?;
            let (found, found_level, id, node) = key;
            if (found, found_level) != (organization, level) {
                return None;
            }
            let state = self.node_state(organization, kind, node);
            *budget = budget.saturating_sub(1);
            if state.is_some() || *budget == 0 {
                return Some((id, state));
            }
            bound = Bound::Excluded(key);
        }
    }

    /// Finds a group or project that this shard is home to, by its name or its id; requires all to
    /// be in order.
    pub fn find_node(
        &self,
        organization: OrganizationId,
        kind: Kind,
        named: &Named,
    ) -> Option<NodeState> {
        let level = if kind == Kind::Group {
            Level::Group
        } else {
            Level::Project
        };
        let node = match named {
            Named::Name(name) => self.tree.nodes().find(organization, level, name.as_str())?,
            Named::Id(id) => {
                let first = (organization, level, *id, NodeId::new(0));
                let (found, found_level, found_id, node) =
                    self.tree.nodes().next(Bound::Included(first))?;
                if (found, found_level, found_id) != (organization, level, *id) {
                    return None;
                }
                node
            }
        };
        self.node_state(organization, kind, node)
    }

    fn node_state(
        &self,
        organization: OrganizationId,
        kind: Kind,
        node: NodeId,
    ) -> Option<NodeState> {
        let nodes = self.tree.nodes();
        let name = nodes.name(node)?;
        let address = match kind {
            Kind::Group => Address::Group(name.clone()),
            _ => Address::Project(name.clone()),
        };
        let scope = Scope {
            organization,
            address,
        };
        if self.placement.home(&scope) != self.shard {
            return None;
        }
        let group = (kind == Kind::Project)
            .then(|| nodes.group_of(node))
            .flatten();
        Some(NodeState {
            id: kind.id_of(name.as_str()),
            group: group.and_then(|group| nodes.name(group)),
            name,
        })
    }

    /// A share of the housekeeping of these orders.
    pub(super) fn sweep_inspected(&mut self, now: Now) {
        self.inspected.sessions.sweep(now);
        self.tree.nodes_mut().sweep_order(now);
    }
}

/// A session's entry in the order.
pub(super) fn session_entry(
    key: &SessionKey,
    index: SessionIndex,
) -> (OrganizationId, Uuid, SessionIndex) {
    (
        key.organization,
        Kind::Session.id_of(key.token.as_str()),
        index,
    )
}
