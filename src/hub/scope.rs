//! Scopes as values: their names and their home shards.

use std::borrow::Borrow;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::auth::LoginToken;
pub use crate::auth::OrganizationId;

/// One shard of this node: 0 … shards − 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The id as an index into per-shard tables.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The name of a group, project or session within its organization: 1–256 bytes of text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeName(Arc<str>);

impl ScopeName {
    /// A name that the caller has validated.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ScopeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A level of an organization's tree and, below the top, the name there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// The organization itself.
    Organization,
    /// A group (`collection_id`, `event_id`).
    Group(ScopeName),
    /// A project.
    Project(ScopeName),
    /// A session (`layout_id`, `session_id`, token): the leaf that owns a log.
    Session(ScopeName),
}

/// An address in one organization's tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The organization.
    pub organization: OrganizationId,
    /// The address within its tree.
    pub address: Address,
}

/// A session's full name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The organization.
    pub organization: OrganizationId,
    /// Its token.
    pub token: ScopeName,
}

impl SessionKey {
    /// The session as a scope.
    pub fn scope(&self) -> Scope {
        Scope {
            organization: self.organization,
            address: Address::Session(self.token.clone()),
        }
    }
}

/// The scopes above a session or a project, as far as a call named them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parents {
    /// The group.
    pub group: Option<ScopeName>,
    /// The project.
    pub project: Option<ScopeName>,
}

impl Parents {
    /// Returns the parents of an address, from a list that may include the address itself.
    #[must_use]
    pub fn above(self, address: &Address) -> Self {
        let Self { group, project } = self;
        match address {
            Address::Session(_) => Self { group, project },
            Address::Project(_) => Self {
                group,
                project: None,
            },
            Address::Group(_) | Address::Organization => Self::default(),
        }
    }

    /// Whether everything named here is known already.
    pub fn are_among(&self, known: &Self) -> bool {
        let among = |named: &Option<ScopeName>, known| named.is_none() || named == known;
        among(&self.group, &known.group) && among(&self.project, &known.project)
    }

    /// Whether the call named no parent.
    pub const fn is_empty(&self) -> bool {
        self.group.is_none() && self.project.is_none()
    }
}

/// The map from scopes to home shards: `hash(seed, scope)` scaled to the number of shards.
///
/// The same on every shard. The seed keeps outsiders from aiming all their scopes at one shard.
#[derive(Clone, Debug)]
pub struct Placement {
    hasher: foldhash::fast::FixedState,
    shards: u16,
}

impl Placement {
    /// Placement over `shards` shards, at least one.
    pub fn new(seed: u64, shards: u16) -> Self {
        assert!(shards > 0, "a hub has at least one shard");
        Self {
            hasher: foldhash::fast::FixedState::with_seed(seed),
            shards,
        }
    }

    /// Returns the number of shards.
    pub const fn shards(&self) -> u16 {
        self.shards
    }

    /// Returns the hash of a session: also the key of the session table, so that it is computed
    /// once.
    ///
    /// It hashes the token alone, so that all organizations' sessions of one token have the same
    /// home: a client that knows a token but not its organization can be led there. Tables compare
    /// the organization.
    pub fn session_hash(&self, token: &str) -> u64 {
        self.hasher.hash_one((3u8, token))
    }

    /// The home shard of a session whose hash is known.
    pub const fn home_of_hash(&self, hash: u64) -> ShardId {
        // The high half of a 128-bit product maps the hash evenly onto 0..shards. Tables use the
        // low bits, so placement must not.
        ShardId(((hash as u128 * self.shards as u128) >> 64) as u16)
    }

    /// The home shard of a scope.
    pub fn home(&self, scope: &Scope) -> ShardId {
        self.home_of_hash(self.scope_hash(scope.organization, &scope.address))
    }

    pub(super) fn scope_hash(&self, organization: OrganizationId, address: &Address) -> u64 {
        match address {
            Address::Organization => self.hash(organization, 0, ""),
            Address::Group(name) => self.hash(organization, 1, name.as_str()),
            Address::Project(name) => self.hash(organization, 2, name.as_str()),
            Address::Session(name) => self.session_hash(name.as_str()),
        }
    }

    /// The shard that remembers a login.
    pub fn home_of_login(&self, token: &LoginToken) -> ShardId {
        self.home_of_hash(self.hasher.hash_one((4u8, token.0)))
    }

    /// The shard that remembers an idempotency key, by the first bits of its digest.
    pub fn home_of_key(&self, prefix: u64) -> ShardId {
        self.home_of_hash(self.hasher.hash_one((5u8, prefix)))
    }

    fn hash(&self, organization: OrganizationId, level: u8, name: &str) -> u64 {
        self.hasher.hash_one((organization.0, level, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placement_spreads_and_repeats() {
        let placement = Placement::new(7, 4);
        let mut counts = [0u32; 4];
        for i in 0..4_000 {
            let key = SessionKey {
                organization: OrganizationId(0),
                token: ScopeName::new(&format!("session-{i}")),
            };
            let home = placement.home(&key.scope());
            assert_eq!(home, placement.home(&key.scope()));
            counts[home.index()] += 1;
        }
        let session = |organization, token| Scope {
            organization: OrganizationId(organization),
            address: Address::Session(ScopeName::new(token)),
        };
        assert_eq!(
            placement.home(&session(0, "a")),
            placement.home(&session(1, "a"))
        );
        assert!(
            counts.iter().all(|&n| (850..1150).contains(&n)),
            "uneven: {counts:?}"
        );
    }
}
