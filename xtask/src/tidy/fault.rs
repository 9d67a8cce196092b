//! What a rule finds.

use std::fmt;

/// Whether a fault fails the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Warning,
    Failure,
}

/// A broken rule and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) severity: Severity,
    pub(super) path: String,
    /// From 1; 0 is the whole file.
    pub(super) line: usize,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn failure(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Failure, path: path.to_owned(), line, message: message.into() }
    }

    pub(super) fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::failure(path, line, message) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.severity {
            Severity::Warning => f.write_str("warning: ")?,
            Severity::Failure => f.write_str("error: ")?,
        }
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.message)
    }
}
