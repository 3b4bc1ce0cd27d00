//! The protocols of RFCs: bytes to values and back, without I/O, without a clock, without the hub.

pub mod grpc;
pub mod http1;
pub mod http2;
pub mod media;
pub mod sse;
pub mod websocket;

/// A parser's answer when the bytes so far are not wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// A value, and the number of bytes it took.
    Complete(T, usize),
    /// More bytes are needed; nothing was consumed.
    Partial,
}
