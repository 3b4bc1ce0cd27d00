//! HTTP/1.1 (RFC 9112) as a server speaks it: request heads and bodies in, responses out.
//!
//! Reading: [`parse_head`] lends a [`Head`] from the receive buffer, without copying; a body framed
//! as [`BodyLength::Chunked`] goes through a [`ChunkedDecoder`], in place. Writing: [`Response`]
//! appends to a buffer that the caller owns.
//!
//! The grammar is taken strictly. Bytes that two implementations could read in two ways are how
//! requests are smuggled past a proxy, so they are refused with 400 and the connection is closed;
//! the errors ([`HeadError`], [`BodyError`]) know their status. Routes, dialects and sockets are
//! unknown here.

mod body;
mod date;
mod error;
mod fields;
mod glimpse;
mod head;
mod list;
mod parse;
mod response;
mod target;
mod translate;

pub use body::{ChunkedDecoder, Decoded};
pub use date::DateCache;
pub use error::{BodyError, HeadError};
pub use glimpse::Glimpse;
pub use head::{BodyLength, Head, Method, Scratch, Version};
pub use parse::parse_head;
pub use response::{CONTINUE, Response, status_text};
pub use target::{
    DecodeError, decode_form, decode_segment, is_same_host, query_last, query_last_of, query_pairs,
};
pub use translate::{ResponseHead, StreamFields, StreamRequest};
