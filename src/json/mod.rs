//! JSON text, read in place.
//!
//! Two readers for two kinds of text. [`fields`](fn@fields) walks a payload that was *validated when it was
//! published*: it lends spans and never prints a number anew. What a client sends over a socket is not
//! trusted at all; `message` reads that. Rank 1: it knows bytes.

mod fields;

pub use fields::{Field, Fields, depth, fields, text, trim};
