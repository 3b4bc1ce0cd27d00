//! The opening handshake: an API token or a user's password comes with it, or nothing is opened.

use super::access::Sender;
use super::{Client, Heard, Live};
use crate::auth::{Grant, Identity, UserId, Verdict};
use crate::dialect::{
    self, Action, Call, Denial, Open, Opening, Operation, Outcome, Refused, Responder,
    check_upgrade, respond_error, retry_after_line,
};
use crate::metrics::Api;
use crate::protocol::http1::Head;
use crate::protocol::websocket::Handshake;

const BLOCKED: &str = "too many wrong passwords came from this address; an API token is still good";

/// A handshake whose password is being checked.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    handshake: Handshake,
    user: Option<UserId>,
}

impl Live {
    /// Handles the opening handshake, or whatever else came to the path.
    pub(super) fn shake_hands(&self, head: &Head<'_, '_>, to: &mut Responder<'_>) -> Action {
        let Ok(handshake) = check_upgrade(head, to) else {
            return Action::Done;
        };
        match self.sender(head, to) {
            Ok(Sender::Known(identity)) => self.open(handshake, identity, to),
            Ok(Sender::User(attempt)) => {
                let user = attempt.user;
                let pending = Pending { handshake, user };
                Action::Execute(Box::new(Call {
                    operation: Operation::Verify(attempt),
                    idempotency_key: None,
                    correlation_id: None,
                    pending: dialect::Pending::Live(super::Pending::Handshake(Box::new(pending))),
                }))
            }
            Err(Refused) => Action::Done,
        }
    }

    /// The answer to a handshake's call (a password was checked).
    pub(super) fn answer_handshake(
        &self,
        pending: Pending,
        outcome: &Outcome,
        to: &mut Responder<'_>,
    ) -> Action {
        let Pending { handshake, user } = pending;
        match self.verified(user, outcome, to) {
            Ok(identity) => self.open(handshake, identity, to),
            Err(Refused) => Action::Done,
        }
    }

    /// Who somebody is whose password was checked; a refusal is written.
    pub(super) fn verified(
        &self,
        user: Option<UserId>,
        outcome: &Outcome,
        to: &mut Responder<'_>,
    ) -> Result<Identity, Refused> {
        let verdict = match outcome {
            Outcome::Verified(verdict) => *verdict,
            _ => Verdict::Busy { retry_after: 1 },
        };
        self.note_verdict(verdict, user, to);
        let user = user.and_then(|user| self.directory.user_of(user));
        match (verdict, user) {
            (Verdict::Right, Some(user)) => Ok(user.identity),
            (Verdict::Right | Verdict::Wrong, _) => Err(Self::unauthorized(
                "the user's name or password is wrong",
                to,
            )),
            (Verdict::Blocked { retry_after }, _) => Err(Self::refuse_for_now(
                (429, "blocked", BLOCKED),
                retry_after,
                to,
            )),
            (Verdict::Busy { retry_after }, _) => {
                let message = "too many passwords wait to be checked, try again";
                Err(Self::refuse_for_now(
                    (503, "busy", message),
                    retry_after,
                    to,
                ))
            }
        }
    }

    /// Notes what came of a password, if it was no login.
    fn note_verdict(&self, verdict: Verdict, user: Option<UserId>, to: &mut Responder<'_>) {
        let organization = user.and_then(|user| self.directory.user_of(user));
        let organization = organization.map(|user| user.identity.organization);
        let kind = dialect::denied_by(verdict);
        to.denied = kind.map(|kind| Denial {
            organization,
            ..Denial::new(Api::Live, kind)
        });
    }

    fn refuse_for_now(
        (status, code, message): (u16, &str, &str),
        retry_after: u32,
        to: &mut Responder<'_>,
    ) -> Refused {
        let retry_after = retry_after_line(retry_after);
        let headers = [retry_after.as_bytes()];
        respond_error(to, &headers, status, code, message)
    }

    fn open(&self, handshake: Handshake, identity: Identity, to: &mut Responder<'_>) -> Action {
        if let Err(Refused) = Self::check_grant(identity, Grant::Subscribe, to) {
            return Action::Done;
        }
        let organization = identity.organization;
        Action::Open(Box::new(Open {
            opening: Opening::WebSocket(handshake, None),
            client: dialect::Client::Live(Client {
                organization,
                cancelled: false,
                heard: Heard::default(),
            }),
            subscriptions: self.subscriptions(organization, &[]),
            home: None,
        }))
    }
}
