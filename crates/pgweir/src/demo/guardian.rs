//! Child processes that end when this process ends, in whatever way it ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::{Child, ChildStderr, ChildStdin, Command};

/// A shell between us and the program. Its standard input is a pipe whose only other end is ours, so
/// that even `kill -9` of the demo ends the program and removes its directory. The shell is in its
/// own process group: Ctrl-C in the terminal reaches the demo only, which then ends things in order.
///
/// Arguments: the signal that ends the program, the directory to remove at the end (may be empty),
/// the program and its arguments.
const SCRIPT: &str = r#"
last=$1; directory=$2; shift 2
exec 3<&0
"$@" 3<&- </dev/null &
program=$!
( cat <&3; kill -"$last" "$program" ) >/dev/null 2>&1 &
watcher=$!
wait "$program"; status=$?
kill "$watcher" 2>/dev/null
[ -n "$directory" ] && rm -rf "$directory"
exit "$status"
"#;

/// How long a program may take to end before its guardian is killed.
const PATIENCE: Duration = Duration::from_secs(15);

/// What to run.
pub(super) struct Guarded<'a> {
    /// The program.
    pub(super) program: &'a Path,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// Variables to set, or to remove where there is no value.
    pub(super) environment: Vec<(String, Option<String>)>,
    /// Where it runs.
    pub(super) directory: &'a Path,
    /// Whether the directory goes with it.
    pub(super) remove_directory: bool,
    /// User and group to run as, if not ours.
    pub(super) identity: Option<(u32, u32)>,
    /// The signal that ends it, without `SIG`.
    pub(super) last_signal: &'static str,
}

/// A running program. Dropping it ends the program and waits until it has ended.
pub(super) struct Guardian {
    shell: Child,
    pipe: Option<ChildStdin>,
    directory: Option<PathBuf>,
}

impl Guardian {
    /// Starts it; its standard error can be taken with [`Self::take_stderr`].
    pub(super) fn start(guarded: Guarded<'_>) -> anyhow::Result<Self> {
        let directory = guarded.remove_directory.then(|| guarded.directory.to_owned());
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "guardian", guarded.last_signal])
            .arg(directory.as_deref().unwrap_or(Path::new("")))
            .arg(guarded.program)
            .args(&guarded.arguments)
            .current_dir(guarded.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        for (name, value) in &guarded.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some((user, group)) = guarded.identity {
            command.uid(user).gid(group);
        }
        let mut shell = command
            .spawn()
            .with_context(|| format!("cannot start {}", guarded.program.display()))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe, directory })
    }

    /// The program's standard error, if not yet taken.
    pub(super) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.shell.stderr.take()
    }

    /// Whether the program has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.shell.try_wait(), Ok(None))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let deadline = Instant::now() + PATIENCE;
        while !self.has_ended() {
            if Instant::now() > deadline {
                // The program does not obey; leave it to the system, but take the directory away.
                let _ = self.shell.start_kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        if let Some(directory) = &self.directory {
            // The shell has done it, unless it was killed.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded<'a>(directory: &'a Path, script: &str) -> Guarded<'a> {
        Guarded {
            program: Path::new("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: vec![("GUARDED".to_owned(), Some("yes".to_owned()))],
            directory,
            remove_directory: true,
            identity: None,
            last_signal: "TERM",
        }
    }

    #[tokio::test]
    async fn dropping_it_ends_the_program_and_removes_the_directory() {
        use tokio::io::{AsyncBufReadExt, BufReader};
        let directory = tempfile::tempdir().unwrap().keep();
        let script = "echo $$ $GUARDED >&2; exec sleep 600";
        let mut guardian = Guardian::start(guarded(&directory, script)).unwrap();
        let mut lines = BufReader::new(guardian.take_stderr().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let (pid, said) = line.split_once(' ').unwrap();
        assert_eq!(said, "yes");
        let runs = || {
            let mut probe = std::process::Command::new("kill");
            probe.args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success()
        };
        assert!(runs() && !guardian.has_ended());
        drop(guardian);
        assert!(!runs());
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn a_program_that_ends_by_itself_is_noticed() {
        let directory = tempfile::tempdir().unwrap().keep();
        let mut guardian = Guardian::start(guarded(&directory, "exit 3")).unwrap();
        let status = guardian.shell.wait().await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(guardian.has_ended());
        drop(guardian);
        assert!(!directory.exists());
    }
}
