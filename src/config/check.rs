//! What a configuration may say: every value against its hard bound, then where it may listen.

use std::net::SocketAddr;
use std::time::Duration;

use super::log_level::check_level;
use super::value::{format_bytes, format_duration};
use super::{BoundsConfig, Config, ConfigError};
use crate::limits;

impl Config {
    /// Whether a server may be started with these values, whichever way they were put together.
    ///
    /// # Errors
    ///
    /// The first key whose value breaks a bound of [`limits`], or `server.listen` when that address
    /// is beyond loopback without leave.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_bounds()?;
        self.check_listen()
    }

    /// Each value by itself and against its neighbours.
    pub(super) fn check_bounds(&self) -> Result<(), ConfigError> {
        let server = &self.server;
        let shards = server.shards.map_or(0, |shards| usize::from(shards.get()));
        count("server.shards", shards, 0, limits::SHARDS_MAX)?;
        count(
            "server.connections_max",
            server.connections_max,
            1,
            limits::CONNECTIONS_MAX,
        )?;
        if server.held_bytes_max < limits::HELD_BYTES_MIN {
            let least = format_bytes(limits::HELD_BYTES_MIN);
            let found = format_bytes(server.held_bytes_max);
            let problem = format!("expected at least {least}, found {found}");
            return Err(ConfigError::new("server.held_bytes_max", problem));
        }
        duration("server.drain_timeout", server.drain_timeout)?;
        for (key, optional) in [
            ("server.stall_exit", server.stall_exit),
            ("server.ready_delay", server.ready_delay),
            ("server.login_block", server.login_block),
        ] {
            optional.map_or(Ok(()), |value| duration(key, value))?;
        }
        check_keepalive(server.keepalive)?;
        text(
            "log.level",
            &self.log.level,
            limits::LOG_DIRECTIVE_BYTES_MAX,
        )?;
        check_level(&self.log.level)?;
        self.check_hub()?;
        self.check_sessions()?;
        self.check_sysadm()?;
        self.check_live()?;
        self.check_stream()?;
        self.check_pubsub()?;
        self.check_organizations()
    }

    fn check_hub(&self) -> Result<(), ConfigError> {
        let hub = &self.hub;
        duration("hub.session_ttl", hub.session_ttl)?;
        bytes("hub.logs_bytes_max", hub.logs_bytes_max, usize::MAX)?;
        let queue = hub.send_queue_bytes_max;
        if queue < limits::SEND_QUEUE_BYTES_MIN {
            let least = format_bytes(limits::SEND_QUEUE_BYTES_MIN);
            let found = format_bytes(queue);
            let problem = format!("expected at least {least}, found {found}");
            return Err(ConfigError::new("hub.send_queue_bytes_max", problem));
        }
        count(
            "hub.idempotency_keys_max",
            hub.idempotency_keys_max,
            1,
            limits::IDEMPOTENCY_KEYS_MAX,
        )?;
        publish_rate("hub.publishes_per_second", hub.publishes_per_second)?;
        duration("hub.scope_ttl", hub.scope_ttl)?;
        bounds("hub", &hub.bounds)?;
        duration("hub.retention.age", hub.retention.age)?;
        count(
            "hub.retention.events",
            hub.retention.events,
            1,
            limits::LOG_EVENTS_MAX,
        )?;
        bytes("hub.retention.bytes", hub.retention.bytes, usize::MAX)?;
        if hub.retention.bytes > hub.logs_bytes_max {
            let problem = format!(
                "one log may not retain more than all logs of a shard together: {} is over \
                 hub.logs_bytes_max, {}",
                format_bytes(hub.retention.bytes),
                format_bytes(hub.logs_bytes_max),
            );
            return Err(ConfigError::new("hub.retention.bytes", problem));
        }
        Ok(())
    }

    fn check_sessions(&self) -> Result<(), ConfigError> {
        let sessions = &self.sessions;
        bytes(
            "sessions.publish_bytes_max",
            sessions.publish_bytes_max,
            limits::PUBLISH_BYTES_MAX,
        )?;
        bytes(
            "sessions.poll_bytes_max",
            sessions.poll_bytes_max,
            limits::POLL_BYTES_MAX,
        )?;
        if let Some(timeout) = sessions.poll_timeout_max {
            duration("sessions.poll_timeout_max", timeout)?;
        }
        sessions.cors.check("sessions")
    }

    fn check_stream(&self) -> Result<(), ConfigError> {
        let publish_bytes_max = self.stream.publish_bytes_max;
        let most = limits::PUBLISH_BYTES_MAX;
        bytes("stream.publish_bytes_max", publish_bytes_max, most)?;
        self.stream.cors.check("stream")
    }

    fn check_pubsub(&self) -> Result<(), ConfigError> {
        let publish_bytes_max = self.pubsub.publish_bytes_max;
        let most = limits::PUBLISH_BYTES_MAX;
        bytes("pubsub.publish_bytes_max", publish_bytes_max, most)?;
        self.pubsub.cors.check("pubsub")
    }

    fn check_sysadm(&self) -> Result<(), ConfigError> {
        let sysadm = &self.sysadm;
        for (key, classes) in [
            ("sysadm.classes", &sysadm.classes),
            ("sysadm.retained", &sysadm.retained),
        ] {
            count(key, classes.len(), 0, limits::CLASSES_MAX)?;
            for class in classes {
                text(key, class, limits::PATTERN_BYTES_MAX)?;
            }
        }
        duration("sysadm.state_first", sysadm.state_first)?;
        if let Some(interval) = sysadm.state_interval {
            duration("sysadm.state_interval", interval)?;
        }
        sysadm.cors.check("sysadm")
    }

    fn check_live(&self) -> Result<(), ConfigError> {
        let filters_max = self.live.filters_max;
        count("live.filters_max", filters_max, 1, limits::LIVE_FILTERS_MAX)?;
        bytes(
            "live.value_bytes_max",
            self.live.value_bytes_max,
            limits::LIVE_VALUE_BYTES_MAX,
        )?;
        self.live.cors.check("live")
    }

    fn check_listen(&self) -> Result<(), ConfigError> {
        let server = &self.server;
        if is_loopback(server.listen) {
            return Ok(());
        }
        if server.echo {
            let problem = format!(
                "{} is beyond loopback, and /echo is for test suites on the same machine: listen on \
                 127.0.0.1 or [::1], or turn server.echo off",
                server.listen
            );
            return Err(ConfigError::new("server.listen", problem));
        }
        if !server.open && self.organizations.is_empty() {
            let problem = format!(
                "{} is beyond loopback, and without organizations everyone who reaches it may do \
                 everything: listen on 127.0.0.1 or [::1], or allow it with server.open = true \
                 (--open)",
                server.listen
            );
            return Err(ConfigError::new("server.listen", problem));
        }
        Ok(())
    }
}

/// Whether only this machine can reach the address; an IPv4 address dressed as IPv6 is what it is.
fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

pub(super) fn count(key: &str, value: usize, min: usize, max: usize) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let problem = format!("expected {min} to {max}, found {value}");
    Err(ConfigError::new(key, problem))
}

/// How much an organization may have: something, and no more than a shard can hold.
pub(super) fn bounds(path: &str, bounds: &BoundsConfig) -> Result<(), ConfigError> {
    for (key, value, most) in bounds.keys() {
        if let Some(value) = value {
            count(&format!("{path}.{key}"), value, 1, most)?;
        }
    }
    Ok(())
}

/// Events per second; 0 is no limit.
pub(super) fn publish_rate(key: &str, rate: usize) -> Result<(), ConfigError> {
    count(key, rate, 0, limits::PUBLISHES_PER_SECOND_MAX)
}

/// The kernel counts in whole seconds.
fn check_keepalive(keepalive: Option<Duration>) -> Result<(), ConfigError> {
    let allowed = Duration::from_secs(1)..=limits::KEEPALIVE_MAX;
    match keepalive {
        Some(idle) if !allowed.contains(&idle) || idle.subsec_nanos() > 0 => {
            let (max, found) = (
                format_duration(limits::KEEPALIVE_MAX),
                format_duration(idle),
            );
            let problem = format!("expected 0, or whole seconds up to {max}, found {found}");
            Err(ConfigError::new("server.keepalive", problem))
        }
        _ => Ok(()),
    }
}

pub(super) fn bytes(key: &str, value: usize, max: usize) -> Result<(), ConfigError> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    let found = format_bytes(value);
    let problem = if max == usize::MAX {
        format!("expected at least one byte, found {found}")
    } else {
        let max = format_bytes(max);
        format!("expected one byte to {max}, found {found}")
    };
    Err(ConfigError::new(key, problem))
}

fn duration(key: &str, value: Duration) -> Result<(), ConfigError> {
    if !value.is_zero() && value <= limits::CONFIG_DURATION_MAX {
        return Ok(());
    }
    let max = format_duration(limits::CONFIG_DURATION_MAX);
    let found = format_duration(value);
    let problem = format!("expected a duration above zero and up to {max}, found {found}");
    Err(ConfigError::new(key, problem))
}

/// Texts end up in answers and log lines: a line break in one would start a field of its own
/// (RFC 9110 §5.5), a control character would speak to the operator's terminal.
pub(super) fn text(key: &str, value: &str, bytes_max: usize) -> Result<(), ConfigError> {
    let printable = value.bytes().all(|b| (b' '..=b'~').contains(&b));
    let trimmed = !value.is_empty() && value.trim().len() == value.len();
    if printable && trimmed && value.len() <= bytes_max {
        return Ok(());
    }
    let problem = if value.len() > bytes_max {
        format!("expected at most {bytes_max} bytes, found {}", value.len())
    } else {
        format!(
            "expected printable ASCII without control characters or outer spaces, found \"{}\"",
            value.escape_debug()
        )
    };
    Err(ConfigError::new(key, problem))
}
