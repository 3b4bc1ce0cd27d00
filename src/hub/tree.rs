//! The scope tree of one shard: which scope is beneath which, as calls have told.
//!
//! A scope's parents are learned from the first call that names both and do not change while it is
//! known; a call that contradicts them is refused and teaches nothing. A scope without a parent
//! stands directly under its organization and may still learn its parent, once. What is known is
//! three kinds of fact (session in project, session in group, project in group) and what follows
//! from them: a session is in the group of its project. A call is a contradiction exactly if no
//! tree satisfies all facts.

use std::fmt;

use super::nodes::{Level, NodeId, Nodes};
use super::scope::{Address, OrganizationId, Parents, Scope, ScopeName};
use super::session::SessionIndex;
use crate::time::Instant;

pub(super) use super::nodes::Standing;

/// The reason why the tree did not learn. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnError {
    /// The call contradicts known facts.
    Contradiction,
    /// There is no room for another group or project.
    Full,
    /// The organization may have no other group or project.
    OrganizationFull,
}

impl fmt::Display for LearnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contradiction => "the scope is known under another parent",
            Self::Full => "too many scopes are known",
            Self::OrganizationFull => "too many scopes of the organization are known",
        })
    }
}

/// A scope whose parents are to be learned.
#[derive(Clone, Copy, Debug)]
pub enum Child<'a> {
    /// A session of this shard.
    Session(SessionIndex),
    /// A project.
    Project(&'a ScopeName),
    /// A group, which has no parents to learn, but comes to be known.
    Group(&'a ScopeName),
}

impl<'a> Child<'a> {
    /// Returns a group or a project; `None` for an organization, above which there is nothing to
    /// learn.
    pub(super) const fn above_sessions(address: &'a Address) -> Option<Self> {
        match address {
            Address::Group(name) => Some(Self::Group(name)),
            Address::Project(name) => Some(Self::Project(name)),
            Address::Organization | Address::Session(_) => None,
        }
    }
}

/// The result [`ScopeTree::learn`] would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The parents that the child would have.
    pub parents: Parents,
    /// Groups and projects that would come to be known.
    pub added: usize,
}

/// Organizations, groups and projects, and the sessions of one shard beneath them.
#[derive(Debug)]
pub struct ScopeTree {
    nodes: Nodes,
    nodes_max: usize,
    /// The place of each session, by its index.
    leaves: Vec<Option<Leaf>>,
    revision: u64,
    /// Most groups and projects of each organization; unlisted ones may have as many as fit.
    bounds: Vec<usize>,
    /// Time of the last command or sweep.
    now: Instant,
    /// Nodes that were about to be forgotten and are used again.
    returned: Vec<NodeId>,
    /// Place at which the next sweep goes on.
    sweep_next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Leaf {
    node: NodeId,
    /// The session's index in the node's list.
    position: u32,
}

/// A group or project that a call named: known, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named<'a> {
    Known(NodeId),
    New(&'a ScopeName),
}

/// The tree above a child once a call is carried out.
struct Plan<'a> {
    project: Option<Named<'a>>,
    group: Option<Named<'a>>,
}

impl ScopeTree {
    /// An empty tree for at most `nodes_max` groups and projects, organizations included. `seed`
    /// keeps outsiders from choosing names that collide.
    pub fn new(seed: u64, nodes_max: usize) -> Self {
        Self {
            nodes: Nodes::new(seed),
            nodes_max,
            leaves: Vec::new(),
            revision: 0,
            bounds: Vec::new(),
            now: Instant::from_millis(0),
            returned: Vec::new(),
            sweep_next: 0,
        }
    }

    /// Sets the most groups and projects of each organization, by its number.
    pub(super) fn set_bounds(&mut self, bounds: Vec<usize>) {
        self.bounds = bounds;
    }

    /// Sets the time of everything learned and used from now on.
    pub(super) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Marks a group or project as used.
    pub(super) fn touch(&mut self, scope: &Scope) {
        if let Some(id) = self.find(scope) {
            self.touch_node(id);
        }
    }

    fn touch_node(&mut self, id: NodeId) {
        if self.nodes.touch(id, self.now) {
            self.returned.push(id);
        }
    }

    /// Marks a group or project as about to be forgotten.
    pub(super) fn leave(&mut self, scope: &Scope) {
        if let Some(id) = self.find(scope) {
            self.nodes.leave(id, self.now);
        }
    }

    /// Notes that the home of a group or project is told of it now.
    pub(super) fn note_told(&mut self, scope: &Scope) {
        if let Some(id) = self.find(scope) {
            self.nodes.note_told(id, self.now);
        }
    }

    /// Forgets a group or project with nothing beneath it.
    pub(super) fn forget(&mut self, scope: &Scope) {
        if let Some(id) = self.find(scope) {
            self.returned.retain(|&returned| returned != id);
            self.nodes.remove(id);
        }
    }

    /// Returns the state of a group or project here, if it is known.
    pub(super) fn standing(&self, scope: &Scope) -> Option<Standing> {
        self.nodes.standing(self.find(scope)?)
    }

    /// Returns the number of places that the tree has or had.
    pub(super) fn places(&self) -> usize {
        self.nodes.top()
    }

    /// Returns the group or project at the next place, if there is one.
    pub(super) fn next_to_sweep(&mut self) -> Option<Standing> {
        let place = self.sweep_next % self.nodes.top().max(1);
        self.sweep_next = place + 1;
        self.nodes.standing(self.nodes.at(place)?)
    }

    /// Returns a group or project with the scopes above it, as something else's parents.
    pub(super) fn as_parents(&self, scope: &Scope) -> Parents {
        match &scope.address {
            Address::Group(name) => Parents {
                group: Some(name.clone()),
                project: None,
            },
            Address::Project(name) => Parents {
                project: Some(name.clone()),
                ..self.parents_of(scope)
            },
            Address::Organization | Address::Session(_) => Parents::default(),
        }
    }

    /// Takes the nodes that were about to be forgotten and are used again, as something else's
    /// parents.
    pub(super) fn take_returned(&mut self) -> Vec<(OrganizationId, Parents)> {
        let returned = std::mem::take(&mut self.returned);
        let named = returned.into_iter().filter_map(|id| {
            let standing = self.nodes.standing(id)?;
            Some((
                self.nodes.organization(id),
                self.as_parents(&standing.scope),
            ))
        });
        named.collect()
    }

    /// Learns, or checks, the parents of a session or project, all or nothing; returns the parents
    /// as they stand now. A child that is not known yet is added. A project or group is itself part
    /// of the answer, which is thus the parents of a session in it.
    pub fn learn(
        &mut self,
        organization: OrganizationId,
        child: Child<'_>,
        parents: &Parents,
    ) -> Result<Parents, LearnError> {
        let plan = self.plan(organization, child, parents)?;
        self.count_added(organization, &plan)?;
        let root = self.nodes.find(organization, Level::Organization, "");
        let root = root.unwrap_or_else(|| {
            self.nodes
                .insert(organization, Level::Organization, None, None, self.now)
        });
        let (project, group) = self.apply(organization, root, &plan);
        for id in [project, group].into_iter().flatten() {
            self.touch_node(id);
        }
        if let Child::Session(session) = child {
            self.place(session, project.or(group).unwrap_or(root));
        }
        Ok(Parents {
            group: group.and_then(|id| self.nodes.name(id)),
            project: project.and_then(|id| self.nodes.name(id)),
        })
    }

    /// Returns what [`learn`](Self::learn) would do; errors if it would refuse. Nothing is learned.
    pub fn foresee(
        &self,
        organization: OrganizationId,
        child: Child<'_>,
        parents: &Parents,
    ) -> Result<Foreseen, LearnError> {
        let plan = self.plan(organization, child, parents)?;
        let added = self.count_added(organization, &plan)?;
        let name = |named| match named {
            Named::Known(id) => self.nodes.name(id),
            Named::New(name) => Some(name.clone()),
        };
        let parents = Parents {
            group: plan.group.and_then(name),
            project: plan.project.and_then(name),
        };
        Ok(Foreseen { parents, added })
    }

    /// Returns the parents of a session.
    pub fn parents(&self, session: SessionIndex) -> Parents {
        let (project, group) = self.above(session);
        Parents {
            group: group.and_then(|id| self.nodes.name(id)),
            project: project.and_then(|id| self.nodes.name(id)),
        }
    }

    /// Returns the parents of a group or project. Empty for a session: see
    /// [`parents`](Self::parents).
    pub fn parents_of(&self, scope: &Scope) -> Parents {
        let project = match &scope.address {
            Address::Project(_) => self.find(scope),
            _ => None,
        };
        let group = project.and_then(|id| self.nodes.group_of(id));
        Parents {
            group: group.and_then(|id| self.nodes.name(id)),
            project: None,
        }
    }

    /// Removes a session. Its parents stay known.
    pub fn remove(&mut self, session: SessionIndex) {
        let leaf = self.leaves.get_mut(session.index()).and_then(Option::take);
        if let Some(leaf) = leaf {
            self.detach(leaf);
        }
    }

    /// Appends the sessions beneath a group, project or organization to `out`, in time proportional
    /// to their number. There is nothing beneath a session.
    pub fn sessions_beneath(&self, scope: &Scope, out: &mut Vec<SessionIndex>) {
        if let Some(node) = self.find(scope) {
            self.nodes.sessions_beneath(node, out);
        }
    }

    /// Whether a group or project is known. Organizations are: they are configured, not learned.
    pub fn knows(&self, scope: &Scope) -> bool {
        matches!(scope.address, Address::Organization) || self.find(scope).is_some()
    }

    /// Returns a number that changes whenever a group, a project, or a project's group is learned.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the known groups and projects.
    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    pub(super) fn nodes_mut(&mut self) -> &mut Nodes {
        &mut self.nodes
    }

    fn find(&self, scope: &Scope) -> Option<NodeId> {
        let (level, name) = match &scope.address {
            Address::Organization => (Level::Organization, ""),
            Address::Group(name) => (Level::Group, name.as_str()),
            Address::Project(name) => (Level::Project, name.as_str()),
            Address::Session(_) => return None,
        };
        self.nodes.find(scope.organization, level, name)
    }

    /// Returns a session's project and group.
    fn above(&self, session: SessionIndex) -> (Option<NodeId>, Option<NodeId>) {
        let Some(&Some(leaf)) = self.leaves.get(session.index()) else {
            return (None, None);
        };
        match self.nodes.level(leaf.node) {
            Level::Organization => (None, None),
            Level::Group => (None, Some(leaf.node)),
            Level::Project => (Some(leaf.node), self.nodes.group_of(leaf.node)),
        }
    }

    /// Merges a call's statements with the known facts.
    fn plan<'a>(
        &self,
        organization: OrganizationId,
        child: Child<'a>,
        parents: &'a Parents,
    ) -> Result<Plan<'a>, LearnError> {
        let named = |level, name: &'a ScopeName| {
            let known = self.nodes.find(organization, level, name.as_str());
            known.map_or(Named::New(name), Named::Known)
        };
        let named_project = parents.project.as_ref().map(|p| named(Level::Project, p));
        let named_group = parents.group.as_ref().map(|g| named(Level::Group, g));
        let (known_project, known_group) = match child {
            Child::Session(session) => {
                let (project, group) = self.above(session);
                (project.map(Named::Known), group.map(Named::Known))
            }
            Child::Project(name) => (Some(named(Level::Project, name)), None),
            Child::Group(_) if parents.project.is_some() => return Err(LearnError::Contradiction),
            Child::Group(name) => (None, Some(named(Level::Group, name))),
        };
        let project = agree(known_project, named_project)?;
        let project_group = match project {
            Some(Named::Known(id)) => self.nodes.group_of(id).map(Named::Known),
            Some(Named::New(_)) | None => None,
        };
        let group = agree(agree(known_group, project_group)?, named_group)?;
        Ok(Plan { project, group })
    }

    /// Returns how many nodes a plan adds; errors if there is no room for them.
    fn count_added(
        &self,
        organization: OrganizationId,
        plan: &Plan<'_>,
    ) -> Result<usize, LearnError> {
        let is_new = |named: Option<Named<'_>>| matches!(named, Some(Named::New(_)));
        // Organizations are configured and few: a session without parents always finds room.
        let added = usize::from(is_new(plan.project)) + usize::from(is_new(plan.group));
        if added > 0 && self.nodes.len() + added > self.nodes_max {
            return Err(LearnError::Full);
        }
        let most = self.bounds.get(organization.0 as usize);
        if added > 0 && most.is_some_and(|&most| self.nodes.count_of(organization) + added > most) {
            return Err(LearnError::OrganizationFull);
        }
        Ok(added)
    }

    /// Makes the nodes of a plan, and links them; returns the project and the group.
    fn apply(
        &mut self,
        organization: OrganizationId,
        root: NodeId,
        plan: &Plan<'_>,
    ) -> (Option<NodeId>, Option<NodeId>) {
        let group = plan.group.map(|group| match group {
            Named::Known(id) => id,
            Named::New(name) => {
                self.revision += 1;
                self.nodes
                    .insert(organization, Level::Group, Some(name), Some(root), self.now)
            }
        });
        let project = plan.project.map(|project| match project {
            Named::Known(id) => {
                if let Some(group) = group
                    && self.nodes.group_of(id).is_none()
                {
                    self.revision += 1;
                    self.nodes.move_under(id, group);
                }
                id
            }
            Named::New(name) => {
                self.revision += 1;
                let parent = group.unwrap_or(root);
                self.nodes.insert(
                    organization,
                    Level::Project,
                    Some(name),
                    Some(parent),
                    self.now,
                )
            }
        });
        (project, group)
    }

    /// Puts a session beneath a node, wherever it was.
    fn place(&mut self, session: SessionIndex, node: NodeId) {
        if self.leaves.len() <= session.index() {
            self.leaves.resize(session.index() + 1, None);
        }
        match self.leaves[session.index()] {
            Some(leaf) if leaf.node == node => return,
            Some(leaf) => self.detach(leaf),
            None => {}
        }
        let position = self.nodes.add_session(node, session);
        self.leaves[session.index()] = Some(Leaf { node, position });
    }

    fn detach(&mut self, leaf: Leaf) {
        let moved = self.nodes.remove_session(leaf.node, leaf.position);
        if let Some(moved) = moved {
            self.leaves[moved.index()] = Some(leaf);
        }
    }
}

/// Merges two statements about the same thing, either of which may be absent.
fn agree<'a>(a: Option<Named<'a>>, b: Option<Named<'a>>) -> Result<Option<Named<'a>>, LearnError> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => Err(LearnError::Contradiction),
        (a, b) => Ok(a.or(b)),
    }
}
