//! One event by one request: `POST /api/v1/pub_subs`.

use super::Pubsub;
use crate::dialect::{Action, Responder};
use crate::hub::Answer;

/// A publish that waits for the hub.
#[derive(Debug)]
pub struct Posted;

impl Pubsub {
    /// The hub's answer.
    pub fn answer_post(
        &self,
        _posted: Posted,
        _answer: &Answer,
        _to: &mut Responder<'_>,
    ) -> Action {
        Action::Done
    }
}
