//! Logins that outlive their connection: short tokens that a client of the sysadm dialect logs in with
//! again, each good for a while after its last use.

use super::identity::Identity;
use crate::time::Instant;

/// Length of a login token.
pub const LOGIN_TOKEN_CHARS: usize = 20;

/// A login token: 20 letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoginToken(pub [u8; LOGIN_TOKEN_CHARS]);

impl std::fmt::Debug for LoginToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The logins that one shard remembers.
#[derive(Debug, Default)]
pub struct Logins {}

impl Logins {
    /// Remembers a login. No if there is no room.
    pub fn issue(&mut self, _now: Instant, _token: LoginToken, _identity: Identity) -> bool {
        false
    }

    /// The identity of a login that is still good, which is renewed.
    pub fn renew(&mut self, _now: Instant, _token: &LoginToken) -> Option<Identity> {
        None
    }

    /// Forgets a login.
    pub fn clear(&mut self, _token: &LoginToken) {}

    /// Forgets logins whose time is over, looking at `budget` of them.
    pub fn expire(&mut self, _now: Instant, _budget: usize) {}
}
