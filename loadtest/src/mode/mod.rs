//! What can be measured: one file a mode.

pub(crate) mod arena;
pub(crate) mod broadcast;
pub(crate) mod connect_storm;
pub(crate) mod fan_out;
pub(crate) mod filters;
pub(crate) mod grpc_fan_out;
pub(crate) mod grpc_idle;
pub(crate) mod grpc_publish;
pub(crate) mod idle;
pub(crate) mod latency;
mod load;
pub(crate) mod long_poll;
pub(crate) mod publish;
pub(crate) mod rooms;
pub(crate) mod shards;
pub(crate) mod wake;

use std::time::Duration;

use crate::failure::Failure;

#[expect(
    clippy::unnecessary_wraps,
    reason = "waits like `Swarm::pump_for`, without a swarm"
)]
fn pause(duration: Duration) -> Result<(), Failure> {
    std::thread::sleep(duration);
    Ok(())
}

/// A session's token: the same run after run would find old events in a server that stays.
fn session(index: usize) -> String {
    format!("probe-{}-{index}", std::process::id())
}
