//! RFC 6455, the server's half: the opening handshake, frames, messages and the end of a
//! connection.
//!
//! Bytes in, values out, and back. [`Handshake`] judges the request that wants to become a
//! WebSocket; [`Receiver`] turns a client's bytes into whole messages; the `encode_*` functions
//! write a server's frames; [`CloseState`] says which side still owes a close frame. No extension
//! is negotiated, so the reserved bits are always an error.
//!
//! Nothing here knows a socket, a clock, an HTTP parser or the meaning of a message.

mod close;
mod frame;
mod handshake;
mod mask;
mod message;
mod receiver;
mod utf8;

pub use close::{CloseCode, CloseState, WebSocketError};
pub use frame::{
    FrameHeader, Opcode, encode_binary, encode_close, encode_header, encode_ping, encode_pong,
    encode_text,
};
pub use handshake::{Handshake, HandshakeError, HandshakeFields};
pub use mask::unmask;
pub use message::{Item, Message, Step};
pub use receiver::Receiver;
pub use utf8::{InvalidUtf8, Utf8Stream};
