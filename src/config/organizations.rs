//! Organizations, their tokens and their users, as configured.

use uuid::Uuid;

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
    /// `[[organizations.tokens]]`.
    pub tokens: Vec<TokenConfig>,
    /// `[[organizations.users]]`.
    pub users: Vec<UserConfig>,
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
