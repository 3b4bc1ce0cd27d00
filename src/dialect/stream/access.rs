//! Who may do what in this dialect.
//!
//! | where | how |
//! | --- | --- |
//! | everywhere | `Authorization: Bearer <token>`, or `X-API-Key: <token>` |
//! | a WebSocket, besides | `Sec-WebSocket-Protocol: Bearer, <token>`: browsers cannot set fields |
//!
//! Several must be the same. To publish needs the grant `publish`, to subscribe the grant
//! `subscribe`; who has neither may still keep a stream. Without organizations everyone may do
//! everything, and credentials are not looked at. Users and their passwords are not for this
//! dialect.

use super::EventService;
use super::errors::invalid;
use crate::auth::{Credentials, Denied, Grant, Identity};
use crate::dialect::{CONTRADICTORY, Denial, Judge, Offer, read_credentials};
use crate::metrics::Api;
use crate::protocol::grpc::{Code, Status};
use crate::protocol::http1::Head;
use crate::time::Now;

/// The subprotocol whose neighbour in the offer is a token, as clients write it.
pub(super) const SUBPROTOCOLS: [&str; 2] = ["Bearer", "bearer"];

impl EventService {
    /// The identity of the sender of a publish: judged by its head, so that nobody waits for the
    /// body of one that may not.
    pub(super) fn publisher(
        &self,
        head: &Head<'_, '_>,
        judge: Judge<'_>,
    ) -> Result<Identity, Status> {
        let now = judge.now;
        let publisher = self
            .identify(head, Offer::default(), now)
            .and_then(|identity| identity.with_grant(now, Grant::Publish));
        note(publisher, judge)
    }

    /// Whether a request is somebody's: judged by its head, likewise.
    pub(super) fn may_come(&self, head: &Head<'_, '_>, judge: Judge<'_>) -> Result<(), Status> {
        self.known(head, Offer::default(), judge).map(drop)
    }

    /// The identity of the sender of a request.
    pub(super) fn known(
        &self,
        head: &Head<'_, '_>,
        offer: Offer<'_>,
        judge: Judge<'_>,
    ) -> Result<Identity, Status> {
        note(self.identify(head, offer, judge.now), judge)
    }

    fn identify(
        &self,
        head: &Head<'_, '_>,
        offer: Offer<'_>,
        now: Now,
    ) -> Result<Identity, Denied> {
        self.directory.identify(now, || presented(head, offer))
    }
}

/// What a request presents, wherever it stands.
fn presented<'b>(head: &Head<'_, 'b>, offer: Offer<'b>) -> Credentials<'b> {
    let authorization = match read_credentials(head) {
        Credentials::Bearer(token) => Some(token),
        Credentials::None => None,
        other => return other,
    };
    let keys = head.header_values("x-api-key");
    let keys = keys.filter_map(|key| std::str::from_utf8(key).ok());
    let mut tokens = authorization.into_iter().chain(keys).chain(offer.token);
    let Some(token) = tokens.next() else {
        return Credentials::None;
    };
    if tokens.any(|other| other != token) {
        return Credentials::Contradictory;
    }
    Credentials::Bearer(token)
}

/// Notes a refusal of access, and says it in this dialect's form.
pub(super) fn note(judged: Result<Identity, Denied>, judge: Judge<'_>) -> Result<Identity, Status> {
    judged.map_err(|denied| {
        let Judge { denied: noted, .. } = judge;
        *noted = Some(Denial::of(Api::Stream, denied));
        status_of(denied)
    })
}

fn status_of(denied: Denied) -> Status {
    let message = match denied {
        Denied::Missing => "this needs an API token",
        Denied::Malformed | Denied::Password => "Authorization must be Bearer and a token",
        Denied::Unknown => "the API token is not known",
        Denied::Ended(_) => "the API token has ended",
        Denied::Contradictory => return invalid(CONTRADICTORY),
        Denied::Lacks(_, grant) => {
            let grant = grant.as_str();
            let message = format!("this API token does not have the grant {grant:?}");
            return Status::new(Code::PermissionDenied, message);
        }
    };
    Status::new(Code::Unauthenticated, message)
}
