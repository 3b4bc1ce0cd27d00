//! Who may do what: organizations, their API tokens and users, and the grants these carry.
//!
//! Everything here is a value or a table. Secrets arrive as arguments and are compared as digests;
//! passwords are checked elsewhere, because that takes long on purpose ([`Directory::user`] gives what
//! to check against). Rank 2: it knows no protocol, no hub and no clock.

mod credentials;
mod directory;
mod identity;
mod logins;

pub use credentials::Credentials;
pub use directory::{Directory, Organization, User, UserId};
pub use identity::{Grant, Grants, Identity, OrganizationId, Secret};
pub use logins::{LOGIN_TOKEN_CHARS, LoginToken, Logins};
