//! Bytes on their way in and out: tools that several layers need and no protocol owns.

mod arena;
mod meter;

pub use arena::Arena;
pub use bytes::{Bytes, BytesMut};
pub use meter::Meter;
