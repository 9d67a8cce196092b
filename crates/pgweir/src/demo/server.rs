//! A throwaway PostgreSQL.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

use super::guardian::{Guarded, Guardian};
use super::programs::{find_server_programs, server_identity};

/// The role that owns the shop, and that the traffic and pgweir log in as.
pub(super) const SHOP_ROLE: &str = "shop";
/// The shop's database.
pub(super) const SHOP_DATABASE: &str = "shop";

/// How long initdb and the first start may take each.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing here outlives the demo, so nothing is flushed to disk. Parallel workers and JIT are off:
/// they would make the figures depend on how many cores the machine has to spare.
const OPTIONS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=4GB",
    "shared_buffers=256MB",
    "work_mem=16MB",
    "maintenance_work_mem=256MB",
    "max_connections=60",
    "max_parallel_workers_per_gather=0",
    "max_parallel_maintenance_workers=0",
    "jit=off",
    "password_encryption=scram-sha-256",
    // The sign-ups that fail are part of the demo; they need not fill the log.
    "log_min_messages=panic",
];

/// A running throwaway server. Dropping it stops the server and removes its directory.
pub(super) struct Server {
    guardian: Guardian,
    port: u16,
    password: String,
    /// What the server calls its version.
    pub(super) version: String,
    /// Whether HypoPG is in the shop's database.
    pub(super) hypopg: bool,
}

impl Server {
    /// Makes a cluster in a new temporary directory, starts it and makes the shop's role and
    /// database. Cancel-safe: dropping it half-way leaves nothing behind.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let programs = find_server_programs()?;
        let directory = tempfile::Builder::new().prefix("pgweir-demo-").tempdir()?;
        let identity = server_identity(directory.path())?;
        let password = format!("{:032x}", rand::random::<u128>());
        let password_file = directory.path().join("password");
        write_private(&password_file, &password)?;
        if let Some((user, group)) = identity {
            for path in [directory.path(), &password_file] {
                std::os::unix::fs::chown(path, Some(user), Some(group))?;
            }
        }
        let data = directory.path().join("data");
        initdb(&programs, &data, &password_file, identity).await?;
        let port = free_port()?;
        let mut arguments =
            vec!["-D".to_owned(), data.display().to_string(), "-p".to_owned(), port.to_string()];
        arguments.extend(OPTIONS.iter().flat_map(|option| ["-c".to_owned(), (*option).to_owned()]));
        // From here on the guardian removes the directory, even after kill -9.
        let directory = directory.keep();
        let guardian = Guardian::start(Guarded {
            program: &programs.join("postgres"),
            arguments,
            environment: Vec::new(),
            directory: &directory,
            remove_directory: true,
            identity,
            last_signal: "QUIT",
        })?;
        let (version, hypopg) = (String::new(), false);
        let mut server = Self { guardian, port, password, version, hypopg };
        server.make_shop().await?;
        Ok(server)
    }

    /// Waits until the server answers, then makes role and database.
    async fn make_shop(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let stderr = self.guardian.take_stderr();
        let postgres = loop {
            let why = match Connection::open(&self.config("postgres", "postgres")).await {
                Ok(connection) => break connection,
                Err(error) => error,
            };
            if self.guardian.has_ended() {
                bail!("PostgreSQL did not start: {}", all_of(stderr).await);
            }
            ensure!(
                Instant::now() < deadline,
                "PostgreSQL did not answer within {} s: {why:#}",
                PATIENCE.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        // Nothing more is expected there, but a full pipe would stop the server.
        tokio::spawn(all_of(stderr));
        let client = &postgres.client;
        let row = client.query_one("SELECT split_part(version(), ' ', 2)", &[]).await?;
        self.version = row.try_get(0)?;
        let password = &self.password;
        client
            .batch_execute(&format!(
                "CREATE ROLE {SHOP_ROLE} LOGIN PASSWORD '{password}'; GRANT pg_monitor TO {SHOP_ROLE};"
            ))
            .await?;
        client.batch_execute(&format!("CREATE DATABASE {SHOP_DATABASE} OWNER {SHOP_ROLE}")).await?;
        let query = "SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'";
        if client.query_opt(query, &[]).await?.is_some() {
            let shop = Connection::open(&self.config("postgres", SHOP_DATABASE)).await?;
            shop.client.batch_execute("CREATE EXTENSION hypopg").await?;
            self.hypopg = true;
        }
        Ok(())
    }

    /// How the shop's role connects without pgweir.
    pub(super) fn shop(&self) -> Config {
        self.config(SHOP_ROLE, SHOP_DATABASE)
    }

    /// The same as a URL.
    pub(super) fn shop_url(&self) -> String {
        shop_url(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), &self.password, SHOP_DATABASE)
    }

    /// The password of every role.
    pub(super) fn password(&self) -> &str {
        &self.password
    }

    fn config(&self, user: &str, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(user)
            .password(&self.password)
            .dbname(database)
            .application_name("pgweir demo")
            .connect_timeout(Duration::from_secs(5));
        config
    }
}

/// The shop's role, at an address.
pub(super) fn shop_url(address: SocketAddr, password: &str, database: &str) -> String {
    format!("postgres://{SHOP_ROLE}:{password}@{address}/{database}")
}

/// A client with its connection's task; dropping it closes the connection.
pub(super) struct Connection {
    pub(super) client: Client,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Connects. Cancel-safe.
    pub(super) async fn open(config: &Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        let task = tokio::spawn(async move {
            // An error here is what the next request reports.
            let _ = connection.await;
        });
        Ok(Self { client, task })
    }
}

async fn initdb(
    programs: &Path,
    data: &Path,
    password_file: &Path,
    identity: Option<(u32, u32)>,
) -> anyhow::Result<()> {
    let program: PathBuf = programs.join("initdb");
    let mut command = Command::new(&program);
    command
        .args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"])
        .arg("-D")
        .arg(data)
        .arg("--pwfile")
        .arg(password_file)
        .current_dir(data.parent().unwrap_or(data))
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    if let Some((user, group)) = identity {
        command.uid(user).gid(group);
    }
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .with_context(|| format!("initdb took longer than {} s", PATIENCE.as_secs()))?
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        output.status.success(),
        "initdb failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// A port that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

async fn all_of(output: Option<tokio::process::ChildStderr>) -> String {
    use tokio::io::AsyncReadExt;
    let mut text = Vec::new();
    if let Some(mut output) = output {
        let _ = output.read_to_end(&mut text).await;
    }
    String::from_utf8_lossy(&text).trim().to_owned()
}
