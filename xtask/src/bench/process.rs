//! Programs that end when we do, in whatever way that is, and a directory that goes with us.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::step::output_of;

/// How long a program may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shell between us and a program. Its standard input is a pipe whose other end only we have: the
/// program gets the signal when we close it, or are killed.
const GUARD: &str = r#"
last=$1; shift
exec 3<&0
"$@" 3<&- </dev/null >&2 &
program=$!
echo "$program"
exec >/dev/null
( read -r _ <&3; kill -"$last" "$program" ) 2>/dev/null &
wait "$program"
"#;

/// Waits until we are gone, then removes a directory; what still runs in it is ending.
const SWEEP: &str = r#"read -r _; until rm -rf "$1" 2>/dev/null; do sleep 0.1; done"#;

/// A user and a group.
pub(super) type Identity = (u32, u32);

/// PostgreSQL and PgBouncer refuse to run as root: whom they run as then.
pub(super) fn unprivileged() -> Result<Option<Identity>> {
    if output_of("id", &["-u"]).as_deref() != Some("0") {
        return Ok(None);
    }
    let id = |what| output_of("id", &[what, "postgres"]).and_then(|id| id.parse().ok());
    match (id("-u"), id("-g")) {
        (Some(user), Some(group)) => Ok(Some((user, group))),
        _ => bail!("root cannot run PostgreSQL, and there is no user `postgres` to run it as"),
    }
}

/// A running program. Dropping it ends the program and waits for its end.
#[derive(Debug)]
pub(super) struct Program {
    shell: Child,
    orders: Option<ChildStdin>,
    pub(super) pid: u32,
    name: String,
    log: PathBuf,
}

impl Program {
    /// Starts `command`; its output goes to a file beside it. `last_signal` ends it.
    pub(super) fn start(
        command: &Command,
        identity: Option<Identity>,
        last_signal: &str,
        log: PathBuf,
    ) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = fs::File::create(&log).with_context(|| log.display().to_string())?;
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", GUARD, "guard", last_signal])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(log.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .process_group(0);
        if let Some((user, group)) = identity {
            shell.uid(user).gid(group);
        }
        let mut shell = shell.spawn().with_context(|| format!("starting {name}"))?;
        let orders = shell.stdin.take();
        let mut line = String::new();
        if let Some(output) = shell.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let pid = line.trim().parse().with_context(|| format!("starting {name}: no process id"))?;
        Ok(Self { shell, orders, pid, name, log })
    }

    /// Waits until something listens on `port`.
    pub(super) fn wait_for(&mut self, port: u16) -> Result<()> {
        self.wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    }

    /// Waits until it is `ready`; an end before that is told with the end of its log.
    pub(super) fn wait_until(&mut self, ready: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            if self.has_ended() || Instant::now() > deadline {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("{} did not start: {}", self.name, last_lines(&log));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.shell.try_wait(), Ok(None))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.orders.take());
        // An error would mean that it has been waited for.
        let _ = self.shell.wait();
    }
}

/// The end of a log, which is where the reason is.
pub(super) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// A directory that is removed with us.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) path: PathBuf,
    sweeper: Child,
}

impl Scratch {
    /// In memory where there is room: the disk is not what is measured.
    pub(super) fn new() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let parent = match free_kib(memory) {
            Some(free) if free > 4 << 20 => memory.to_owned(),
            _ => std::env::temp_dir(),
        };
        let path = parent.join(format!("pgweir-bench-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        let mut sweeper = Command::new("/bin/sh");
        sweeper.args(["-c", SWEEP, "sweep"]).arg(&path).stdin(Stdio::piped()).process_group(0);
        let sweeper = sweeper.spawn().context("starting /bin/sh")?;
        Ok(Self { path, sweeper })
    }

    /// A new directory in it that belongs to `owner`.
    pub(super) fn directory(&self, name: &str, owner: Option<Identity>) -> Result<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        if let Some((user, group)) = owner {
            chown(&path, Some(user), Some(group))?;
        }
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.sweeper.stdin.take());
        // An error would mean that it has been waited for.
        let _ = self.sweeper.wait();
    }
}

/// What `df` says is free.
fn free_kib(directory: &Path) -> Option<u64> {
    let text = output_of("df", &["-Pk", directory.to_str()?])?;
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_program_has_ended_and_its_directory_is_gone() {
        let scratch = Scratch::new().unwrap();
        let directory = scratch.directory("sleeper", None).unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        let mut program = Program::start(&sleep, None, "KILL", directory.join("log")).unwrap();
        let process = PathBuf::from(format!("/proc/{}", program.pid));
        assert!(!program.has_ended());
        drop(program);
        assert!(!process.exists());
        let path = scratch.path.clone();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_log_is_told_by_its_end() {
        assert_eq!(last_lines("1\n2\n3\n4\n5\n6\n"), "2\n3\n4\n5\n6");
    }
}
