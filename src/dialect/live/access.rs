//! Who may do what in this dialect: a token or user of an organization, with the grant `subscribe`
//! for the socket and `admin` for the state.

use super::Live;
use crate::auth::{Attempt, Credentials, Denied, Grant, Identity, Secret};
use crate::dialect::{CONTRADICTORY, Denial, Refused, Responder, read_credentials, respond_error};
use crate::metrics::{Api, RefusalKind};
use crate::protocol::http1::Head;

/// What may be presented (RFC 9110 §11.6.1, RFC 7617 §2.1, RFC 6750 §3).
const CHALLENGES: &[u8] = b"WWW-Authenticate: Basic realm=\"fanfare\", charset=\"UTF-8\"\r\n\
    WWW-Authenticate: Bearer realm=\"fanfare\"\r\n";

const FOREIGN_ORIGIN: &str = "a page of another origin may not use a remembered password; live.cors.allow_origin can allow it";

/// The sender of a request.
pub(super) enum Sender {
    /// Somebody of an organization.
    Known(Identity),
    /// A user, if the password is right.
    User(Attempt),
}

impl Live {
    /// Whether the sender of a request may be somebody who may see the state, as far as its head
    /// tells; a refusal is written.
    pub(super) fn check_sender(
        &self,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<(), Refused> {
        match self.sender(head, to)? {
            Sender::Known(identity) => Self::check_grant(identity, Grant::Admin, to),
            Sender::User(_) => Ok(()),
        }
    }

    /// The sender of a request; a refusal is written.
    pub(super) fn sender(
        &self,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Sender, Refused> {
        let credentials = read_credentials(head);
        if let (Credentials::Basic { name, password }, None) =
            (&credentials, self.directory.anonymous())
        {
            return self.user(name, password, head, to);
        }
        self.directory
            .identify(to.now, || credentials)
            .map(Sender::Known)
            .map_err(|denied| Self::refuse(denied, to))
    }

    /// A name that nobody has is checked like any other, so that time does not tell which names
    /// exist.
    fn user(
        &self,
        name: &str,
        password: &Secret,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Sender, Refused> {
        // Browsers remember a password and add it by themselves, whichever page opens the socket or
        // sends the request; to a WebSocket the same-origin policy does not apply (RFC 6455 §10.2),
        // and an action needs no answer that the page may read.
        if !self.cors.trusts(head) {
            to.denied = Some(Denial::new(Api::Live, RefusalKind::Origin));
            return Err(respond_error(
                to,
                &[],
                403,
                "foreign_origin",
                FOREIGN_ORIGIN,
            ));
        }
        Ok(Sender::User(Attempt {
            user: self.directory.user(name),
            name: name.into(),
            password: password.clone(),
        }))
    }

    fn refuse(denied: Denied, to: &mut Responder<'_>) -> Refused {
        to.denied = Some(Denial::of(Api::Live, denied));
        let message = match denied {
            Denied::Missing | Denied::Password => "log in with a password or an API token",
            Denied::Malformed => "Authorization cannot be understood",
            Denied::Unknown => "the API token is not known",
            Denied::Ended(_) => "this login has ended",
            Denied::Contradictory => {
                let code = "contradictory_credentials";
                return respond_error(to, &[], 400, code, CONTRADICTORY);
            }
            Denied::Lacks(_, grant) => {
                let message = match grant {
                    Grant::Subscribe => "this login may not subscribe",
                    Grant::Publish => "this login may not publish",
                    Grant::Admin => "this login lacks the grant \"admin\"",
                };
                return respond_error(to, &[], 403, "forbidden", message);
            }
        };
        Self::unauthorized(message, to)
    }

    /// It is not known who this is.
    pub(super) fn unauthorized(message: &str, to: &mut Responder<'_>) -> Refused {
        respond_error(to, &[CHALLENGES], 401, "unauthorized", message)
    }

    /// Whether somebody has a grant; a refusal is written.
    pub(super) fn check_grant(
        identity: Identity,
        needed: Grant,
        to: &mut Responder<'_>,
    ) -> Result<(), Refused> {
        let judged = identity.with_grant(to.now, needed);
        judged.map(drop).map_err(|denied| Self::refuse(denied, to))
    }
}
