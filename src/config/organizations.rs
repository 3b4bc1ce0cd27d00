//! Organizations, their tokens and their users, as configured.

use uuid::Uuid;

use crate::limits;

/// What a token or user may be allowed, as words.
pub const GRANTS: [&str; 3] = ["publish", "subscribe", "admin"];

/// One of `[[organizations]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationConfig {
    /// Its symbolic name, unique.
    pub name: String,
    /// Its UUID; `None` is derived from the name (UUID version 5, so that it stays the same).
    pub id: Option<String>,
    /// Events per second that it may publish, up to `limits::PUBLISHES_PER_SECOND_MAX`; 0 is no limit, `None`
    /// what `[hub]` says.
    pub publishes_per_second: Option<usize>,
    /// How much it may have on one shard, in place of what `[hub]` says.
    pub bounds: BoundsConfig,
    /// Most bytes that its logs on one shard retain together, up to `hub.logs_bytes_max`; `None` is a share of that.
    pub logs_bytes_max: Option<usize>,
    /// `[[organizations.tokens]]`.
    pub tokens: Vec<TokenConfig>,
    /// `[[organizations.users]]`.
    pub users: Vec<UserConfig>,
}

/// How much each organization may have on one shard; `None` is a share of what a shard can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoundsConfig {
    /// Sessions, 1 to `limits::SESSIONS_MAX`.
    pub sessions_max: Option<usize>,
    /// Groups and projects, 1 to `limits::NODES_MAX`.
    pub scopes_max: Option<usize>,
    /// Polls, feeds and rooms, 1 to `limits::READERS_MAX`.
    pub readers_max: Option<usize>,
    /// Live subscriptions, 1 to `limits::SUBSCRIPTIONS_MAX`.
    pub subscriptions_max: Option<usize>,
    /// Different names with text behind a `*` in subscriptions, 1 to `limits::WILDCARDS_PER_ORGANIZATION_MAX`.
    pub wildcards_max: Option<usize>,
}

impl BoundsConfig {
    /// Each key, its value and the most that it may be.
    pub(super) fn keys(&self) -> [(&'static str, Option<usize>, usize); 5] {
        [
            ("sessions_max", self.sessions_max, limits::SESSIONS_MAX),
            ("scopes_max", self.scopes_max, limits::NODES_MAX),
            ("readers_max", self.readers_max, limits::READERS_MAX),
            (
                "subscriptions_max",
                self.subscriptions_max,
                limits::SUBSCRIPTIONS_MAX,
            ),
            (
                "wildcards_max",
                self.wildcards_max,
                limits::WILDCARDS_PER_ORGANIZATION_MAX,
            ),
        ]
    }

    /// Each key, to be read.
    pub(super) fn keys_mut(&mut self) -> [(&'static str, &mut Option<usize>); 5] {
        [
            ("sessions_max", &mut self.sessions_max),
            ("scopes_max", &mut self.scopes_max),
            ("readers_max", &mut self.readers_max),
            ("subscriptions_max", &mut self.subscriptions_max),
            ("wildcards_max", &mut self.wildcards_max),
        ]
    }
}

/// One of `[[organizations.tokens]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    /// SHA-256 of the token, 64 hexadecimal digits.
    pub sha256: String,
    /// What it allows: some of `publish`, `subscribe`, `admin`.
    pub grants: Vec<String>,
}

/// One of `[[organizations.users]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserConfig {
    /// The name to log in by, unique on this node.
    pub name: String,
    /// The argon2id hash of the password, in PHC string form.
    pub password: String,
    /// What the user may do: some of `publish`, `subscribe`, `admin`.
    pub grants: Vec<String>,
}

impl OrganizationConfig {
    /// The organization's UUID: the one that is configured, or UUID version 5 of
    /// `urn:fanfare:organization:<name>` in the URL namespace (RFC 9562 §5.5). `None` if what is configured
    /// is not a UUID.
    pub fn uuid(&self) -> Option<Uuid> {
        let Some(id) = &self.id else {
            let urn = format!("urn:fanfare:organization:{}", self.name);
            return Some(Uuid::new_v5(&Uuid::NAMESPACE_URL, urn.as_bytes()));
        };
        // The hyphenated form only: the others are for machines.
        let hyphenated = id.len() == uuid::fmt::Hyphenated::LENGTH;
        id.parse().ok().filter(|_| hyphenated)
    }
}
