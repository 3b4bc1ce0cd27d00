//! JSON text, read in place.
//!
//! [`fields()`] and [`tokens()`] walk a payload that was *validated when it was published*: they
//! lend spans and never print a number anew. A client's message over a socket is not trusted at
//! all: [`valid_object`] lends it once it is validated, and [`Message`] reads it where nothing may
//! be ambiguous. Rank 1: it knows bytes.

mod fields;
mod message;
mod object;
mod refusal;
mod space;
mod text;
mod token;
mod tokens;

pub use fields::{Field, Fields, fields};
pub use message::{Array, Message, Object, Value};
pub use object::{ObjectError, named_fields, string, valid_object};
pub use refusal::{MessageError, syntax_error};
pub use space::{compact, depth, is_deeper, trim};
pub use text::text;
pub use tokens::{Token, Tokens, tokens};
