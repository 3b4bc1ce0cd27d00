//! `[stream]`: what an operator may tune of the stream dialect.

use crate::config::{CorsConfig, Nested, bytes, section};
use crate::limits;

section! {
    /// `[stream]`.
    StreamConfig {
        /// Largest body of a publish by POST, at most 1MiB.
        publish_bytes_max: usize = limits::PUBLISH_BYTES_MAX, bytes(1..=limits::PUBLISH_BYTES_MAX);
        /// What browsers are told about pages of other origins.
        cors: CorsConfig = CorsConfig::default(), Nested;
    }
}
