//! Programs that end when the test process ends, in whatever way it ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::TestkitError;

/// A shell between the test and the program. Its standard input is a pipe whose only other end is
/// in the test process; so even `kill -9` of the test ends the program and removes its directory.
/// The shell is in its own process group: Ctrl-C and a killed group do not reach it.
///
/// Arguments: the directory, the last signal, the program and its arguments.
/// Lines on standard input: a signal's name, which is passed on, or `keep`: the shell leaves and
/// the directory stays.
const SCRIPT: &str = r#"
directory=$1; last=$2; shift 2
trap '' PIPE
exec 3<&0
"$@" 3<&- >&2 &
program=$!
echo "$program"
(
    while read -r word <&3; do
        [ "$word" = keep ] && exit 0
        [ -e "$directory/exited" ] || kill -"$word" "$program"
    done
    [ -e "$directory/exited" ] || kill -"$last" "$program"
    exit 1
) >/dev/null 2>&1 &
watcher=$!
wait "$program"
echo $? >"$directory/exited.new" && mv "$directory/exited.new" "$directory/exited"
wait "$watcher" || rm -rf "$directory"
"#;

/// How long a program may take to obey a signal.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to run under a guardian.
#[derive(Debug)]
pub(crate) struct Guarded<'a> {
    /// The program.
    pub(crate) program: &'a Path,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its environment beyond ours.
    pub(crate) environment: Vec<(String, String)>,
    /// A directory of its own: where it runs; removed at the end.
    pub(crate) directory: &'a Path,
    /// The user and the group to run as, if not ours.
    pub(crate) identity: Option<(u32, u32)>,
    /// The signal that ends it when the test is over, without `SIG`.
    pub(crate) last_signal: &'a str,
    /// Where its output goes.
    pub(crate) output: Stdio,
}

/// A running program and its shell. Dropping it ends the program and removes the directory.
#[derive(Debug)]
pub(crate) struct Guardian {
    shell: Child,
    orders: Option<ChildStdin>,
    pid: u32,
    exited: PathBuf,
}

impl Guardian {
    /// Starts a program. Its output can be taken with [`Guardian::take_output`] if it was piped.
    pub(crate) fn start(guarded: Guarded<'_>) -> Result<Self, TestkitError> {
        let exited = guarded.directory.join("exited");
        // Of an earlier run in the same directory.
        if exited.exists() {
            fs::remove_file(&exited).map_err(TestkitError::io("removing an exit status"))?;
        }
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "guardian"])
            .arg(guarded.directory)
            .arg(guarded.last_signal)
            .arg(guarded.program)
            .args(&guarded.arguments)
            .envs(guarded.environment)
            .current_dir(guarded.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(guarded.output)
            .process_group(0);
        if let Some((user, group)) = guarded.identity {
            command.uid(user).gid(group);
        }
        let starting = || format!("starting {}", guarded.program.display());
        let mut shell = command.spawn().map_err(TestkitError::io(starting()))?;
        let orders = shell.stdin.take();
        let mut line = String::new();
        if let Some(output) = shell.stdout.take() {
            let read = BufReader::new(output).read_line(&mut line);
            read.map_err(TestkitError::io(starting()))?;
        }
        let pid = line.trim().parse().map_err(|_| TestkitError::ProgramFailed {
            program: guarded.program.to_owned(),
            output: format!("its guardian said {line:?} instead of a process id"),
        })?;
        Ok(Self { shell, orders, pid, exited })
    }

    /// The program's process id (not the shell's).
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The program's output, if it was piped and not yet taken.
    pub(crate) fn take_output(&mut self) -> Option<std::process::ChildStderr> {
        self.shell.stderr.take()
    }

    /// Sends a signal, named without `SIG`, unless the program has ended.
    pub(crate) fn signal(&mut self, signal: &str) -> Result<(), TestkitError> {
        let Some(orders) = &mut self.orders else {
            return Ok(());
        };
        writeln!(orders, "{signal}").map_err(TestkitError::io(format!("sending SIG{signal}")))
    }

    /// The status with which the program ended, as a shell counts it (128 + signal); `None` while
    /// it runs.
    pub(crate) fn exit_status(&self) -> Option<i32> {
        fs::read_to_string(&self.exited).ok()?.trim().parse().ok()
    }

    /// Waits for the program to end by itself or by a signal, and gives its status.
    pub(crate) fn wait(&self) -> Result<i32, TestkitError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.exit_status() {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(TestkitError::NotReady {
                    what: format!("the end of process {}", self.pid),
                    seconds: PATIENCE.as_secs(),
                    log: String::new(),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Leaves the directory behind; the program must have ended.
    pub(crate) fn keep_directory(mut self) -> Result<(), TestkitError> {
        self.signal("keep")
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.orders.take());
        // An error would mean that somebody else has waited for the shell already.
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded<'a>(directory: &'a Path, arguments: &[&str]) -> Guarded<'a> {
        Guarded {
            program: Path::new("/bin/sh"),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: Vec::new(),
            directory,
            identity: None,
            last_signal: "KILL",
            output: Stdio::null(),
        }
    }

    fn runs(pid: u32) -> bool {
        let mut probe = Command::new("kill");
        probe.args(["-0", &pid.to_string()]).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }

    #[test]
    fn dropping_it_ends_the_program_and_removes_the_directory() {
        let directory = tempfile::tempdir().unwrap().keep();
        let guardian = Guardian::start(guarded(&directory, &["-c", "exec sleep 600"])).unwrap();
        let pid = guardian.pid();
        assert!(runs(pid));
        drop(guardian);
        assert!(!runs(pid));
        assert!(!directory.exists());
    }

    #[test]
    fn signals_arrive_and_the_status_is_told() {
        let directory = tempfile::tempdir().unwrap().keep();
        let mut guardian = Guardian::start(guarded(&directory, &["-c", "exec sleep 600"])).unwrap();
        assert_eq!(guardian.exit_status(), None);
        guardian.signal("TERM").unwrap();
        assert_eq!(guardian.wait().unwrap(), 128 + 15);
        guardian.keep_directory().unwrap();
        assert!(directory.exists());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_killed_test_leaves_nothing_behind() {
        // The inner shell stands for a test process: it holds the pipe and is killed with -9.
        let directory = tempfile::tempdir().unwrap().keep();
        let mut script = Command::new("/bin/sh");
        script
            .args(["-c", SCRIPT, "guardian"])
            .arg(&directory)
            .args(["KILL", "sleep", "600"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut holder = Command::new("sleep").arg("600").stdout(Stdio::piped()).spawn().unwrap();
        // The guardian reads what only the holder can write.
        let mut shell = script.stdin(holder.stdout.take().unwrap()).spawn().unwrap();
        let mut pid = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        let pid = pid.trim().parse().unwrap();
        assert!(runs(pid));
        holder.kill().unwrap();
        holder.wait().unwrap();
        shell.wait().unwrap();
        assert!(!runs(pid));
        assert!(!directory.exists());
    }
}
