//! pgweir with a folder for its history, load, and the report from what is left.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Postgres, Proxy, ProxyOptions, TestDatabase};

/// The binary under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");
/// How long anything that is awaited may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for histories, which goes with the test, and a database.
pub(crate) struct Scene {
    pub(crate) postgres: &'static Postgres,
    pub(crate) database: TestDatabase,
    folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        Self { postgres, database, folder: tempfile::tempdir().expect("a folder") }
    }

    /// The folder of one instance.
    pub(crate) fn folder(&self, instance: &str) -> PathBuf {
        self.folder.path().join(instance)
    }

    /// The file of one instance.
    pub(crate) fn file(&self, instance: &str) -> PathBuf {
        self.folder(instance).join("history.db")
    }

    /// pgweir, which keeps its history in the instance's folder.
    pub(crate) async fn start(&self, instance: &str, settings: &str) -> Proxy {
        let folder = self.folder(instance).display().to_string();
        let options = ProxyOptions::upstream(self.postgres.url("postgres", "postgres"))
            .settings(format!("analyse = false\nhistory_flush = \"500ms\"\n{settings}"))
            .arguments(["--data-dir", &folder, "--log-level", "debug"]);
        Proxy::start(PGWEIR, options).await
    }

    /// Runs so many statements, one after the other.
    pub(crate) async fn run(&self, proxy: &Proxy, statements: u64) {
        let client = proxy.connect("postgres", &self.database.name).await;
        for _ in 0..statements {
            client.simple_query("SELECT 4711").await.expect("a row");
        }
    }

    /// Waits until `done`.
    pub(crate) async fn until<T>(&self, what: &str, mut done: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = done() {
                return found;
            }
            assert!(Instant::now() < deadline, "no {what}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The report with these arguments, or what was said instead.
pub(crate) fn report(arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(PGWEIR)
        .args(["report", "--format", "json"])
        .args(arguments)
        .output()
        .expect("the report command starts");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).expect("the report is JSON"))
}

/// The report from a file.
pub(crate) fn report_of(file: &Path) -> Value {
    report(&["--store", &file.display().to_string()]).expect("a report")
}

/// Statements of a report, those cut off too.
pub(crate) fn statements(report: &Value) -> u64 {
    let of = |name: &str| report["totals"][name].as_u64().expect("a number");
    of("calls") + of("lost")
}
