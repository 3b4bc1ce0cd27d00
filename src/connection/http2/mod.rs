//! A peer that speaks HTTP/2 (RFC 9113): many requests at once, each on a stream of its own.
//!
//! The protocol is `h2`'s; it runs over memory ([`pipe`]) and is polled after every input, so that
//! this stays a machine that takes bytes and gives bytes. Each stream is a connection of the shard
//! as any other: it has its own state, its own send queue and its own timers, and its socket is a
//! [`StreamSocket`].
//!
//! ```text
//!   bytes ──► Http2::receive ──► h2 ──► next_stream: a new stream, or one with something to read
//!   StreamSocket::write ──► h2 ──► Http2::drive ──► bytes
//! ```

mod call;
mod peer;
mod pipe;
mod ready;
mod request;
mod stream;

pub(super) use call::{CallPeer, hear};
pub(super) use peer::Http2;
pub use peer::StreamNews;
pub(super) use request::StreamRequest;
pub use stream::{NewStream, StreamRead, StreamSocket, StreamWrite};
