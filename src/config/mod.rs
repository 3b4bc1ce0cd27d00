//! What an operator may tune: plain values with defaults, read from TOML and checked against
//! [`limits`](crate::limits).
//!
//! To add a key: one row in the table of its section (`section!`): here for the node, in its own
//! folder for a dialect. Whoever puts the sections together
//! ([`dialect::Config`](crate::dialect::Config)) reads, checks and writes them as one.
//!
//! Every refusal names the key, what was expected and the line. Unknown keys are refused: a typo
//! that is silently ignored is found in production. This module reads no files, no environment and
//! no command line; it turns text into values.

mod check;
mod cors;
mod credentials;
mod document;
mod error;
mod kind;
mod list;
mod log_level;
mod node;
mod organizations;
mod section;
mod table;
mod value;
mod words;

pub use cors::CorsConfig;
pub use credentials::GRANTS;
pub use error::ConfigError;
pub use list::{Entry, ListedTable};
pub use node::{
    BoundsConfig, Driver, HubConfig, LogConfig, LogFormat, RetentionConfig, Scopes, ServerConfig,
    SlowConsumer,
};
pub use organizations::{OrganizationConfig, TokenConfig, UserConfig};
pub use value::{parse_address, parse_bytes, parse_duration};
pub use words::Words;

pub(crate) use check::{check_listen, check_relations};
pub(crate) use document::{listed, problems, read, write, write_default};
pub(crate) use kind::{
    Kind, bytes, count, duration, flag, optional, text, texts, word, zero_is_none,
};
pub(crate) use list::List;
pub(crate) use section::{Nested, Row, Section, Tables, section};
pub(crate) use table::Table;
pub(crate) use words::words;
