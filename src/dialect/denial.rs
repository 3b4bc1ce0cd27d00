//! What a dialect notes when it refuses somebody access, beside what it answers: for the operator's
//! counters and log. Never what was presented.

use crate::auth::{Denied, Identity, OrganizationId, Verdict};
use crate::metrics::{Api, RefusalKind};
use crate::time::Now;

/// One refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub kind: RefusalKind,
    /// By which dialect.
    pub api: Api,
    /// Whose organization's they are, if that is known.
    pub organization: Option<OrganizationId>,
}

impl Denial {
    /// The refusal of somebody unknown.
    pub const fn new(api: Api, kind: RefusalKind) -> Self {
        Self {
            kind,
            api,
            organization: None,
        }
    }

    /// Somebody known may not do something.
    pub const fn of_grant(api: Api, identity: Identity) -> Self {
        Self {
            kind: RefusalKind::Grant,
            api,
            organization: Some(identity.organization),
        }
    }

    /// The refusal of access that was decided.
    pub const fn of(api: Api, denied: Denied) -> Self {
        Self {
            kind: denied.kind(),
            api,
            organization: denied.organization(),
        }
    }
}

/// When a request is judged, and where a refusal of access is noted.
#[derive(Debug)]
pub struct Judge<'d> {
    /// The time at which the request is judged.
    pub now: Now,
    /// Where a refusal of access is noted.
    pub denied: &'d mut Option<Denial>,
}

/// Why somebody is refused of whose password that came; `None` if they are not.
pub const fn denied_by(verdict: Verdict) -> Option<RefusalKind> {
    match verdict {
        Verdict::Right => None,
        Verdict::Wrong => Some(RefusalKind::Password),
        Verdict::Blocked { .. } => Some(RefusalKind::Blocked),
        Verdict::Busy { .. } => Some(RefusalKind::Busy),
    }
}

/// What is said to a request that presents several tokens which are not the same.
pub const CONTRADICTORY: &str = "this request presents different credentials; present one";
