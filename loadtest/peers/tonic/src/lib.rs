//! The services of the stream dialect as tonic generates them, from the server's own definitions.
//!
//! Nothing else is shared with the server: its tests have an independent client here, and `main.rs`
//! is an independent server. Payloads are `prost_types::Struct`.

/// Package `apis.event.v2`: the event API.
pub mod event {
    #![allow(clippy::pedantic, reason = "generated")]
    tonic::include_proto!("apis.event.v2");
}

/// Package `grpc.health.v1`: the health checking protocol.
pub mod health {
    #![allow(clippy::pedantic, reason = "generated")]
    tonic::include_proto!("grpc.health.v1");
}

/// Package `grpc.reflection.v1`: the server reflection protocol.
pub mod reflection {
    #![allow(clippy::pedantic, reason = "generated")]
    tonic::include_proto!("grpc.reflection.v1");
}

// What the generated code is used with, in the versions that it was generated for.
pub use {prost, prost_types, tonic};
