//! What a shard is made from.

use std::sync::Arc;

use crate::auth::Directory;
use crate::config::{BoundsConfig, Scopes};
use crate::dialect::AllMetrics;
use crate::dialect::Config;
use crate::hub::{Bounds, HubConfig, Placement, Retention, ShardId};
use crate::limits::{
    BROADCAST_SLICE_APPENDS, BROADCAST_SLICE_WOKEN, DRAIN_SPREAD_MS_MAX, FLUSH_WRITES_MAX,
    SERVING_STEPS_MAX, SESSIONS_MAX,
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

/// How much of what may take long a shard does before sockets are looked at again; at least one of
/// each.
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
        bounds: bounds(config),
        scope_ttl: config.hub.scope_ttl,
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

/// How much each organization may have, or the only one in open mode.
fn bounds(config: &Config) -> Vec<Bounds> {
    let of = |own: &BoundsConfig, logs_bytes: Option<usize>| {
        let share = if config.organizations.len() > 1 {
            Bounds {
                logs_bytes: config.hub.logs_bytes_max / 2,
                ..Bounds::SHARE
            }
        } else {
            Bounds::ALL
        };
        let all = &config.hub.bounds;
        let of = |own: Option<usize>, all: Option<usize>, share| own.or(all).unwrap_or(share);
        Bounds {
            sessions: of(own.sessions_max, all.sessions_max, share.sessions),
            scopes: of(own.scopes_max, all.scopes_max, share.scopes),
            readers: of(own.readers_max, all.readers_max, share.readers),
            subscriptions: of(
                own.subscriptions_max,
                all.subscriptions_max,
                share.subscriptions,
            ),
            wildcards: of(own.wildcards_max, all.wildcards_max, share.wildcards),
            logs_bytes: logs_bytes.unwrap_or(share.logs_bytes),
            ..share
        }
    };
    if config.organizations.is_empty() {
        return vec![of(&BoundsConfig::default(), None)];
    }
    config
        .organizations
        .iter()
        .map(|one| of(&one.bounds, one.logs_bytes_max))
        .collect()
}

/// Over how long clients are told to come back: five seconds, unless the server leaves sooner.
pub(super) fn drain_spread_ms(config: &Config) -> u64 {
    let timeout_ms = config.server.drain_timeout.as_millis() as u64;
    DRAIN_SPREAD_MS_MAX.min(timeout_ms * 3 / 4)
}
