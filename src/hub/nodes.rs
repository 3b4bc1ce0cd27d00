//! The inner nodes of the scope tree: organizations, groups and projects.
//!
//! A node lists only children beneath which there is a session, so that a walk costs no more than
//! the sessions it finds (times the three levels). Names and parents stay known when the last
//! session is gone, until the node is removed.

use std::hash::BuildHasher;
use std::ops::Bound;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use slab::Slab;
use uuid::Uuid;

use super::bounds::Counts;
use super::catalogue::Catalogue;
use super::question::Kind;
use super::scope::{Address, OrganizationId, Scope, ScopeName};
use super::session::SessionIndex;
use crate::time::{Instant, Now};

/// A node, until it is removed; reused afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(u32);

impl NodeId {
    /// Behind all others.
    pub(super) const LAST: Self = Self(u32::MAX);

    /// The node at that place of a shard's table.
    pub(super) const fn new(place: usize) -> Self {
        Self(place as u32)
    }
}

/// The level of a node, top first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Level {
    Organization,
    Group,
    Project,
}

/// The state of a group or project on this shard.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) scope: Scope,
    /// Whether there is a session beneath it.
    pub(super) has_sessions: bool,
    /// Whether it is the parent of others.
    pub(super) has_children: bool,
    /// Time of the last use: named by a call, or found in use.
    pub(super) used: Instant,
    /// Time at which its home was last told of it.
    pub(super) told: Instant,
    /// Time since which it is about to be forgotten, if it is.
    pub(super) leaving: Option<Instant>,
}

#[derive(Debug)]
struct Node {
    organization: OrganizationId,
    level: Level,
    /// Absent at the top.
    name: Option<ScopeName>,
    parent: Option<NodeId>,
    /// Its index in its parent's `occupied`, while a session is beneath it.
    position: Option<u32>,
    /// Children beneath which there is a session.
    occupied: Vec<NodeId>,
    /// Sessions directly beneath.
    sessions: Vec<SessionIndex>,
    /// Nodes that have this one for parent, occupied or not.
    children: u32,
    /// Time of the last use: named by a call, or found in use.
    used: Instant,
    /// Time at which its home was last told of it.
    told: Instant,
    /// Time since which it is about to be forgotten, if it is.
    leaving: Option<Instant>,
}

impl Node {
    fn name(&self) -> &str {
        self.name.as_ref().map_or("", ScopeName::as_str)
    }

    fn is_occupied(&self) -> bool {
        !self.occupied.is_empty() || !self.sessions.is_empty()
    }
}

/// The inner nodes of a shard's tree.
#[derive(Debug)]
pub(super) struct Nodes {
    slab: Slab<Node>,
    by_name: HashTable<u32>,
    hasher: FixedState,
    /// Groups and projects of each organization.
    counts: Counts,
    /// One past the highest place ever used.
    top: usize,
    /// Groups and projects by their ids, for walks through them.
    order: Catalogue<Entry>,
}

/// The key of a group or project in the order of all.
pub(super) type Entry = (OrganizationId, Level, Uuid, NodeId);

/// Returns the key of a group or project in the order of all.
fn entry(node: &Node, id: NodeId) -> Entry {
    let kind = match node.level {
        Level::Group => Kind::Group,
        _ => Kind::Project,
    };
    (node.organization, node.level, kind.id_of(node.name()), id)
}

impl Nodes {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            slab: Slab::new(),
            by_name: HashTable::new(),
            hasher: FixedState::with_seed(seed),
            counts: Counts::default(),
            top: 0,
            order: Catalogue::default(),
        }
    }

    /// Groups and projects of an organization.
    pub(super) fn count_of(&self, organization: OrganizationId) -> usize {
        self.counts.of(organization)
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn find(
        &self,
        organization: OrganizationId,
        level: Level,
        name: &str,
    ) -> Option<NodeId> {
        let hash = self.hasher.hash_one((organization, level, name));
        let found = self.by_name.find(hash, |&i| {
            let node = &self.slab[i as usize];
            node.organization == organization && node.level == level && node.name() == name
        });
        found.map(|&i| NodeId(i))
    }

    /// Adds a node that is not there yet.
    pub(super) fn insert(
        &mut self,
        organization: OrganizationId,
        level: Level,
        name: Option<&ScopeName>,
        parent: Option<NodeId>,
        now: Instant,
    ) -> NodeId {
        let node = Node {
            organization,
            level,
            name: name.cloned(),
            parent,
            position: None,
            occupied: Vec::new(),
            sessions: Vec::new(),
            children: 0,
            used: now,
            told: now,
            leaving: None,
        };
        if level != Level::Organization {
            self.counts.add(organization);
        }
        if let Some(parent) = parent {
            self.node_mut(parent).children += 1;
        }
        let hash = self.hasher.hash_one((organization, level, node.name()));
        let id = self.slab.insert(node) as u32;
        self.top = self.top.max(id as usize + 1);
        let (slab, hasher) = (&self.slab, &self.hasher);
        self.by_name.insert_unique(hash, id, |&i| {
            let node = &slab[i as usize];
            hasher.hash_one((node.organization, node.level, node.name()))
        });
        let id = NodeId(id);
        if level != Level::Organization {
            self.order.insert(|| entry(&slab[id.0 as usize], id));
        }
        id
    }

    /// Goes on putting groups and projects in order. Returns whether all are.
    pub(super) fn put_in_order(&mut self, now: Now, budget: &mut usize) -> bool {
        let mut order = std::mem::take(&mut self.order);
        let is_ordered = order.build(now, self.top, budget, |place| {
            let id = self.at(place)?;
            Some(entry(self.node(id), id))
        });
        self.order = order;
        is_ordered
    }

    /// Returns the first group or project above a bound, of those that were put in order.
    pub(super) fn next(&self, after: Bound<Entry>) -> Option<Entry> {
        self.order.next(after)
    }

    /// A share of the housekeeping: gives up an order that is no longer asked for.
    pub(super) fn sweep_order(&mut self, now: Now) {
        self.order.sweep(now);
    }

    /// Removes a node beneath which there is nothing.
    pub(super) fn remove(&mut self, id: NodeId) {
        let node = self.node(id);
        debug_assert!(!node.is_occupied() && node.children == 0);
        let hash = self
            .hasher
            .hash_one((node.organization, node.level, node.name()));
        if let Ok(entry) = self.by_name.find_entry(hash, |&i| i == id.0) {
            entry.remove();
        }
        let node = self.slab.remove(id.0 as usize);
        if node.level != Level::Organization {
            self.order.remove(|| entry(&node, id));
        }
        if let Some(parent) = node.parent {
            self.node_mut(parent).children -= 1;
        }
        self.counts.remove(node.organization, 1);
    }

    /// The group or project at a place below [`top`](Self::top).
    pub(super) fn at(&self, place: usize) -> Option<NodeId> {
        let node = self.slab.get(place)?;
        (node.level != Level::Organization).then_some(NodeId(place as u32))
    }

    /// One past the highest place ever used.
    pub(super) fn top(&self) -> usize {
        self.top
    }

    /// Returns what the tree needs to decide about forgetting a group or project.
    pub(super) fn standing(&self, id: NodeId) -> Option<Standing> {
        let node = self.node(id);
        let name = node.name.clone()?;
        let address = match node.level {
            Level::Organization => return None,
            Level::Group => Address::Group(name),
            Level::Project => Address::Project(name),
        };
        Some(Standing {
            scope: Scope {
                organization: node.organization,
                address,
            },
            has_sessions: node.is_occupied(),
            has_children: node.children > 0,
            used: node.used,
            told: node.told,
            leaving: node.leaving,
        })
    }

    /// Marks a node as used now. Returns whether it was about to be forgotten.
    pub(super) fn touch(&mut self, id: NodeId, now: Instant) -> bool {
        let node = self.node_mut(id);
        node.used = now;
        node.leaving.take().is_some()
    }

    /// Marks a node as about to be forgotten.
    pub(super) fn leave(&mut self, id: NodeId, now: Instant) {
        self.node_mut(id).leaving = Some(now);
    }

    /// Notes that the home of a node is told of it now.
    pub(super) fn note_told(&mut self, id: NodeId, now: Instant) {
        self.node_mut(id).told = now;
    }

    pub(super) fn organization(&self, id: NodeId) -> OrganizationId {
        self.node(id).organization
    }

    pub(super) fn level(&self, id: NodeId) -> Level {
        self.node(id).level
    }

    pub(super) fn name(&self, id: NodeId) -> Option<ScopeName> {
        self.node(id).name.clone()
    }

    /// Returns the known group of a project.
    pub(super) fn group_of(&self, project: NodeId) -> Option<NodeId> {
        let parent = self.node(project).parent?;
        (self.level(parent) == Level::Group).then_some(parent)
    }

    /// Puts a node, with all that is beneath it, under another parent.
    pub(super) fn move_under(&mut self, id: NodeId, parent: NodeId) {
        self.unlist(id);
        if let Some(before) = self.node_mut(id).parent.replace(parent) {
            self.node_mut(before).children -= 1;
        }
        self.node_mut(parent).children += 1;
        if self.node(id).is_occupied() {
            self.list(id);
        }
    }

    /// Puts a session directly beneath a node and returns its position there.
    pub(super) fn add_session(&mut self, id: NodeId, session: SessionIndex) -> u32 {
        let sessions = &mut self.node_mut(id).sessions;
        sessions.push(session);
        let position = sessions.len() as u32 - 1;
        self.list(id);
        position
    }

    /// Takes out the session at `position`; returns the session that is there now, if any.
    pub(super) fn remove_session(&mut self, id: NodeId, position: u32) -> Option<SessionIndex> {
        let moved = swap_remove(&mut self.node_mut(id).sessions, position);
        if !self.node(id).is_occupied() {
            self.unlist(id);
        }
        moved
    }

    /// Appends all sessions beneath a node to `out`.
    pub(super) fn sessions_beneath(&self, id: NodeId, out: &mut Vec<SessionIndex>) {
        let node = self.node(id);
        out.extend_from_slice(&node.sessions);
        // Three levels at most, so recursion is bounded.
        for &child in &node.occupied {
            self.sessions_beneath(child, out);
        }
    }

    /// Lists a node with its parent, and the parent with its own.
    fn list(&mut self, mut id: NodeId) {
        while let Node {
            parent: Some(parent),
            position: None,
            ..
        } = *self.node(id)
        {
            let siblings = &mut self.node_mut(parent).occupied;
            siblings.push(id);
            let position = siblings.len() as u32 - 1;
            self.node_mut(id).position = Some(position);
            id = parent;
        }
    }

    /// Takes a node off its parent's list, and the parent off its own if nothing is left beneath.
    fn unlist(&mut self, mut id: NodeId) {
        while let Node {
            parent: Some(parent),
            position: Some(position),
            ..
        } = *self.node(id)
        {
            self.node_mut(id).position = None;
            if let Some(moved) = swap_remove(&mut self.node_mut(parent).occupied, position) {
                self.node_mut(moved).position = Some(position);
            }
            if self.node(parent).is_occupied() {
                break;
            }
            id = parent;
        }
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.slab[id.0 as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.slab[id.0 as usize]
    }
}

/// Removes in O(1) and returns the item that took the place; gives memory back when most of it is
/// unused.
fn swap_remove<T: Copy>(list: &mut Vec<T>, position: u32) -> Option<T> {
    list.swap_remove(position as usize);
    if list.len() <= list.capacity() / 4 {
        list.shrink_to(2 * list.len());
    }
    list.get(position as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1);

    #[test]
    fn a_walk_does_not_visit_what_is_empty() {
        let organization = OrganizationId(0);
        let mut nodes = Nodes::new(7);
        let root = nodes.insert(organization, Level::Organization, None, None, NOW);
        let name = ScopeName::new("same");
        let group = nodes.insert(organization, Level::Group, Some(&name), Some(root), NOW);
        let project = nodes.insert(organization, Level::Project, Some(&name), Some(root), NOW);
        let session = SessionIndex::new(3);
        let position = nodes.add_session(project, session);
        assert_eq!(nodes.node(root).occupied, [project]);
        nodes.move_under(project, group);
        assert_eq!(nodes.node(root).occupied, [group]);
        assert_eq!(nodes.node(group).occupied, [project]);
        assert_eq!(nodes.remove_session(project, position), None);
        assert!(!nodes.node(root).is_occupied() && !nodes.node(group).is_occupied());
        assert_eq!(nodes.group_of(project), Some(group), "still known");
        nodes.remove(project);
        assert_eq!(nodes.find(organization, Level::Project, "same"), None);
        assert_eq!(
            (nodes.node(group).children, nodes.count_of(organization)),
            (0, 1)
        );
    }
}
