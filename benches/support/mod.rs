//! What several benchmarks share.

pub(crate) mod filters;
