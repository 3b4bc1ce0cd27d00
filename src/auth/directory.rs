//! The organizations of a node, as configured: equal on every shard, never changed while it runs.
//! All shards share one directory, and with it each organization's [`RateLimit`], the only part
//! that publishing changes.
//!
//! A token is looked up by the first bits of its digest, and the rest is compared in constant time.
//! The duration of the search tells where the digest of the *presented* token would stand among the
//! others; the client can compute that digest anyway, and finding a token whose digest begins like
//! a kept one does not get it closer to the kept one's token.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use uuid::Uuid;

use super::checks::Attempt;
use super::identity::{Grants, Identity, OrganizationId, UserId};
use super::password::{PasswordMemory, Work, verify_password};
use super::rate_limit::RateLimit;
use super::token::TokenDigest;
use crate::config::{HubConfig, OrganizationConfig};
use crate::time::Instant;

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
    /// The user's organization and grants.
    pub identity: Identity,
    /// The argon2id hash of the password, in PHC string form.
    pub password_hash: String,
}

/// All organizations, tokens and users.
#[derive(Debug)]
pub struct Directory {
    organizations: Vec<Organization>,
    /// Publish rate of each organization; empty if none is limited.
    publish_limits: Vec<Option<RateLimit>>,
    /// Tokens in order of their digests' first bits.
    tokens: Vec<(TokenDigest, Identity)>,
    users: Vec<User>,
    users_by_name: BTreeMap<String, UserId>,
    /// The work of the most expensive password hash.
    password_work: Work,
    open: bool,
}

impl Directory {
    /// The directory of a node without organizations: one, called `default`, where all clients may
    /// do everything.
    pub fn open() -> Self {
        let name = String::from("default");
        let uuid = Uuid::nil();
        Self {
            organizations: vec![Organization { name, uuid }],
            publish_limits: Vec::new(),
            tokens: Vec::new(),
            users: Vec::new(),
            users_by_name: BTreeMap::new(),
            password_work: Work::DEFAULT,
            open: true,
        }
    }

    /// The directory of the configured organizations, in their order; [`open`](Self::open) if there
    /// are none. The configuration was checked: an entry that could not stand in it opens no door
    /// here.
    pub fn from_config(hub: &HubConfig, organizations: &[OrganizationConfig]) -> Self {
        let mut directory = Self::open();
        directory.publish_limits = publish_limits(hub, organizations);
        if organizations.is_empty() {
            return directory;
        }
        directory.open = false;
        directory.organizations.clear();
        for (id, configured) in (0..).map(OrganizationId).zip(organizations) {
            directory.organizations.push(Organization {
                name: configured.name.clone(),
                uuid: configured.uuid().unwrap_or_default(),
            });
            let identity = |grants: &[String]| Identity {
                organization: id,
                grants: Grants::of_words(grants),
                ends: Instant::NEVER,
            };
            for token in &configured.tokens {
                if let Some(digest) = TokenDigest::parse(&token.sha256) {
                    directory.tokens.push((digest, identity(&token.grants)));
                }
            }
            for user in &configured.users {
                let user_id = UserId(directory.users.len() as u32);
                directory.users.push(User {
                    identity: identity(&user.grants),
                    password_hash: user.password.clone(),
                });
                directory.users_by_name.insert(user.name.clone(), user_id);
            }
        }
        directory.tokens.sort_by_key(|(digest, _)| digest.prefix());
        let works = directory
            .users
            .iter()
            .map(|user| Work::of(&user.password_hash));
        directory.password_work = works
            .max_by_key(|work| work.amount())
            .unwrap_or(Work::DEFAULT);
        directory
    }

    /// Returns the identity of all clients in open mode; `None` when organizations are configured.
    pub fn anonymous(&self) -> Option<Identity> {
        self.open.then_some(Identity {
            organization: OrganizationId(0),
            grants: Grants::ALL,
            ends: Instant::NEVER,
        })
    }

    /// The organization of an id that this directory gave out.
    pub fn organization(&self, id: OrganizationId) -> &Organization {
        &self.organizations[id.0 as usize]
    }

    /// Returns an organization's publish rate limit, if there is one.
    pub fn publish_limit(&self, id: OrganizationId) -> Option<&RateLimit> {
        self.publish_limits.get(id.0 as usize)?.as_ref()
    }

    /// All organizations' ids.
    pub fn organizations(&self) -> impl Iterator<Item = OrganizationId> + use<> {
        (0..self.organizations.len() as u32).map(OrganizationId)
    }

    /// Returns the identity of an API token.
    pub fn bearer(&self, token: &str) -> Option<Identity> {
        if self.tokens.is_empty() {
            return None;
        }
        let digest = TokenDigest::of(token);
        let prefix = digest.prefix();
        let first = self
            .tokens
            .partition_point(|(kept, _)| kept.prefix() < prefix);
        let mut candidates = self.tokens[first..]
            .iter()
            .take_while(|(kept, _)| kept.prefix() == prefix);
        let found = candidates.find(|(kept, _)| kept.matches(&digest));
        found.map(|(_, identity)| *identity)
    }

    /// Finds a user by name.
    pub fn user(&self, name: &str) -> Option<UserId> {
        self.users_by_name.get(name).copied()
    }

    /// The user of an id that this directory gave out.
    pub fn user_of(&self, id: UserId) -> Option<&User> {
        self.users.get(id.0 as usize)
    }

    /// Whether this is the user's password. Takes tens of milliseconds and megabytes, on purpose:
    /// not to be called where others wait. A wrong one takes the same time for every user, also for
    /// an unknown one: that of the strongest hash.
    pub fn verify(&self, attempt: &Attempt, memory: &mut PasswordMemory) -> bool {
        let user = attempt.user.and_then(|user| self.user_of(user));
        let hash = user.map(|user| user.password_hash.as_str());
        verify_password(hash, &attempt.password, self.password_work, memory)
    }
}

/// The limits of all organizations, or of the only one in open mode; none at all if nothing is
/// limited.
fn publish_limits(hub: &HubConfig, organizations: &[OrganizationConfig]) -> Vec<Option<RateLimit>> {
    let limit = |own: Option<usize>| {
        let rate = own.unwrap_or(hub.publishes_per_second);
        // The configuration's bound is far below that of the type.
        let rate = NonZeroU32::new(u32::try_from(rate).unwrap_or(u32::MAX));
        rate.map(RateLimit::new)
    };
    let configured = organizations.iter().map(|one| one.publishes_per_second);
    let mut limits: Vec<_> = configured.map(limit).collect();
    if organizations.is_empty() {
        limits.push(limit(None));
    }
    if limits.iter().all(Option::is_none) {
        limits.clear();
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::super::identity::{Grant, Secret};
    use super::super::password::{PASSWORD_SALT_BYTES, hash_password};
    use super::*;
    use crate::config::{TokenConfig, UserConfig};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn organization(name: &str, id: Option<&str>) -> OrganizationConfig {
        OrganizationConfig {
            name: name.to_owned(),
            id: id.map(str::to_owned),
            ..OrganizationConfig::default()
        }
    }

    fn directory_of(organizations: &[OrganizationConfig]) -> Directory {
        Directory::from_config(&HubConfig::default(), organizations)
    }

    fn token(text: &str, grants: &[&str]) -> TokenConfig {
        TokenConfig {
            sha256: TokenDigest::of(text).to_string(),
            grants: words(grants),
        }
    }

    #[test]
    fn without_organizations_everyone_may_do_everything() {
        let directory = directory_of(&[]);
        let anonymous = directory.anonymous().expect("open mode");
        assert_eq!(anonymous.grants, Grants::ALL);
        assert_eq!(
            directory.organization(anonymous.organization).name,
            "default"
        );
        assert_eq!(directory.organizations().count(), 1);
        assert_eq!((directory.bearer("a"), directory.user("a")), (None, None));
    }

    #[test]
    fn organizations_are_numbered_in_the_order_of_the_file() {
        let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let configured = [organization("b", None), organization("a", Some(id))];
        let directory = directory_of(&configured);
        assert_eq!(directory.anonymous(), None);
        let ids: Vec<OrganizationId> = directory.organizations().collect();
        assert_eq!(ids, [OrganizationId(0), OrganizationId(1)]);
        assert_eq!(directory.organization(ids[0]).name, "b");
        assert_eq!(directory.organization(ids[1]).uuid.to_string(), id);
        // Derived from the name alone, so that neither a restart nor another order changes it.
        let derived = directory.organization(ids[0]).uuid;
        assert_eq!(derived.get_version_num(), 5);
        let alone = directory_of(&[organization("b", None)]);
        assert_eq!(alone.organization(OrganizationId(0)).uuid, derived);
    }

    #[test]
    fn a_limit_is_the_organizations_own_or_the_hubs() {
        let limited = |directory: &Directory, id: u32| {
            let limit = directory.publish_limit(OrganizationId(id))?;
            let now = Instant::from_millis(1_000_000);
            Some(
                (0..100)
                    .take_while(|_| limit.accept(now, 1).is_ok())
                    .count(),
            )
        };
        let mut configured = ["a", "b", "c"].map(|name| organization(name, None));
        configured[0].publishes_per_second = Some(3);
        configured[1].publishes_per_second = Some(0);
        let mut hub = HubConfig::default();
        let some = Directory::from_config(&hub, &configured);
        assert_eq!(
            [0, 1, 2].map(|id| limited(&some, id)),
            [Some(3), None, None]
        );
        hub.publishes_per_second = 5;
        let all = Directory::from_config(&hub, &configured);
        let limits = [0, 1, 2].map(|id| limited(&all, id));
        assert_eq!(limits, [Some(3), None, Some(5)]);
        // Open mode's only organization has the hub's limit.
        assert_eq!(limited(&Directory::from_config(&hub, &[]), 0), Some(5));
        assert_eq!(limited(&Directory::open(), 0), None);
    }

    #[test]
    fn tokens_are_found_and_carry_their_grants() {
        let mut configured = [organization("a", None), organization("b", None)];
        for index in 0..100 {
            let text = format!("token-{index}");
            configured[index % 2]
                .tokens
                .push(token(&text, &["publish"]));
        }
        configured[1]
            .tokens
            .push(token("other", &["subscribe", "admin"]));
        configured[1].tokens.push(TokenConfig {
            sha256: "unchecked".to_owned(),
            grants: words(&["admin"]),
        });
        // Digests that begin like those of other tokens, one of them known.
        for like in ["other", "absent"] {
            let mut alike = token(like, &["publish"]);
            alike.sha256.replace_range(16.., &"0".repeat(48));
            configured[0].tokens.push(alike);
        }
        let directory = directory_of(&configured);
        for index in 0..100u32 {
            let identity = directory.bearer(&format!("token-{index}")).expect("known");
            assert_eq!(identity.organization, OrganizationId(index % 2));
            assert_eq!(identity.grants, Grants::NONE.with(Grant::Publish));
        }
        let other = directory.bearer("other").expect("known").grants;
        assert!(other.allow(Grant::Subscribe) && other.allow(Grant::Admin));
        assert!(!other.allow(Grant::Publish));
        let sha256 = TokenDigest::of("other").to_string();
        for unknown in [
            "",
            "token-",
            "token-100",
            "Other",
            "absent",
            "unchecked",
            &sha256,
        ] {
            assert_eq!(directory.bearer(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn users_are_found_by_name_and_have_one_password() {
        let hash = hash_password(&Secret::new("swordfish"), [1; PASSWORD_SALT_BYTES]);
        let mut configured = [organization("a", None), organization("b", None)];
        configured[1].users.push(UserConfig {
            name: "mikey".to_owned(),
            password: hash.clone().expect("there is memory"),
            grants: words(&["subscribe"]),
        });
        let directory = directory_of(&configured);
        let id = directory.user("mikey").expect("known");
        let user = directory.user_of(id).expect("known");
        assert_eq!(user.identity.organization, OrganizationId(1));
        assert_eq!(Some(&user.password_hash), hash.as_ref());
        let mut memory = PasswordMemory::default();
        let mut verify = |user, password| {
            let attempt = Attempt {
                user,
                name: "mikey".into(),
                password: Secret::new(password),
            };
            directory.verify(&attempt, &mut memory)
        };
        assert!(verify(Some(id), "swordfish"));
        assert!(!verify(Some(id), "swordfisch"));
        assert!(!verify(None, "swordfish"));
        assert_eq!(directory.user("Mikey"), None);
        assert_eq!(directory.user_of(UserId(u32::MAX)), None);
    }

    #[test]
    fn a_wrong_password_takes_the_work_of_the_strongest() {
        let hash = |m: u32, t: u32| {
            format!(
                "$argon2id$v=19$m={m},t={t},p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
            )
        };
        let mut configured = [organization("a", None), organization("b", None)];
        assert_eq!(directory_of(&configured).password_work, Work::DEFAULT);
        for (organization, name, password) in
            [(0, "weak", hash(7_168, 5)), (1, "strong", hash(65_536, 3))]
        {
            configured[organization].users.push(UserConfig {
                name: name.to_owned(),
                password,
                grants: words(&["subscribe"]),
            });
        }
        let directory = directory_of(&configured);
        assert_eq!(directory.password_work, Work::of(&hash(65_536, 3)));
    }
}
