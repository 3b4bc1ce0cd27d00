//! A client's position in a session's log, and the gap after it.
//!
//! The decision behind it: a client that comes back either continues without a hole or is told of
//! the hole. How a dialect writes these (headers, `Last-Event-ID`) is none of this file's business.

use std::fmt;

use super::super::event::{Epoch, Number};

/// A position in one life of a session's log, as a client holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The life that `last` belongs to; `None` when the client did not say, which is taken to be
    /// the present one.
    pub epoch: Option<Epoch>,
    /// The last number seen; anything below 0 means that nothing was seen.
    pub last: i64,
}

/// A hole that a resuming client must be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Events after the cursor that are no longer retained, both ends missing.
    Range {
        /// The first missing number.
        first: Number,
        /// The last missing number.
        last: Number,
    },
    /// The cursor is from an earlier life of the log; nothing can be said about what is missing.
    Reset,
}

impl fmt::Display for Gap {
    /// `3-9`, or `reset`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { first, last } => write!(f, "{first}-{last}"),
            Self::Reset => f.write_str("reset"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_reads_as_on_the_wire() {
        assert_eq!(Gap::Range { first: 3, last: 9 }.to_string(), "3-9");
        assert_eq!(Gap::Range { first: 3, last: 3 }.to_string(), "3-3");
        assert_eq!(Gap::Reset.to_string(), "reset");
    }
}
