//! What an operator may tune: plain values with defaults, read from TOML and checked against
//! [`limits`](crate::limits).
//!
//! Every refusal names the key, what was expected and the line. Unknown keys are refused: a typo
//! that is silently ignored is found in production. This module reads no files, no environment and
//! no command line; it turns text into values.

mod check;
mod check_organizations;
mod cors;
mod error;
mod log_level;
mod model;
mod organizations;
mod read;
mod section;
mod value;
mod write;

pub use cors::CorsConfig;
pub use error::ConfigError;
pub use model::{
    Config, Driver, HubConfig, LiveConfig, LogConfig, LogFormat, PubsubConfig, RetentionConfig,
    Scopes, ServerConfig, SessionsConfig, SlowConsumer, StreamConfig, SysadmConfig, SysadmErrors,
};
pub use organizations::{BoundsConfig, GRANTS, OrganizationConfig, TokenConfig, UserConfig};
pub use value::{parse_address, parse_bytes, parse_duration};

/// A configuration file with every key at its default and a comment on each.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

#[cfg(test)]
mod organizations_tests;
#[cfg(test)]
mod tests;
