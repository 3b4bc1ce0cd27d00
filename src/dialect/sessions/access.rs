//! Who may do what in this dialect.
//!
//! | call | needs |
//! | --- | --- |
//! | `OPTIONS` | nothing: a browser asks before it may send credentials |
//! | listen, describe, status | the grant `subscribe`; or no credentials and a session token that is a UUID |
//! | …the search for a fragment | the grant `admin` besides |
//! | publish, create, change, delete | the grant `publish` |
//!
//! Without organizations everyone may do everything, and credentials are not looked at. Users and
//! their passwords are not for this dialect: checking one takes long, and its clients have tokens.

use super::{Route, Sessions};
use crate::auth::{Denied, Grant, Identity, OrganizationId};
use crate::dialect::{
    CONTRADICTORY, Denial, Refused, Responder, read_credentials, respond_error as respond_any_error,
};
use crate::metrics::Api;
use crate::protocol::http1::{Head, Method};

/// RFC 9110 §15.5.2: a 401 says how to do better (RFC 6750 §3).
const CHALLENGE: &[u8] = b"WWW-Authenticate: Bearer\r\n";

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Somebody of an organization.
    Member(Identity),
    /// Anybody, who knows the token of a session, which is enough to read that session.
    TokenHolder,
}

impl Reader {
    /// Whose sessions are read; `None` is whichever organization has the one.
    pub(super) fn organization(self) -> Option<OrganizationId> {
        match self {
            Self::Member(identity) => Some(identity.organization),
            Self::TokenHolder => None,
        }
    }

    /// Whose sessions may be searched for a fragment of their token, if any.
    pub(super) fn searched(self) -> Option<OrganizationId> {
        match self {
            Self::Member(identity) => identity
                .grants
                .allow(Grant::Admin)
                .then_some(identity.organization),
            Self::TokenHolder => None,
        }
    }
}

/// Whether a request reads a session; all others change something.
pub(super) const fn reads(method: Method) -> bool {
    matches!(method, Method::Get | Method::Head)
}

impl Sessions {
    /// Whether the request's sender may do what its head asks for; a refusal is written.
    pub(super) fn authorize(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<(), Refused> {
        if reads(head.method) {
            self.reader(route, head, to).map(|_| ())
        } else {
            self.publisher(head, to).map(|_| ())
        }
    }

    /// Identifies the reader; a refusal is written.
    pub(super) fn reader(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Reader, Refused> {
        match self.member(head, Grant::Subscribe, to) {
            Ok(identity) => Ok(Reader::Member(identity)),
            Err(Denied::Missing) if self.token_reads && names_uuid(route) => {
                Ok(Reader::TokenHolder)
            }
            Err(denied) => Err(Self::respond_denied(denied, to)),
        }
    }

    /// The organization whose sessions the sender may publish to, create and change; a refusal is
    /// written.
    pub(super) fn publisher(
        &self,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<OrganizationId, Refused> {
        self.member(head, Grant::Publish, to)
            .map(|identity| identity.organization)
            .map_err(|denied| Self::respond_denied(denied, to))
    }

    fn member(
        &self,
        head: &Head<'_, '_>,
        needed: Grant,
        to: &Responder<'_>,
    ) -> Result<Identity, Denied> {
        let identity = self.directory.identify(to.now, || read_credentials(head))?;
        identity.with_grant(to.now, needed)
    }

    fn respond_denied(denied: Denied, to: &mut Responder<'_>) -> Refused {
        to.denied = Some(Denial::of(Api::Sessions, denied));
        let message = match denied {
            Denied::Missing => "this needs an API token",
            Denied::Malformed => "the Authorization field is not \"Bearer\" and a token",
            Denied::Password => "only API tokens are taken here, no names and passwords",
            Denied::Unknown => "the API token is not known",
            Denied::Ended(_) => "the API token has ended",
            Denied::Contradictory => {
                let code = "contradictory_credentials";
                return respond_any_error(to, &[], 400, code, CONTRADICTORY);
            }
            Denied::Lacks(_, grant) => {
                let message = format!("the API token lacks the grant \"{}\"", grant.as_str());
                return respond_any_error(to, &[], 403, "forbidden", &message);
            }
        };
        respond_any_error(to, &[CHALLENGE], 401, "unauthorized", message)
    }
}

/// Whether a route names a session by a UUID, as this server draws them: 36 characters, hexadecimal
/// with dashes. Other tokens may be names that people chose, and can guess.
fn names_uuid(route: Route<'_>) -> bool {
    match route {
        Route::Session(token) | Route::Function(token, _) => {
            let hyphenated = token.len() == uuid::fmt::Hyphenated::LENGTH;
            hyphenated && uuid::Uuid::try_parse(token).is_ok()
        }
        Route::Collection | Route::Nothing => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_are_their_own_permission() {
        let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        assert!(names_uuid(Route::Session(uuid)));
        assert!(names_uuid(Route::Session(&uuid.to_uppercase())));
        for other in [
            "demo",
            "",
            "6ba7b8109dad11d180b400c04fd430c8",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c",
            "6ba7b810-9dad-11d1-80b4-00c04fd430cg",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c88",
            "6ba7b810%2D9dad-11d1-80b4-00c04fd4308",
            "{6ba7b8109dad11d180b400c04fd430c8aa}",
            "6ba7b8109-dad-11d1-80b4-00c04fd430c8",
        ] {
            assert!(!names_uuid(Route::Session(other)), "{other}");
        }
        assert!(!names_uuid(Route::Collection));
    }
}
