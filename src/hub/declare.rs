//! Learning the scope tree, from calls and from the hubs of other shards.
//!
//! A project's home shard decides what its group is. Everything that a shard learns above sessions
//! it tells the others, since each keeps the logs of its own sessions beneath.

use super::bounds::{Full, Table, Whose};
use super::command::{Answer, Refusal};
use super::hub::Hub;
use super::news::News;
use super::scope::{Address, OrganizationId, Parents, Scope, ScopeName, SessionKey};
use super::session::SessionIndex;
use super::tree::{Child, LearnError};
use crate::limits::SCOPE_FORGET_GRACE;
use crate::time::Now;

impl Hub {
    /// The refusal of a call that taught the tree nothing.
    fn not_learned(&self, error: LearnError) -> Refusal {
        let whose = match error {
            LearnError::Contradiction => return Refusal::Contradiction,
            LearnError::Full => Whose::Everyone,
            LearnError::OrganizationFull => Whose::Organization,
        };
        let after = self.config.scope_ttl + SCOPE_FORGET_GRACE;
        Refusal::Full(Full::new(Table::Scopes, whose, after))
    }

    /// Learns, or checks, the scopes above a scope. A session is created if need be, unless it was
    /// ended.
    pub(super) fn place(
        &mut self,
        now: Now,
        scope: &Scope,
        hash: u64,
        parents: &Parents,
    ) -> Result<Answer, Refusal> {
        let organization = scope.organization;
        let Address::Session(token) = &scope.address else {
            self.check_known(scope)?;
            self.foresee_above(scope, parents)?;
            return self.learn_above(scope, parents).map(Answer::Parents);
        };
        let key = SessionKey {
            organization,
            token: token.clone(),
        };
        let parents = if let Ok(index) = self.use_key(now, &key, hash) {
            self.foresee(organization, Child::Session(index), parents)?;
            self.learn_session(index, &key, parents)?
        } else {
            self.check_readable(now, organization, hash)?;
            let index = self.insert(now, key, hash, parents, None)?;
            self.tree.parents(index)
        };
        Ok(Answer::Parents(parents))
    }

    /// Learns from another shard's tree: [`News::Learn`]. News that contradicts this shard's tree,
    /// or finds no room in it, is left out: commands will be refused for the same reason. Of a
    /// session elsewhere only the subscriptions here learn, and its home is always right.
    pub fn learn_from_mail(
        &mut self,
        organization: OrganizationId,
        session: Option<&ScopeName>,
        parents: &Parents,
    ) {
        let child = match (&parents.project, &parents.group) {
            (Some(project), _) => Child::Project(project),
            (None, Some(group)) => Child::Group(group),
            (None, None) => return,
        };
        let learned = self.tree.learn(organization, child, parents);
        self.tell_returned();
        if let Ok(learned) = &learned {
            self.teach(organization, learned);
        }
        if let Some(session) = session {
            let scope = Scope {
                organization,
                address: Address::Session(session.clone()),
            };
            // The home may not know the project's group yet.
            let above = learned.as_ref().unwrap_or(parents);
            self.teach_filters(&scope, above);
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

    /// Errors if sessions must be declared before use.
    pub(super) fn check_implicit(&self) -> Result<(), Refusal> {
        if self.config.declared_scopes {
            Err(Refusal::Undeclared)
        } else {
            Ok(())
        }
    }

    /// Errors if the scope above sessions is unknown and scopes must be declared before use.
    pub(super) fn check_known(&self, scope: &Scope) -> Result<(), Refusal> {
        if self.tree.knows(scope) {
            Ok(())
        } else {
            self.check_implicit()
        }
    }

    /// Returns the parents that a child will have once `parents` are learned, which then cannot
    /// fail. Learns nothing yet. For calls that use scopes, and thus must not declare them.
    pub(super) fn foresee(
        &self,
        organization: OrganizationId,
        child: Child<'_>,
        parents: &Parents,
    ) -> Result<Parents, Refusal> {
        let foreseen = self.tree.foresee(organization, child, parents);
        let foreseen = foreseen.map_err(|error| self.not_learned(error))?;
        if foreseen.added > 0 {
            self.check_implicit()?;
        }
        Ok(foreseen.parents)
    }

    /// [`foresee`](Self::foresee), for a group or a project; there is nothing above an
    /// organization.
    pub(super) fn foresee_above(
        &self,
        scope: &Scope,
        parents: &Parents,
    ) -> Result<Parents, Refusal> {
        match Child::above_sessions(&scope.address) {
            Some(child) => self.foresee(scope.organization, child, parents),
            None if parents.is_empty() => Ok(Parents::default()),
            None => Err(Refusal::Contradiction),
        }
    }

    /// Learns the parents of a group or a project.
    pub(super) fn learn_above(
        &mut self,
        scope: &Scope,
        parents: &Parents,
    ) -> Result<Parents, Refusal> {
        match Child::above_sessions(&scope.address) {
            Some(child) => self.learn(scope.organization, child, parents),
            None => Ok(Parents::default()),
        }
    }

    /// Learns, or checks, the parents of a session, and tells live subscriptions at it, here and
    /// elsewhere. `index` is the session's, or its future one.
    pub(super) fn learn_session(
        &mut self,
        index: SessionIndex,
        session: &SessionKey,
        parents: &Parents,
    ) -> Result<Parents, Refusal> {
        let organization = session.organization;
        let before = self.tree.parents(index);
        let parents = self.learn(organization, Child::Session(index), parents)?;
        if parents != before {
            self.teach_filters(&session.scope(), &parents);
            if !self.listeners(organization).is_empty() {
                self.effects.push(News::Learn {
                    organization,
                    session: Some(session.token.clone()),
                    parents: parents.clone(),
                });
            }
        }
        Ok(parents)
    }

    /// Teaches the tree, and tells the other shards of groups and projects that it did not know.
    fn learn(
        &mut self,
        organization: OrganizationId,
        child: Child<'_>,
        parents: &Parents,
    ) -> Result<Parents, Refusal> {
        let revision = self.tree.revision();
        let learned = self.tree.learn(organization, child, parents);
        let parents = learned.map_err(|error| self.not_learned(error))?;
        self.tell_returned();
        self.teach(organization, &parents);
        if self.tree.revision() != revision && self.placement.shards() > 1 {
            self.effects.push(News::Learn {
                organization,
                session: None,
                parents: parents.clone(),
            });
        }
        Ok(parents)
    }

    /// Tells live subscriptions at a project and beneath it its group, as the tree answered for any
    /// child.
    fn teach(&mut self, organization: OrganizationId, parents: &Parents) {
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
