//! Code that several benchmarks share.

pub(crate) mod filters;
