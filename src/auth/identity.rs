//! What a login amounts to: an organization and what may be done in it.

use std::fmt;

/// One tenant. Organizations never hear each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId(pub u32);

/// One thing that a token or user may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Grant {
    /// Send events, and create, change and delete sessions.
    Publish = 1,
    /// Receive events, and read sessions.
    Subscribe = 2,
    /// See and manage everything in the organization.
    Admin = 4,
}

/// A set of grants. Narrowing them to scopes and names will be a field of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grants(u8);

impl Grants {
    /// No grant at all.
    pub const NONE: Self = Self(0);
    /// Every grant.
    pub const ALL: Self = Self(7);

    /// This set and one more.
    pub const fn with(self, grant: Grant) -> Self {
        Self(self.0 | grant as u8)
    }

    /// Whether a grant is in the set.
    pub const fn allow(self, grant: Grant) -> bool {
        self.0 & grant as u8 != 0
    }
}

/// Who somebody is, as far as this server cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose.
    pub organization: OrganizationId,
    /// What they may do there.
    pub grants: Grants,
}

/// A text that must not be logged: it shows as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Keeps a secret.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Gives the secret away.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
