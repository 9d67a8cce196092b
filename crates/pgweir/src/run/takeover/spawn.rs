//! Starting the successor: the program that is now where this process's was, with the same arguments.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

/// What makes the program take over.
const FLAG: &str = "--takeover";
/// What the service manager has said to this process only.
const OWN_ENVIRONMENT: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// The program and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// None where the system does not say.
    path: Option<PathBuf>,
    arguments: Vec<OsString>,
}

impl Program {
    /// That of this process. To be called at its start: later its file may have been replaced.
    pub(crate) fn of_this_process() -> Self {
        let arguments = std::env::args_os().skip(1).filter(|argument| {
            let short = argument == "-R";
            !short && argument != FLAG
        });
        Self { path: std::env::current_exe().ok(), arguments: arguments.collect() }
    }

    /// Starts it. It logs to where this process logs, and goes on when this one ends.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn start(&self) -> io::Result<Child> {
        let path = self.path.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut command = Command::new(path);
        command.args(&self.arguments).arg(FLAG).stdin(Stdio::null());
        for variable in OWN_ENVIRONMENT {
            command.env_remove(variable);
        }
        command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", path.display()))
        })
    }
}
