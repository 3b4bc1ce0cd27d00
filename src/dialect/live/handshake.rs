//! The opening handshake: an API token or a user's password comes with it, or nothing is opened.

use super::{Heard, Live, Socket};
use crate::auth::{Credentials, Grant, Identity, UserId};
use crate::dialect::{
    self, Action, Call, Open, Opening, Responder, Tools, check_upgrade, read_credentials,
    respond_error,
};
use crate::hub::{Answer, Command};
use crate::protocol::http1::Head;
use crate::protocol::websocket::Handshake;

/// What may be presented (RFC 9110 §11.6.1, RFC 7617 §2.1, RFC 6750 §3).
pub(super) const CHALLENGES: &[u8] =
    b"WWW-Authenticate: Basic realm=\"fanfare\", charset=\"UTF-8\"\r\n\
    WWW-Authenticate: Bearer realm=\"fanfare\"\r\n";

/// RFC 9110 §10.2.3: passwords are checked one after the other, each in a fraction of a second.
pub(super) const RETRY_AFTER: &[u8] = b"Retry-After: 1\r\n";

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
            Credentials::Bearer(token) => match self.directory.bearer(token) {
                Some(identity) => self.open(handshake, identity, to),
                None => self.refuse("the API token is not known", to),
            },
            // Browsers remember a password and add it by themselves, whichever page opens the socket; and to a
            // WebSocket the same-origin policy does not apply (RFC 6455 §10.2).
            Credentials::Basic { .. } if !self.cors.trusts(head) => {
                let message = "a page of another origin may not use a remembered password; live.cors.allow_origin \
                               can allow it";
                respond_error(to, &[&self.cors], 403, "foreign_origin", message);
                Action::Done
            }
            Credentials::Basic { name, password } => {
                // A name that nobody has is checked like any other, so that time does not tell which
                // names exist.
                let user = self.directory.user(&name);
                let pending = Pending { handshake, user };
                Action::Execute(Box::new(Call {
                    command: Command::Verify { user, password },
                    idempotency_key: None,
                    correlation_id: None,
                    pending: dialect::Pending::Live(super::Pending::Handshake(pending)),
                }))
            }
            Credentials::None => self.refuse("log in with a password or an API token", to),
            Credentials::Malformed => self.refuse("Authorization cannot be understood", to),
        }
    }

    /// The answer to a handshake's call (a password was checked).
    pub(super) fn answer_handshake(
        &self,
        pending: Pending,
        answer: &Answer,
        to: &mut Responder<'_>,
    ) -> Action {
        let Pending { handshake, user } = pending;
        if let Answer::Refused(_) = answer {
            let message = "too many passwords wait to be checked, try again";
            respond_error(to, &[&self.cors, RETRY_AFTER], 503, "busy", message);
            return Action::Done;
        }
        let user = user.filter(|_| *answer == Answer::Verified(true));
        match user.and_then(|user| self.directory.user_of(user)) {
            Some(user) => self.open(handshake, user.identity, to),
            None => self.refuse("the user's name or password is wrong", to),
        }
    }

    fn refuse(&self, message: &str, to: &mut Responder<'_>) -> Action {
        respond_error(to, &[&self.cors, CHALLENGES], 401, "unauthorized", message);
        Action::Done
    }

    fn open(&self, handshake: Handshake, identity: Identity, to: &mut Responder<'_>) -> Action {
        if !identity.grants.allow(Grant::Subscribe) {
            let message = "this login may not subscribe";
            respond_error(to, &[&self.cors], 403, "forbidden", message);
            return Action::Done;
        }
        let organization = identity.organization;
        Action::Open(Box::new(Open {
            opening: Opening::WebSocket(handshake, None),
            socket: dialect::Socket::Live(Socket {
                organization,
                cancelled: false,
                heard: Heard::default(),
            }),
            subscriptions: self.subscriptions(organization, &[]),
            home: None,
        }))
    }
}
