//! The configuration: the node's sections and those of the dialects, as one.

use std::fmt;
use std::net::SocketAddr;

use super::live::LiveConfig;
use super::pubsub::PubsubConfig;
use super::sessions::SessionsConfig;
use super::stream::StreamConfig;
use super::sysadm::SysadmConfig;
use crate::config::{
    self, ConfigError, HubConfig, ListedTable, LogConfig, Nested, OrganizationConfig, ServerConfig,
    Tables, section,
};

#[cfg(test)]
mod organizations_tests;
#[cfg(test)]
mod tests;

section! {
    /// Everything an operator may tune.
    Config {
        /// Where it listens, and on how many threads.
        server: ServerConfig = ServerConfig::default(), Nested;
        /// What it says on standard error.
        log: LogConfig = LogConfig::default(), Nested;
        /// Scopes and their logs.
        hub: HubConfig = HubConfig::default(), Nested;
        /// The sessions API.
        sessions: SessionsConfig = SessionsConfig::default(), Nested;
        /// The sysadm API.
        sysadm: SysadmConfig = SysadmConfig::default(), Nested;
        /// The live API.
        live: LiveConfig = LiveConfig::default(), Nested;
        /// The stream API.
        stream: StreamConfig = StreamConfig::default(), Nested;
        /// The pubsub API.
        pubsub: PubsubConfig = PubsubConfig::default(), Nested;
        /// Organizations keep their sessions and events apart: nothing that one publishes is heard
        /// in another. As soon as there is one, every request needs a token of an organization, or
        /// a user's name and password where a dialect logs in by name. Grants are "publish",
        /// "subscribe" and "admin"; none implies another. Without any organization this server is
        /// open: everyone may do everything.
        organizations: Vec<OrganizationConfig> = Vec::new(), Tables;
    }
}

/// How the default file begins.
const ABOUT: &str = "\
# Fanfare's configuration, with every key at its default. A file needs only what it changes.
#
# Durations are whole seconds or text such as \"1500ms\", \"60s\", \"5m\", \"1h\", \"2d\".
# Sizes are whole bytes or text such as \"64KB\" (1,000 bytes each) or \"8MiB\" (1,048,576 bytes each).
";

impl Config {
    /// Reads a configuration file; keys it does not name keep their defaults. `resolve` knows the
    /// addresses of hosts.
    ///
    /// Where the server may listen is not judged yet, because the command line may still have its
    /// say: call [`check`](Self::check) when the values are final.
    ///
    /// # Errors
    ///
    /// Text that is not TOML, keys that do not exist, values of the wrong kind, values out of
    /// bounds: each error names the dotted key, what was expected, and the line. There is one at
    /// least.
    pub fn from_toml_with(
        text: &str,
        resolve: fn(&str) -> Option<SocketAddr>,
    ) -> Result<Self, Vec<ConfigError>> {
        config::read(text, resolve, Self::check_relations)
    }

    /// [`from_toml_with`](Self::from_toml_with), where only this machine has a name. Errors with
    /// the first problem.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::from_toml_with(text, config::parse_address)
            .map_err(|mut errors| errors.swap_remove(0))
    }

    /// Whether a server may be started with these values, whichever way they were put together.
    ///
    /// # Errors
    ///
    /// The first key whose value breaks a bound of [`limits`](crate::limits), or `server.listen`
    /// when that address is beyond loopback without leave.
    pub fn check(&self) -> Result<(), ConfigError> {
        config::problems(self)
            .into_iter()
            .next()
            .map_or(Ok(()), Err)?;
        self.check_relations()?;
        config::check_listen(&self.server, &self.organizations)
    }

    fn check_relations(&self) -> Result<(), ConfigError> {
        config::check_relations(&self.hub, &self.organizations)
    }

    /// Every table with its keys and their values, in the order of the file.
    pub fn tables(&self) -> Vec<ListedTable> {
        config::listed(self)
    }

    /// A configuration file with every key at its default and a comment on each.
    pub fn default_file() -> String {
        config::write_default::<Self>(ABOUT)
    }
}

/// The configuration as text that reads back as the same values, with every key that has one.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        config::write(f, self)
    }
}
