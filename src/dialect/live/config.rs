//! `[live]`: what an operator may tune of the live dialect.

use crate::config::{CorsConfig, Nested, bytes, count, section};
use crate::limits;

section! {
    /// `[live]`.
    LiveConfig {
        /// Most filters in one message of a client.
        filters_max: usize = limits::LIVE_FILTERS_DEFAULT, count(1..=limits::LIVE_FILTERS_MAX);
        /// The longest value of one.
        value_bytes_max: usize = limits::LIVE_VALUE_BYTES_DEFAULT, bytes(1..=limits::LIVE_VALUE_BYTES_MAX);
        /// Browsers remember a password (HTTP Basic) and add it by themselves, whichever page opens
        /// the socket. So a password that comes with an Origin is only good if that is this
        /// server's own host, or listed here; "`*`" lists none.
        cors: CorsConfig = CorsConfig::default(), Nested;
    }
}
