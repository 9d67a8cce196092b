//! What is wrong with the configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file; line and column count from 1, the column in characters.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In an environment variable of this name.
    Variable(String),
    /// In a flag or argument of this name.
    Flag(String),
    /// In no file: PgBouncer's default, which holds where its file does not say otherwise.
    Default,
    /// Nowhere: something is missing, or several values do not go together.
    Whole,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
            Self::Default => f.write_str("PgBouncer's default"),
            Self::Whole => f.write_str("settings"),
        }
    }
}

/// One thing that is wrong. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The setting's name, with its section: `databases.shop.port`. Empty when it is no setting's.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// The configuration cannot be used: every problem in it, in the order they were met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.problems))]
pub struct SettingsError {
    /// The problems; never empty.
    pub problems: Vec<Problem>,
}

impl SettingsError {
    /// What is wrong, for somebody who has just changed `key`.
    #[must_use]
    pub fn about(&self, key: &str) -> String {
        let told = self.problems.iter().map(|problem| match problem.key == key {
            true => problem.message.clone(),
            false => problem.to_string(),
        });
        told.collect::<Vec<_>>().join("\n")
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
