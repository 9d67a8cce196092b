//! pgbench: how it is run, and what it says.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::process::last_lines;
use super::server::{DATABASE, USER};

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    Seconds(u32),
    /// Transactions of each client.
    Transactions(u32),
}

/// A run of pgbench.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) program: &'a Path,
    pub(super) port: u16,
    pub(super) clients: u32,
    pub(super) length: Length,
    /// An empty directory, for the script and the logs.
    pub(super) directory: &'a Path,
}

/// A transaction, as pgbench's log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) client: u32,
    pub(super) latency_us: u64,
    /// When it was over: microseconds since 1970.
    pub(super) end_us: u64,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// In the order in which they were over.
    pub(super) transactions: Vec<Transaction>,
    pub(super) failed: u64,
}

impl Run<'_> {
    /// Runs it, and reads what it left.
    pub(super) fn run(&self, arguments: &[&str], script: Option<&str>) -> Result<Outcome> {
        let (clients, port) = (self.clients.to_string(), self.port.to_string());
        let mut command = Command::new(self.program);
        command
            .current_dir(self.directory)
            .args(["-h", "127.0.0.1", "-p", &port, "-U", USER, "--no-vacuum", "--log"])
            .args(["--client", &clients, "--jobs", &self.jobs()])
            .args(arguments);
        match self.length {
            Length::Seconds(seconds) => command.args(["--time", &seconds.to_string()]),
            Length::Transactions(number) => command.args(["--transactions", &number.to_string()]),
        };
        if let Some(script) = script {
            let file = self.directory.join("script.sql");
            fs::write(&file, script)?;
            command.arg("--file").arg(file);
        }
        command.arg(DATABASE).stdin(Stdio::null());
        let output = command.output().context("running pgbench")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench: {}", last_lines(&told));
        let said = String::from_utf8_lossy(&output.stdout);
        let processed = read_count(&said, "number of transactions actually processed: ")
            .context("pgbench does not say how many transactions it ran")?;
        let failed = read_count(&said, "number of failed transactions: ").unwrap_or(0);
        let transactions = self.read_logs()?;
        ensure!(
            transactions.len() as u64 >= processed,
            "pgbench's log has {} of {processed} transactions",
            transactions.len()
        );
        Ok(Outcome { transactions, failed })
    }

    /// pgbench is to be no narrower than what it measures, and takes processors from it.
    fn jobs(&self) -> String {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = (processors / 2).clamp(1, 8).min(self.clients as usize);
        jobs.to_string()
    }

    fn read_logs(&self) -> Result<Vec<Transaction>> {
        let mut transactions = Vec::new();
        for entry in fs::read_dir(self.directory)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if name.is_some_and(|name| name.starts_with("pgbench_log.")) {
                let text = fs::read_to_string(&path)?;
                transactions.extend(text.lines().filter_map(read_line));
                fs::remove_file(&path)?;
            }
        }
        transactions.sort_by_key(|one| one.end_us);
        Ok(transactions)
    }
}

/// `client transaction latency script seconds microseconds`; the latency of one that failed is a word.
fn read_line(line: &str) -> Option<Transaction> {
    let mut fields = line.split(' ');
    let client = fields.next()?.parse().ok()?;
    let latency_us = fields.nth(1)?.parse().ok()?;
    let seconds: u64 = fields.nth(1)?.parse().ok()?;
    let micros: u64 = fields.next()?.parse().ok()?;
    Some(Transaction { client, latency_us, end_us: seconds * 1_000_000 + micros })
}

/// The number behind `label`; behind it may be a slash or a percentage.
fn read_count(output: &str, label: &str) -> Option<u64> {
    let rest = output.lines().find_map(|line| line.strip_prefix(label))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
transaction type: <builtin: select only>
number of clients: 50
number of transactions actually processed: 8123
number of failed transactions: 3 (0.037%)
latency average = 0.615 ms
tps = 8122.130000 (without initial connection time)
";

    #[test]
    fn counts_are_read_as_versions_print_them() {
        let processed = "number of transactions actually processed: ";
        assert_eq!(read_count(OUTPUT, processed), Some(8123));
        assert_eq!(read_count(&format!("{processed}40/40\n"), processed), Some(40));
        assert_eq!(read_count(OUTPUT, "number of failed transactions: "), Some(3));
        assert_eq!(read_count("tps = 1\n", processed), None);
    }

    #[test]
    fn lines_of_the_log_are_read() {
        let read = Transaction { client: 7, latency_us: 412, end_us: 1_700_000_000_000_042 };
        assert_eq!(read_line("7 199 412 0 1700000000 42"), Some(read));
        assert_eq!(read_line("7 199 412 0 1700000000 42 0"), Some(read));
        assert_eq!(read_line("7 199 failed 0 1700000000 42"), None);
        assert_eq!(read_line("7 199 412 0 17000"), None);
    }
}
