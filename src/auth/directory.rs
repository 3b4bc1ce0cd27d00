//! The organizations of a node, as configured: equal on every shard, never changed while it runs.

use uuid::Uuid;

use super::identity::{Grants, Identity, OrganizationId};

/// One user of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserId(pub u32);

/// An organization as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its symbolic name.
    pub name: String,
    /// Its UUID, as events carry it.
    pub uuid: Uuid,
}

/// A user as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What the user may do, and where.
    pub identity: Identity,
    /// The argon2id hash of the password, in PHC string form.
    pub password_hash: String,
}

/// All organizations, tokens and users.
#[derive(Debug)]
pub struct Directory {
    organizations: Vec<Organization>,
    open: bool,
}

impl Directory {
    /// The directory of a node without organizations: one, called `default`, where everyone may do
    /// everything.
    pub fn open() -> Self {
        let name = String::from("default");
        let uuid = Uuid::nil();
        Self {
            organizations: vec![Organization { name, uuid }],
            open: true,
        }
    }

    /// Everyone's identity in open mode; `None` when organizations are configured.
    pub fn anonymous(&self) -> Option<Identity> {
        self.open.then_some(Identity {
            organization: OrganizationId(0),
            grants: Grants::ALL,
        })
    }

    /// The organization of an id that this directory gave out.
    pub fn organization(&self, id: OrganizationId) -> &Organization {
        &self.organizations[id.0 as usize]
    }

    /// All organizations' ids.
    pub fn organizations(&self) -> impl Iterator<Item = OrganizationId> + use<> {
        (0..self.organizations.len() as u32).map(OrganizationId)
    }

    /// Whose API token this is.
    pub fn bearer(&self, _token: &str) -> Option<Identity> {
        None
    }

    /// The user of a name.
    pub fn user(&self, _name: &str) -> Option<UserId> {
        None
    }

    /// The user of an id that this directory gave out.
    pub fn user_of(&self, _id: UserId) -> Option<&User> {
        None
    }
}
