//! Permissions and rates: organizations, their API tokens and users, the grants these carry, and
//! the rate at which an organization may publish.
//!
//! Everything here is a value or a table. Secrets arrive as arguments and are compared as digests
//! or in constant time. Checking a password takes long on purpose ([`Directory::verify`] is a pure
//! function for a thread of its own). Rank 2: it knows no hub, no connection and no clock; of
//! protocols it knows the one header field with the client's credentials ([`Credentials`]).

mod access;
mod checks;
mod credentials;
mod directory;
mod failures;
mod identity;
mod logins;
mod network;
mod password;
mod rate_limit;
mod token;

pub use access::Denied;
pub use checks::{Attempt, Checks, Verdict};
pub use credentials::Credentials;
pub use directory::{Directory, Organization, User};
pub use identity::{Grant, Grants, Identity, OrganizationId, Secret, UserId};
pub use logins::{LOGIN_TOKEN_CHARS, LoginToken, Logins};
pub use network::Network;
pub use password::{PASSWORD_SALT_BYTES, PasswordMemory, hash_password};
pub use rate_limit::RateLimit;
pub use token::{API_TOKEN_SEED_BYTES, TokenDigest, api_token};
