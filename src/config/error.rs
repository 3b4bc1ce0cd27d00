//! Why a configuration was refused, in words that lead to the line to change.

use std::fmt;

/// A refused configuration: which key, what is wrong with it, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    key: String,
    problem: String,
    line: Option<usize>,
}

impl ConfigError {
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
            line: None,
        }
    }

    pub(super) fn at_line(self, line: Option<usize>) -> Self {
        Self { line, ..self }
    }

    /// The dotted path of the offending key, such as `hub.retention.age`; empty when the text is
    /// not TOML at all.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What was expected, and what was found instead.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The line in the text that was read, from 1; `None` when the value did not come from a text.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ConfigError {}
