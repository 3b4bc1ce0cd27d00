//! TOML text to [`Config`]: each key read once, by name, and every other key refused by name.
//!
//! Bounds are not judged here: they are the same for values from the command line, and live in `check`.

use std::collections::HashMap;
use std::net::SocketAddr;

use toml::de::DeTable;

use super::section::{
    ADDRESS, BOOLEAN, BYTES, COUNT, DURATION, LIST, SHARDS, SOME_BYTES, SOME_COUNT, SOME_DURATION,
    SOME_TEXT, Section, TEXT, ZERO_IS_NONE, line_at,
};
use super::value::parse_address;
use super::{
    BoundsConfig, Config, ConfigError, Driver, HubConfig, LiveConfig, LogConfig, LogFormat,
    OrganizationConfig, PubsubConfig, RetentionConfig, Scopes, ServerConfig, SessionsConfig,
    SlowConsumer, StreamConfig, SysadmConfig, SysadmErrors, TokenConfig, UserConfig,
};
use crate::limits;

impl Config {
    /// Reads a configuration file; keys it does not name keep their defaults.
    ///
    /// Where the server may listen is not judged yet, because the command line may still have its
    /// say: call [`check`](Self::check) when the values are final.
    ///
    /// # Errors
    ///
    /// Text that is not TOML, a key that does not exist, a value of the wrong kind, a value out of
    /// bounds: the error names the dotted key, what was expected, and the line.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::from_toml_with(text, parse_address)
    }

    /// [`from_toml`](Self::from_toml), where `resolve` knows the addresses of more hosts than [`parse_address`].
    pub fn from_toml_with(
        text: &str,
        resolve: fn(&str) -> Option<SocketAddr>,
    ) -> Result<Self, ConfigError> {
        if text.len() > limits::CONFIG_BYTES_MAX {
            let problem = format!(
                "expected at most {} bytes, found {}",
                limits::CONFIG_BYTES_MAX,
                text.len()
            );
            return Err(ConfigError::new("", problem));
        }
        let document = DeTable::parse(text).map_err(|error| {
            let line = error.span().map(|span| line_at(text, span.start));
            ConfigError::new("", format!("not TOML: {}", error.message())).at_line(line)
        })?;

        let mut config = Self::default();
        let mut lines = HashMap::new();
        let mut root = Section::new(text, "", document.get_ref(), &mut lines);
        root.section("server", |section| {
            server(section, resolve, &mut config.server)
        })?;
        root.section("log", |section| log(section, &mut config.log))?;
        root.section("hub", |section| hub(section, &mut config.hub))?;
        root.section("sessions", |section| {
            sessions(section, &mut config.sessions)
        })?;
        root.section("sysadm", |section| sysadm(section, &mut config.sysadm))?;
        root.section("live", |section| live(section, &mut config.live))?;
        root.section("stream", |section| stream(section, &mut config.stream))?;
        root.section("pubsub", |section| pubsub(section, &mut config.pubsub))?;
        config.organizations = root.tables("organizations", organization)?;
        root.finish()?;

        config.check_bounds().map_err(|error| {
            // Of a key that is not there, the table where it would be.
            let table = error.key().rsplit_once('.').map_or("", |(table, _)| table);
            let line = lines.get(error.key()).or_else(|| lines.get(table)).copied();
            error.at_line(line)
        })?;
        Ok(config)
    }
}

fn server(
    section: &mut Section<'_>,
    resolve: fn(&str) -> Option<SocketAddr>,
    server: &mut ServerConfig,
) -> Result<(), ConfigError> {
    section.parse("listen", ADDRESS, resolve, &mut server.listen)?;
    section.read("shards", &SHARDS, &mut server.shards)?;
    section.word("driver", Driver::WORDS, Driver::parse, &mut server.driver)?;
    section.read("open", &BOOLEAN, &mut server.open)?;
    section.read("echo", &BOOLEAN, &mut server.echo)?;
    section.read("connections_max", &COUNT, &mut server.connections_max)?;
    section.read("held_bytes_max", &BYTES, &mut server.held_bytes_max)?;
    section.read("drain_timeout", &DURATION, &mut server.drain_timeout)?;
    section.read("stall_exit", &ZERO_IS_NONE, &mut server.stall_exit)?;
    section.read("ready_delay", &ZERO_IS_NONE, &mut server.ready_delay)?;
    section.read("login_block", &ZERO_IS_NONE, &mut server.login_block)?;
    section.read("keepalive", &ZERO_IS_NONE, &mut server.keepalive)
}

fn log(section: &mut Section<'_>, log: &mut LogConfig) -> Result<(), ConfigError> {
    section.word(
        "format",
        LogFormat::WORDS,
        LogFormat::parse,
        &mut log.format,
    )?;
    section.read("level", &TEXT, &mut log.level)
}

fn hub(section: &mut Section<'_>, hub: &mut HubConfig) -> Result<(), ConfigError> {
    section.word("scopes", Scopes::WORDS, Scopes::parse, &mut hub.scopes)?;
    section.read("session_ttl", &DURATION, &mut hub.session_ttl)?;
    section.read("logs_bytes_max", &BYTES, &mut hub.logs_bytes_max)?;
    let send_queue_bytes_max = &mut hub.send_queue_bytes_max;
    section.read("send_queue_bytes_max", &BYTES, send_queue_bytes_max)?;
    section.word(
        "slow_consumer",
        SlowConsumer::WORDS,
        SlowConsumer::parse,
        &mut hub.slow_consumer,
    )?;
    let idempotency_keys_max = &mut hub.idempotency_keys_max;
    section.read("idempotency_keys_max", &COUNT, idempotency_keys_max)?;
    section.read(
        "publishes_per_second",
        &COUNT,
        &mut hub.publishes_per_second,
    )?;
    section.read("scope_ttl", &DURATION, &mut hub.scope_ttl)?;
    for (key, most) in hub.bounds.keys_mut() {
        section.read(key, &SOME_COUNT, most)?;
    }
    section.section("retention", |section| {
        let RetentionConfig { age, events, bytes } = &mut hub.retention;
        section.read("age", &DURATION, age)?;
        section.read("events", &COUNT, events)?;
        section.read("bytes", &BYTES, bytes)
    })
}

fn sessions(section: &mut Section<'_>, sessions: &mut SessionsConfig) -> Result<(), ConfigError> {
    section.read("publish_bytes_max", &BYTES, &mut sessions.publish_bytes_max)?;
    section.read("poll_bytes_max", &BYTES, &mut sessions.poll_bytes_max)?;
    let timeout = &mut sessions.poll_timeout_max;
    section.read("poll_timeout_max", &SOME_DURATION, timeout)?;
    section.read("token_reads", &BOOLEAN, &mut sessions.token_reads)?;
    section.section("cors", |section| sessions.cors.read(section))
}

fn stream(section: &mut Section<'_>, stream: &mut StreamConfig) -> Result<(), ConfigError> {
    section.read("publish_bytes_max", &BYTES, &mut stream.publish_bytes_max)?;
    section.section("cors", |section| stream.cors.read(section))
}

fn pubsub(section: &mut Section<'_>, pubsub: &mut PubsubConfig) -> Result<(), ConfigError> {
    section.read("publish_bytes_max", &BYTES, &mut pubsub.publish_bytes_max)?;
    section.section("cors", |section| pubsub.cors.read(section))
}

fn sysadm(section: &mut Section<'_>, sysadm: &mut SysadmConfig) -> Result<(), ConfigError> {
    section.read("classes", &LIST, &mut sysadm.classes)?;
    section.read("retained", &LIST, &mut sysadm.retained)?;
    section.word(
        "errors",
        SysadmErrors::WORDS,
        SysadmErrors::parse,
        &mut sysadm.errors,
    )?;
    section.read("state_first", &DURATION, &mut sysadm.state_first)?;
    section.read("state_interval", &ZERO_IS_NONE, &mut sysadm.state_interval)?;
    section.section("cors", |section| sysadm.cors.read(section))
}

fn live(section: &mut Section<'_>, live: &mut LiveConfig) -> Result<(), ConfigError> {
    section.read("filters_max", &COUNT, &mut live.filters_max)?;
    section.read("value_bytes_max", &BYTES, &mut live.value_bytes_max)?;
    section.section("cors", |section| live.cors.read(section))
}

fn organization(section: &mut Section<'_>) -> Result<OrganizationConfig, ConfigError> {
    let name = section.need("name", &TEXT)?;
    let mut id = None;
    section.read("id", &SOME_TEXT, &mut id)?;
    let mut publishes_per_second = None;
    section.read(
        "publishes_per_second",
        &SOME_COUNT,
        &mut publishes_per_second,
    )?;
    let mut bounds = BoundsConfig::default();
    for (key, most) in bounds.keys_mut() {
        section.read(key, &SOME_COUNT, most)?;
    }
    let mut logs_bytes_max = None;
    section.read("logs_bytes_max", &SOME_BYTES, &mut logs_bytes_max)?;
    let tokens = section.tables("tokens", |section| {
        Ok(TokenConfig {
            sha256: section.need("sha256", &TEXT)?,
            grants: section.need("grants", &LIST)?,
        })
    })?;
    let users = section.tables("users", |section| {
        Ok(UserConfig {
            name: section.need("name", &TEXT)?,
            password: section.need("password", &TEXT)?,
            grants: section.need("grants", &LIST)?,
        })
    })?;
    Ok(OrganizationConfig {
        name,
        id,
        publishes_per_second,
        bounds,
        logs_bytes_max,
        tokens,
        users,
    })
}
