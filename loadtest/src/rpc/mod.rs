//! A gRPC client that costs little: frames are taken apart and put together by hand, headers are
//! the same few bytes each time, and of a message only what is counted or compared is looked at.
//!
//! It knows RFC 9113, RFC 7541 and gRPC's framing as far as two calls need them, and shares neither
//! code nor crates with the servers that it measures.

pub(crate) mod callers;
pub(crate) mod connection;
pub(crate) mod http2;
pub(crate) mod message;
pub(crate) mod publishing;

pub(crate) use message::{put_varint, subscribe_to};

/// `EventService.Stream`.
pub(crate) const STREAM: &str = "/apis.event.v2.EventService/Stream";
/// `EventService.Publish`.
const PUBLISH: &str = "/apis.event.v2.EventService/Publish";
/// The name of every event that is published here.
const NAME: &str = "probe";

/// Streams of one connection that any server allows (RFC 9113 §6.5.2 recommends at least so many).
pub(crate) const STREAMS_PER_CONNECTION_MAX: usize = 100;
