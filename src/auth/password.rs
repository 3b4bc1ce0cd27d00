//! Passwords: argon2id (RFC 9106), kept as PHC strings. Both functions take long on purpose.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

use super::identity::Secret;
use crate::limits::PASSWORD_MEMORY_KIB_MAX;

/// Bytes of salt; RFC 9106 §3.1 recommends 16.
pub const PASSWORD_SALT_BYTES: usize = 16;

/// What is hashed against when there is no such user: the parameters of [`hash_password`], so that
/// it takes as long, and a digest of zeros, which no password has.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA\
    $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The PHC string of a password: argon2id with 19 MiB, two passes and one lane, the first choice of
/// OWASP's password storage recommendations. `None` only if there is no memory for it.
pub fn hash_password(password: &Secret, salt: [u8; PASSWORD_SALT_BYTES]) -> Option<String> {
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let hash: PasswordHash = hasher
        .hash_password_with_salt(password.reveal().as_bytes(), &salt)
        .ok()?;
    Some(hash.to_string())
}

/// Whether a password is the one of a PHC string; `None` stands for a user that does not exist, and
/// takes as long.
pub(super) fn verify_password(hash: Option<&str>, password: &Secret) -> bool {
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else {
        return false;
    };
    // Configuration is checked, but an allocation of terabytes must not depend on that.
    let memory_fits =
        Params::try_from(&parsed).is_ok_and(|params| params.m_cost() <= PASSWORD_MEMORY_KIB_MAX);
    let bytes = password.reveal().as_bytes();
    // The parameters are those of the string; the digests are compared in constant time.
    memory_fits && Argon2::default().verify_password(bytes, &parsed).is_ok() && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let hash = hash_password(&Secret::new("swordfish"), [7; PASSWORD_SALT_BYTES]);
        let hash = hash.expect("there is memory");
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(verify_password(Some(&hash), &Secret::new("swordfish")));
        for wrong in ["", "Swordfish", "swordfish ", "swordfis"] {
            assert!(
                !verify_password(Some(&hash), &Secret::new(wrong)),
                "{wrong:?}"
            );
        }
        let salted = hash_password(&Secret::new("swordfish"), [8; PASSWORD_SALT_BYTES]);
        assert_ne!(salted, Some(hash));
    }

    #[test]
    fn strings_of_other_implementations_are_read() {
        // From test.c of the reference implementation.
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ\
            $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify_password(Some(hash), &Secret::new("password")));
        assert!(!verify_password(Some(hash), &Secret::new("passwore")));
    }

    #[test]
    fn nobody_has_a_password_and_nonsense_fits_none() {
        assert!(PasswordHash::new(NOBODY).is_ok());
        let huge = "$argon2id$v=19$m=4294967295,t=1,p=1$c29tc2FsdA$AAAAAAAAAAAAAAAA";
        for hash in [
            None,
            Some(""),
            Some("$argon2id$"),
            Some("plain"),
            Some(huge),
        ] {
            assert!(!verify_password(hash, &Secret::new("")), "{hash:?}");
        }
    }
}
