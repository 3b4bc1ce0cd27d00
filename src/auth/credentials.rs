//! The credentials of a request: its `Authorization` field (RFC 9110 §11.6.2).
//!
//! Two schemes are known: `Bearer` (RFC 6750 §2.1) carries an API token, `Basic` (RFC 7617) a
//! user's name and password. Anything else is [`Malformed`](Credentials::Malformed): the client
//! meant to identify itself, so it is not taken for an anonymous one.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::identity::Secret;
use crate::limits::{PASSWORD_BYTES_MAX, USER_NAME_BYTES_MAX};

/// RFC 7617 §2 asks for padding; some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest base64 text of a name and a password that are within their bounds.
const BASIC_CHARS_MAX: usize = (USER_NAME_BYTES_MAX + 1 + PASSWORD_BYTES_MAX).div_ceil(3) * 4;

/// The credentials of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials<'b> {
    /// There are none.
    None,
    /// An API token.
    Bearer(&'b str),
    /// A user's name and password, within their bounds and without control characters.
    Basic {
        /// The name, without a colon.
        name: String,
        /// The password.
        password: Secret,
    },
    /// Several fields that differ: a proxy could understand one of them and we another.
    Contradictory,
    /// Something else: another scheme, or a text that its scheme does not allow.
    Malformed,
}

impl<'b> Credentials<'b> {
    /// Reads the value of an `Authorization` field; `None` if there is no such field.
    pub fn from_header(value: Option<&'b str>) -> Self {
        let Some(value) = value else {
            return Self::None;
        };
        // RFC 9110 §11.4: credentials = auth-scheme [ 1*SP ( token68 / … ) ], the scheme in any
        // case.
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_matches(' ');
        let credentials = if scheme.eq_ignore_ascii_case("bearer") {
            is_token68(rest).then_some(Self::Bearer(rest))
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic(rest)
        } else {
            None
        };
        credentials.unwrap_or(Self::Malformed)
    }

    /// Reads all `Authorization` fields of a request, which must be equal.
    pub fn from_headers(mut values: impl Iterator<Item = &'b [u8]>) -> Self {
        let Some(value) = values.next() else {
            return Self::None;
        };
        if values.any(|other| other != value) {
            return Self::Contradictory;
        }
        let text = std::str::from_utf8(value);
        text.map_or(Self::Malformed, |text| Self::from_header(Some(text)))
    }
}

/// RFC 9110 §11.2: token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=".
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(plain)
}

/// RFC 7617 §2: base64 of user-id ":" password in UTF-8; neither has control characters.
fn basic<'b>(text: &str) -> Option<Credentials<'b>> {
    if text.len() > BASIC_CHARS_MAX {
        return None;
    }
    let pair = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let (name, password) = pair.split_once(':')?;
    let fits = name.len() <= USER_NAME_BYTES_MAX && password.len() <= PASSWORD_BYTES_MAX;
    (fits && !pair.contains(char::is_control)).then(|| Credentials::Basic {
        name: name.to_owned(),
        password: Secret::new(password),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: &str) -> Credentials<'_> {
        Credentials::from_header(Some(value))
    }

    fn pair(name: &str, password: &str) -> Credentials<'static> {
        Credentials::Basic {
            name: name.to_owned(),
            password: Secret::new(password),
        }
    }

    #[test]
    fn bearer_tokens() {
        assert_eq!(Credentials::from_header(None), Credentials::None);
        for value in [
            "Bearer a-Z0._~+/=",
            "bearer   a-Z0._~+/= ",
            "BEARER a-Z0._~+/=",
        ] {
            assert_eq!(read(value), Credentials::Bearer("a-Z0._~+/="), "{value}");
        }
        for value in [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Bearer =",
            "Bearer a b",
            "Bearer a,b",
            "Bearer a=b",
            "Bearer\ta",
            "Bearer é",
            "Bearertoken",
            "Digest username=\"a\"",
            "a",
            " Bearer a",
        ] {
            assert_eq!(read(value), Credentials::Malformed, "{value:?}");
        }
    }

    #[test]
    fn names_and_passwords() {
        // RFC 7617 §2 and §2.1.
        let aladdin = pair("Aladdin", "open sesame");
        assert_eq!(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), aladdin);
        assert_eq!(read("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"), aladdin);
        assert_eq!(read("Basic dGVzdDoxMjPCow=="), pair("test", "123£"));
        let encode = |text: &[u8]| format!("Basic {}", BASE64.encode(text));
        assert_eq!(read(&encode(b"a:b:c")), pair("a", "b:c"));
        assert_eq!(read(&encode(b":")), pair("", ""));
        for bad in [
            &b"no colon"[..],
            b"a:\xff",
            b"a\n:b",
            b"a:b\0",
            b"a:\xc2\x85",
        ] {
            assert_eq!(read(&encode(bad)), Credentials::Malformed, "{bad:?}");
        }
        for bad in [
            "Basic",
            "Basic ",
            "Basic !",
            "Basic YTpi YTpi",
            "Basic YTpiYTpi_-",
        ] {
            assert_eq!(read(bad), Credentials::Malformed, "{bad:?}");
        }
    }

    #[test]
    fn names_and_passwords_are_bounded() {
        let encode = |name: usize, password: usize| {
            let text = format!("{}:{}", "n".repeat(name), "p".repeat(password));
            format!("Basic {}", BASE64.encode(text))
        };
        let (name, password) = (USER_NAME_BYTES_MAX, PASSWORD_BYTES_MAX);
        let fits = pair(&"n".repeat(name), &"p".repeat(password));
        assert_eq!(read(&encode(name, password)), fits);
        assert_eq!(read(&encode(name + 1, 0)), Credentials::Malformed);
        assert_eq!(read(&encode(0, password + 1)), Credentials::Malformed);
        assert_eq!(
            read(&encode(name + 9, password + 9)),
            Credentials::Malformed
        );
    }

    #[test]
    fn all_fields_say_the_same() {
        let read = |values: &[&'static [u8]]| Credentials::from_headers(values.iter().copied());
        assert_eq!(read(&[]), Credentials::None);
        assert_eq!(read(&[b"Bearer a"]), Credentials::Bearer("a"));
        let twice: [&[u8]; 2] = [b"Bearer a", b"Bearer a"];
        assert_eq!(read(&twice), Credentials::Bearer("a"));
        for other in [&b"Bearer b"[..], b"bearer a", b"Basic QTpi", b"", b"\xff"] {
            let fields = [&b"Bearer a"[..], b"Bearer a", other];
            let read = Credentials::from_headers(fields.into_iter());
            assert_eq!(read, Credentials::Contradictory);
        }
        assert_eq!(read(&[b"Bearer \xff"]), Credentials::Malformed);
    }

    proptest! {
        #[test]
        fn what_a_client_encodes_is_read(name in "[^:\\p{Cc}]{0,40}", password in "\\PC{0,40}") {
            let value = format!("Basic {}", BASE64.encode(format!("{name}:{password}")));
            prop_assert_eq!(read(&value), pair(&name, &password));
        }

        #[test]
        fn any_text_is_answered(value in "(Basic |Bearer )?.{0,40}") {
            let _ = read(&value);
        }
    }
}
