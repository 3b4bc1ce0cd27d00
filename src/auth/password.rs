//! Passwords: argon2id (RFC 9106), kept as PHC strings. To hash or check one takes long on purpose.
//!
//! Checks are made one after the other in memory that is kept in between ([`PasswordMemory`]): if
//! each had its own, the allocator would spread blocks of many megabytes over arenas that it never
//! gives back.

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq as _;

use super::identity::Secret;
use crate::limits::PASSWORD_MEMORY_KIB_MAX;

/// Bytes of salt; RFC 9106 §3.1 recommends 16.
pub const PASSWORD_SALT_BYTES: usize = 16;

/// Salt for work without a hash to compare with.
const NO_SALT: [u8; PASSWORD_SALT_BYTES] = [0; PASSWORD_SALT_BYTES];

/// The memory for checking passwords: as much as the most demanding check took.
#[derive(Debug, Default)]
pub struct PasswordMemory(Vec<Block>);

impl PasswordMemory {
    /// Gives the memory back.
    pub fn release(&mut self) {
        self.0 = Vec::new();
    }

    /// Returns `count` blocks; `None` if there is no memory for them.
    fn blocks(&mut self, count: usize) -> Option<&mut [Block]> {
        let missing = count.saturating_sub(self.0.len());
        self.0.try_reserve_exact(missing).ok()?;
        self.0.resize(self.0.len() + missing, Block::new());
        Some(&mut self.0[..count])
    }
}

/// The work of a check: blocks of memory, and how often each is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    blocks: u64,
    passes: u64,
}

impl Work {
    /// The work of a password that [`hash_password`] made.
    pub(super) const DEFAULT: Self = Self::of_params(&Params::DEFAULT);

    /// No work.
    const NONE: Self = Self {
        blocks: 0,
        passes: 0,
    };

    /// The work of checking against a PHC string; none if it cannot be one of ours.
    pub(super) fn of(hash: &str) -> Self {
        let params = PasswordHash::new(hash).ok().and_then(|hash| params(&hash));
        params.map_or(Self::NONE, |params| Self::of_params(&params))
    }

    const fn of_params(params: &Params) -> Self {
        Self {
            blocks: params.block_count() as u64,
            passes: params.t_cost() as u64,
        }
    }

    /// Returns the total work.
    pub(super) const fn amount(self) -> u64 {
        self.blocks * self.passes
    }

    /// Returns the work missing up to `whole`, in no more memory than that takes.
    fn missing(self, whole: Self) -> Self {
        let amount = whole.amount().saturating_sub(self.amount());
        let passes = amount.div_ceil(whole.blocks.max(1));
        Self {
            blocks: amount / passes.max(1),
            passes,
        }
    }

    /// Does the work without a result. An amount too small for argon2's parameters is left undone.
    fn waste(self, memory: &mut PasswordMemory) {
        let Ok(params) = Params::new(self.blocks as u32, self.passes as u32, 1, None) else {
            return;
        };
        if let Some(blocks) = memory.blocks(params.block_count()) {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            // Its inputs are within argon2's bounds.
            let _ = argon2.fill_memory(b"", &NO_SALT, blocks);
        }
    }
}

/// The PHC string of a password: argon2id with 19 MiB, two passes and one lane, the first choice of
/// OWASP's password storage recommendations. `None` only if there is no memory for it.
pub fn hash_password(password: &Secret, salt: [u8; PASSWORD_SALT_BYTES]) -> Option<String> {
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let hash: PasswordHash = hasher
        .hash_password_with_salt(password.reveal().as_bytes(), &salt)
        .ok()?;
    Some(hash.to_string())
}

/// Whether a password is the one of a PHC string; `None` stands for a user that does not exist.
///
/// A wrong password takes as much work as `whole`, whatever the string asks for: else the time
/// would tell which names exist.
pub(super) fn verify_password(
    hash: Option<&str>,
    password: &Secret,
    whole: Work,
    memory: &mut PasswordMemory,
) -> bool {
    let hash = hash.and_then(|hash| PasswordHash::new(hash).ok());
    let (is_right, work) = hash
        .and_then(|hash| compare(&hash, password, memory))
        .unwrap_or((false, Work::NONE));
    if !is_right {
        work.missing(whole).waste(memory);
    }
    is_right
}

/// Returns whether a password fits a hash, and the work of the check; `None` if it was not done.
fn compare(
    hash: &PasswordHash,
    password: &Secret,
    memory: &mut PasswordMemory,
) -> Option<(bool, Work)> {
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from);
    let params = params(hash)?;
    let work = Work::of_params(&params);
    let blocks = memory.blocks(params.block_count())?;
    let argon2 = Argon2::new(algorithm, version.ok()?, params);
    let expected = expected.as_bytes();
    let mut computed = vec![0; expected.len()];
    let password = password.reveal().as_bytes();
    let done = argon2.hash_password_into_with_memory(password, salt, &mut computed, blocks);
    Some((done.is_ok() && computed.ct_eq(expected).into(), work))
}

/// The parameters of a hash. Configuration is checked, but an allocation of terabytes must not
/// depend on that.
fn params(hash: &PasswordHash) -> Option<Params> {
    let params = Params::try_from(hash).ok()?;
    (params.m_cost() <= PASSWORD_MEMORY_KIB_MAX).then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(hash: Option<&str>, password: &Secret) -> bool {
        verify_password(
            hash,
            password,
            Work::DEFAULT,
            &mut PasswordMemory::default(),
        )
    }

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let hash = hash_password(&Secret::new("swordfish"), [7; PASSWORD_SALT_BYTES]);
        let hash = hash.expect("there is memory");
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(verify(Some(&hash), &Secret::new("swordfish")));
        for wrong in ["", "Swordfish", "swordfish ", "swordfis"] {
            assert!(!verify(Some(&hash), &Secret::new(wrong)), "{wrong:?}");
        }
        let salted = hash_password(&Secret::new("swordfish"), [8; PASSWORD_SALT_BYTES]);
        assert_ne!(salted, Some(hash));
    }

    #[test]
    fn strings_of_other_implementations_are_read() {
        // From test.c of the reference implementation.
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ\
            $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify(Some(hash), &Secret::new("password")));
        assert!(!verify(Some(hash), &Secret::new("passwore")));
    }

    #[test]
    fn nobody_has_a_password_and_nonsense_fits_none() {
        let huge = "$argon2id$v=19$m=4294967295,t=1,p=1$c29tc2FsdA$AAAAAAAAAAAAAAAA";
        for hash in [
            None,
            Some(""),
            Some("$argon2id$"),
            Some("plain"),
            Some(huge),
        ] {
            assert!(!verify(hash, &Secret::new("")), "{hash:?}");
        }
    }

    #[test]
    fn memory_is_kept_for_the_next_and_given_back_when_asked() {
        let hash = hash_password(&Secret::new("swordfish"), [7; PASSWORD_SALT_BYTES]);
        let mut memory = PasswordMemory::default();
        for password in ["swordfish", "wrong", "swordfish"] {
            let password = Secret::new(password);
            let right = verify_password(hash.as_deref(), &password, Work::DEFAULT, &mut memory);
            assert_eq!(right, password == Secret::new("swordfish"));
            assert_eq!(memory.0.capacity(), Params::DEFAULT.block_count());
        }
        verify_password(None, &Secret::new(""), Work::DEFAULT, &mut memory);
        assert_eq!(memory.0.capacity(), Params::DEFAULT.block_count());
        memory.release();
        assert_eq!(memory.0.capacity(), 0);
    }

    #[test]
    fn work_is_made_up_to_the_whole() {
        let strong = "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHQ\
            $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let whole = Work::of(strong);
        assert_eq!((whole.blocks, whole.passes), (65_536, 3));
        assert_eq!(Work::of("plain"), Work::NONE);
        // An unknown user's password takes the work of the strongest.
        assert_eq!(Work::NONE.missing(whole), whole);
        let rest = Work::DEFAULT.missing(whole);
        assert!(rest.blocks <= whole.blocks);
        let amount = Work::DEFAULT.amount() + rest.amount();
        assert!(whole.amount() - amount <= rest.passes, "{amount}");
        assert_eq!(whole.missing(whole), Work::NONE);
        assert_eq!(whole.missing(Work::DEFAULT), Work::NONE);
        // The missing work is so little that it takes no memory.
        let mut memory = PasswordMemory::default();
        Work::NONE.waste(&mut memory);
        assert_eq!(memory.0.len(), 0);
    }
}
