//! The scopes of subscriptions: the scopes above each, and the two roots of its access lists.
//!
//! An event at P is heard at S if one is an ancestor of the other or equal. So the programs of S
//! stand beneath the *own* root of S, for events of S and of scopes beneath it, and beneath the
//! *beneath* root of each ancestor of S, for events of that. An event visits the own roots of its
//! scope and of the scopes above, and the beneath root of its scope: no walk, no search.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::atom::fold;
use super::ends::Ends;
use super::index::{Handle, Index};
use super::pages::{Paged, Pool};
use crate::hub::scope::{Address, OrganizationId, Scope, ScopeName};

/// Levels of the tree, top first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Level {
    #[default]
    Organization,
    Group,
    Project,
    Session,
}

/// The level and name of an address.
pub(super) fn place(address: &Address) -> (Level, &str) {
    match address {
        Address::Organization => (Level::Organization, ""),
        Address::Group(name) => (Level::Group, name.as_str()),
        Address::Project(name) => (Level::Project, name.as_str()),
        Address::Session(name) => (Level::Session, name.as_str()),
    }
}

/// A scope that something refers to.
#[derive(Debug, Default)]
pub(super) struct Record {
    organization: u32,
    pub(super) level: Level,
    name: Box<str>,
    ends: Ends,
    hash: u32,
    /// The root of its own programs.
    pub(super) own: Option<u32>,
    /// The root of the programs of scopes beneath it.
    pub(super) beneath: Option<u32>,
    /// The organization, group and project above it, as far as known.
    pub(super) above: [Option<u32>; 3],
    /// Its programs.
    pub(super) programs: Paged<u32>,
    /// Of a project: its sessions. Of a session: its place among its project's.
    pub(super) sessions: Paged<u32>,
    place: u32,
    references: u32,
}

/// All scopes of a table.
#[derive(Debug)]
pub(super) struct Scopes {
    hasher: FixedState,
    records: Pool<Record>,
    index: Index<Handle>,
}

impl Scopes {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hasher: FixedState::with_seed(seed),
            records: Pool::default(),
            index: Index::default(),
        }
    }

    pub(super) fn record(&self, scope: u32) -> &Record {
        &self.records[scope]
    }

    pub(super) fn record_mut(&mut self, scope: u32) -> &mut Record {
        &mut self.records[scope]
    }

    fn hash(&self, organization: OrganizationId, level: Level, name: &str) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(u64::from(organization.0) << 8 | level as u64);
        hasher.write(name.as_bytes());
        fold(hasher.finish())
    }

    /// A scope that something refers to.
    #[inline]
    pub(super) fn find(
        &self,
        organization: OrganizationId,
        level: Level,
        name: &str,
    ) -> Option<u32> {
        let hash = self.hash(organization, level, name);
        let ends = Ends::of(name.as_bytes());
        let is = |entry: &Handle| {
            entry.hash == hash && {
                let record = &self.records[entry.id];
                record.organization == organization.0
                    && record.level == level
                    && record
                        .ends
                        .same(record.name.as_bytes(), ends, name.as_bytes())
            }
        };
        self.index.find(hash, is).map(|entry| entry.id)
    }

    /// Adds a reference to a scope, which is made if need be.
    pub(super) fn acquire(
        &mut self,
        organization: OrganizationId,
        level: Level,
        name: &str,
    ) -> u32 {
        let scope = self.find(organization, level, name).unwrap_or_else(|| {
            let hash = self.hash(organization, level, name);
            let id = self.records.insert(Record {
                organization: organization.0,
                level,
                name: name.into(),
                ends: Ends::of(name.as_bytes()),
                hash,
                ..Record::default()
            });
            self.index.insert(Handle { hash, id });
            if level > Level::Organization {
                let top = self.acquire(organization, Level::Organization, "");
                self.records[id].above[0] = Some(top);
            }
            id
        });
        self.records[scope].references += 1;
        scope
    }

    pub(super) fn acquire_scope(&mut self, scope: &Scope) -> u32 {
        let (level, name) = place(&scope.address);
        self.acquire(scope.organization, level, name)
    }

    pub(super) fn acquire_above(
        &mut self,
        organization: OrganizationId,
        level: Level,
        name: Option<&ScopeName>,
    ) -> Option<u32> {
        name.map(|name| self.acquire(organization, level, name.as_str()))
    }

    /// Removes a reference. A scope without references is forgotten, and its own references with
    /// it.
    pub(super) fn release(&mut self, scope: u32) {
        self.records[scope].references -= 1;
        if self.records[scope].references > 0 {
            return;
        }
        if let (Level::Session, Some(project)) =
            (self.records[scope].level, self.records[scope].above[2])
        {
            self.leave_project(scope, project);
        }
        let record = self.records.remove(scope);
        self.index.remove(record.hash, |entry| entry.id == scope);
        for above in record.above.into_iter().flatten() {
            self.release(above);
        }
    }

    /// Enters a session among the sessions of a project.
    pub(super) fn enter_project(&mut self, session: u32, project: u32) {
        let sessions = &mut self.records[project].sessions;
        sessions.push(session);
        let place = sessions.len() - 1;
        self.records[session].place = place as u32;
    }

    /// Undoes [`Self::enter_project`].
    pub(super) fn leave_project(&mut self, session: u32, project: u32) {
        let place = self.records[session].place as usize;
        let sessions = &mut self.records[project].sessions;
        sessions.swap_remove(place);
        if place < sessions.len() {
            let moved = sessions[place];
            self.records[moved].place = place as u32;
        }
    }
}
