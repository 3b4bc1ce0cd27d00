//! gRPC over HTTP/2, and gRPC-web: the contents of the bodies and fields of HTTP
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
//!
//! [`CallFields`] judges the fields that begin a call, [`parse_message`] finds the messages in its
//! body, [`Status`] ends it, with a message that quotes little of the request ([`quoted`]).
//! gRPC-web has the same within the body ([`put_trailers`]), in base64 if asked to.
//!
//! Nothing here knows HTTP's own framing, which methods there are, or the meaning of a message.

mod compression;
mod error;
mod fields;
mod frame;
mod quote;
mod status;
mod web;

pub use compression::{ACCEPT_ENCODING, ENCODING, MessageEncoding};
pub use error::MessageError;
pub use fields::{CallFields, CallRefusal, Kind, Timeout};
pub use frame::{
    MESSAGE_HEADER_BYTES, Message, is_compressed, parse_message, put_compressed, put_message,
    truncated,
};
pub use quote::quoted;
pub use status::{Code, Status};
pub use web::{TextError, decode_text, put_text, put_trailers};
