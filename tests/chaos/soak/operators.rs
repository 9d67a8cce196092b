//! Those who run the shop: they look, kill, reload, restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::{StopMode, frames, show};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use super::holdings::get_metrics;
use super::shop::Shop;
use crate::connection::{Connection, cancel};

/// How long an operator waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is done, and how often in a day.
const DUTIES: &[(&str, u32)] = &[
    ("scrapes", 5_760),
    ("SHOW", 2_880),
    ("SQL in the console", 720),
    ("cancel requests", 2_880),
    ("knocks", 1_440),
    ("KILL_CLIENT", 1_440),
    ("pg_terminate_backend", 720),
    ("RELOAD", 360),
    ("SIGHUP", 120),
    ("SET", 96),
    ("KILL", 48),
    ("PAUSE", 24),
    ("SUSPEND", 24),
    ("DISABLE", 24),
    ("server restarts", 6),
];

const TABLES: &[&str] = &[
    "CLIENTS",
    "SERVERS",
    "POOLS",
    "STATS",
    "LISTS",
    "DATABASES",
    "USERS",
    "QUERIES",
    "FINDINGS",
    "STATE",
    "CONFIG",
    "SOCKETS",
    "HOSTS",
    "MEM",
    "REPORT",
    "EVENTS",
];

const QUESTIONS: &[&str] = &[
    "SELECT database, count(*) FROM clients GROUP BY 1",
    "SELECT minute, sum(calls) FROM query_minutes GROUP BY 1 ORDER BY 1",
    "SELECT * FROM queries ORDER BY total_ms DESC LIMIT 5",
];

/// One task for each duty.
pub(super) fn start(shop: &Arc<Shop>, busy: &mut JoinSet<()>) {
    for (index, (duty, each_day)) in DUTIES.iter().enumerate() {
        let shop = Arc::clone(shop);
        let period = shop.plan.period(*each_day);
        busy.spawn(async move {
            let operator = Operator { shop: &shop, rng: StdRng::seed_from_u64(index as u64) };
            operator.work(duty, index as u32, period).await;
        });
    }
}

struct Operator<'a> {
    shop: &'a Shop,
    rng: StdRng,
}

impl Operator<'_> {
    /// Does it each `period`, but once at least while the shop is open.
    async fn work(mut self, duty: &'static str, place: u32, period: Duration) {
        // One after the other: a restart of the server, say, leaves nobody to do anything to.
        let first = self.shop.length() * (place + 1) / (DUTIES.len() as u32 + 2);
        let mut due = Instant::now() + period.min(first);
        loop {
            self.shop.sleep_until(due).await;
            if self.shop.is_closed() {
                return;
            }
            if self.perform(duty).await.is_some() {
                self.shop.ledger.done(duty);
            }
            due = (due + period).max(Instant::now());
        }
    }

    /// None if it could not be done: nobody was there, or the server was away.
    async fn perform(&mut self, duty: &str) -> Option<()> {
        match duty {
            "scrapes" => get_metrics(self.shop).await.ok().map(drop),
            "SHOW" => {
                let table = TABLES[self.rng.random_range(0..TABLES.len())];
                self.say(&[&format!("SHOW {table}")]).await
            }
            "SQL in the console" => {
                let question = QUESTIONS[self.rng.random_range(0..QUESTIONS.len())];
                self.say(&[question]).await
            }
            "cancel requests" => self.cancel().await,
            "knocks" => self.knock().await,
            "KILL_CLIENT" => self.kill_client().await,
            "pg_terminate_backend" => self.terminate().await,
            "RELOAD" => {
                self.shop.change_settings();
                self.say(&["RELOAD"]).await
            }
            "SIGHUP" => {
                self.shop.change_settings();
                let pid = self.shop.proxy().pid().to_string();
                let mut kill = tokio::process::Command::new("kill");
                kill.args(["-HUP", &pid]).status().await.ok().map(drop)
            }
            "SET" => {
                let size = self.rng.random_range(4..8);
                self.say(&[&format!("SET default_pool_size = {size}")]).await
            }
            "KILL" => self.say(&["KILL tenant_0", "RESUME tenant_0"]).await,
            "PAUSE" => self.say(&["PAUSE tenant_1", "RESUME tenant_1"]).await,
            "SUSPEND" => self.say(&["SUSPEND", "RESUME"]).await,
            "DISABLE" => self.say(&["DISABLE tenant_2", "ENABLE tenant_2"]).await,
            _ => self.restart().await,
        }
    }

    /// On a connection of its own to the console. What holds clients back is ended, whatever came.
    async fn say(&self, commands: &[&str]) -> Option<()> {
        let console = self.shop.console().await?;
        let mut done = Some(());
        for command in commands {
            let asking = tokio::time::timeout(PATIENCE, console.simple_query(command)).await;
            if asking.is_err() {
                // PAUSE waits for transactions, which may wait for a client that is slow.
                done = None;
                let other = self.shop.console().await?;
                let last = commands.last().copied().unwrap_or_default();
                let _ = tokio::time::timeout(PATIENCE, other.simple_query(last)).await;
                break;
            }
        }
        done
    }

    async fn cancel(&mut self) -> Option<()> {
        let key = {
            let keys = self.shop.keys.lock();
            let chosen = keys.len().checked_sub(1).map(|last| self.rng.random_range(0..=last))?;
            keys.values().nth(chosen)?.clone()
        };
        let wrong = self.rng.random_bool(0.1);
        let key = if wrong { (key.0, vec![0; key.1.len()]) } else { key };
        cancel(self.shop.proxy().address(), &key, PATIENCE).await;
        Some(())
    }

    /// Connections that never log in.
    async fn knock(&mut self) -> Option<()> {
        let address = self.shop.proxy().address();
        let mut connection = Connection::open(address, None, PATIENCE).await.ok()?;
        let startup = |database| [("user", "buyer_0"), ("database", database)];
        match self.rng.random_range(0..6) {
            0 => {}
            1 => connection.send(b"GET / HTTP/1.1\r\n\r\n").await,
            2 => connection.send(&frames::request_code(frames::SSL_REQUEST)).await,
            3 => {
                let whole = frames::startup(frames::PROTOCOL_3_0, &startup("tenant_0"));
                connection.send(&whole[..whole.len() - 5]).await;
            }
            4 => {
                let number = self.shop.number();
                let name = format!("no_such_database_{number}");
                let whole = frames::startup(frames::PROTOCOL_3_0, &startup(name.as_str()));
                connection.send(&whole).await;
                connection.closed().await;
                return Some(());
            }
            _ => {
                connection.abort();
                return Some(());
            }
        }
        // Some are left open for a while.
        self.shop.sleep_until(Instant::now() + Duration::from_millis(200)).await;
        Some(())
    }

    async fn kill_client(&mut self) -> Option<()> {
        let console = self.shop.console().await?;
        let rows = show(&console, "SHOW CLIENTS").await;
        let others: Vec<_> = rows.iter().filter(|row| row["database"] != "pgweir").collect();
        let last = others.len().checked_sub(1)?;
        let id = &others[self.rng.random_range(0..=last)]["id"];
        // It may have left just now.
        console.simple_query(&format!("KILL_CLIENT {id}")).await.ok().map(drop)
    }

    /// A connection past pgweir, if the server is up.
    async fn direct(&self) -> Option<Client> {
        let url = format!("postgres://postgres@{}/postgres", self.shop.server);
        let connecting = tokio::time::timeout(PATIENCE, tokio_postgres::connect(&url, NoTls));
        let (client, connection) = connecting.await.ok()?.ok()?;
        tokio::spawn(async move { connection.await.ok() });
        Some(client)
    }

    async fn terminate(&mut self) -> Option<()> {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE usename LIKE 'buyer%' ORDER BY random() LIMIT 1";
        let rows = self.direct().await?.query(sql, &[]).await.ok()?;
        rows.first().map(drop)
    }

    async fn restart(&mut self) -> Option<()> {
        let mut postgres = self.shop.postgres.lock().await;
        let immediate = self.rng.random_bool(0.5);
        postgres.stop(if immediate { StopMode::Immediate } else { StopMode::Fast }).await;
        tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..1_000))).await;
        postgres.start_again().await;
        Some(())
    }
}
