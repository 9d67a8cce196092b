//! A server of the test's own that checks its users by SCRAM, and a pgweir in front of it.

use std::path::Path;

use testkit::{Postgres, PostgresOptions, Proxy, ProxyOptions};
use tokio_postgres::{Client, Error};

/// The program under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");

/// A server whose roles no other test changes, and files beside each other.
pub(crate) struct Scene {
    pub(crate) postgres: Postgres,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) proxy: Proxy,
}

impl Scene {
    /// pgweir with these settings, on a server on which this was run. In the settings, `@` is the
    /// directory of the files.
    pub(crate) async fn open(sql: &str, settings: &str, files: &[(&str, &str)]) -> Self {
        let postgres = Postgres::start(PostgresOptions::default()).await;
        postgres.admin().await.batch_execute(sql).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(directory.path(), name, text);
        }
        let upstream = postgres.url("postgres:unused", "postgres");
        let settings = settings.replace('@', &directory.path().display().to_string());
        let settings = format!("upstream = {upstream:?}\n{settings}");
        let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
        Self { postgres, directory, proxy }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(self.directory.path(), name, text);
    }

    /// Logs in and asks the server who it is.
    pub(crate) async fn who(&self, login: &str) -> Result<String, Error> {
        let client = self.proxy.try_connect(login, "postgres").await?;
        Ok(client.query_one("SELECT session_user::text", &[]).await?.get(0))
    }

    /// Severity, SQLSTATE and message of a login's refusal.
    pub(crate) async fn refusal(&self, login: &str) -> String {
        let error = self.proxy.try_connect(login, "postgres").await.err();
        told(&error.unwrap_or_else(|| panic!("{login} was let in")))
    }

    pub(crate) async fn console(&self) -> Client {
        self.proxy.connect("postgres:unused", "pgweir").await
    }
}

pub(crate) fn told(error: &Error) -> String {
    let told = error.as_db_error().unwrap_or_else(|| panic!("{error}"));
    format!("{} {}: {}", told.severity(), told.code().code(), told.message())
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}
