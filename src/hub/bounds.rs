//! What is full, and whose: every table has a bound, and a refusal says which one was reached.

use std::fmt;

/// A table with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Different wildcards of subscriptions that are [costly](super::NamePattern::is_costly).
    Wildcards,
}

impl Table {
    /// What it holds, for people.
    const fn things(self) -> &'static str {
        match self {
            Self::Wildcards => "different names with text behind a \"*\"",
        }
    }
}

/// Who has as much as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The organization that asked.
    Organization,
    /// All organizations together.
    Everyone,
}

/// A bound that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Full {
    /// Of what there is too much.
    pub table: Table,
    /// Whose.
    pub whose: Whose,
}

/// A sentence for whoever is refused.
impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.whose {
            Whose::Organization => "this organization",
            Whose::Everyone => "this server",
        };
        write!(f, "{who} has as many {} as it may", self.table.things())
    }
}
