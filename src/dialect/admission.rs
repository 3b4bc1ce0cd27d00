//! The leave to go on with a request, given on its head alone.

use crate::auth::Identity;

/// What a dialect found out of a request's head, kept while its body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Most bytes that its body may have.
    pub body_bytes_max: u64,
    /// The identity of its sender, if the head says it and the dialect asks for one.
    pub identity: Option<Identity>,
}

impl Admission {
    /// A request that has no body, of somebody who need not be known.
    pub const BODILESS: Self = Self::of(0, None);

    /// A request with a body of at most `body_bytes_max` bytes.
    pub const fn of(body_bytes_max: u64, identity: Option<Identity>) -> Self {
        Self {
            body_bytes_max,
            identity,
        }
    }
}
