//! A server with the users of PgBouncer's userlist, and pgweir with a file of PgBouncer's, as one would
//! start it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use testkit::{Postgres, PostgresOptions};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Duration, timeout};
use tokio_postgres::{Client, Config, Error, NoTls};

/// The program under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);
const USERLIST: &str = include_str!("samples/userlist.txt");

/// A server, and a directory for all the paths that a file names.
pub(crate) struct Scene {
    pub(crate) postgres: Postgres,
    pub(crate) directory: tempfile::TempDir,
    /// What nobody listened at a moment ago.
    pub(crate) port: u16,
}

impl Scene {
    /// A server on which this was run.
    pub(crate) async fn open(sql: &str) -> Self {
        let postgres = Postgres::start(PostgresOptions::default()).await;
        let admin = postgres.admin().await;
        for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
            admin.batch_execute(statement).await.unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("userlist.txt"), USERLIST).unwrap();
        // A database without host and port is here.
        let socket = postgres.socket_directory().join(format!(".s.PGSQL.{}", postgres.port()));
        std::os::unix::fs::symlink(socket, directory.path().join(".s.PGSQL.5432")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { postgres, directory, port }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the file, with each of these texts in the place of another.
    pub(crate) fn write(&self, ini: &str, changes: &[(&str, &str)]) -> PathBuf {
        let mut text = ini.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "no {from:?} in {text}");
            text = text.replace(from, to);
        }
        let file = self.path().join("pgbouncer.ini");
        fs::write(&file, text).unwrap();
        file
    }

    /// What the samples name is in the directory instead; the port is free.
    pub(crate) fn write_sample(&self, ini: &str, more: &[(&str, &str)]) -> PathBuf {
        let directory = self.path().display().to_string();
        let mut text = ini.replace("= /tmp\n", &format!("= {directory}\n"));
        for path in ["/var/log/pgbouncer", "/var/run/pgbouncer", "/etc/pgbouncer"]
            .into_iter()
            .chain(["/var/log/postgresql", "/var/run/postgresql"])
        {
            text = text.replace(path, &directory);
        }
        let port = self.port.to_string();
        text = text.replace("listen_port = 6432", &format!("listen_port = {port}"));
        self.write(&text, more)
    }

    fn command(&self, subcommand: &str, file: &Path) -> Command {
        let mut command = Command::new(PGWEIR);
        command
            .args([subcommand, "-c"])
            .arg(file)
            .env("PGWEIR_HTTP", "off")
            .env("XDG_STATE_HOME", self.path())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts pgweir with nothing but the file.
    pub(crate) async fn start(&self, file: &Path) -> Running {
        let mut child =
            self.command("run", file).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log = String::new();
        let starting = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                log.push_str(&line);
                log.push('\n');
                if line.contains("pgweir is ready") {
                    return true;
                }
            }
            false
        };
        let ready = timeout(PATIENCE, starting).await.unwrap_or(false);
        assert!(ready, "not ready:\n{log}");
        // So that it never waits for somebody to read.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Running { child, log }
    }

    /// `pgweir check` with this file and arguments.
    pub(crate) async fn check(&self, file: &Path, arguments: &[&str]) -> Output {
        self.command("check", file).args(arguments).output().await.unwrap()
    }

    /// A client by TCP.
    pub(crate) async fn connect(&self, login: &str, database: &str) -> Result<Client, Error> {
        let url = format!("postgres://{login}@127.0.0.1:{}/{database}", self.port);
        open(url.parse().unwrap()).await
    }

    /// A client by the Unix socket with this port in its name.
    pub(crate) async fn connect_unix(
        &self,
        directory: &Path,
        port: u16,
        (user, password): (&str, &str),
        database: &str,
    ) -> Result<Client, Error> {
        let mut config = Config::new();
        config.host_path(directory).port(port).user(user).password(password).dbname(database);
        open(config).await
    }
}

async fn open(config: Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// pgweir. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// Up to the line that says that it is ready.
    pub(crate) log: String,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }
}

/// The first column of the only row.
pub(crate) async fn value(client: &Client, sql: &str) -> String {
    for message in client.simple_query(sql).await.unwrap() {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
            return row.get(0).unwrap_or_default().to_owned();
        }
    }
    panic!("no row of {sql}");
}

/// Why a login was refused.
pub(crate) fn refusal(result: Result<Client, Error>) -> String {
    let error = result.expect_err("was let in");
    match error.as_db_error() {
        Some(told) => format!("{}: {}", told.code().code(), told.message()),
        None => error.to_string(),
    }
}
