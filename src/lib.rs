//! Fanfare: one event hub, several documented event APIs, one thread per core.
//!
//! Reading order: [`hub`] (events, scopes and logs), [`protocol`] (bytes to values and back, RFC by
//! RFC), [`dialect`] (where the two meet), [`connection`] and [`shard`] (one peer, one core; still
//! no I/O), [`runtime`] (the only place that touches sockets, threads and the clock).
//! `ARCHITECTURE.md`, beside this file, follows: the ladder that the modules stand on.
#![doc = ""]
#![doc = include_str!("ARCHITECTURE.md")]

pub mod auth;
pub mod buf;
pub mod cli;
pub mod config;
pub mod connection;
pub mod dialect;
pub mod hub;
pub mod json;
pub mod limits;
pub mod metrics;
pub mod protocol;
pub mod runtime;
pub mod server;
pub mod shard;
pub mod time;
