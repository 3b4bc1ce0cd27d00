//! Conformance to the protocols' specifications, one module each, named after their sections.

mod grpc;
mod http1;
mod http2;
mod sse;
mod websocket;
