//! Who may do what in this dialect.
//!
//! | call | needs |
//! | --- | --- |
//! | `OPTIONS`, the client and its types | nothing |
//! | publish | an API token with the grant `publish` |
//! | the demo | a server without organizations |
//!
//! A token stands in `Authorization` as it is, without a scheme, as the origin of this dialect has
//! it; `Bearer` in front of it is tolerated. Without organizations everyone may do everything, and
//! credentials are not looked at. Users and their passwords are not for this dialect.

use super::Pubsub;
use super::errors::{Kind, Problem};
use crate::auth::{Credentials, Denied, Grant, Identity};
use crate::dialect::CONTRADICTORY;
use crate::protocol::http1::Head;
use crate::time::Now;

impl Pubsub {
    /// The identity of the sender of a publish, if it may.
    pub(super) fn publisher(&self, head: &Head<'_, '_>, now: Now) -> Result<Identity, Denied> {
        let identity = self.directory.identify(now, || presented(head))?;
        identity.with_grant(now, Grant::Publish)
    }
}

/// What a publish is answered that is denied.
pub(super) fn problem(denied: Denied) -> Problem {
    let message = match denied {
        Denied::Missing => "this needs an API token",
        Denied::Malformed | Denied::Password => "the Authorization field is not an API token",
        Denied::Unknown => "the API token is not known",
        Denied::Ended(_) => "the API token has ended",
        Denied::Contradictory => {
            return Problem::new(Kind::ContradictoryCredentials, CONTRADICTORY);
        }
        Denied::Lacks(_, grant) => {
            let message = format!("the API token lacks the grant \"{}\"", grant.as_str());
            return Problem::new(Kind::Forbidden, message);
        }
    };
    Problem::new(Kind::Unauthorized, message)
}

/// Reads the `Authorization` fields, which must say the same: a token, behind `Bearer` or alone.
pub(super) fn presented<'b>(head: &Head<'_, 'b>) -> Credentials<'b> {
    let fields = || head.header_values("authorization");
    let Some(first) = fields().next() else {
        return Credentials::None;
    };
    let token = token_of(first);
    // The same token may come with its scheme and without.
    let agrees = |other| match token {
        Some(token) => token_of(other) == Some(token),
        None => other == first,
    };
    if !fields().all(agrees) {
        return Credentials::Contradictory;
    }
    token.map_or(Credentials::Malformed, Credentials::Bearer)
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
    fn assert_presents(lines: &str, expected: &Credentials<'_>) {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut scratch = Scratch::new();
        let Ok(Parsed::Complete(head, _)) = parse_head(text.as_bytes(), &mut scratch) else {
            panic!("no head: {text}");
        };
        assert_eq!(&presented(&head), expected, "{lines}");
    }

    #[test]
    fn a_token_stands_alone_or_behind_bearer() {
        assert_presents("", &Credentials::None);
        for lines in [
            "Authorization: a-b.c\r\n",
            "authorization:a-b.c \r\n",
            "Authorization: Bearer a-b.c\r\n",
            "Authorization: BEARER   a-b.c\r\n",
        ] {
            assert_presents(lines, &Credentials::Bearer("a-b.c"));
        }
        // A token may be called anything that has no space.
        assert_presents("Authorization: a:b\r\n", &Credentials::Bearer("a:b"));
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
            assert_presents(lines, &Credentials::Malformed);
        }
        for token in ["a", "Bearer a"] {
            let lines = format!("Authorization: {token}\r\n").repeat(2);
            assert_presents(&lines, &Credentials::Bearer("a"));
        }
        assert_presents(
            "Authorization: Bearer a\r\nAuthorization: a\r\n",
            &Credentials::Bearer("a"),
        );
        let lines = "Authorization: Bearer a\r\nAuthorization: b\r\n";
        assert_presents(lines, &Credentials::Contradictory);
    }
}
