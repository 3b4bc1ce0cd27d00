//! Runs shards: threads, sockets, the clock, and the rings between shards. The only module that
//! does.
//!
//! One loop, on one screen: `ShardLoop::turn`. Tasks only wait for readiness; every ready socket is
//! received into one buffer per shard before the turn ends and anything is sent, so an idle
//! connection owns no buffer and a burst is answered with few writes. `Rc` and `RefCell` live here
//! and nowhere below.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is where the clock, the sockets and the threads live"
)]

mod any_runtime;
mod clock;
mod effects;
mod machine;
mod mesh;
mod ready;
mod serving;
mod shard_loop;
mod socket;
mod tasks;
mod thread;
mod verifier;
mod watchdog;

pub use any_runtime::DriverKind;
pub use thread::{Leaving, Node, StartError, start};
pub use watchdog::abort_on_panic;
