//! What the naive hub has been told of the tree, what it answers, and whom it tells.

use fanfare::hub::{Address, News, OrganizationId, Parents, Refusal, ScopeName};

use crate::facts::Facts;
use crate::naive_hub::{Key, NaiveHub};

/// The organization that another shard listens to.
pub(crate) const LISTENED: u32 = 1;

/// Of what a call says the parents.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Child<'a> {
    Session(usize),
    Project(&'a str),
    Group(&'a str),
}

impl<'a> Child<'a> {
    /// Of a group or a project.
    pub(crate) fn of(address: &'a Address) -> Option<Self> {
        match address {
            Address::Group(g) => Some(Self::Group(g.as_str())),
            Address::Project(p) => Some(Self::Project(p.as_str())),
            Address::Organization | Address::Session(_) => None,
        }
    }
}

impl NaiveHub {
    /// What a call says, added to the facts; none if it contradicts them.
    fn learned(
        &self,
        organization: u32,
        child: Child<'_>,
        said: &Parents,
    ) -> Result<Facts, Refusal> {
        let facts = self.facts.get(&organization).cloned().unwrap_or_default();
        let project = said.project.as_ref().map(ScopeName::as_str);
        let group = said.group.as_ref().map(ScopeName::as_str);
        let learned = match child {
            Child::Session(uid) => facts.with(Some(uid), project, group),
            Child::Project(p) if project.is_some_and(|said| said != p) => None,
            Child::Project(p) => facts.with(None, Some(p), group),
            Child::Group(g) if project.is_some() || group.is_some_and(|said| said != g) => None,
            Child::Group(g) => facts.with(None, None, Some(g)),
        };
        learned.ok_or(Refusal::Contradiction)
    }

    /// Whether a call that uses scopes may say this; nothing is learned.
    pub(crate) fn check(
        &self,
        organization: u32,
        child: Child<'_>,
        said: &Parents,
    ) -> Result<(), Refusal> {
        let known = self.facts.get(&organization).cloned().unwrap_or_default();
        let learned = self.learned(organization, child, said)?;
        let names = |facts: &Facts| facts.groups.len() + facts.projects.len();
        if self.config.declared_scopes && names(&learned) > names(&known) {
            return Err(Refusal::Undeclared);
        }
        Ok(())
    }

    pub(crate) fn learn(
        &mut self,
        organization: u32,
        child: Child<'_>,
        said: &Parents,
    ) -> Result<Parents, Refusal> {
        let learned = self.learned(organization, child, said)?;
        let facts = self.facts.entry(organization).or_default();
        let news = learned.above() != facts.above();
        *facts = learned;
        let parents = match child {
            Child::Session(uid) => self.parents(organization, uid),
            Child::Project(p) => Parents {
                group: facts.group_of_project(p).map(ScopeName::new),
                project: Some(ScopeName::new(p)),
            },
            Child::Group(g) => Parents {
                group: Some(ScopeName::new(g)),
                project: None,
            },
        };
        if news {
            self.effects.push(News::Learn {
                organization: OrganizationId(organization),
                session: None,
                parents: parents.clone(),
            });
        }
        Ok(parents)
    }

    /// Learns what is above a session. Whoever listens to its organization is told.
    pub(crate) fn learn_session(
        &mut self,
        key: &Key,
        uid: usize,
        said: &Parents,
    ) -> Result<(), Refusal> {
        let before = self.facts.get(&key.0).map(|facts| facts.parents(uid));
        let parents = self.learn(key.0, Child::Session(uid), said)?;
        if parents != before.unwrap_or_default() && key.0 == LISTENED {
            self.effects.push(News::Learn {
                organization: OrganizationId(key.0),
                session: Some(ScopeName::new(&key.1)),
                parents,
            });
        }
        Ok(())
    }

    /// What is above an address above sessions.
    pub(crate) fn parents_above(&self, organization: u32, address: &Address) -> Parents {
        let facts = self.facts.get(&organization);
        let group = match address {
            Address::Project(p) => facts.and_then(|facts| facts.group_of_project(p.as_str())),
            _ => None,
        };
        Parents {
            group: group.map(ScopeName::new),
            project: None,
        }
    }

    pub(crate) fn parents(&self, organization: u32, uid: usize) -> Parents {
        self.facts[&organization].parents(uid)
    }
}
