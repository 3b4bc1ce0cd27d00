//! The services that gRPC users' tools expect of any server: [`Method`] has their paths, [`health`]
//! and [`reflection`] what they answer.
//!
//! The event service itself is the stream dialect's. A call's fields, messages and status are
//! `protocol::grpc`'s; here a message is bytes in and bytes out, or the [`Status`] that ends the
//! call. Services are not generated: there are five methods, and each is one function.

mod client;
mod descriptors;
pub mod health;
pub mod reflection;
mod route;

pub use client::{Client, Rpc};
pub use reflection::Reflection;
pub use route::{Method, Route, Service};

use crate::protocol::grpc::{Code, Status};

/// The messages of `health.proto`.
#[allow(dead_code, reason = "a request without fields is not read")]
#[expect(
    unreachable_pub,
    clippy::pedantic,
    reason = "generated from health.proto"
)]
mod health_proto {
    include!(concat!(env!("OUT_DIR"), "/grpc.health.v1.rs"));
}

/// The messages of `reflection.proto`.
#[expect(
    unreachable_pub,
    clippy::enum_variant_names,
    reason = "generated from reflection.proto"
)]
mod reflection_proto {
    include!(concat!(env!("OUT_DIR"), "/grpc.reflection.v1.rs"));
}

/// Reads a request, or ends the call (statuscodes.md, "Error parsing request proto").
fn decode<M: prost::Message + Default>(request: &[u8]) -> Result<M, Status> {
    let malformed = |error| Status::new(Code::Internal, format!("malformed request: {error}"));
    M::decode(request).map_err(malformed)
}
