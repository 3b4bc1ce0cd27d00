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
use crate::protocol::grpc::{Code, Status};
use crate::protocol::http1::Head;

/// The subprotocol whose neighbour in the offer is a token, as clients write it. RFC 6455 §4.1: what is chosen
/// is to the letter what was offered, or the client fails the connection.
const SUBPROTOCOLS: [&str; 2] = ["Bearer", "bearer"];

/// What a WebSocket handshake offers as subprotocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer<'b> {
    /// `Bearer`, if it is offered.
    pub(super) subprotocol: Option<&'static str>,
    token: Option<&'b str>,
}

impl<'b> Offer<'b> {
    /// Reads the offer (RFC 6455 §4.1: a list, or several fields).
    pub(super) fn read(head: &Head<'_, 'b>) -> Self {
        let lists = head.header_values("sec-websocket-protocol");
        let texts = lists.filter_map(|list| std::str::from_utf8(list).ok());
        let mut offered = texts.flat_map(|list| list.split(',')).map(str::trim);
        let known = |name| SUBPROTOCOLS.into_iter().find(|known| *known == name);
        Self {
            subprotocol: offered.find_map(known),
            token: offered.next().filter(|token| !token.is_empty()),
        }
    }
}

impl Stream {
    /// Whether a request may publish: judged by its head, so that nobody waits for the body of one that may not.
    pub fn may_publish(&self, head: &Head<'_, '_>) -> Result<(), Status> {
        let identity = self.identify(head, Offer::default())?;
        allow(identity, Grant::Publish)
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
