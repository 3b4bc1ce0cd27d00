//! What no key can be judged by alone: values against their neighbours, and where a server may
//! listen.

use std::net::SocketAddr;

use super::value::format_bytes;
use super::{ConfigError, HubConfig, OrganizationConfig, ServerConfig, organizations};

/// Values against their neighbours, each being good by itself.
pub(crate) fn check_relations(
    hub: &HubConfig,
    organizations: &[OrganizationConfig],
) -> Result<(), ConfigError> {
    if hub.retention.bytes > hub.logs_bytes_max {
        let problem = format!(
            "one log may not retain more than all logs of a shard together: {} is over \
             hub.logs_bytes_max, {}",
            format_bytes(hub.retention.bytes),
            format_bytes(hub.logs_bytes_max),
        );
        return Err(ConfigError::new("hub.retention.bytes", problem));
    }
    organizations::check(organizations, hub.logs_bytes_max)
}

/// Whether a server may listen where it is told to: on loopback, or beyond it with leave.
pub(crate) fn check_listen(
    server: &ServerConfig,
    organizations: &[OrganizationConfig],
) -> Result<(), ConfigError> {
    let listen = server.listen;
    if is_loopback(listen) {
        return Ok(());
    }
    let problem = if server.echo {
        format!(
            "{listen} is beyond loopback, and /echo is for test suites on the same machine: listen on \
             127.0.0.1 or [::1], or turn server.echo off"
        )
    } else if !server.open && organizations.is_empty() {
        format!(
            "{listen} is beyond loopback, and without organizations everyone who reaches it may do \
             everything: listen on 127.0.0.1 or [::1], or allow it with server.open = true (--open)"
        )
    } else {
        return Ok(());
    };
    Err(ConfigError::new("server.listen", problem))
}

/// Whether only this machine can reach the address; an IPv4 address dressed as IPv6 is what it is.
fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
