//! Who may do what in a room.
//!
//! | where a token stands | for whom |
//! | --- | --- |
//! | `Sec-WebSocket-Protocol: fanfare, <token>` | pages, which cannot set fields |
//! | `Authorization: <token>`, as for a publish by POST; `Bearer` before it is tolerated | programs |
//! | the first message, `authenticate` | pages that would not have a token in a handshake |
//!
//! If there are two they must be the same. To subscribe needs the grant `subscribe`, to publish the grant `publish`;
//! who has neither may not stay. Without organizations everyone may do everything, and tokens are not looked at.

use super::super::Pubsub;
use super::super::access::{Presented, presented};
use super::reply::{Code, Dismissal, Error};
use crate::auth::{Grant, Identity};
use crate::dialect::Offer;
use crate::protocol::http1::Head;

/// The subprotocol whose neighbour in the offer is a token.
pub(super) const SUBPROTOCOL: &str = "fanfare";

impl Pubsub {
    /// Whose handshake this is; `None` if it does not say.
    pub(super) fn identify(
        &self,
        head: &Head<'_, '_>,
        offer: Offer<'_>,
    ) -> Result<Option<Identity>, Dismissal> {
        if let Some(everyone) = self.directory.anonymous() {
            return Ok(Some(everyone));
        }
        let token = match presented(head) {
            Presented::Token(token) => Some(token),
            Presented::Nothing => None,
            Presented::Garbage => return Err(Dismissal::Garbage),
            Presented::Contradictory => return Err(Dismissal::Contradictory),
        };
        let token = match (token, offer.token) {
            (Some(one), Some(other)) if one != other => return Err(Dismissal::Contradictory),
            (one, other) => one.or(other),
        };
        token.map(|token| self.bearer(token)).transpose()
    }

    /// Whose token this is, if it is of use here.
    pub(super) fn bearer(&self, token: &str) -> Result<Identity, Dismissal> {
        let known = self.directory.bearer(token);
        let identity = known.ok_or(Dismissal::Unknown)?;
        let useful = [Grant::Subscribe, Grant::Publish];
        if useful.iter().any(|&grant| identity.grants.allow(grant)) {
            return Ok(identity);
        }
        Err(Dismissal::Forbidden(identity))
    }
}

/// Whether somebody may do something.
pub(super) fn allow(identity: Identity, grant: Grant) -> Result<(), Error> {
    if identity.grants.allow(grant) {
        return Ok(());
    }
    let message = match grant {
        Grant::Subscribe => "this API token does not have the grant \"subscribe\"",
        Grant::Publish => "this API token does not have the grant \"publish\"",
        Grant::Admin => "this API token does not have the grant \"admin\"",
    };
    Err(Error::new(Code::Forbidden, message))
}
