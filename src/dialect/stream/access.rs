//! Who may do what in this dialect.
//!
//! | where | how |
//! | --- | --- |
//! | everywhere | `Authorization: Bearer <token>`, or `X-API-Key: <token>` |
//! | a WebSocket, besides | `Sec-WebSocket-Protocol: Bearer, <token>`: browsers cannot set fields |
//!
//! To publish needs the grant `publish`, to subscribe the grant `subscribe`; who has neither may still keep a
//! stream. Without organizations everyone may do everything, and credentials are not looked at. Users and
//! their passwords are not for this dialect.

use super::Stream;
use crate::auth::{Credentials, Grant, Identity};
use crate::dialect::Offer;
use crate::protocol::grpc::{Code, Status};
use crate::protocol::http1::Head;

/// The subprotocol whose neighbour in the offer is a token, as clients write it.
pub(super) const SUBPROTOCOLS: [&str; 2] = ["Bearer", "bearer"];

impl Stream {
    /// Whether a request may publish: judged by its head, so that nobody waits for the body of one that may not.
    pub fn may_publish(&self, head: &Head<'_, '_>) -> Result<(), Status> {
        let identity = self.identify(head, Offer::default())?;
        allow(identity, Grant::Publish)
    }

    /// Whether a request is somebody's: judged by its head, likewise.
    pub fn may_come(&self, head: &Head<'_, '_>) -> Result<(), Status> {
        self.identify(head, Offer::default()).map(drop)
    }

    /// Whose request this is.
    pub(super) fn identify(
        &self,
        head: &Head<'_, '_>,
        offer: Offer<'_>,
    ) -> Result<Identity, Status> {
        if let Some(everyone) = self.directory.anonymous() {
            return Ok(everyone);
        }
        let unauthenticated = |message| Status::new(Code::Unauthenticated, message);
        let token = match Credentials::from_headers(head.header_values("authorization")) {
            Credentials::Bearer(token) => Some(token),
            Credentials::None => head.header_str("x-api-key").or(offer.token),
            Credentials::Basic { .. } | Credentials::Malformed => {
                return Err(unauthenticated("Authorization must be Bearer and a token"));
            }
        };
        let token = token.ok_or_else(|| unauthenticated("this needs an API token"))?;
        let known = self.directory.bearer(token);
        known.ok_or_else(|| unauthenticated("the API token is not known"))
    }
}

/// Whether somebody may do something.
pub(super) fn allow(identity: Identity, grant: Grant) -> Result<(), Status> {
    if identity.grants.allow(grant) {
        return Ok(());
    }
    let message = format!(
        "this API token does not have the grant {:?}",
        grant.as_str()
    );
    Err(Status::new(Code::PermissionDenied, message))
}
