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
    tokens: Vec<(&'static str, Identity)>,
    users: Vec<(&'static str, User)>,
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
            tokens: Vec::new(),
            users: Vec::new(),
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
    pub fn bearer(&self, token: &str) -> Option<Identity> {
        let found = self.tokens.iter().find(|(text, _)| *text == token);
        found.map(|(_, identity)| *identity)
    }

    /// The user of a name.
    pub fn user(&self, name: &str) -> Option<UserId> {
        let found = self.users.iter().position(|(text, _)| *text == name);
        found.map(|index| UserId(index as u32))
    }

    /// The user of an id that this directory gave out.
    pub fn user_of(&self, id: UserId) -> Option<&User> {
        self.users.get(id.0 as usize).map(|(_, user)| user)
    }

    /// Two organizations, for tests. Tokens and users are called after what they may do: `a-all`,
    /// `a-nothing` and `a-listens` in the first, `b-listens` in the second.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        use super::identity::Grant;
        let organization = |name: &str, number| Organization {
            name: name.to_owned(),
            uuid: Uuid::from_u128(number),
        };
        let listens = Grants::NONE.with(Grant::Subscribe);
        let logins = [
            ("a-all", 0, Grants::ALL),
            ("a-nothing", 0, Grants::NONE),
            ("a-listens", 0, listens),
            ("b-listens", 1, listens),
        ];
        let logins = logins.map(|(name, organization, grants)| {
            let organization = OrganizationId(organization);
            let identity = Identity {
                organization,
                grants,
            };
            (name, identity)
        });
        let users = logins.map(|(name, identity)| {
            let password_hash = String::new();
            let user = User {
                identity,
                password_hash,
            };
            (name, user)
        });
        Self {
            organizations: vec![organization("a", 0xa), organization("b", 0xb)],
            tokens: logins.to_vec(),
            users: users.to_vec(),
            open: false,
        }
    }
}
