//! JSON text, read in place.
//!
//! Two readers for two kinds of text. [`fields()`] walks a payload that was *validated when it was
//! published*: it lends spans and never prints a number anew. What a client sends over a socket is not
//! trusted at all; [`Message`] reads that. Rank 1: it knows bytes.

mod fields;
mod message;
mod refusal;
mod space;
mod text;
mod token;

pub use fields::{Field, Fields, fields};
pub use message::{Array, Message, Object, Value};
pub use refusal::{MessageError, syntax_error};
pub use space::{compact, depth, trim};
pub use text::text;
