//! A configuration that changes while pgweir runs.

use std::time::Duration;

use testkit::{Postgres, PostgresOptions, Proxy, ProxyOptions, ScriptedClient, TestDatabase};

use crate::scene::{PGWEIR, server_connections, until};

/// pgweir with a file that a test can change.
struct WithFile {
    proxy: Proxy,
    database: TestDatabase,
    directory: tempfile::TempDir,
    upstream: String,
}

impl WithFile {
    async fn open(settings: &str) -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        let directory = tempfile::tempdir().unwrap();
        let upstream = postgres.url("postgres", "postgres");
        let file = directory.path().join("pgweir.toml");
        std::fs::write(&file, format!("upstream = {upstream:?}\n{settings}")).unwrap();
        let options = ProxyOptions::default().arguments(["-c", file.to_str().unwrap()]);
        let proxy = Proxy::start(PGWEIR, options).await;
        Self { proxy, database, directory, upstream }
    }

    fn write(&self, settings: &str) {
        let text = format!("upstream = {:?}\n{settings}", self.upstream);
        std::fs::write(self.directory.path().join("pgweir.toml"), text).unwrap();
    }

    async fn client(&self) -> ScriptedClient {
        self.login(&self.database.name).await
    }

    async fn login(&self, database: &str) -> ScriptedClient {
        ScriptedClient::login(self.proxy.address(), "postgres", database).await
    }
}

/// Must survive: RELOAD while in use
#[tokio::test]
async fn reload_changes_the_pools_size_both_ways() {
    let scene = WithFile::open("default_pool_size = 1\n").await;
    let console = scene.proxy.connect("postgres", "pgweir").await;
    let [mut a, mut b, mut c] = [scene.client().await, scene.client().await, scene.client().await];
    a.rows("BEGIN").await;
    b.send_query("BEGIN").await;
    b.expect_silence(Duration::from_millis(100)).await;
    scene.write("default_pool_size = 3\n");
    console.batch_execute("RELOAD").await.unwrap();
    b.expect_until(b'Z').await;
    c.rows("BEGIN").await;
    for client in [&mut a, &mut b, &mut c] {
        client.rows("COMMIT").await;
    }
    let direct = scene.database.connect().await;
    assert_eq!(server_connections(&direct).await.len(), 3);
    scene.write("default_pool_size = 1\n");
    console.batch_execute("RELOAD").await.unwrap();
    until("one is left", async || server_connections(&direct).await.len() == 1).await;
    assert_eq!(a.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_the_log_says_where() {
    let mut scene = WithFile::open("default_pool_size = 1\nmax_client_conn = 1\n").await;
    scene.write("\n\ndefault_pool_size = \"many\"\nmax_client_conn = 100\n");
    scene.proxy.signal("HUP");
    until("the log says why", async || scene.proxy.log().contains("pgweir.toml:4")).await;
    assert!(scene.proxy.log().contains("default_pool_size"), "{}", scene.proxy.log());
    let _only = scene.client().await;
    let mut refused = scene.proxy.scripted().await;
    refused.startup("postgres", &scene.database.name, &[]).await;
    assert_eq!(refused.expect_error().await.sqlstate(), "53300", "the old max_client_conn");
    let console = scene.proxy.connect("postgres", "pgweir").await;
    let error = console.batch_execute("RELOAD").await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("default_pool_size"), "{error}");
    drop(console);

    scene.write("default_pool_size = 1\nmax_client_conn = 2\n");
    scene.proxy.signal("HUP");
    until("the new settings are in force", async || {
        let mut client = scene.proxy.scripted().await;
        client.startup("postgres", &scene.database.name, &[]).await;
        client.expect_frame().await.0 == b'R'
    })
    .await;
}

/// Must survive: RELOAD while in use; sticking to a failed host
#[tokio::test]
async fn a_server_that_moved_is_used_from_the_next_query_on() {
    let other = Postgres::start(PostgresOptions::default()).await;
    let mut scene = WithFile::open("default_pool_size = 2\n").await;
    let [mut idle, mut busy] = [scene.login("postgres").await, scene.login("postgres").await];
    let where_now = "SELECT current_setting('port')";
    busy.rows("BEGIN").await;
    let old = idle.value(where_now).await;
    scene.upstream = other.url("postgres", "postgres");
    scene.write("default_pool_size = 2\n");
    let console = scene.proxy.connect("postgres", "pgweir").await;
    console.batch_execute("RELOAD").await.unwrap();
    assert_eq!(idle.value(where_now).await, other.port().to_string());
    // A transaction ends where it began.
    assert_eq!(busy.value(where_now).await, old);
    busy.rows("COMMIT").await;
    for client in [&mut busy, &mut idle, &mut scene.login("postgres").await] {
        assert_eq!(client.value(where_now).await, other.port().to_string());
    }
}

#[tokio::test]
async fn a_database_that_leads_elsewhere_is_used_from_the_next_query_on() {
    let scene = WithFile::open("[databases.shop]\ndbname = \"postgres\"\n").await;
    let mut client = scene.login("shop").await;
    let where_now = "SELECT current_database() || current_user";
    assert_eq!(client.value(where_now).await, "postgrespostgres");
    let console = scene.proxy.connect("postgres", "pgweir").await;
    let name = &scene.database.name;
    for (keys, expected) in [
        (format!("dbname = {name:?}\n"), format!("{name}postgres")),
        (format!("dbname = {name:?}\nuser = \"limited\"\n"), format!("{name}limited")),
    ] {
        scene.write(&format!("[databases.shop]\n{keys}"));
        console.batch_execute("RELOAD").await.unwrap();
        assert_eq!(client.value(where_now).await, expected);
    }
}

#[tokio::test]
async fn reload_changes_maxima_and_minima_of_pools_that_there_are() {
    let scene = WithFile::open("max_db_connections = 4\nmin_pool_size = 4\n").await;
    let direct = scene.database.connect().await;
    let count = async || server_connections(&direct).await.len();
    let mut client = scene.client().await;
    client.rows("SELECT 1").await;
    until("four are open", async || count().await == 4).await;
    let console = scene.proxy.connect("postgres", "pgweir").await;
    for (maximum, expected) in [(2, 2), (3, 3)] {
        scene.write(&format!("max_db_connections = {maximum}\nmin_pool_size = 4\n"));
        console.batch_execute("RELOAD").await.unwrap();
        until("as many as the new maximum allows", async || count().await == expected).await;
        assert_eq!(client.value("SELECT 1").await, "1");
    }
}
