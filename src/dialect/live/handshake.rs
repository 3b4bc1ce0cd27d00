//! The opening handshake: an API token or a user's password comes with it, or nothing is opened.

use super::{Client, Heard, Live};
use crate::auth::{Attempt, Credentials, Grant, Identity, UserId, Verdict};
use crate::dialect::{
    self, Action, CONTRADICTORY, Call, Denial, Open, Opening, Operation, Outcome, Refused,
    Responder, Tools, check_upgrade, read_credentials, respond_error, retry_after_line,
};
use crate::metrics::{Api, RefusalKind};
use crate::protocol::http1::Head;
use crate::protocol::websocket::Handshake;

/// What may be presented (RFC 9110 §11.6.1, RFC 7617 §2.1, RFC 6750 §3).
const CHALLENGES: &[u8] = b"WWW-Authenticate: Basic realm=\"fanfare\", charset=\"UTF-8\"\r\n\
    WWW-Authenticate: Bearer realm=\"fanfare\"\r\n";

const BLOCKED: &str = "too many wrong passwords came from this address; an API token is still good";

/// A handshake whose password is being checked.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    handshake: Handshake,
    user: Option<UserId>,
}

impl Live {
    /// Handles the opening handshake, or whatever else came to the path.
    pub fn handle(
        &self,
        head: &Head<'_, '_>,
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        let Ok(handshake) = check_upgrade(head, &self.cors, to) else {
            return Action::Done;
        };
        if let Some(anyone) = self.directory.anonymous() {
            return self.open(handshake, anyone, to);
        }
        match read_credentials(head) {
            Credentials::Bearer(token) => {
                if let Some(identity) = self.directory.bearer(token) {
                    return self.open(handshake, identity, to);
                }
                to.denied = Some(Denial::new(Api::Live, RefusalKind::Token));
                self.refuse("the API token is not known", to)
            }
            // Browsers remember a password and add it by themselves, whichever page opens the socket; and to a
            // WebSocket the same-origin policy does not apply (RFC 6455 §10.2).
            Credentials::Basic { .. } if !self.cors.trusts(head) => {
                let message = "a page of another origin may not use a remembered password; live.cors.allow_origin \
                               can allow it";
                to.denied = Some(Denial::new(Api::Live, RefusalKind::Origin));
                respond_error(to, &[&self.cors], 403, "foreign_origin", message);
                Action::Done
            }
            Credentials::Basic { name, password } => {
                // A name that nobody has is checked like any other, so that time does not tell which
                // names exist.
                let user = self.directory.user(&name);
                let pending = Pending { handshake, user };
                let attempt = Attempt {
                    user,
                    name: name.into(),
                    password,
                };
                Action::Execute(Box::new(Call {
                    operation: Operation::Verify(attempt),
                    idempotency_key: None,
                    correlation_id: None,
                    pending: dialect::Pending::Live(super::Pending::Handshake(pending)),
                }))
            }
            Credentials::None => self.refuse("log in with a password or an API token", to),
            Credentials::Malformed => self.refuse("Authorization cannot be understood", to),
            Credentials::Contradictory => {
                self.contradictory(to);
                Action::Done
            }
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
            (Verdict::Right | Verdict::Wrong, _) => {
                Err(self.unauthorized("the user's name or password is wrong", to))
            }
            (Verdict::Blocked { retry_after }, _) => {
                Err(self.refuse_for_now((429, "blocked", BLOCKED), retry_after, to))
            }
            (Verdict::Busy { retry_after }, _) => {
                let message = "too many passwords wait to be checked, try again";
                Err(self.refuse_for_now((503, "busy", message), retry_after, to))
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
        &self,
        (status, code, message): (u16, &str, &str),
        retry_after: u32,
        to: &mut Responder<'_>,
    ) -> Refused {
        let retry_after = retry_after_line(retry_after);
        let headers = [&self.cors, retry_after.as_bytes()];
        respond_error(to, &headers, status, code, message)
    }

    /// It is not known who this is.
    pub(super) fn unauthorized(&self, message: &str, to: &mut Responder<'_>) -> Refused {
        let denial = Denial::new(Api::Live, RefusalKind::Credentials);
        to.denied.get_or_insert(denial);
        respond_error(to, &[&self.cors, CHALLENGES], 401, "unauthorized", message)
    }

    /// Two credentials that differ came with one request.
    pub(super) fn contradictory(&self, to: &mut Responder<'_>) -> Refused {
        to.denied = Some(Denial::new(Api::Live, RefusalKind::Credentials));
        let code = "contradictory_credentials";
        respond_error(to, &[&self.cors], 400, code, CONTRADICTORY)
    }

    fn refuse(&self, message: &str, to: &mut Responder<'_>) -> Action {
        self.unauthorized(message, to);
        Action::Done
    }

    fn open(&self, handshake: Handshake, identity: Identity, to: &mut Responder<'_>) -> Action {
        if !identity.grants.allow(Grant::Subscribe) {
            let message = "this login may not subscribe";
            to.denied = Some(Denial::of_grant(Api::Live, identity));
            respond_error(to, &[&self.cors], 403, "forbidden", message);
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
