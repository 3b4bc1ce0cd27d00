//! `[pubsub]`: what an operator may tune of the pubsub dialect.

use crate::config::{CorsConfig, Nested, bytes, section};
use crate::limits;

section! {
    /// `[pubsub]`.
    PubsubConfig {
        /// Largest body of a publish by POST to this API, at most 1MiB.
        publish_bytes_max: usize = limits::PUBLISH_BYTES_MAX, bytes(1..=limits::PUBLISH_BYTES_MAX);
        /// What browsers are told about pages of other origins.
        cors: CorsConfig = CorsConfig::default(), Nested;
    }
}
