//! Organizations for tests: tokens in plain, users with passwords that are cheap to check.

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use fanfare::auth::{PASSWORD_SALT_BYTES, TokenDigest};
use fanfare::config::{OrganizationConfig, TokenConfig, UserConfig};
use fanfare::dialect::Config;

/// An organization whose tokens are given in plain, each with its grants between commas.
pub(crate) fn organization(name: &str, tokens: &[(&str, &str)]) -> OrganizationConfig {
    let tokens = tokens.iter().map(|(token, grants)| TokenConfig {
        sha256: TokenDigest::of(token).to_string(),
        grants: words(grants),
    });
    OrganizationConfig {
        name: name.to_owned(),
        tokens: tokens.collect(),
        ..OrganizationConfig::default()
    }
}

/// A user, `password` being a hash.
pub(crate) fn user(name: &str, password: &str, grants: &str) -> UserConfig {
    UserConfig {
        name: name.to_owned(),
        password: password.to_owned(),
        grants: words(grants),
    }
}

/// The argon2id hash of a password with the least memory and passes that there are.
pub(crate) fn cheap_hash(password: &str) -> String {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).expect("good parameters");
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = hasher.hash_password_with_salt(password.as_bytes(), &[7; PASSWORD_SALT_BYTES]);
    let hash: PasswordHash = hash.expect("eight KiB");
    hash.to_string()
}

fn words(grants: &str) -> Vec<String> {
    grants.split(',').map(str::to_owned).collect()
}

/// The default configuration with these organizations.
pub(crate) fn organized(organizations: impl IntoIterator<Item = OrganizationConfig>) -> Config {
    Config {
        organizations: organizations.into_iter().collect(),
        ..Config::default()
    }
}

/// The header line that presents a token.
pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}
