//! API tokens: their form, and the digest that is kept of each.
//!
//! A token is drawn at random and far too long to be guessed, so one round of SHA-256 (FIPS 180-4)
//! protects it: stretching, as passwords need it, would only slow every request down.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Random bytes in an API token.
pub const API_TOKEN_SEED_BYTES: usize = 32;

/// Prefix of every API token, by which people and secret scanners recognize one.
const PREFIX: &str = "ff_";

/// A fresh API token: `ff_` and 43 characters of base64url. `seed` comes from the operating system.
pub fn api_token(seed: [u8; API_TOKEN_SEED_BYTES]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(seed))
}

/// The SHA-256 of an API token.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if hex.len() != 2 * digest.len() {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digit = |character: u8| char::from(character).to_digit(16);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Some(Self(digest))
    }

    /// The first 64 bits, to sort and search by.
    pub(super) fn prefix(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(first)
    }

    /// Whether two digests are the same, in constant time.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for TokenDigest {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha_256() {
        // FIPS 180-4's own example.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenDigest::of("abc").to_string(), abc);
        let parsed = TokenDigest::parse(&abc.to_uppercase()).expect("64 digits");
        assert!(parsed.matches(&TokenDigest::of("abc")));
        assert!(!parsed.matches(&TokenDigest::of("abd")));
        for bad in ["", "ab", &abc[1..], &abc.replace('b', "g"), &"é".repeat(32)] {
            assert!(TokenDigest::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn tokens_are_long_and_fit_a_header() {
        let token = api_token([0xfb; API_TOKEN_SEED_BYTES]);
        assert_eq!(token.len(), 3 + 43);
        assert!(token.starts_with("ff_-_v7"), "{token}");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(token.bytes().all(plain), "{token}");
    }
}
