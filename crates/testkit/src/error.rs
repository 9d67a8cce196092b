//! What can go wrong before a test begins.

use std::io;
use std::path::PathBuf;

/// Why a server, a proxy or a database for a test could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TestkitError {
    /// No PostgreSQL server on this machine.
    #[error(
        "no `{program}` on the PATH, beside pg_config, in /usr/lib/postgresql/*/bin or in Homebrew; `cargo xtask setup` installs PostgreSQL"
    )]
    ProgramMissing {
        /// The program that was looked for.
        program: String,
    },
    /// PostgreSQL does not run as root, and there is nobody else to run it as.
    #[error("PostgreSQL does not run as root, and /etc/passwd has no user `postgres`")]
    NoServerUser,
    /// A file, a directory or a socket refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{program} failed: {output}")]
    ProgramFailed {
        /// Which.
        program: PathBuf,
        /// What it wrote.
        output: String,
    },
    /// A program did not come up.
    #[error("{what} is not ready after {seconds} s; its log ends:\n{log}")]
    NotReady {
        /// Which program.
        what: String,
        /// How long it was given.
        seconds: u64,
        /// The end of what it wrote.
        log: String,
    },
    /// PostgreSQL refused a statement or a login.
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] tokio_postgres::Error),
}

impl TestkitError {
    /// For `map_err`: keeps what was being done beside the system's words.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
