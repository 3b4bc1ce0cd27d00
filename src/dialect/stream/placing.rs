//! Where targets stand: what has to be asked, of whom, before the hub may be told to subscribe or
//! publish.
//!
//! A layout's home knows what is above the layout, and a project's home what its collection is.
//! Only a target that names all three has to be asked of two.

use super::Target;
use crate::auth::OrganizationId;
use crate::hub::{Address, Command, Parents, Scope, ScopeName};

/// A target as the hub knows it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The scope.
    pub(super) scope: Scope,
    /// What the client says stands above it.
    pub(super) parents: Parents,
}

impl Place {
    /// The place of a target; without one it is the organization.
    pub(super) fn of(organization: OrganizationId, target: Option<&Target>) -> Self {
        let address = target.map_or(Address::Organization, Target::address);
        Self {
            scope: Scope {
                organization,
                address,
            },
            parents: target.map_or_else(Parents::default, Target::parents),
        }
    }

    /// What the home of the project must be asked first, if the target names a layout, its project
    /// and its collection.
    pub(super) fn ask_project(&self) -> Option<Command> {
        let (Address::Session(_), Some(project), Some(group)) = (
            &self.scope.address,
            &self.parents.project,
            &self.parents.group,
        ) else {
            return None;
        };
        Some(self.place(Address::Project(project.clone()), Some(group.clone()), None))
    }

    /// What [`ask_project`](Self::ask_project) asks about.
    pub(super) fn asked_first(&self) -> Address {
        let project = self.parents.project.clone();
        project.map_or_else(|| self.scope.address.clone(), Address::Project)
    }

    /// What the home of the scope itself must be asked, unless everybody knows where it stands.
    pub(super) fn ask(&self) -> Option<Command> {
        if matches!(self.scope.address, Address::Organization) {
            return None;
        }
        let Parents { group, project } = self.parents.clone();
        Some(self.place(self.scope.address.clone(), group, project))
    }

    fn place(
        &self,
        address: Address,
        group: Option<ScopeName>,
        project: Option<ScopeName>,
    ) -> Command {
        let organization = self.scope.organization;
        Command::Place {
            scope: Scope {
                organization,
                address,
            },
            parents: Parents { group, project },
        }
    }
}
