//! Why a measurement could not be finished: one sentence for the person who ran it.
//!
//! The probe has one blast radius: it stops, ends what it started, and exits 1.

use std::fmt;

/// What was being done, and why it did not work.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure that is already a sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Turns any error into a [`Failure`] that says what was being done.
pub(crate) trait During<T> {
    /// `what` completes the sentence "… while".
    fn during(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> During<T> for Result<T, E> {
    fn during(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}
