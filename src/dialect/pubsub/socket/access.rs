//! Who may do what in a room.
//!
//! | where a token stands | for whom |
//! | --- | --- |
//! | `Sec-WebSocket-Protocol: fanfare, <token>` | pages, which cannot set fields |
//! | `Authorization: <token>`, as for a publish by POST; `Bearer` before it is tolerated | programs |
//! | the first message, `authenticate` | pages that would not have a token in a handshake |
//!
//! If there are two they must be the same. To subscribe needs the grant `subscribe`, to publish the
//! grant `publish`; who has neither may not stay. Without organizations everyone may do everything,
//! and tokens are not looked at.

use super::super::Pubsub;
use super::super::access::presented;
use super::reply::{Code, Dismissal, Error};
use super::{Client, Who};
use crate::auth::{Credentials, Denied, Grant, Identity};
use crate::dialect::{Offer, Reaction};
use crate::protocol::http1::Head;
use crate::time::{Instant, Now};

/// The subprotocol whose neighbour in the offer is a token.
pub(super) const SUBPROTOCOL: &str = "fanfare";

impl Pubsub {
    /// The identity of a handshake's client; `None` if it does not say.
    pub(super) fn identify(
        &self,
        head: &Head<'_, '_>,
        offer: Offer<'_>,
        now: Now,
    ) -> Result<Option<Identity>, Dismissal> {
        match self.judge(now, || offered(head, offer)) {
            Ok(identity) => Ok(Some(identity)),
            Err(Dismissal::Denied(Denied::Missing)) => Ok(None),
            Err(dismissal) => Err(dismissal),
        }
    }

    /// The identity that a token stands for, if it is of use here.
    pub(super) fn bearer(&self, token: &str, now: Now) -> Result<Identity, Dismissal> {
        self.judge(now, || Credentials::Bearer(token))
    }

    fn judge<'b>(
        &self,
        now: Now,
        presented: impl FnOnce() -> Credentials<'b>,
    ) -> Result<Identity, Dismissal> {
        let identity = self.directory.identify(now, presented);
        let identity = identity.map_err(Dismissal::Denied)?;
        let useful = [Grant::Subscribe, Grant::Publish];
        let denied = useful.map(|grant| identity.with_grant(now, grant).err());
        match denied {
            [Some(denied), Some(_)] => Err(Dismissal::Denied(denied)),
            _ => Ok(identity),
        }
    }
}

impl Client {
    /// The end of its identity.
    pub const fn ends(&self) -> Instant {
        match &self.who {
            Who::Known(identity) => identity.ends,
            Who::Dismissed(_) | Who::Stranger => Instant::NEVER,
        }
    }

    /// Its identity has ended.
    pub fn end(&self) -> Reaction {
        match self.who {
            Who::Known(identity) => Dismissal::Denied(Denied::Ended(identity)).reaction(None),
            Who::Dismissed(_) | Who::Stranger => Reaction::nothing(),
        }
    }
}

/// The token that a handshake presents, in a field or in the offer of subprotocols; both must be
/// the same.
fn offered<'b>(head: &Head<'_, 'b>, offer: Offer<'b>) -> Credentials<'b> {
    match (presented(head), offer.token) {
        (Credentials::Bearer(one), Some(other)) if one != other => Credentials::Contradictory,
        (Credentials::None, Some(token)) => Credentials::Bearer(token),
        (credentials, _) => credentials,
    }
}

/// Whether somebody may do something.
pub(super) fn allow(identity: Identity, grant: Grant, now: Now) -> Result<(), Error> {
    let message = match identity.with_grant(now, grant) {
        Ok(_) => return Ok(()),
        Err(Denied::Lacks(_, Grant::Subscribe)) => {
            "this API token does not have the grant \"subscribe\""
        }
        Err(Denied::Lacks(_, Grant::Publish)) => {
            "this API token does not have the grant \"publish\""
        }
        Err(_) => "this API token has ended",
    };
    Err(Error::new(Code::Forbidden, message))
}
