//! What a request's `Authorization` says (RFC 9110 §11.6.2): a bearer token (RFC 6750) or a user's name
//! and password (RFC 7617).

use super::identity::Secret;

/// What a client presents. Borrows the field's value where it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials<'h> {
    /// Nothing.
    None,
    /// An API token.
    Bearer(&'h str),
    /// A user who wants to log in.
    Basic {
        /// The user's name.
        name: String,
        /// What was given as the password.
        password: Secret,
    },
    /// Something else, or something broken.
    Malformed,
}

impl<'h> Credentials<'h> {
    /// Reads the value of `Authorization`, if there is one.
    pub fn from_header(value: Option<&'h str>) -> Self {
        let Some(value) = value else {
            return Self::None;
        };
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
        let rest = rest.trim_start();
        if rest.is_empty() {
            return Self::Malformed;
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::Bearer(rest);
        }
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::basic(rest).unwrap_or(Self::Malformed);
        }
        Self::Malformed
    }

    fn basic(encoded: &str) -> Option<Self> {
        let pair = String::from_utf8(decode_base64(encoded)?).ok()?;
        // RFC 7617 §2: the first colon ends the name; a password may hold more.
        let (name, password) = pair.split_once(':')?;
        Some(Self::Basic {
            name: name.to_owned(),
            password: Secret::new(password),
        })
    }
}

/// Base64 of RFC 4648 §4; padding may be missing.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    (digits.len() % 4 != 1).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_told_apart() {
        assert_eq!(Credentials::from_header(None), Credentials::None);
        assert_eq!(
            Credentials::from_header(Some("bEARER abc")),
            Credentials::Bearer("abc")
        );
        // RFC 7617 §2.
        let aladdin = Credentials::from_header(Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        let expected = Credentials::Basic {
            name: "Aladdin".to_owned(),
            password: Secret::new("open sesame"),
        };
        assert_eq!(aladdin, expected);
        for bad in ["", "Bearer", "Digest x", "Basic !", "Basic QQ==", "Basic Q"] {
            let credentials = Credentials::from_header(Some(bad));
            assert_eq!(credentials, Credentials::Malformed, "{bad}");
        }
    }
}
