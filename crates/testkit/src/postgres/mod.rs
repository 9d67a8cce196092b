//! A PostgreSQL that lives as long as the tests that use it.

mod cluster;
mod database;
mod programs;
mod template;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

pub use database::TestDatabase;
pub use programs::ServerPrograms;

use crate::TestkitError;
use crate::guardian::Guardian;
use cluster::Cluster;

/// What is special about a server.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Settings beyond the kit's own, e.g. `("max_connections", "20")`.
    pub settings: Vec<(String, String)>,
}

/// How to stop a server; the words are those of `pg_ctl stop --mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Waits for the clients to leave (SIGTERM).
    Smart,
    /// Disconnects the clients and ends in good order (SIGINT).
    Fast,
    /// Aborts; the next start recovers from the log (SIGQUIT).
    Immediate,
}

impl StopMode {
    fn signal(self) -> &'static str {
        match self {
            Self::Smart => "TERM",
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
        }
    }
}

/// A throwaway PostgreSQL on a free port of 127.0.0.1, with a socket in its own directory.
///
/// Roles: `postgres` (superuser) and `web_trust` log in without a password; `web_md5`, `web_scram`
/// and `web_plain` by the method in their name with `md5-secret`, `scram-secret` and
/// `plain-secret`; they own nothing and may do everything in the schema `public`. `limited` may
/// connect, without a password, and no more.
///
/// Dropping it stops the server and removes its files; so does the end of the test process, in
/// whatever way it ends.
#[derive(Debug)]
pub struct Postgres {
    cluster: Cluster,
    /// `None` while stopped.
    guardian: Option<Guardian>,
    databases: AtomicU32,
}

impl Postgres {
    /// The server that the tests of one process share; started by the first that asks.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        if let Some(postgres) = SHARED.get() {
            return postgres;
        }
        let starting = tokio::task::spawn_blocking(|| {
            SHARED.get_or_init(|| match Self::try_start(PostgresOptions::default()) {
                Ok(postgres) => postgres,
                Err(error) => panic!("{error}"),
            })
        });
        starting.await.unwrap_or_else(|error| panic!("no shared PostgreSQL: {error}"))
    }

    /// A server of the test's own, which it may stop, start and break.
    pub async fn start(options: PostgresOptions) -> Self {
        blocking(move || Self::try_start(options)).await
    }

    /// [`Postgres::start`] without tokio; blocks for up to a minute.
    pub fn try_start(options: PostgresOptions) -> Result<Self, TestkitError> {
        Self::try_start_with(options, &[])
    }

    /// A server whose data directory has these files too, by name and text: `server.crt`,
    /// `pg_hba.conf` and the like.
    pub async fn start_with(options: PostgresOptions, files: &[(&str, &str)]) -> Self {
        let files: Vec<(String, String)> =
            files.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        blocking(move || Self::try_start_with(options, &files)).await
    }

    fn try_start_with(
        options: PostgresOptions,
        files: &[(String, String)],
    ) -> Result<Self, TestkitError> {
        let (cluster, guardian) = Cluster::create(options, files, None)?;
        Ok(Self { cluster, guardian: Some(guardian), databases: AtomicU32::new(0) })
    }

    /// A standby of this server, which follows it by streaming replication and takes connections.
    pub async fn start_standby(&self, options: PostgresOptions) -> Self {
        let port = self.port();
        let (cluster, guardian) = blocking(move || Cluster::create(options, &[], Some(port))).await;
        Self { cluster, guardian: Some(guardian), databases: AtomicU32::new(0) }
    }

    /// Makes a standby a primary; done when it takes writes.
    pub async fn promote(&self) {
        let done = self.admin().await.query_one("SELECT pg_promote()", &[]).await;
        let done = done.unwrap_or_else(|error| panic!("pg_promote: {error}"));
        assert!(done.get::<_, bool>(0), "not promoted within a minute");
    }

    /// Kills the server with SIGKILL, as a machine that loses power would be lost; files and port
    /// stay.
    ///
    /// Not cancel-safe: the server may be gone, and this handle not know it.
    pub async fn kill(&mut self) {
        let Some(mut guardian) = self.guardian.take() else { return };
        blocking(move || {
            guardian.signal("KILL")?;
            guardian.wait()?;
            guardian.keep_directory()
        })
        .await;
    }

    /// Stops the server and waits for its end; files and port stay for [`Postgres::start_again`].
    ///
    /// Not cancel-safe: the server may stop, and this handle not know it.
    pub async fn stop(&mut self, mode: StopMode) {
        let Some(mut guardian) = self.guardian.take() else {
            return;
        };
        blocking(move || {
            guardian.signal(mode.signal())?;
            guardian.wait()?;
            guardian.keep_directory()
        })
        .await;
    }

    /// Starts a stopped server on the port that it had, and waits until it takes connections.
    ///
    /// Not cancel-safe: a server that nobody holds is stopped and its files removed.
    pub async fn start_again(&mut self) {
        if self.guardian.is_none() {
            let cluster = self.cluster.clone();
            self.guardian = Some(blocking(move || cluster.launch()).await);
        }
    }

    /// Ends a backend as an administrator does (`pg_terminate_backend`): its client gets 57P01.
    pub async fn kill_backend(&self, pid: i32) {
        let done = self.admin().await.query_one("SELECT pg_terminate_backend($1)", &[&pid]).await;
        let done = done.unwrap_or_else(|error| panic!("pg_terminate_backend: {error}"));
        assert!(done.get::<_, bool>(0), "no backend {pid}");
    }

    /// Kills a backend with SIGKILL: the server disconnects everybody and recovers.
    pub fn crash_backend(&self, pid: i32) {
        let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        assert!(killed.is_ok_and(|status| status.success()), "kill -KILL {pid}");
    }

    /// Sends the server itself a signal, named without `SIG`: `HUP` reloads its settings.
    pub fn signal(&mut self, signal: &str) {
        if let Some(guardian) = &mut self.guardian {
            guardian.signal(signal).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Writes a file of the data directory anew; [`Postgres::signal`] makes the server read it.
    pub fn write_file(&self, name: &str, text: &str) {
        self.cluster.write_file(name, text).unwrap_or_else(|error| panic!("{error}"));
    }

    /// A new, empty database of the test's own.
    pub async fn database(&self) -> TestDatabase {
        let number = self.databases.fetch_add(1, Ordering::Relaxed) + 1;
        TestDatabase::create(self, format!("test_{number}"))
            .await
            .unwrap_or_else(|error| panic!("creating a database: {error}"))
    }

    /// A connection over TCP of a user who needs no password; its task ends with the client.
    pub async fn connect(&self, database: &str, user: &str) -> Client {
        connect(&self.url(user, database))
            .await
            .unwrap_or_else(|error| panic!("connecting to {database} as {user}: {error}"))
    }

    /// A connection of the superuser to the database `postgres`.
    pub async fn admin(&self) -> Client {
        self.connect("postgres", "postgres").await
    }

    /// A DSN; `user` may be `user:password`.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@{}/{database}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.cluster.address()
    }

    /// The port on which it listens, also while it is stopped.
    pub fn port(&self) -> u16 {
        self.cluster.port
    }

    /// The directory of its Unix socket.
    pub fn socket_directory(&self) -> &Path {
        &self.cluster.directory
    }

    /// The programs of this installation, e.g. `psql` and `pgbench`.
    pub fn programs(&self) -> &ServerPrograms {
        &self.cluster.programs
    }

    /// What it has logged so far: warnings and worse.
    pub fn log(&self) -> String {
        self.cluster.log()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A running server's guardian removes the directory.
        if self.guardian.take().is_none() {
            let _ = fs::remove_dir_all(&self.cluster.directory);
        }
    }
}

/// Runs what blocks off the test's runtime; a failure fails the test.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TestkitError> + Send + 'static,
) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Connects and drives the connection in a task of its own.
pub(crate) async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // A broken connection shows itself in the client's next call.
    tokio::spawn(async move { connection.await.ok() });
    Ok(client)
}
