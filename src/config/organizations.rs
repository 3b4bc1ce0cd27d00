//! `[[organizations]]`, their tokens and their users.

use std::collections::HashSet;

use uuid::Uuid;

use super::ConfigError;
use super::credentials::{digest, grants, id, name, parse_uuid, password, unexpected, user_name};
use super::kind::{Kind, any_text, bytes, count, optional, texts};
use super::node::{BoundsConfig, publish_rate};
use super::section::{Flat, Required, Tables, section};
use crate::limits;

section! {
    /// One of `[[organizations]]`.
    OrganizationConfig {
        /// A name that no other has.
        name: String = String::new(), Required(any_text().checked(|text| name(text)), r#""acme""#);
        /// As events carry it. Without this key it is derived from the name, and stays the same.
        id: Option<String> = None,
            optional(any_text().checked(|text| id(text)), r#""6ba7b810-9dad-11d1-80b4-00c04fd430c8""#);
        /// How many events per second it may publish, in place of what `[hub]` says; 0 is no limit.
        publishes_per_second: Option<usize> = None, optional(publish_rate(), "500");
        /// How much it may have on one shard, in place of what `[hub]` says or else of its share.
        bounds: BoundsConfig = BoundsConfig::default(), Flat;
        /// Most bytes that its logs on one shard hold together, in place of half of what all may.
        logs_bytes_max: Option<usize> = None, optional(bytes(1..=usize::MAX), r#""256MiB""#);
        /// Printed by: fanfare token new
        tokens: Vec<TokenConfig> = Vec::new(), Tables;
        /// Printed by: fanfare user new mikey
        users: Vec<UserConfig> = Vec::new(), Tables;
    }
}

section! {
    /// One of `[[organizations.tokens]]`.
    TokenConfig {
        /// SHA-256 of the token, 64 hexadecimal digits.
        sha256: String = String::new(),
            Required(any_text().checked(|text| digest(text)), r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#);
        /// What it allows: some of "publish", "subscribe" and "admin".
        grants: Vec<String> = Vec::new(), Required(words(), r#"["publish", "subscribe"]"#);
    }
}

section! {
    /// One of `[[organizations.users]]`.
    UserConfig {
        /// The name to log in by, which no other user of this node has.
        name: String = String::new(), Required(any_text().checked(|text| user_name(text)), r#""mikey""#);
        /// The argon2id hash of the password, in PHC string form.
        password: String = String::new(), Required(any_text().checked(|text| password(text)), EXAMPLE_HASH);
        /// What the user may do: some of "publish", "subscribe" and "admin".
        grants: Vec<String> = Vec::new(), Required(words(), r#"["subscribe"]"#);
    }
}

fn words() -> Kind<Vec<String>> {
    texts(0..=usize::MAX, any_text()).checked(|words| grants(words))
}

const EXAMPLE_HASH: &str = "\"$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw\
    $aQT8w+bT74bhiJ1Za2/+Iy3pZjCQl+ReuC6039dYO2s\"";

impl OrganizationConfig {
    /// The organization's UUID: the one that is configured, or UUID version 5 of
    /// `urn:fanfare:organization:<name>` in the URL namespace (RFC 9562 §5.5). `None` if what is
    /// configured is not a UUID.
    pub fn uuid(&self) -> Option<Uuid> {
        let Some(id) = &self.id else {
            let urn = format!("urn:fanfare:organization:{}", self.name);
            return Some(Uuid::new_v5(&Uuid::NAMESPACE_URL, urn.as_bytes()));
        };
        parse_uuid(id)
    }
}

/// Each organization against those before it and against what all have together.
pub(super) fn check(
    organizations: &[OrganizationConfig],
    logs_bytes_max: usize,
) -> Result<(), ConfigError> {
    let key = "organizations";
    at_most(key, organizations.len(), limits::ORGANIZATIONS_MAX)?;
    let mut seen = Seen::default();
    for (index, organization) in organizations.iter().enumerate() {
        let path = format!("{key}[{index}]");
        seen.add(&path, organization)?;
        if let Some(most) = organization.logs_bytes_max {
            let problem = bytes(1..=logs_bytes_max).check(&most);
            problem
                .map_err(|problem| ConfigError::new(format!("{path}.logs_bytes_max"), problem))?;
        }
    }
    Ok(())
}

fn at_most(key: &str, found: usize, most: usize) -> Result<(), ConfigError> {
    let problem = count(0..=most).check(&found);
    problem.map_err(|problem| ConfigError::new(key, problem))
}

/// What was seen so far and must not come again on this node.
#[derive(Default)]
struct Seen<'a> {
    organizations: HashSet<&'a str>,
    uuids: HashSet<Uuid>,
    /// In lower case.
    digests: HashSet<String>,
    users: HashSet<&'a str>,
}

impl<'a> Seen<'a> {
    fn add(&mut self, path: &str, organization: &'a OrganizationConfig) -> Result<(), ConfigError> {
        let once = |key: &str, is_new: bool, found: &str| {
            let problem = if is_new {
                Ok(())
            } else {
                Err(unexpected("what no other has", found))
            };
            problem.map_err(|problem| ConfigError::new(format!("{path}.{key}"), problem))
        };
        let OrganizationConfig {
            name,
            tokens,
            users,
            ..
        } = organization;
        once("name", self.organizations.insert(name), name)?;
        let uuid = organization.uuid().unwrap_or_default();
        once("id", self.uuids.insert(uuid), &uuid.to_string())?;
        at_most(&format!("{path}.tokens"), tokens.len(), limits::TOKENS_MAX)?;
        for (index, TokenConfig { sha256, .. }) in tokens.iter().enumerate() {
            let is_new = self.digests.insert(sha256.to_ascii_lowercase());
            once(&format!("tokens[{index}].sha256"), is_new, sha256)?;
        }
        at_most(&format!("{path}.users"), users.len(), limits::USERS_MAX)?;
        for (index, UserConfig { name, .. }) in users.iter().enumerate() {
            once(
                &format!("users[{index}].name"),
                self.users.insert(name),
                name,
            )?;
        }
        Ok(())
    }
}
