//! `[sysadm]`: what an operator may tune of the sysadm dialect.

use std::time::Duration;

use crate::config::{
    CorsConfig, Kind, Nested, duration, section, text, texts, word, words, zero_is_none,
};
use crate::limits;

words! {
    /// How the sysadm dialect writes errors.
    SysadmErrors {
        /// As the original server does.
        #[default]
        Original = "original",
        /// As its documentation says.
        Documented = "documented",
    }
}

fn classes() -> Kind<Vec<String>> {
    texts(0..=limits::CLASSES_MAX, text(limits::PATTERN_BYTES_MAX))
}

section! {
    /// `[sysadm]`.
    SysadmConfig {
        /// Event classes that may be subscribed to, besides the dialect's own three; "`backup:*`"
        /// is a pattern.
        classes: Vec<String> = Vec::new(), classes();
        /// Classes whose last event is kept for those who subscribe later.
        retained: Vec<String> = ["life-preserver", "system-state"].map(String::from).to_vec(), classes();
        /// "original" writes errors as the original server does, "documented" as its documentation
        /// says.
        errors: SysadmErrors = SysadmErrors::default(), word();
        /// How long after its start this node publishes its first system-state.
        state_first: Duration = limits::SYSTEM_STATE_FIRST_DEFAULT, duration();
        /// How often it does so from then on; 0 is never, not even first.
        state_interval: Option<Duration> = Some(limits::SYSTEM_STATE_INTERVAL_DEFAULT), zero_is_none(duration());
        /// What browsers are told about pages of other origins.
        cors: CorsConfig = CorsConfig::default(), Nested;
    }
}
