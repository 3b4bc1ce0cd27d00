//! What a shard is made from.

use std::sync::Arc;

use crate::auth::Directory;
use crate::config::{Config, Scopes};
use crate::dialect::AllMetrics;
use crate::hub::{HubConfig, Placement, Retention, ShardId};
use crate::limits::{
    BROADCAST_SLICE_APPENDS, BROADCAST_SLICE_WOKEN, DRAIN_SPREAD_MS_MAX, FLUSH_WRITES_MAX,
    SERVING_STEPS_MAX, SESSIONS_MAX, WILDCARDS_PER_ORGANIZATION_MAX,
};

/// What a shard is made from. Equal on all shards of a node but for `shard` and `seed`.
#[derive(Clone, Debug)]
pub struct ShardSettings {
    /// Which shard.
    pub shard: ShardId,
    /// Who is home to what.
    pub placement: Placement,
    /// What the operator decided.
    pub config: Arc<Config>,
    /// Who may do what.
    pub directory: Arc<Directory>,
    /// Counters of all shards.
    pub metrics: AllMetrics,
    /// The machine's name, for clients that ask.
    pub hostname: Box<str>,
    /// Where tokens, epochs and ids are drawn from: from the operating system, unless in a test.
    pub seed: [u8; 32],
    /// How much is done at a time.
    pub slices: Slices,
}

/// How much of what may take long a shard does before sockets are looked at again; at least one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slices {
    /// Events of broadcasts that are appended to logs.
    pub appends: usize,
    /// Sessions with readers that broadcasts wake.
    pub woken: usize,
    /// Connections that are written to.
    pub writes: usize,
    /// Requests or messages that are taken from one connection.
    pub steps: usize,
}

impl Default for Slices {
    fn default() -> Self {
        Self {
            appends: BROADCAST_SLICE_APPENDS,
            woken: BROADCAST_SLICE_WOKEN,
            writes: FLUSH_WRITES_MAX,
            steps: SERVING_STEPS_MAX,
        }
    }
}

/// What the operator decided, as far as it concerns the hub.
pub(super) fn hub_config(config: &Config, slices: Slices) -> HubConfig {
    HubConfig {
        retention: Retention {
            age: config.hub.retention.age,
            events: config.hub.retention.events,
            bytes: config.hub.retention.bytes,
        },
        session_ttl: config.hub.session_ttl,
        logs_bytes_max: config.hub.logs_bytes_max,
        sessions_max: SESSIONS_MAX,
        wildcards_max: WILDCARDS_PER_ORGANIZATION_MAX,
        declared_scopes: config.hub.scopes == Scopes::Declared,
        retained_names: config
            .sysadm
            .retained
            .iter()
            .map(|name| name.as_str().into())
            .collect(),
        slice_appends: slices.appends,
        slice_woken: slices.woken,
    }
}

/// Over how long clients are told to come back: five seconds, unless the server leaves sooner.
pub(super) fn drain_spread_ms(config: &Config) -> u64 {
    let timeout_ms = config.server.drain_timeout.as_millis() as u64;
    DRAIN_SPREAD_MS_MAX.min(timeout_ms * 3 / 4)
}
