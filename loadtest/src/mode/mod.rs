//! What can be measured: one file a mode.

pub(crate) mod fan_out;
pub(crate) mod grpc_fan_out;
pub(crate) mod grpc_publish;
pub(crate) mod idle;
pub(crate) mod publish;
pub(crate) mod shards;
pub(crate) mod wake;

/// A session's token: the same run after run would find old events in a server that stays.
fn session(index: usize) -> String {
    format!("probe-{}-{index}", std::process::id())
}
