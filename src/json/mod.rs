//! JSON text, read in place.
//!
//! Two readers for two kinds of text. [`fields()`] and [`tokens()`] walk a payload that was *validated when
//! it was published*: they lend spans and never print a number anew. What a client sends over a socket is
//! not trusted at all; [`Message`] reads that. Rank 1: it knows bytes.

mod fields;
mod message;
mod refusal;
mod space;
mod text;
mod token;
mod tokens;

pub use fields::{Field, Fields, fields};
pub use message::{Array, Message, Object, Value};
pub use refusal::{MessageError, syntax_error};
pub use space::{compact, depth, trim};
pub use text::text;
pub use tokens::{Token, Tokens, tokens};
