//! Values under `[[organizations]]`: names, digests and hashes that are what they say.

use std::collections::HashSet;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use uuid::Uuid;

use super::words::closest;
use crate::limits;

/// What a token or user may be allowed, as words.
pub const GRANTS: [&str; 3] = ["publish", "subscribe", "admin"];

/// A name, which is shown in logs and on terminals, and typed by people.
pub(super) fn name(name: &str) -> Result<(), String> {
    let trimmed = !name.is_empty() && name.trim().len() == name.len();
    let fits = name.len() <= limits::USER_NAME_BYTES_MAX;
    if trimmed && fits && !name.contains(char::is_control) {
        return Ok(());
    }
    let bytes_max = limits::USER_NAME_BYTES_MAX;
    let expected =
        format!("1 to {bytes_max} bytes of text without control characters or outer spaces");
    Err(unexpected(&expected, name))
}

/// A name to log in by.
pub(super) fn user_name(user: &str) -> Result<(), String> {
    name(user)?;
    // RFC 7617 §2: a colon separates the name from the password.
    if user.contains(':') {
        return Err(unexpected("a name without a colon", user));
    }
    Ok(())
}

/// An organization's UUID.
pub(super) fn id(id: &str) -> Result<(), String> {
    if parse_uuid(id).is_some() {
        return Ok(());
    }
    let expected = "a UUID such as \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"";
    Err(unexpected(expected, id))
}

/// A UUID in the hyphenated form only: the others are for machines.
pub(super) fn parse_uuid(text: &str) -> Option<Uuid> {
    let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
    text.parse().ok().filter(|_| hyphenated)
}

/// The digest of a token.
pub(super) fn digest(sha256: &str) -> Result<(), String> {
    if sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    // What is found is not shown: it may be the token itself.
    let characters = sha256.chars().count();
    Err(format!(
        "expected 64 hexadecimal digits, as \"fanfare token new\" prints them, found {characters} characters"
    ))
}

/// A hash that can be checked against, made with parameters that neither give the password away nor
/// the memory of this machine. It is not shown: somebody may have put the password itself here.
pub(super) fn password(hash: &str) -> Result<(), String> {
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

/// Some of [`GRANTS`], each once.
pub(super) fn grants(words: &[String]) -> Result<(), String> {
    let known = |word: &String| GRANTS.contains(&word.as_str());
    let expected = format!("some of \"{}\"", GRANTS.join("\", \""));
    if let Some(unknown) = words.iter().find(|word| !known(word)) {
        let meant = closest(unknown, &GRANTS);
        let meant = meant.map(|meant| format!(" (did you mean \"{meant}\"?)"));
        let expected = expected + meant.as_deref().unwrap_or_default();
        return Err(unexpected(&expected, unknown));
    }
    if words.is_empty() {
        return Err(format!("expected {expected}, found none"));
    }
    let mut seen = HashSet::new();
    match words.iter().find(|word| !seen.insert(*word)) {
        Some(repeated) => Err(unexpected("what no other has", repeated)),
        None => Ok(()),
    }
}

pub(super) fn unexpected(expected: &str, found: &str) -> String {
    let mut shown: String = found.escape_debug().take(64).collect();
    if found.len() > 64 {
        shown.push('…');
    }
    format!("expected {expected}, found \"{shown}\"")
}
