//! What calls teach the hub about the tree, and what the hubs of the other shards teach it.
//!
//! A project's home shard decides what its group is. Everything that a shard learns above sessions
//! it tells the others, since each keeps the logs of its own sessions beneath.

use super::command::{Answer, Refusal};
use super::effect::Effect;
use super::hub::Hub;
use super::scope::{Address, OrganizationId, Parents, Scope, ScopeName, SessionKey};
use super::tree::{Child, LearnError};
use crate::time::Now;

impl From<LearnError> for Refusal {
    fn from(error: LearnError) -> Self {
        match error {
            LearnError::Contradiction => Self::Contradiction,
            LearnError::Full => Self::Busy,
        }
    }
}

impl Hub {
    /// Learns, or checks, what is above a session, creating it if need be. For calls that carry a
    /// session together with its parents. Answers [`Answer::Parents`].
    pub fn place(&mut self, now: Now, session: &SessionKey, parents: &Parents) -> Answer {
        let result = match self.use_key(now, session) {
            Ok(index) => self.learn(session.organization, Child::Session(index), parents),
            Err(_) => self.check_implicit().and_then(|()| {
                let token = session.token.as_str();
                let hash = self.placement.session_hash(token);
                let index = self.insert(now, session.clone(), hash, parents, None)?;
                Ok(self.tree.parents(index))
            }),
        };
        result.map_or_else(Answer::Refused, Answer::Parents)
    }

    /// Learns what another shard's tree learned: [`Effect::Learn`]. What contradicts this shard's
    /// tree, or finds no room in it, is left out: the same will be answered to commands.
    pub fn learn_from_mail(&mut self, organization: OrganizationId, parents: &Parents) {
        let child = match (&parents.project, &parents.group) {
            (Some(project), _) => Child::Project(project),
            (None, Some(group)) => Child::Group(group),
            (None, None) => return,
        };
        if let Ok(parents) = self.tree.learn(organization, child, parents) {
            self.teach(organization, child, &parents);
        }
    }

    /// Learns, or checks, the group of a project.
    pub(super) fn declare(
        &mut self,
        organization: OrganizationId,
        project: &ScopeName,
        group: Option<ScopeName>,
    ) -> Result<Answer, Refusal> {
        let parents = Parents {
            group,
            project: None,
        };
        self.learn(organization, Child::Project(project), &parents)
            .map(Answer::Parents)
    }

    /// Whether a session that nobody declared may be created.
    pub(super) fn check_implicit(&self) -> Result<(), Refusal> {
        if self.config.declared_scopes {
            Err(Refusal::Undeclared)
        } else {
            Ok(())
        }
    }

    /// Teaches the tree, and tells the other shards if it did not know.
    pub(super) fn learn(
        &mut self,
        organization: OrganizationId,
        child: Child<'_>,
        parents: &Parents,
    ) -> Result<Parents, Refusal> {
        let revision = self.tree.revision();
        let parents = self.tree.learn(organization, child, parents)?;
        self.teach(organization, child, &parents);
        if self.tree.revision() != revision && self.placement.shards() > 1 {
            let parents = parents.clone();
            self.effects.push(Effect::Learn {
                organization,
                parents,
            });
        }
        Ok(parents)
    }

    /// Live subscriptions learn what the tree learned: `parents`, as the tree answered for `child`. A
    /// session that is not in its table yet is left to whoever puts it there.
    fn teach(&mut self, organization: OrganizationId, child: Child<'_>, parents: &Parents) {
        if let Child::Session(index) = child
            && !parents.is_empty()
            && let Some(session) = self.sessions.get(index)
        {
            let scope = session.key.scope();
            self.teach_filters(&scope, parents);
        }
        // Whatever the child was, this is what the answer says about its project.
        if let (Some(project), Some(group)) = (&parents.project, &parents.group) {
            let scope = Scope {
                organization,
                address: Address::Project(project.clone()),
            };
            let parents = Parents {
                group: Some(group.clone()),
                project: None,
            };
            self.teach_filters(&scope, &parents);
        }
    }
}
