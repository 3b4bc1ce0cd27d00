//! What was made of a request: a response, or nothing yet.

use crate::dialect::{Action, Refused};

/// What was made of a request.
pub(super) enum Wrote<R> {
    /// A whole response.
    Response,
    /// No response yet: it goes on with this.
    Nothing(R),
}

impl From<Action> for Wrote<Action> {
    fn from(action: Action) -> Self {
        match action {
            Action::Done => Self::Response,
            Action::Execute(_) | Action::Follow(_) | Action::Open(_) => Self::Nothing(action),
        }
    }
}

impl<R> From<Result<R, Refused>> for Wrote<R> {
    fn from(admitted: Result<R, Refused>) -> Self {
        match admitted {
            Ok(admitted) => Self::Nothing(admitted),
            Err(Refused) => Self::Response,
        }
    }
}
