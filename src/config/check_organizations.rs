//! What may stand under `[[organizations]]`: names, digests and hashes that are what they say, each once.

use std::collections::HashSet;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;

use super::check::{bounds, bytes, count, publish_rate};
use super::section::closest;
use super::{Config, ConfigError, GRANTS, OrganizationConfig, UserConfig};
use crate::limits;

/// What was seen so far and must not come again on this node.
#[derive(Default)]
struct Seen<'a> {
    organizations: HashSet<&'a str>,
    uuids: HashSet<uuid::Uuid>,
    /// In lower case.
    digests: HashSet<String>,
    users: HashSet<&'a str>,
}

impl Config {
    /// Each organization by itself and against those before it.
    pub(super) fn check_organizations(&self) -> Result<(), ConfigError> {
        let organizations = &self.organizations;
        let key = "organizations";
        count(key, organizations.len(), 0, limits::ORGANIZATIONS_MAX)?;
        let mut seen = Seen::default();
        for (index, organization) in organizations.iter().enumerate() {
            let path = format!("{key}[{index}]");
            check_organization(&path, organization, &mut seen)?;
            if let Some(most) = organization.logs_bytes_max {
                let key = format!("{path}.logs_bytes_max");
                bytes(&key, most, self.hub.logs_bytes_max)?;
            }
        }
        Ok(())
    }
}

fn check_organization<'a>(
    path: &str,
    organization: &'a OrganizationConfig,
    seen: &mut Seen<'a>,
) -> Result<(), ConfigError> {
    let key = format!("{path}.name");
    name(&key, &organization.name)?;
    once(
        &key,
        seen.organizations.insert(&organization.name),
        &organization.name,
    )?;
    let key = format!("{path}.id");
    let id = organization.id.as_deref().unwrap_or_default();
    let Some(uuid) = organization.uuid() else {
        return Err(unexpected(
            &key,
            "a UUID such as \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"",
            id,
        ));
    };
    once(&key, seen.uuids.insert(uuid), &uuid.to_string())?;
    if let Some(rate) = organization.publishes_per_second {
        publish_rate(&format!("{path}.publishes_per_second"), rate)?;
    }
    bounds(path, &organization.bounds)?;
    let tokens = &organization.tokens;
    count(
        &format!("{path}.tokens"),
        tokens.len(),
        0,
        limits::TOKENS_MAX,
    )?;
    for (index, token) in tokens.iter().enumerate() {
        let path = format!("{path}.tokens[{index}]");
        let key = format!("{path}.sha256");
        let sha256 = &token.sha256;
        if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            // What is found is not shown: it may be the token itself.
            let characters = sha256.chars().count();
            let problem = format!(
                "expected 64 hexadecimal digits, as \"fanfare token new\" prints them, found \
                 {characters} characters"
            );
            return Err(ConfigError::new(key, problem));
        }
        once(
            &key,
            seen.digests.insert(sha256.to_ascii_lowercase()),
            sha256,
        )?;
        grants(&format!("{path}.grants"), &token.grants)?;
    }
    let users = &organization.users;
    count(&format!("{path}.users"), users.len(), 0, limits::USERS_MAX)?;
    for (index, user) in users.iter().enumerate() {
        check_user(&format!("{path}.users[{index}]"), user, seen)?;
    }
    Ok(())
}

fn check_user<'a>(
    path: &str,
    user: &'a UserConfig,
    seen: &mut Seen<'a>,
) -> Result<(), ConfigError> {
    let key = format!("{path}.name");
    name(&key, &user.name)?;
    if user.name.contains(':') {
        // RFC 7617 §2: it separates the name from the password.
        return Err(unexpected(&key, "a name without a colon", &user.name));
    }
    once(&key, seen.users.insert(&user.name), &user.name)?;
    let key = format!("{path}.password");
    password(&user.password).map_err(|problem| ConfigError::new(key, problem))?;
    grants(&format!("{path}.grants"), &user.grants)
}

/// A hash that can be checked against, made with parameters that neither give the password away nor
/// the memory of this machine. It is not shown: somebody may have put the password itself here.
fn password(hash: &str) -> Result<(), String> {
    let parsed = PasswordHash::new(hash).ok().filter(|parsed| {
        let complete = parsed.salt.is_some() && parsed.hash.is_some();
        parsed.algorithm.as_str() == "argon2id" && complete
    });
    let params = parsed.as_ref().and_then(|hash| Params::try_from(hash).ok());
    let Some(params) = params else {
        return Err(String::from(
            "expected an argon2id hash, $argon2id$…, as \"fanfare user new\" prints it",
        ));
    };
    let memory = limits::PASSWORD_MEMORY_KIB_MIN..=limits::PASSWORD_MEMORY_KIB_MAX;
    let passes = 1..=limits::PASSWORD_PASSES_MAX;
    let lanes = 1..=limits::PASSWORD_LANES_MAX;
    for (name, value, allowed) in [
        ("m (KiB of memory)", params.m_cost(), memory),
        ("t (passes)", params.t_cost(), passes),
        ("p (lanes)", params.p_cost(), lanes),
    ] {
        if !allowed.contains(&value) {
            let (least, most) = allowed.into_inner();
            return Err(format!(
                "expected {name} of {least} to {most}, found {value}"
            ));
        }
    }
    Ok(())
}

/// Names are shown in logs and on terminals, and typed by people.
fn name(key: &str, name: &str) -> Result<(), ConfigError> {
    let trimmed = !name.is_empty() && name.trim().len() == name.len();
    let fits = name.len() <= limits::USER_NAME_BYTES_MAX;
    if trimmed && fits && !name.contains(char::is_control) {
        return Ok(());
    }
    let bytes_max = limits::USER_NAME_BYTES_MAX;
    let expected =
        format!("1 to {bytes_max} bytes of text without control characters or outer spaces");
    Err(unexpected(key, &expected, name))
}

fn grants(key: &str, words: &[String]) -> Result<(), ConfigError> {
    let known = |word: &String| GRANTS.contains(&word.as_str());
    let expected = format!("some of \"{}\"", GRANTS.join("\", \""));
    if let Some(unknown) = words.iter().find(|word| !known(word)) {
        let meant = closest(unknown, &GRANTS);
        let meant = meant.map(|meant| format!(" (did you mean \"{meant}\"?)"));
        let expected = expected + meant.as_deref().unwrap_or_default();
        return Err(unexpected(key, &expected, unknown));
    }
    if words.is_empty() {
        let problem = format!("expected {expected}, found none");
        return Err(ConfigError::new(key, problem));
    }
    let mut seen = HashSet::new();
    let repeated = words.iter().find(|word| !seen.insert(*word));
    repeated.map_or(Ok(()), |word| once(key, false, word))
}

fn once(key: &str, is_new: bool, found: &str) -> Result<(), ConfigError> {
    if is_new {
        return Ok(());
    }
    Err(unexpected(key, "what no other has", found))
}

fn unexpected(key: &str, expected: &str, found: &str) -> ConfigError {
    let mut shown: String = found.escape_debug().take(64).collect();
    if found.len() > 64 {
        shown.push('…');
    }
    ConfigError::new(key, format!("expected {expected}, found \"{shown}\""))
}
