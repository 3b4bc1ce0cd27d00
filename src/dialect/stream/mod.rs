//! The stream dialect: events by name and target, over gRPC, a WebSocket or a chunked HTTP response.
//!
//! Its origin is the Event API v2 of API.stream.

mod proto;

pub use proto::RawMessage;
