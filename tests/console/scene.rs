//! A proxy before a database of its own, with a little traffic.

use std::process::Output;
use std::time::{Duration, Instant};

use testkit::{Postgres, Proxy, ProxyOptions, TestDatabase};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_postgres::error::DbError;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// The binary under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");
/// How long something may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Clients are trusted; `postgres` is an admin, `watcher` may look.
const USERS: &str =
    "auth_type = \"trust\"\nadmin_users = [\"postgres\"]\nstats_users = [\"watcher\"]\n";

pub(crate) struct Scene {
    pub(crate) postgres: &'static Postgres,
    pub(crate) database: TestDatabase,
    pub(crate) proxy: Proxy,
    /// Where its configuration is, if a test changes that.
    file: Option<tempfile::TempDir>,
}

impl Scene {
    /// With these settings besides. Clients are trusted; `postgres` is an admin, `watcher` may look.
    pub(crate) async fn with(settings: &str) -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        let settings = format!("{USERS}{settings}");
        let options =
            ProxyOptions::upstream(postgres.url("postgres", "postgres")).settings(settings);
        Self { postgres, proxy: Proxy::start(PGWEIR, options).await, database, file: None }
    }

    /// With one database, `shop`, and no others.
    pub(crate) async fn with_named_databases() -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        let (host, port) = (postgres.address().ip(), postgres.address().port());
        let settings = format!(
            "{USERS}[databases.shop]\nhost = \"{host}\"\nport = {port}\ndbname = {:?}\n",
            database.name
        );
        let options = ProxyOptions::default().settings(settings);
        Self { postgres, proxy: Proxy::start(PGWEIR, options).await, database, file: None }
    }

    /// With a configuration file that can be changed.
    pub(crate) async fn with_file(settings: &str) -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("pgweir.toml");
        std::fs::write(&file, text(postgres, settings)).expect("a file");
        let file = file.to_str().expect("UTF-8");
        let options = ProxyOptions::default().arguments(["-c", file]);
        let proxy = Proxy::start(PGWEIR, options).await;
        Self { postgres, proxy, database, file: Some(directory) }
    }

    /// Changes the file.
    pub(crate) fn write_file(&self, settings: &str) {
        let directory = self.file.as_ref().expect("a scene with a file").path();
        let text = text(self.postgres, settings);
        std::fs::write(directory.join("pgweir.toml"), text).expect("a file");
    }

    /// The processes that serve pgweir's pools in the scene's database, `direct` aside.
    pub(crate) async fn server_connections(&self, direct: &Client) -> Vec<String> {
        let text = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                    AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
                    AND application_name <> 'pgweir-catalog' ORDER BY pid";
        rows(direct, text).await
    }

    /// A driver's connection to the database, with an application's name.
    pub(crate) async fn client(&self, application: &str) -> Client {
        self.connect(&format!("dbname={} application_name={application}", self.database.name)).await
    }

    /// A driver's connection to the console.
    pub(crate) async fn console(&self, user: &str) -> Client {
        self.connect(&format!("dbname=pgweir user={user}")).await
    }

    pub(crate) async fn connect(&self, rest: &str) -> Client {
        self.connected(rest).await.0
    }

    /// A connection with these parameters, and its task.
    pub(crate) async fn connected(&self, rest: &str) -> (Client, JoinHandle<()>) {
        let address = self.proxy.address();
        let user = if rest.contains("user=") { "" } else { "user=postgres" };
        let config = format!("host={} port={} {user} {rest}", address.ip(), address.port());
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.expect("a login");
        let connection = tokio::spawn(async move { drop(connection.await) });
        (client, connection)
    }

    /// psql on the console, with these arguments.
    pub(crate) async fn psql(&self, user: &str, arguments: &[&str]) -> Output {
        let program = self.postgres.programs().program("psql").expect("psql is installed");
        Command::new(program)
            .args(["-X", "-v", "ON_ERROR_STOP=1"])
            .args(arguments)
            .env("PGHOST", self.proxy.address().ip().to_string())
            .env("PGPORT", self.proxy.address().port().to_string())
            .env("PGUSER", user)
            .env("PGDATABASE", "pgweir")
            .output()
            .await
            .expect("psql starts")
    }

    /// What psql prints for a command, without decoration.
    pub(crate) async fn printed(&self, command: &str) -> String {
        let output = self.psql("watcher", &["-A", "-t", "-c", command]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// Asks until `wanted` is there.
pub(crate) async fn until<T>(what: &str, mut wanted: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = wanted().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The rows of a query by the simple protocol, fields with `|` between.
pub(crate) async fn rows(client: &Client, text: &str) -> Vec<String> {
    let messages = client.simple_query(text).await.expect(text);
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let fields = (0..row.len()).map(|place| row.get(place).unwrap_or("NULL"));
            Some(fields.collect::<Vec<_>>().join("|"))
        }
        _ => None,
    });
    rows.collect()
}

/// The text of a file in which `settings` begin in the first line.
fn text(postgres: &Postgres, settings: &str) -> String {
    // Sections must stand last.
    let (top, sections) = settings.split_at(settings.find('[').unwrap_or(settings.len()));
    let upstream = postgres.url("postgres", "postgres");
    format!("{top}upstream = {upstream:?}\n{USERS}{sections}")
}

/// The error that a statement is refused with.
pub(crate) async fn refused(client: &Client, text: &str) -> DbError {
    let error = client.batch_execute(text).await.err().unwrap_or_else(|| panic!("{text} is done"));
    error.as_db_error().unwrap_or_else(|| panic!("{text}: {error}")).clone()
}

/// The second column of the row that begins with `key`.
pub(crate) async fn shown(client: &Client, show: &str, key: &str) -> String {
    let rows = rows(client, show).await;
    let row = rows.iter().find_map(|row| row.strip_prefix(key)?.strip_prefix('|'));
    let row = row.unwrap_or_else(|| panic!("no {key} in {rows:?}"));
    row.split('|').next().unwrap_or_default().to_owned()
}

/// Whether SHOW DATABASES says that a database is paused.
pub(crate) async fn is_paused(client: &Client, database: &str) -> bool {
    rows(client, "SHOW DATABASES").await.iter().any(|row| {
        let fields: Vec<_> = row.split('|').collect();
        fields.first() == Some(&database) && fields.iter().rev().nth(2) == Some(&"1")
    })
}
