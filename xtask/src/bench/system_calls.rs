//! System calls for each transaction, counted by strace in a run of its own: it slows everything.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::pgbench::{Length, Run};
use crate::step::succeed;

/// Transactions of each client, in two runs: what logins cost is in both, and falls out.
const TRANSACTIONS: (u32, u32) = (20, 120);
/// How long strace may take to attach.
const PATIENCE: Duration = Duration::from_secs(20);

/// System calls of the process for each transaction.
pub(super) fn count(
    run: Run<'_>,
    arguments: &[&str],
    script: Option<&str>,
    pid: u32,
) -> Result<f64> {
    let counted = |transactions| -> Result<(u64, u64)> {
        let strace = Strace::attach(pid, &run.directory.join("strace.txt"))?;
        let run = Run { length: Length::Transactions(transactions), ..run };
        let done = run.run(arguments, script);
        let calls = strace.detach()?;
        Ok((calls, done?.transactions.len() as u64))
    };
    let (few_calls, few) = counted(TRANSACTIONS.0)?;
    let (many_calls, many) = counted(TRANSACTIONS.1)?;
    ensure!(many > few, "{many} transactions are no more than {few}");
    Ok(many_calls.saturating_sub(few_calls) as f64 / (many - few) as f64)
}

/// An strace that counts the calls of all threads of a process.
struct Strace {
    child: Child,
    output: std::path::PathBuf,
}

impl Strace {
    fn attach(pid: u32, output: &Path) -> Result<Self> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-U", "calls,name", "-p", &pid.to_string(), "-o"]).arg(output);
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = strace.spawn().context("starting strace")?;
        let mut attached = Self { child, output: output.to_owned() };
        let deadline = Instant::now() + PATIENCE;
        while !is_traced(pid) {
            if attached.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("strace may not attach; as root it may");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(attached)
    }

    /// Ends it, and reads how many calls it counted.
    fn detach(mut self) -> Result<u64> {
        // It takes its leave, and writes what it counted, on SIGINT.
        succeed(Command::new("kill").args(["-INT", &self.child.id().to_string()]))?;
        self.child.wait()?;
        let text = fs::read_to_string(&self.output).context("reading what strace counted")?;
        total(&text).with_context(|| format!("strace did not count: {text}"))
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether all threads of a process have a tracer.
fn is_traced(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
    })
}

/// The sum of the calls in what `strace -c -U calls,name` prints.
fn total(summary: &str) -> Option<u64> {
    let calls = |line: &str| {
        let mut words = line.split_whitespace();
        let calls: u64 = words.next()?.parse().ok()?;
        (words.next()? != "total").then_some(calls)
    };
    let calls: Vec<u64> = summary.lines().filter_map(calls).collect();
    (!calls.is_empty()).then(|| calls.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_without_their_total() {
        let summary = "\
    calls syscall
--------- ----------------
     4100 recvfrom
     4000 sendto
        3 epoll_wait
--------- ----------------
     8103 total
";
        assert_eq!(total(summary), Some(8103));
        assert_eq!(total(""), None);
    }
}
