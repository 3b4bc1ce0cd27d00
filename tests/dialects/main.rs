//! Transcripts of the dialects: every sentence of each contract, spoken to shards without sockets.

mod bounds;
mod grpc;
mod http;
mod idempotency;
mod live;
mod pubsub;
mod rate_limit;
mod refusals;
mod reserved_names;
mod sessions;
mod shares;
mod stage;
mod strangers;
mod stream;
#[path = "../support/mod.rs"]
mod support;
mod sysadm;
