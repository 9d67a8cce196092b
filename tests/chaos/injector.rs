//! The faults: what they are, how often, and in what rhythm.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::{Postgres, StopMode};
use tokio_postgres::{Client, NoTls};

use crate::relay::{Cut, Mode, Relay};
use crate::stage::Stage;

/// How long faults come close together, and how long there is none after that. Errors of statements
/// that begin in the quiet are failures.
const STORM: Duration = Duration::from_millis(4_000);
const QUIET: Duration = Duration::from_millis(2_500);
/// How long after a fault it may still be felt: a server that was gone is tried again in a second.
const SHORT: Duration = Duration::from_millis(300);
const OUTAGE: Duration = Duration::from_millis(1_500);

/// Each fault and its weight.
const FAULTS: &[(&str, u32)] = &[
    ("terminate a backend", 20),
    ("terminate three backends", 6),
    ("stop a backend for a while", 8),
    ("kill a backend", 1),
    ("restart the server, fast", 1),
    ("restart the server, immediate", 1),
    ("refuse connections", 2),
    ("cut a server connection", 12),
    ("cut in mid message", 12),
    ("cut all server connections", 2),
    ("stall a server connection", 6),
    ("stall all server connections", 2),
    ("byte at a time", 6),
    ("trickle", 6),
    ("cut a client connection", 12),
    ("stall client connections", 3),
    ("clients byte at a time", 3),
    ("cancel storm", 8),
    ("RELOAD", 3),
    ("PAUSE and RESUME", 2),
    ("KILL_CLIENT", 5),
];

/// What makes the faults.
pub(crate) struct Injector {
    pub(crate) stage: Arc<Stage>,
    pub(crate) postgres: Postgres,
    /// Between pgweir and the server.
    pub(crate) servers: Arc<Relay>,
    /// Between some clients and pgweir.
    pub(crate) clients: Arc<Relay>,
    rng: StdRng,
}

impl Injector {
    pub(crate) fn new(
        stage: Arc<Stage>,
        postgres: Postgres,
        servers: Arc<Relay>,
        clients: Arc<Relay>,
    ) -> Self {
        let rng = StdRng::seed_from_u64(stage.plan.seed);
        Self { stage, postgres, servers, clients, rng }
    }

    /// Makes faults until the time is over; the last ends in a quiet.
    pub(crate) async fn run(&mut self) {
        let end = Instant::now() + Duration::from_secs(self.stage.plan.seconds);
        while Instant::now() < end {
            let storm = Instant::now() + STORM;
            while Instant::now() < storm {
                let pause = self.rng.random_range(10..400);
                tokio::time::sleep(Duration::from_millis(pause)).await;
                self.make_one().await;
            }
            tokio::time::sleep(QUIET).await;
        }
    }

    async fn make_one(&mut self) {
        let total = FAULTS.iter().map(|(_, weight)| weight).sum();
        let mut at: u32 = self.rng.random_range(0..total);
        let chosen = FAULTS.iter().find(|(_, weight)| match at.checked_sub(*weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        let kind = chosen.map_or("", |(kind, _)| kind);
        let from = Instant::now();
        let felt = self.make(kind).await;
        self.stage.ledger.fault(kind, from, felt);
    }

    /// Makes a fault, and says how long it can be felt after that.
    async fn make(&mut self, kind: &str) -> Duration {
        let while_it_lasts = Duration::from_millis(self.rng.random_range(100..1_200));
        match kind {
            "terminate a backend" => self.terminate(1).await,
            "terminate three backends" => self.terminate(3).await,
            "stop a backend for a while" => {
                let Some(pid) = self.backends(1).await.pop() else { return SHORT };
                signal(pid, "STOP");
                tokio::time::sleep(while_it_lasts).await;
                signal(pid, "CONT");
            }
            "kill a backend" => {
                let Some(pid) = self.backends(1).await.pop() else { return SHORT };
                signal(pid, "KILL");
                tokio::time::sleep(while_it_lasts).await;
                self.until_back().await;
                return OUTAGE;
            }
            "restart the server, fast" => return self.restart(StopMode::Fast).await,
            "restart the server, immediate" => return self.restart(StopMode::Immediate).await,
            "refuse connections" => {
                self.servers.refuse(true);
                self.terminate(3).await;
                tokio::time::sleep(while_it_lasts).await;
                self.servers.refuse(false);
                return OUTAGE;
            }
            "cut all server connections" => {
                self.servers.set_all(Mode::End(0, Cut::Reset));
            }
            "stall all server connections" => {
                self.servers.set_all(Mode::Stall);
                tokio::time::sleep(while_it_lasts).await;
                self.servers.set_all(Mode::Pass);
            }
            "cut a server connection" => self.cut(&Arc::clone(&self.servers), false),
            "cut in mid message" => self.cut(&Arc::clone(&self.servers), true),
            "stall a server connection" => self.slow(Mode::Stall, while_it_lasts),
            "byte at a time" => self.slow(Mode::Trickle(1), while_it_lasts),
            "trickle" => self.slow(Mode::Trickle(300), while_it_lasts),
            "cut a client connection" => {
                let inside = self.rng.random_bool(0.5);
                self.cut(&Arc::clone(&self.clients), inside);
            }
            "stall client connections" => {
                self.clients.set_all(Mode::Stall);
                tokio::time::sleep(while_it_lasts).await;
                self.clients.set_all(Mode::Pass);
            }
            "clients byte at a time" => {
                self.clients.set_all(Mode::Trickle(1));
                tokio::time::sleep(while_it_lasts).await;
                self.clients.set_all(Mode::Pass);
            }
            "cancel storm" => self.cancel_storm(),
            "KILL_CLIENT" => self.kill_client().await,
            "RELOAD" => self.console(&["RELOAD"], Duration::ZERO).await,
            _ => self.console(&["PAUSE", "RESUME"], while_it_lasts / 4).await,
        }
        SHORT
    }

    /// A connection past everything, if the server is up.
    async fn direct(&self) -> Option<Client> {
        connect(&self.postgres.url("postgres", "postgres")).await
    }

    /// Some of the pool's backends.
    async fn backends(&mut self, count: usize) -> Vec<i32> {
        let Some(direct) = self.direct().await else { return Vec::new() };
        let sql = "SELECT pid FROM pg_stat_activity WHERE usename = 'web_trust' ORDER BY pid";
        let rows = direct.query(sql, &[]).await.unwrap_or_default();
        let mut pids: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        let mut some = Vec::new();
        while some.len() < count && !pids.is_empty() {
            some.push(pids.swap_remove(self.rng.random_range(0..pids.len())));
        }
        some
    }

    async fn terminate(&mut self, count: usize) {
        let pids = self.backends(count).await;
        if let Some(direct) = self.direct().await {
            let sql = "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid";
            let _ = direct.query(sql, &[&pids]).await;
        }
    }

    async fn restart(&mut self, mode: StopMode) -> Duration {
        self.postgres.stop(mode).await;
        let pause = self.rng.random_range(0..800);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        self.postgres.start_again().await;
        self.until_back().await;
        OUTAGE
    }

    async fn until_back(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.direct().await.is_none() {
            assert!(Instant::now() < deadline, "the server does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn cut(&mut self, relay: &Relay, inside: bool) {
        let link = self.rng.random_range(0..relay.links().max(1));
        let bytes = if inside { self.rng.random_range(1..400) } else { 0 };
        let how = [Cut::Reset, Cut::Close, Cut::Half][self.rng.random_range(0..3)];
        relay.set(link, Mode::End(bytes, how));
    }

    /// One server connection gets slow for a while; other faults go on meanwhile.
    fn slow(&mut self, mode: Mode, length: Duration) {
        let relay = Arc::clone(&self.servers);
        let link = self.rng.random_range(0..relay.links().max(1));
        relay.set(link, mode);
        tokio::spawn(async move {
            tokio::time::sleep(length).await;
            relay.set_all(Mode::Pass);
        });
    }

    fn cancel_storm(&mut self) {
        for _ in 0..20 {
            let (stage, client) =
                (Arc::clone(&self.stage), self.rng.random_range(0..self.stage.plan.clients));
            tokio::spawn(async move { stage.cancel(client).await });
        }
    }

    async fn console(&self, commands: &[&str], pause: Duration) {
        let Some(console) = self.admin().await else { return };
        for (index, command) in commands.iter().enumerate() {
            if index > 0 {
                tokio::time::sleep(pause).await;
            }
            // PAUSE waits for transactions, some of which wait for a client: not for ever.
            let asking = console.simple_query(command);
            let _ = tokio::time::timeout(Duration::from_secs(1), asking).await;
        }
        if commands.contains(&"RESUME") {
            let Some(console) = self.admin().await else { return };
            let _ = console.simple_query("RESUME").await;
        }
    }

    async fn kill_client(&mut self) {
        let Some(console) = self.admin().await else { return };
        let rows = testkit::show(&console, "SHOW CLIENTS").await;
        let ours: Vec<_> =
            rows.iter().filter(|row| row["database"] == self.stage.database).collect();
        if !ours.is_empty() {
            let id = &ours[self.rng.random_range(0..ours.len())]["id"];
            let _ = console.simple_query(&format!("KILL_CLIENT {id}")).await;
        }
    }

    async fn admin(&self) -> Option<Client> {
        connect(&format!("postgres://postgres@{}/pgweir", self.stage.pgweir)).await
    }
}

fn signal(pid: i32, name: &str) {
    let _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
}

/// A driver's connection, if there is one to be had.
async fn connect(url: &str) -> Option<Client> {
    let connecting = tokio_postgres::connect(url, NoTls);
    let (client, connection) =
        tokio::time::timeout(Duration::from_secs(5), connecting).await.ok()?.ok()?;
    tokio::spawn(async move { connection.await.ok() });
    Some(client)
}
