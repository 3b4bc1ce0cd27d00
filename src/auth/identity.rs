//! The identity that a login gives: an organization and the grants there.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::time::Instant;

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

impl Grant {
    /// Every grant, in the order of [`config::GRANTS`](crate::config::GRANTS).
    pub const EVERY: [Self; 3] = [Self::Publish, Self::Subscribe, Self::Admin];

    /// The word for it in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Admin => "admin",
        }
    }
}

/// A set of grants: none implies another.
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

    /// The grants named by words of the configuration; an unknown word grants nothing.
    pub fn of_words(words: &[String]) -> Self {
        let named = |grant: &Grant| words.iter().any(|word| word == grant.as_str());
        Grant::EVERY
            .into_iter()
            .filter(named)
            .fold(Self::NONE, Self::with)
    }

    /// Whether a grant is in the set.
    pub const fn allow(self, grant: Grant) -> bool {
        self.0 & grant as u8 != 0
    }
}

/// The identity of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The client's organization.
    pub organization: OrganizationId,
    /// The client's grants there.
    pub grants: Grants,
    /// Its end, on the clock of this server.
    pub ends: Instant,
}

/// One user of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserId(pub u32);

/// A text that must not be logged: it shows as `***`, and is compared in constant time.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl Secret {
    /// Keeps a secret.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the secret text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_the_words_of_the_configuration() {
        let words = Grant::EVERY.map(Grant::as_str);
        assert_eq!(words, crate::config::GRANTS);
        let all: Vec<String> = words.map(String::from).to_vec();
        assert_eq!(Grants::of_words(&all), Grants::ALL);
        assert_eq!(Grants::of_words(&[]), Grants::NONE);
        for (index, grant) in Grant::EVERY.into_iter().enumerate() {
            let one = Grants::of_words(&all[index..=index]);
            assert_eq!(one, Grants::NONE.with(grant));
            let allowed = Grant::EVERY.map(|other| one.allow(other));
            assert_eq!(allowed, Grant::EVERY.map(|other| other == grant));
        }
        assert_eq!(Grants::of_words(&["Publish".to_owned()]), Grants::NONE);
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = Secret::new("swordfish");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret, Secret::new("swordfish"));
        assert_ne!(secret, Secret::new("swordfis"));
        assert_ne!(secret, Secret::new("swordfisH"));
    }
}
