//! The shop: its servers, its pgweir, and what everybody in it shares.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use testkit::{Postgres, Proxy, ProxyOptions};
use tokio_postgres::{Client, NoTls};

use crate::connection::Trouble;
use crate::plan::SoakPlan;
use crate::stage::Key;
use crate::{PGWEIR, lasting};

/// Databases; the last two are added to the configuration and taken out of it again, in turns.
pub(super) const DATABASES: usize = 6;
const COME_AND_GO: usize = 2;
/// Roles that log in; most sessions are of the first few.
pub(super) const USERS: usize = 40;

/// The shop.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) plan: SoakPlan,
    /// Taken by who restarts it.
    pub(super) postgres: tokio::sync::Mutex<Postgres>,
    pub(super) server: SocketAddr,
    proxy: Proxy,
    pub(super) http: SocketAddr,
    folder: tempfile::TempDir,
    closes: OnceLock<(Instant, Instant)>,
    pub(super) ledger: Ledger,
    /// Numbers that are given out once: what makes a statement or an application a new one.
    numbers: AtomicU64,
    generation: Mutex<u64>,
    /// Keys of sessions that are open, by session.
    pub(super) keys: Mutex<BTreeMap<u64, Key>>,
}

/// What was done, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    done: Mutex<BTreeMap<&'static str, u64>>,
    refused: Mutex<BTreeMap<String, (u64, String)>>,
    wrong: Mutex<Vec<String>>,
}

impl Shop {
    pub(super) async fn open(plan: SoakPlan) -> Self {
        let postgres = Postgres::start(lasting()).await;
        let admin = postgres.admin().await;
        let mut roles = String::new();
        for user in 0..USERS {
            let _ = write!(roles, "CREATE ROLE buyer_{user} LOGIN;");
        }
        admin.batch_execute(&roles).await.unwrap();
        for number in 0..DATABASES {
            admin.batch_execute(&format!("CREATE DATABASE tenant_{number}")).await.unwrap();
            let direct = postgres.connect(&format!("tenant_{number}"), "postgres").await;
            direct.batch_execute(TABLES).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let server = postgres.address();
        std::fs::write(folder.path().join("pgweir.toml"), settings(&plan, server, 0)).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let arguments = ["-c", &path("pgweir.toml"), "--data-dir", &path("state")];
        let options =
            ProxyOptions::default().arguments(arguments).arguments(["--http", "127.0.0.1:0"]);
        let proxy = Proxy::start(PGWEIR, options).await;
        let http = http_address(&proxy.log());
        Self {
            plan,
            postgres: tokio::sync::Mutex::new(postgres),
            server,
            proxy,
            http,
            folder,
            closes: OnceLock::new(),
            ledger: Ledger::default(),
            numbers: AtomicU64::new(0),
            generation: Mutex::new(0),
            keys: Mutex::default(),
        }
    }

    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The folder of the history.
    pub(super) fn history(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    /// Trades from now on until then.
    pub(super) fn open_until(&mut self, end: Instant) {
        self.closes = OnceLock::from((Instant::now(), end));
    }

    /// How long it trades this time.
    pub(super) fn length(&self) -> Duration {
        self.closes.get().map_or(Duration::ZERO, |(from, to)| *to - *from)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closes.get().is_none_or(|(_, end)| Instant::now() >= *end)
    }

    /// Sleeps, but not beyond closing time.
    pub(super) async fn sleep_until(&self, until: Instant) {
        let end = self.closes.get().map_or(until, |(_, end)| *end);
        tokio::time::sleep_until(until.min(end).into()).await;
    }

    /// A number that nobody else gets.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes the configuration anew, with other settings and other databases.
    pub(super) fn change_settings(&self) {
        // Held while the file is written: two may want to at once.
        let mut generation = self.generation.lock();
        *generation += 1;
        let file = self.folder.path().join("pgweir.toml");
        replace(&file, &settings(&self.plan, self.server, *generation));
    }

    /// A connection to the admin console.
    pub(super) async fn console(&self) -> Option<Client> {
        let url = self.proxy.url("postgres", "pgweir");
        let connecting = tokio_postgres::connect(&url, NoTls);
        let (client, connection) =
            tokio::time::timeout(Duration::from_secs(20), connecting).await.ok()?.ok()?;
        tokio::spawn(async move { connection.await.ok() });
        Some(client)
    }

    /// RESET STATS: what grows by design, an hour of minutes, is gone, and what is left can be compared.
    pub(super) async fn forget_what_was_measured(&self) {
        let console = self.console().await.expect("the console lets its administrator in");
        console.simple_query("RESET STATS").await.expect("RESET STATS");
    }
}

const TABLES: &str = "
    CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price int NOT NULL);
    INSERT INTO items SELECT n, 'item ' || n, n % 97 FROM generate_series(1, 1000) n;
    CREATE TABLE orders (item int NOT NULL, at timestamptz NOT NULL DEFAULT now());
    CREATE INDEX ON orders (at);
    GRANT ALL ON items, orders TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC; ANALYZE;";

/// The configuration in its `generation`th form: sizes, maxima, users and databases differ.
fn settings(plan: &SoakPlan, server: SocketAddr, generation: u64) -> String {
    let (size, few) = (4 + generation % 3, generation % 2);
    let mut text = format!(
        "auth_type = \"trust\"\nadmin_users = [\"postgres\"]\nanalyse = {}\n\
         auth_user = \"postgres\"\n\
         default_pool_size = {size}\nreserve_pool_size = {few}\nmax_db_connections = {}\n\
         max_client_conn = {}\nquery_wait_timeout = \"{}s\"\nserver_idle_timeout = \"{}s\"\n\
         server_login_retry = \"1s\"\nmax_prepared_statements = {}\nlog_min_duration = \"{}s\"\n\
         max_fingerprints = 1000\nhistory_size = \"{}MB\"\nhistory_flush = \"5s\"\n\
         [users.buyer_0]\npool_mode = \"{}\"\n",
        plan.analyse,
        10 + generation % 5,
        500 + generation % 7,
        20 + few,
        2 + generation % 3,
        20 + generation % 30,
        1 + few,
        plan.history_bytes() >> 20,
        if generation % 4 == 3 { "session" } else { "transaction" },
    );
    for user in 1..generation % 5 {
        let _ = write!(text, "[users.buyer_{user}]\nmax_user_connections = {}\n", 20 + user);
    }
    for number in 0..DATABASES {
        let stays = number < DATABASES - COME_AND_GO;
        if stays || (generation + number as u64).is_multiple_of(2) {
            let (host, port) = (server.ip(), server.port());
            let _ = write!(
                text,
                "[databases.tenant_{number}]\nhost = \"{host}\"\nport = {port}\npool_size = {}\n",
                size + number as u64 % 2
            );
        }
    }
    text
}

/// At once: a reload that comes meanwhile reads the old one or the new one.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, file).unwrap();
}

/// The address in the line that says `ready`.
fn http_address(log: &str) -> SocketAddr {
    let address = log.split_once(" http=").map_or("", |(_, rest)| rest);
    let address: String = address.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
    address.parse().unwrap_or_else(|_| panic!("no address for HTTP in {log}"))
}

impl Ledger {
    pub(super) fn done(&self, what: &'static str) {
        self.done_times(what, 1);
    }

    pub(super) fn done_times(&self, what: &'static str, times: u64) {
        *self.done.lock().entry(what).or_default() += times;
    }

    /// Notes what came instead of an answer. Who is killed, or asks for what was taken away, is told
    /// so; who waits for ever, or gets what is not the protocol's, is a failure.
    pub(super) fn trouble(&self, what: &str, trouble: Trouble) {
        let (state, message) = match trouble {
            Trouble::Refused(error) | Trouble::Closed(Some(error)) => {
                (error.sqlstate().to_owned(), error.to_string())
            }
            Trouble::Closed(None) => ("closed".to_owned(), String::new()),
            Trouble::Silent(before) => {
                self.wrong.lock().push(format!("no answer to {what} {before:?}"));
                return;
            }
            Trouble::Wrong(how) => {
                self.wrong.lock().push(format!("{what}: {how}"));
                return;
            }
        };
        let mut refused = self.refused.lock();
        let entry = refused.entry(state).or_default();
        entry.0 += 1;
        entry.1 = format!("{message} ({what})");
    }

    /// A run that did not do everything shows nothing.
    pub(super) fn missing(&self) -> Vec<String> {
        let done = self.done.lock();
        let missing = EVERYTHING.iter().filter(|what| !done.contains_key(*what));
        missing.map(|what| format!("not once: {what}")).collect()
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().iter().take(20).cloned().collect()
    }
}

/// What each run does.
const EVERYTHING: &[&str] = &[
    "connects",
    "statements",
    "statements never seen before",
    "pins",
    "cancel requests",
    "KILL_CLIENT",
    "KILL",
    "pg_terminate_backend",
    "RELOAD",
    "SIGHUP",
    "SET",
    "PAUSE",
    "SUSPEND",
    "DISABLE",
    "server restarts",
    "scrapes",
    "SHOW",
    "SQL in the console",
    "knocks",
    "abrupt leaves",
];

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "done")?;
        for (what, count) in &*self.done.lock() {
            writeln!(f, "  {count:9}  {what}")?;
        }
        writeln!(f, "refused, by SQLSTATE, with the last of each")?;
        for (state, (count, last)) in &*self.refused.lock() {
            writeln!(f, "  {count:9}  {state:7} {last}")?;
        }
        Ok(())
    }
}
