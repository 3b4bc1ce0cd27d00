//! Who may see the state: a token or user of the organization with the grant `admin`.

use super::super::Live;
use crate::auth::{Attempt, Credentials, Grant, Identity};
use crate::dialect::{Denial, Refused, Responder, read_credentials, respond_error};
use crate::metrics::{Api, RefusalKind};
use crate::protocol::http1::Head;

/// Who sends a request.
pub(super) enum Sender {
    /// Somebody of an organization.
    Known(Identity),
    /// A user, if the password is right.
    User(Attempt),
}

impl Live {
    /// Whether the sender of a request may be somebody who may ask, as far as its head tells; a refusal is written.
    pub(super) fn check_sender(
        &self,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<(), Refused> {
        match self.sender(head, to)? {
            Sender::Known(identity) => self.check_grant(identity, to),
            Sender::User(..) => Ok(()),
        }
    }

    /// Who sends a request; a refusal is written.
    pub(super) fn sender(
        &self,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Sender, Refused> {
        if let Some(anyone) = self.directory.anonymous() {
            return Ok(Sender::Known(anyone));
        }
        let message = match read_credentials(head) {
            Credentials::Bearer(token) => {
                if let Some(identity) = self.directory.bearer(token) {
                    return Ok(Sender::Known(identity));
                }
                to.denied = Some(Denial::new(Api::Live, RefusalKind::Token));
                "the API token is not known"
            }
            // Browsers add a remembered password by themselves, whichever page sends the request; and an action
            // needs no answer that the page may read.
            Credentials::Basic { .. } if !self.cors.trusts(head) => {
                to.denied = Some(Denial::new(Api::Live, RefusalKind::Origin));
                let message = "a page of another origin may not use a remembered password; live.cors.allow_origin \
                               can allow it";
                return Err(respond_error(
                    to,
                    &[&self.cors],
                    403,
                    "foreign_origin",
                    message,
                ));
            }
            Credentials::Basic { name, password } => {
                return Ok(Sender::User(Attempt {
                    user: self.directory.user(&name),
                    name: name.into(),
                    password,
                }));
            }
            Credentials::None => "log in with a password or an API token",
            Credentials::Malformed => "Authorization cannot be understood",
            Credentials::Contradictory => return Err(self.contradictory(to)),
        };
        Err(self.unauthorized(message, to))
    }

    /// Whether somebody may see the state; a refusal is written.
    pub(super) fn check_grant(
        &self,
        identity: Identity,
        to: &mut Responder<'_>,
    ) -> Result<(), Refused> {
        if identity.grants.allow(Grant::Admin) {
            return Ok(());
        }
        to.denied = Some(Denial::of_grant(Api::Live, identity));
        let message = "this login lacks the grant \"admin\"";
        Err(respond_error(to, &[&self.cors], 403, "forbidden", message))
    }
}
