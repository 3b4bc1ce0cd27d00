//! Who may do what in this dialect.
//!
//! | call | needs |
//! | --- | --- |
//! | `OPTIONS`, the client and its types | nothing |
//! | publish | an API token with the grant `publish` |
//! | the demo | a server without organizations |
//!
//! A token stands in `Authorization` as it is, without a scheme, as the origin of this dialect has it; `Bearer` in
//! front of it is tolerated. Without organizations everyone may do everything, and credentials are not looked at.
//! Users and their passwords are not for this dialect.

use super::Pubsub;
use super::errors::{Kind, Problem};
use crate::auth::{Credentials, Grant, Identity};
use crate::dialect::{CONTRADICTORY, Denial};
use crate::metrics::{Api, RefusalKind};
use crate::protocol::http1::Head;

impl Pubsub {
    /// Who publishes, if they may.
    pub(super) fn publisher(&self, head: &Head<'_, '_>) -> Result<Identity, (Denial, Problem)> {
        if let Some(everyone) = self.directory.anonymous() {
            return Ok(everyone);
        }
        let refuse = |kind, problem, message| {
            let denial = Denial::new(Api::Pubsub, kind);
            (denial, Problem::new(problem, message))
        };
        let unauthorized = |message| refuse(RefusalKind::Credentials, Kind::Unauthorized, message);
        let token = match presented(head) {
            Presented::Token(token) => token,
            Presented::Nothing => return Err(unauthorized("this needs an API token")),
            Presented::Garbage => {
                let message = "the Authorization field is not an API token";
                return Err(unauthorized(message));
            }
            Presented::Contradictory => {
                let kind = Kind::ContradictoryCredentials;
                return Err(refuse(RefusalKind::Credentials, kind, CONTRADICTORY));
            }
        };
        let identity = self.directory.bearer(token);
        let identity = identity.ok_or_else(|| {
            let message = "the API token is not known";
            refuse(RefusalKind::Token, Kind::Unauthorized, message)
        })?;
        if identity.grants.allow(Grant::Publish) {
            return Ok(identity);
        }
        let message = "the API token lacks the grant \"publish\"";
        let denial = Denial::of_grant(Api::Pubsub, identity);
        Err((denial, Problem::new(Kind::Forbidden, message)))
    }
}

/// What a request's `Authorization` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presented<'b> {
    /// There is none.
    Nothing,
    /// A token.
    Token(&'b str),
    /// Something else.
    Garbage,
    /// Several that are not the same.
    Contradictory,
}

/// Reads the `Authorization` fields, which must say the same.
pub(super) fn presented<'b>(head: &Head<'_, 'b>) -> Presented<'b> {
    let fields = || head.header_values("authorization");
    let Some(first) = fields().next() else {
        return Presented::Nothing;
    };
    let token = token_of(first);
    // The same token may come with its scheme and without.
    let agrees = |other| match token {
        Some(token) => token_of(other) == Some(token),
        None => other == first,
    };
    if !fields().all(agrees) {
        return Presented::Contradictory;
    }
    token.map_or(Presented::Garbage, Presented::Token)
}

/// The token in one `Authorization` field, behind `Bearer` or alone.
fn token_of(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    match Credentials::from_header(Some(text)) {
        Credentials::Bearer(token) => Some(token),
        // Whatever has no known scheme. RFC 9110 §11.4: what has a scheme has a space.
        Credentials::Malformed => (!text.is_empty() && !text.contains([' ', '\t'])).then_some(text),
        Credentials::None | Credentials::Basic { .. } | Credentials::Contradictory => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Parsed;
    use crate::protocol::http1::{Scratch, parse_head};

    #[track_caller]
    fn assert_presents(lines: &str, expected: Presented<'_>) {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut scratch = Scratch::new();
        let Ok(Parsed::Complete(head, _)) = parse_head(text.as_bytes(), &mut scratch) else {
            panic!("no head: {text}");
        };
        assert_eq!(presented(&head), expected, "{lines}");
    }

    #[test]
    fn a_token_stands_alone_or_behind_bearer() {
        assert_presents("", Presented::Nothing);
        for lines in [
            "Authorization: a-b.c\r\n",
            "authorization:a-b.c \r\n",
            "Authorization: Bearer a-b.c\r\n",
            "Authorization: BEARER   a-b.c\r\n",
        ] {
            assert_presents(lines, Presented::Token("a-b.c"));
        }
        // A token may be called anything that has no space.
        assert_presents("Authorization: a:b\r\n", Presented::Token("a:b"));
    }

    #[test]
    fn all_else_is_garbage() {
        for lines in [
            "Authorization:\r\n",
            "Authorization: a b\r\n",
            "Authorization: Token a\r\n",
            "Authorization: Bearer a b\r\n",
            "Authorization: Basic YTpi\r\n",
            "Authorization: Basic !\r\n",
        ] {
            assert_presents(lines, Presented::Garbage);
        }
        for token in ["a", "Bearer a"] {
            let lines = format!("Authorization: {token}\r\n").repeat(2);
            assert_presents(&lines, Presented::Token("a"));
        }
        assert_presents(
            "Authorization: Bearer a\r\nAuthorization: a\r\n",
            Presented::Token("a"),
        );
        let lines = "Authorization: Bearer a\r\nAuthorization: b\r\n";
        assert_presents(lines, Presented::Contradictory);
    }
}
