//! The configuration as text that reads back as the same values, with every key that has one.

use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use super::value::{format_bytes, format_duration};
use super::{
    BoundsConfig, Config, HubConfig, OrganizationConfig, PubsubConfig, ServerConfig,
    SessionsConfig, StreamConfig, SysadmConfig,
};

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        server(f, &self.server)?;
        writeln!(f, "\n[log]\nformat = \"{}\"", self.log.format.as_str())?;
        writeln!(f, "level = {}", Quoted(&self.log.level))?;
        hub(f, &self.hub)?;
        sessions(f, &self.sessions)?;
        sysadm(f, &self.sysadm)?;
        writeln!(f, "\n[live]\nfilters_max = {}", self.live.filters_max)?;
        let value_bytes_max = format_bytes(self.live.value_bytes_max);
        writeln!(f, "value_bytes_max = \"{value_bytes_max}\"")?;
        self.live.cors.write(f, "live")?;
        stream(f, &self.stream)?;
        pubsub(f, &self.pubsub)?;
        self.organizations
            .iter()
            .try_for_each(|one| organization(f, one))
    }
}

fn server(f: &mut fmt::Formatter<'_>, server: &ServerConfig) -> fmt::Result {
    writeln!(f, "[server]")?;
    writeln!(f, "listen = \"{}\"", server.listen)?;
    let shards = server.shards.map_or(0, NonZeroU16::get);
    writeln!(f, "shards = {shards}")?;
    writeln!(f, "driver = \"{}\"", server.driver.as_str())?;
    writeln!(f, "open = {}", server.open)?;
    writeln!(f, "echo = {}", server.echo)?;
    writeln!(f, "connections_max = {}", server.connections_max)?;
    let held_bytes_max = format_bytes(server.held_bytes_max);
    writeln!(f, "held_bytes_max = \"{held_bytes_max}\"")?;
    let drain_timeout = format_duration(server.drain_timeout);
    writeln!(f, "drain_timeout = \"{drain_timeout}\"")?;
    let optional = |duration: Option<_>| format_duration(duration.unwrap_or_default());
    writeln!(f, "stall_exit = \"{}\"", optional(server.stall_exit))?;
    writeln!(f, "ready_delay = \"{}\"", optional(server.ready_delay))?;
    writeln!(f, "login_block = \"{}\"", optional(server.login_block))?;
    writeln!(f, "keepalive = \"{}\"", optional(server.keepalive))
}

fn hub(f: &mut fmt::Formatter<'_>, hub: &HubConfig) -> fmt::Result {
    writeln!(f, "\n[hub]\nscopes = \"{}\"", hub.scopes.as_str())?;
    writeln!(f, "session_ttl = \"{}\"", format_duration(hub.session_ttl))?;
    let logs_bytes_max = format_bytes(hub.logs_bytes_max);
    writeln!(f, "logs_bytes_max = \"{logs_bytes_max}\"")?;
    let send_queue_bytes_max = format_bytes(hub.send_queue_bytes_max);
    writeln!(f, "send_queue_bytes_max = \"{send_queue_bytes_max}\"")?;
    writeln!(f, "slow_consumer = \"{}\"", hub.slow_consumer.as_str())?;
    writeln!(f, "idempotency_keys_max = {}", hub.idempotency_keys_max)?;
    writeln!(f, "publishes_per_second = {}", hub.publishes_per_second)?;
    writeln!(f, "scope_ttl = \"{}\"", format_duration(hub.scope_ttl))?;
    bounds(f, &hub.bounds)?;
    writeln!(f, "\n[hub.retention]")?;
    writeln!(f, "age = \"{}\"", format_duration(hub.retention.age))?;
    writeln!(f, "events = {}", hub.retention.events)?;
    writeln!(f, "bytes = \"{}\"", format_bytes(hub.retention.bytes))
}

fn bounds(f: &mut fmt::Formatter<'_>, bounds: &BoundsConfig) -> fmt::Result {
    for (key, most, _) in bounds.keys() {
        if let Some(most) = most {
            writeln!(f, "{key} = {most}")?;
        }
    }
    Ok(())
}

fn sessions(f: &mut fmt::Formatter<'_>, sessions: &SessionsConfig) -> fmt::Result {
    let publish_bytes_max = format_bytes(sessions.publish_bytes_max);
    writeln!(f, "\n[sessions]")?;
    writeln!(f, "publish_bytes_max = \"{publish_bytes_max}\"")?;
    let poll_bytes_max = format_bytes(sessions.poll_bytes_max);
    writeln!(f, "poll_bytes_max = \"{poll_bytes_max}\"")?;
    if let Some(timeout) = sessions.poll_timeout_max {
        writeln!(f, "poll_timeout_max = \"{}\"", format_duration(timeout))?;
    }
    writeln!(f, "token_reads = {}", sessions.token_reads)?;
    sessions.cors.write(f, "sessions")
}

fn stream(f: &mut fmt::Formatter<'_>, stream: &StreamConfig) -> fmt::Result {
    let publish_bytes_max = format_bytes(stream.publish_bytes_max);
    writeln!(f, "\n[stream]\npublish_bytes_max = \"{publish_bytes_max}\"")?;
    stream.cors.write(f, "stream")
}

fn pubsub(f: &mut fmt::Formatter<'_>, pubsub: &PubsubConfig) -> fmt::Result {
    let publish_bytes_max = format_bytes(pubsub.publish_bytes_max);
    writeln!(f, "\n[pubsub]\npublish_bytes_max = \"{publish_bytes_max}\"")?;
    pubsub.cors.write(f, "pubsub")
}

fn sysadm(f: &mut fmt::Formatter<'_>, sysadm: &SysadmConfig) -> fmt::Result {
    writeln!(f, "\n[sysadm]\nclasses = {}", List(&sysadm.classes))?;
    writeln!(f, "retained = {}", List(&sysadm.retained))?;
    writeln!(f, "errors = \"{}\"", sysadm.errors.as_str())?;
    let first = format_duration(sysadm.state_first);
    writeln!(f, "state_first = \"{first}\"")?;
    let interval = format_duration(sysadm.state_interval.unwrap_or(Duration::ZERO));
    writeln!(f, "state_interval = \"{interval}\"")?;
    sysadm.cors.write(f, "sysadm")
}

fn organization(f: &mut fmt::Formatter<'_>, one: &OrganizationConfig) -> fmt::Result {
    writeln!(f, "\n[[organizations]]\nname = {}", Quoted(&one.name))?;
    if let Some(id) = &one.id {
        writeln!(f, "id = {}", Quoted(id))?;
    }
    if let Some(rate) = one.publishes_per_second {
        writeln!(f, "publishes_per_second = {rate}")?;
    }
    bounds(f, &one.bounds)?;
    if let Some(most) = one.logs_bytes_max {
        writeln!(f, "logs_bytes_max = \"{}\"", format_bytes(most))?;
    }
    for token in &one.tokens {
        writeln!(f, "\n[[organizations.tokens]]")?;
        writeln!(f, "sha256 = {}", Quoted(&token.sha256))?;
        writeln!(f, "grants = {}", List(&token.grants))?;
    }
    for user in &one.users {
        writeln!(
            f,
            "\n[[organizations.users]]\nname = {}",
            Quoted(&user.name)
        )?;
        writeln!(f, "password = {}", Quoted(&user.password))?;
        writeln!(f, "grants = {}", List(&user.grants))?;
    }
    Ok(())
}

/// A text as a basic string of TOML. Texts have no control characters, so two characters are escaped.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"")
    }
}

/// Texts as an array of TOML.
pub(super) struct List<'a>(pub(super) &'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, text) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}", Quoted(text))?;
        }
        f.write_str("]")
    }
}
