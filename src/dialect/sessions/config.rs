//! `[sessions]`: what an operator may tune of the sessions dialect.

use std::time::Duration;

use crate::config::{CorsConfig, Nested, bytes, duration, flag, optional, section};
use crate::limits;

section! {
    /// `[sessions]`.
    SessionsConfig {
        /// Largest body of one publish request.
        publish_bytes_max: usize = limits::PUBLISH_BYTES_MAX, bytes(1..=limits::PUBLISH_BYTES_MAX);
        /// Most bytes of events in one answer to a poll, which holds one event at least. What is
        /// retained beyond that is announced by "Fanfare-More: true", and asking again with the
        /// last number gives it at once.
        poll_bytes_max: usize = limits::POLL_BYTES_DEFAULT, bytes(1..=limits::POLL_BYTES_MAX);
        /// The longest that a poll may wait, whatever it asks for; without this key, for ever.
        poll_timeout_max: Option<Duration> = None, optional(duration(), r#""5m""#);
        /// Whether whoever knows a session's token may read that session without credentials, if
        /// the token is a UUID, which nobody can guess. Only with organizations; without them
        /// everyone may read everything.
        token_reads: bool = true, flag();
        /// What browsers are told about pages of other origins; each dialect has its own.
        cors: CorsConfig = CorsConfig::default(), Nested;
    }
}
