//! A database of a test's own, and the processes of pgweir that succeed each other in front of it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient, TestDatabase, TestkitError};
pub(crate) use testkit::{show, until};
use tokio_postgres::Client;

/// The program under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");

/// A database of a test's own, and a folder for pgweir's state.
pub(crate) struct Scene {
    pub(crate) postgres: &'static Postgres,
    pub(crate) database: TestDatabase,
    pub(crate) folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        Self { postgres, database, folder: tempfile::tempdir().unwrap() }
    }

    /// A pgweir that keeps its state in the folder.
    pub(crate) fn options<const N: usize>(&self, arguments: [&str; N]) -> ProxyOptions {
        let folder = self.folder.path().join("state").display().to_string();
        let options = ProxyOptions::upstream(self.postgres.url("postgres", "postgres"));
        options.arguments(["--data-dir", &folder, "--set", "analyse=false"]).arguments(arguments)
    }

    pub(crate) async fn start<const N: usize>(&self, arguments: [&str; N]) -> Proxy {
        Proxy::start(PGWEIR, self.options(arguments)).await
    }

    /// A process that takes over from the one that runs.
    pub(crate) async fn successor<const N: usize>(&self, arguments: [&str; N]) -> Proxy {
        Proxy::start(PGWEIR, self.options(arguments).arguments(["--takeover"])).await
    }

    /// The same, of one that does not come up.
    pub(crate) async fn failing_successor<const N: usize>(&self, arguments: [&str; N]) -> String {
        let options = self.options(arguments).arguments(["--takeover"]);
        let started: Result<Proxy, TestkitError> = Proxy::try_start(PGWEIR, options).await;
        started.expect_err("it must not come up").to_string()
    }

    pub(crate) async fn client(&self, proxy: &Proxy) -> ScriptedClient {
        ScriptedClient::login(proxy.address(), "postgres", &self.database.name).await
    }

    /// What the console says of the database's clients.
    pub(crate) async fn clients_of(&self, console: &Client) -> usize {
        let rows = show(console, "SHOW CLIENTS").await;
        rows.iter().filter(|row| row["database"] == self.database.name).count()
    }

    /// The report of what is in the history's file.
    pub(crate) fn report(&self) -> Value {
        let file: PathBuf = self.folder.path().join("state/history.db");
        let output = Command::new(PGWEIR)
            .args(["report", "--format", "json", "--store", &file.display().to_string()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// How often a statement of this text was run, as a report has it.
pub(crate) fn calls(report: &Value, text: &str) -> u64 {
    let of = |query: &&Value| query["text"].as_str().is_some_and(|found| found.contains(text));
    let queries = report["queries"].as_array().unwrap().iter().filter(of);
    queries.map(|query| query["calls"].as_u64().unwrap()).sum()
}
