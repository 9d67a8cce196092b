//! A PostgreSQL, a pgweir in transaction mode with a pool of two, and a database for each driver.

use std::process::Command;

use testkit::{Postgres, Proxy, ProxyOptions, TestDatabase};
use tokio_postgres::Client;

/// The program under test.
const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");
/// Who the drivers log in as: no superuser, by SCRAM, as applications do.
const USER: &str = "web_scram";
const PASSWORD: &str = "scram-secret";
/// Server connections for all clients of a driver.
pub(crate) const POOL: u32 = 2;
/// Clients of a driver at its ordinary work.
pub(crate) const CLIENTS: u32 = 50;
/// Transactions that each of them runs, and a few more.
pub(crate) const ROUNDS: u32 = 10;

const SCHEMA: &str = include_str!("schema.sql");

/// What all drivers share.
#[derive(Debug)]
pub(crate) struct Scene {
    proxy: Proxy,
}

impl Scene {
    pub(crate) async fn open() -> Self {
        let postgres = Postgres::shared().await;
        let upstream = postgres.url(&format!("{USER}:{PASSWORD}"), "postgres");
        let size = POOL.to_string();
        let options = ProxyOptions::upstream(upstream).arguments([
            "--pool-mode",
            "transaction",
            "--default-pool-size",
            &size,
        ]);
        Self { proxy: Proxy::start(PGWEIR, options).await }
    }

    /// A database with the tables that drivers use; ORMs make their own.
    pub(crate) async fn database(&self) -> TestDatabase {
        let database = Postgres::shared().await.database().await;
        let direct = database.connect().await;
        direct.batch_execute(&format!("SET ROLE {USER}; {SCHEMA}")).await.unwrap();
        database
    }

    /// A client of the admin console.
    pub(crate) async fn console(&self) -> Client {
        self.proxy.connect(&format!("{USER}:{PASSWORD}"), "pgweir").await
    }

    /// The PostgreSQL's version.
    pub(crate) async fn server_version(&self) -> String {
        let admin = Postgres::shared().await.admin().await;
        admin.query_one("SHOW server_version", &[]).await.unwrap().get(0)
    }

    /// Tells a program where to connect: libpq's variables, and a URL.
    pub(crate) async fn point(&self, command: &mut Command, database: &TestDatabase) {
        let address = self.proxy.address();
        let programs = Postgres::shared().await.programs().program("psql");
        let programs =
            programs.ok().and_then(|psql| psql.parent().map(|p| p.display().to_string()));
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", [programs.unwrap_or_default(), path].join(":"))
            .env("PGHOST", address.ip().to_string())
            .env("PGPORT", address.port().to_string())
            .env("PGUSER", USER)
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", &database.name)
            .env("PGAPPNAME", "")
            .env("DATABASE_URL", self.proxy.url(&format!("{USER}:{PASSWORD}"), &database.name))
            .env("CLIENTS", CLIENTS.to_string())
            .env("ROUNDS", ROUNDS.to_string())
            .env_remove("PGAPPNAME");
    }
}
