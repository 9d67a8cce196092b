//! Connections of the analyser's own: few while they are of use, and none afterwards.

use std::time::{Duration, Instant};

use testkit::{Postgres, Proxy, ProxyOptions};
use tokio_postgres::Client;

use crate::scene::PGWEIR;

/// A tick is five seconds, and what is asked in one may take part of the next.
const PATIENCE: Duration = Duration::from_secs(40);

/// Users whose connections read the catalogue of a database, as the server has them.
async fn readers(direct: &Client, database: &str) -> Vec<String> {
    let sql = "SELECT usename::text FROM pg_stat_activity
               WHERE application_name = 'pgweir-catalog' AND datname = $1 ORDER BY 1";
    let rows = direct.query(sql, &[&database]).await.unwrap_or_else(|error| panic!("{error}"));
    rows.iter().map(|row| row.get(0)).collect()
}

async fn until_read_by(direct: &Client, database: &str, users: &[&str], proxy: &Proxy) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = readers(direct, database).await;
        if found == users {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?}, not {users:?}\n{}", proxy.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_database_has_one_and_none_when_it_is_forgotten() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let address = postgres.address();
    let settings = format!(
        "auth_type = \"trust\"\nadmin_users = [\"postgres\"]\n\
         [databases.{}]\nhost = \"{}\"\nport = {}\n",
        database.name,
        address.ip(),
        address.port()
    );
    let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
    let direct = postgres.admin().await;
    let name = database.name.as_str();
    // Each time that who looks into it is another one, the one before must be gone.
    for (user, reader) in
        [("web_trust", "web_trust"), ("postgres", "postgres"), ("limited", "limited")]
    {
        let client = proxy.connect(user, name).await;
        client.simple_query("SELECT 1").await.unwrap();
        until_read_by(&direct, name, &[reader], &proxy).await;
    }
    let console = proxy.connect("postgres", "pgweir").await;
    console.simple_query("RESET STATS").await.unwrap();
    until_read_by(&direct, name, &[], &proxy).await;
}
