//! Protocol Buffers as they stand on the wire
//! (<https://protobuf.dev/programming-guides/encoding/>).
//!
//! Reading and writing without a tree: what is large, events and their payloads, passes through
//! here once.

mod read;
mod write;

pub(super) use read::{Content, fields};
pub(super) use write::Writer;
