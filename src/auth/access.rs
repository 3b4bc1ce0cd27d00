//! Authorization: one judge for all dialects of a client's identity and its grants.
//!
//! A dialect reads the request's credentials and knows the grant it needs; it writes the refusal in
//! its own form. The reasons for refusing are decided here, at a time that is an argument: an
//! identity ends.

use super::credentials::Credentials;
use super::directory::Directory;
use super::identity::{Grant, Identity, OrganizationId};
use crate::metrics::RefusalKind;
use crate::time::Now;

/// The reason why a client may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The request has no credentials.
    Missing,
    /// The credentials are malformed.
    Malformed,
    /// A user's name and password came where only tokens are taken.
    Password,
    /// Several credentials came that are not the same.
    Contradictory,
    /// The token is unknown.
    Unknown,
    /// The identity has ended.
    Ended(Identity),
    /// The identity lacks this grant.
    Lacks(Identity, Grant),
}

impl Denied {
    /// Returns the reason as it is counted and logged.
    pub const fn kind(self) -> RefusalKind {
        match self {
            Self::Missing | Self::Malformed | Self::Password | Self::Contradictory => {
                RefusalKind::Credentials
            }
            Self::Unknown | Self::Ended(_) => RefusalKind::Token,
            Self::Lacks(..) => RefusalKind::Grant,
        }
    }

    /// Returns the organization of the refused client, if it is known.
    pub const fn organization(self) -> Option<OrganizationId> {
        match self {
            Self::Ended(identity) | Self::Lacks(identity, _) => Some(identity.organization),
            Self::Missing
            | Self::Malformed
            | Self::Password
            | Self::Contradictory
            | Self::Unknown => None,
        }
    }
}

impl Directory {
    /// Identifies a client by its credentials. Without organizations all clients have the same
    /// identity, and `presented` is not called. Not for a user's password: checking one takes long
    /// ([`verify`](Self::verify)).
    pub fn identify<'b>(
        &self,
        now: Now,
        presented: impl FnOnce() -> Credentials<'b>,
    ) -> Result<Identity, Denied> {
        if let Some(everyone) = self.anonymous() {
            return Ok(everyone);
        }
        match presented() {
            Credentials::None => Err(Denied::Missing),
            Credentials::Bearer(token) => self.bearer(token).ok_or(Denied::Unknown)?.current(now),
            Credentials::Basic { .. } => Err(Denied::Password),
            Credentials::Contradictory => Err(Denied::Contradictory),
            Credentials::Malformed => Err(Denied::Malformed),
        }
    }
}

impl Identity {
    /// Returns this identity. Errors if it has ended.
    pub fn current(self, now: Now) -> Result<Self, Denied> {
        if now.instant < self.ends {
            Ok(self)
        } else {
            Err(Denied::Ended(self))
        }
    }

    /// Returns this identity. Errors if it has ended or lacks the grant.
    pub fn with_grant(self, now: Now, needed: Grant) -> Result<Self, Denied> {
        let identity = self.current(now)?;
        if identity.grants.allow(needed) {
            Ok(identity)
        } else {
            Err(Denied::Lacks(identity, needed))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::{Grants, Secret};
    use super::super::token::TokenDigest;
    use super::*;
    use crate::config::{BoundsConfig, HubConfig, OrganizationConfig, TokenConfig};
    use crate::time::Instant;

    fn at(millis: u64) -> Now {
        Now {
            instant: Instant::from_millis(millis),
            unix_ms: millis,
        }
    }

    fn directory() -> Directory {
        let token = TokenConfig {
            sha256: TokenDigest::of("known").to_string(),
            grants: vec!["publish".to_owned()],
        };
        let organization = OrganizationConfig {
            name: "a".to_owned(),
            id: None,
            publishes_per_second: None,
            bounds: BoundsConfig::default(),
            logs_bytes_max: None,
            tokens: vec![token],
            users: Vec::new(),
        };
        Directory::from_config(&HubConfig::default(), &[organization])
    }

    #[test]
    fn what_is_presented_is_an_identity_or_a_reason() {
        let directory = directory();
        let identify = |credentials| directory.identify(at(0), || credentials);
        let known = identify(Credentials::Bearer("known")).expect("known");
        assert_eq!(known.organization, OrganizationId(0));
        let basic = Credentials::Basic {
            name: "known".to_owned(),
            password: Secret::new("known"),
        };
        for (credentials, denied) in [
            (Credentials::None, Denied::Missing),
            (Credentials::Bearer("other"), Denied::Unknown),
            (basic, Denied::Password),
            (Credentials::Contradictory, Denied::Contradictory),
            (Credentials::Malformed, Denied::Malformed),
        ] {
            assert_eq!(identify(credentials), Err(denied));
            assert_eq!(denied.organization(), None);
        }
    }

    #[test]
    fn without_organizations_nothing_is_looked_at() {
        let everyone = Directory::open()
            .identify(at(0), || panic!("looked"))
            .expect("everyone");
        assert_eq!(everyone.ends, Instant::NEVER);
        for grant in Grant::EVERY {
            assert_eq!(everyone.with_grant(at(u64::MAX - 1), grant), Ok(everyone));
        }
    }

    #[test]
    fn a_grant_is_needed_and_the_end_comes_first() {
        let identity = Identity {
            organization: OrganizationId(7),
            grants: Grants::NONE.with(Grant::Subscribe),
            ends: Instant::from_millis(1_000),
        };
        assert_eq!(identity.with_grant(at(999), Grant::Subscribe), Ok(identity));
        let lacks = Denied::Lacks(identity, Grant::Publish);
        assert_eq!(identity.with_grant(at(999), Grant::Publish), Err(lacks));
        let ended = Denied::Ended(identity);
        for grant in Grant::EVERY {
            assert_eq!(identity.with_grant(at(1_000), grant), Err(ended));
        }
        for (denied, kind) in [(lacks, RefusalKind::Grant), (ended, RefusalKind::Token)] {
            assert_eq!(denied.kind(), kind);
            assert_eq!(denied.organization(), Some(OrganizationId(7)));
        }
    }
}
