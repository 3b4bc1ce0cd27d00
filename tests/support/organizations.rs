//! Organizations for tests: tokens in plain, users with passwords that are cheap to check.

use fanfare::auth::TokenDigest;
use fanfare::config::{Config, OrganizationConfig, TokenConfig, UserConfig};

/// An organization whose tokens are given in plain, each with its grants between commas.
pub(crate) fn organization(name: &str, tokens: &[(&str, &str)]) -> OrganizationConfig {
    let tokens = tokens.iter().map(|(token, grants)| TokenConfig {
        sha256: TokenDigest::of(token).to_string(),
        grants: words(grants),
    });
    OrganizationConfig {
        name: name.to_owned(),
        id: None,
        tokens: tokens.collect(),
        users: Vec::new(),
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
