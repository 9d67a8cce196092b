//! A primary, its standby, and a pgweir in front of both.

use std::collections::HashMap;

use testkit::{Postgres, PostgresOptions, Proxy, ProxyOptions};
pub(crate) use testkit::{show, until};
use tokio_postgres::Client;

/// The program under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");

/// A row of the admin console, by column.
pub(crate) type Row = HashMap<String, String>;

/// A primary and its standby.
pub(crate) struct Pair {
    pub(crate) primary: Postgres,
    pub(crate) standby: Postgres,
}

impl Pair {
    /// Both up, the one following the other.
    pub(crate) async fn start() -> Self {
        let primary = Postgres::start(PostgresOptions::default()).await;
        let standby = primary.start_standby(PostgresOptions::default()).await;
        Self { primary, standby }
    }

    /// From now on the primary acknowledges no commit that the standby has not written down: what is
    /// lost then is lost by whoever acknowledged it.
    pub(crate) async fn replicate_synchronously(&self) {
        let admin = self.primary.admin().await;
        admin.batch_execute("ALTER SYSTEM SET synchronous_commit = on").await.unwrap();
        admin.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.unwrap();
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        until("the standby is a synchronous one", async || {
            let sql = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
            let names = "SHOW synchronous_standby_names";
            !admin.query(sql, &[]).await.unwrap().is_empty()
                && admin.query_one(names, &[]).await.unwrap().get::<_, &str>(0) == "*"
        })
        .await;
    }

    /// Makes a table on the primary; done when the standby has it.
    pub(crate) async fn create(&self, table: &str) {
        self.primary.admin().await.batch_execute(table).await.unwrap();
        let there = self.primary.admin().await;
        let here = self.standby.admin().await;
        until("the standby has followed", async || {
            let end =
                there.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await.unwrap();
            let sql = format!("SELECT pg_last_wal_replay_lsn() >= '{}'", end.get::<_, &str>(0));
            here.query_one(&sql, &[]).await.unwrap().get(0)
        })
        .await;
    }

    /// The keys of a section that names both, the primary first.
    pub(crate) fn hosts(&self) -> String {
        let ports = (self.primary.port(), self.standby.port());
        format!(
            "host = \"127.0.0.1,127.0.0.1\"\nport = \"{},{}\"\ndbname = \"postgres\"\n",
            ports.0, ports.1
        )
    }

    /// pgweir with these sections, in which `HOSTS` stands for both.
    pub(crate) async fn pgweir(&self, sections: &str) -> Proxy {
        start(&sections.replace("HOSTS\n", &self.hosts())).await
    }
}

/// pgweir with these settings, for everybody.
pub(crate) async fn start(settings: &str) -> Proxy {
    let settings = format!("admin_users = [\"postgres\"]\n{settings}");
    Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await
}

/// The port of the server that answers.
pub(crate) async fn port(client: &Client) -> u16 {
    let row = client.query_one("SELECT inet_server_port()", &[]).await.unwrap();
    u16::try_from(row.get::<_, i32>(0)).unwrap()
}

/// The row of SHOW HOSTS for this server.
pub(crate) async fn host(console: &Client, server: &Postgres) -> Row {
    let port = server.port().to_string();
    let rows = show(console, "SHOW HOSTS").await;
    rows.into_iter().find(|row| row["port"] == port).unwrap_or_default()
}

/// Whether SHOW HOSTS says so of the server.
pub(crate) async fn is(console: &Client, server: &Postgres, state: &str, role: &str) -> bool {
    let row = host(console, server).await;
    row.get("state").is_some_and(|found| found == state)
        && row.get("role").is_some_and(|found| found == role)
}
