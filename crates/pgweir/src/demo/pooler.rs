//! pgweir itself, as a child process of the same binary.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;

use super::guardian::{Guarded, Guardian};

/// Server connections that the demo's pool may have.
pub(super) const POOL_SIZE: u32 = 10;
/// How long it may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// Log lines kept for the case that it does not start.
const LINES_KEPT: usize = 20;

/// A running pgweir. Dropping it stops it.
pub(super) struct Pooler {
    // Dropped first: the log ends when the process does.
    _guardian: Guardian,
    log: JoinHandle<()>,
    /// Where clients connect.
    pub(super) address: SocketAddr,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.log.abort();
    }
}

impl Pooler {
    /// Starts this binary's `run` for the server at `url` and waits until it is ready. Cancel-safe.
    pub(super) async fn start(url: &str, clients: u32) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let arguments = [
            "run",
            "--listen",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--default-pool-size",
            &POOL_SIZE.to_string(),
            // The visitors and workers, the demo's own console, and whoever tries `--keep`.
            "--max-client-conn",
            &clients.saturating_add(100).to_string(),
            "--shutdown-timeout",
            "1s",
        ]
        .map(str::to_owned);
        // Its history is its own, and goes with it.
        let state = tempfile::Builder::new().prefix("pgweir-demo-state-").tempdir()?.keep();
        let mut guardian = Guardian::start(Guarded {
            program: &program,
            arguments: arguments.into(),
            environment: environment(url, &state),
            directory: &state,
            remove_directory: true,
            identity: None,
            last_signal: "TERM",
        })?;
        let stderr = guardian.take_stderr().context("pgweir has no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let address = tokio::time::timeout(PATIENCE, ready(&mut lines))
            .await
            .with_context(|| format!("pgweir was not ready within {} s", PATIENCE.as_secs()))??;
        // A full pipe would stop it.
        let log = tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { _guardian: guardian, log, address })
    }
}

/// The server's URL, which holds a password, goes where other users cannot read it; and no setting
/// of the caller's pgweir gets in.
fn environment(url: &str, state: &Path) -> Vec<(String, Option<String>)> {
    let theirs = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("PGWEIR_"))
        .map(|name| (name, None));
    let state = state.to_string_lossy();
    let ours = [
        ("PGWEIR_UPSTREAM", url),
        ("PGWEIR_CONFIG", ""),
        ("PGWEIR_DATA_DIR", &*state),
        ("NO_COLOR", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
    theirs.chain(ours).collect()
}

/// Reads the log up to the line that says `ready`.
async fn ready(lines: &mut Lines<BufReader<ChildStderr>>) -> anyhow::Result<SocketAddr> {
    let mut last = VecDeque::new();
    while let Some(line) = lines.next_line().await? {
        if let Some(address) = listen_address(&line) {
            return Ok(address);
        }
        if last.len() == LINES_KEPT {
            last.pop_front();
        }
        last.push_back(line);
    }
    bail!("pgweir did not start:\n{}", Vec::from(last).join("\n"))
}

/// The address in `… ready … listen=ADDRESS …`.
fn listen_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("ready")?;
    let (_, address) = rest.split_once(" listen=")?;
    address.split_whitespace().next()?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_the_address() {
        let line = "2026-11-23T21:00:00Z  INFO pgweir: ready listen=127.0.0.1:41234 http=none";
        assert_eq!(listen_address(line), "127.0.0.1:41234".parse().ok());
        assert_eq!(listen_address("INFO already listening"), None);
        assert_eq!(listen_address("INFO not ready"), None);
    }

    #[test]
    fn the_url_is_not_an_argument() {
        let variables = environment("postgres://shop:secret@h/d", Path::new("/tmp/x"));
        assert!(variables.contains(&(
            "PGWEIR_UPSTREAM".to_owned(),
            Some("postgres://shop:secret@h/d".to_owned())
        )));
        assert!(variables.contains(&("PGWEIR_CONFIG".to_owned(), Some(String::new()))));
    }
}
