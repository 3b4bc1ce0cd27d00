//! Who may see the state: a token or user of the organization with the grant `admin`.

use super::super::Live;
use super::super::handshake::CHALLENGES;
use crate::auth::{Credentials, Grant, Identity, Secret, UserId};
use crate::dialect::{Refused, Responder, read_credentials, respond_error};
use crate::protocol::http1::Head;

/// Who sends a request.
pub(super) enum Sender {
    /// Somebody of an organization.
    Known(Identity),
    /// A user, if the password is right.
    User(Option<UserId>, Secret),
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
            Credentials::Bearer(token) => match self.directory.bearer(token) {
                Some(identity) => return Ok(Sender::Known(identity)),
                None => "the API token is not known",
            },
            // Browsers add a remembered password by themselves, whichever page sends the request; and an action
            // needs no answer that the page may read.
            Credentials::Basic { .. } if !self.cors.trusts(head) => {
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
                return Ok(Sender::User(self.directory.user(&name), password));
            }
            Credentials::None => "log in with a password or an API token",
            Credentials::Malformed => "Authorization cannot be understood",
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
        let message = "this login lacks the grant \"admin\"";
        Err(respond_error(to, &[&self.cors], 403, "forbidden", message))
    }

    /// It is not known who this is.
    pub(super) fn unauthorized(&self, message: &str, to: &mut Responder<'_>) -> Refused {
        respond_error(to, &[&self.cors, CHALLENGES], 401, "unauthorized", message)
    }
}
