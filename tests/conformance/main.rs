//! Conformance to the protocols' specifications, one module each, named after their sections.

mod http1;
mod sse;
mod websocket;
