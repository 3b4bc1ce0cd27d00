//! Who may do what in this dialect.
//!
//! | where | how |
//! | --- | --- |
//! | everywhere | `Authorization: Bearer <token>`, or `X-API-Key: <token>` |
//! | a WebSocket, besides | `Sec-WebSocket-Protocol: Bearer, <token>`: browsers cannot set fields |
//!
//! Several must be the same. To publish needs the grant `publish`, to subscribe the grant `subscribe`; who has neither may still keep a
//! stream. Without organizations everyone may do everything, and credentials are not looked at. Users and
//! their passwords are not for this dialect.

use super::EventService;
use super::errors::invalid;
use crate::auth::{Credentials, Grant, Identity};
use crate::dialect::{CONTRADICTORY, Denial, Offer};
use crate::metrics::{Api, RefusalKind};
use crate::protocol::grpc::{Code, Status};
use crate::protocol::http1::Head;

/// The subprotocol whose neighbour in the offer is a token, as clients write it.
pub(super) const SUBPROTOCOLS: [&str; 2] = ["Bearer", "bearer"];

const UNKNOWN: &str = "the API token is not known";

impl EventService {
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
        let authorization = match Credentials::from_headers(head.header_values("authorization")) {
            Credentials::Bearer(token) => Some(token),
            Credentials::None => None,
            Credentials::Contradictory => return Err(invalid(CONTRADICTORY)),
            Credentials::Basic { .. } | Credentials::Malformed => {
                return Err(unauthenticated("Authorization must be Bearer and a token"));
            }
        };
        let keys = head.header_values("x-api-key");
        let keys = keys.filter_map(|key| std::str::from_utf8(key).ok());
        let mut tokens = authorization.into_iter().chain(keys).chain(offer.token);
        let token = tokens.next();
        let token = token.ok_or_else(|| unauthenticated("this needs an API token"))?;
        if tokens.any(|other| other != token) {
            return Err(invalid(CONTRADICTORY));
        }
        let known = self.directory.bearer(token);
        known.ok_or_else(|| unauthenticated(UNKNOWN))
    }

    /// What the operator is told of a request that was refused, if it was for want of access.
    pub(super) fn denial(
        &self,
        status: &Status,
        head: &Head<'_, '_>,
        offer: Offer<'_>,
    ) -> Option<Denial> {
        let new = |kind| Some(Denial::new(Api::Stream, kind));
        match status.code {
            Code::Unauthenticated if status.message == UNKNOWN => new(RefusalKind::Token),
            Code::Unauthenticated => new(RefusalKind::Credentials),
            Code::InvalidArgument if status.message == CONTRADICTORY => {
                new(RefusalKind::Credentials)
            }
            Code::PermissionDenied => {
                let identity = self.identify(head, offer).ok();
                identity.map(|identity| Denial::of_grant(Api::Stream, identity))
            }
            _ => None,
        }
    }

    /// The same, of a call that does not begin.
    pub fn denial_of_call(&self, status: &Status, head: &Head<'_, '_>) -> Option<Denial> {
        self.denial(status, head, Offer::default())
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
