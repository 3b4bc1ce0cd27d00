//! Conformance to the protocols' specifications, one module each, named after their sections.

mod grpc;
mod http1;
mod http2;
mod sse;
#[path = "../support/mod.rs"]
mod support;
mod websocket;
