//! Sizes of pools, maxima that pools share, the reserve, lifetimes.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use testkit::{FakeServer, Postgres, Proxy, ProxyOptions, ScriptedClient, Step, TestDatabase};
use tokio_postgres::Client;

use crate::scene::{PGWEIR, Scene, error, server_connections, show, until};

/// pgweir with this configuration, where NAME stands for the database's name.
pub(crate) async fn scene(settings: &str) -> Scene {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let proxy = proxy(&settings.replace("NAME", &database.name)).await;
    Scene { proxy, database }
}

async fn proxy(settings: &str) -> Proxy {
    let upstream = Postgres::shared().await.url("postgres", "postgres");
    Proxy::start(PGWEIR, ProxyOptions::upstream(upstream).settings(settings)).await
}

/// A raw client that is logged in as this user.
pub(crate) async fn login(proxy: &Proxy, user: &str, database: &TestDatabase) -> ScriptedClient {
    ScriptedClient::login(proxy.address(), user, &database.name).await
}

/// Server connections by database and user, as the server counts them.
async fn counts(direct: &Client, databases: &[&TestDatabase]) -> HashMap<(String, String), i64> {
    let names: Vec<_> = databases.iter().map(|database| database.name.as_str()).collect();
    let sql = "SELECT datname::text, usename::text, count(*) FROM pg_stat_activity
               WHERE datname = ANY ($1) AND backend_type = 'client backend'
               AND pid <> pg_backend_pid() AND application_name <> 'pgweir-catalog' GROUP BY 1, 2";
    let rows = direct.query(sql, &[&names]).await.unwrap();
    rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
}

#[tokio::test]
async fn no_maximum_is_exceeded_under_load_and_all_are_served() {
    let postgres = Postgres::shared().await;
    let databases = [postgres.database().await, postgres.database().await];
    let proxy = proxy(
        "default_pool_size = 4\nmin_pool_size = 1\nmax_db_connections = 5\n\
         max_user_connections = 3\n[users.limited]\nmax_user_connections = 2\n",
    )
    .await;
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script.sql");
    std::fs::write(&script, "SELECT pg_sleep(0.002);\n").unwrap();
    let pgbench = postgres.programs().program("pgbench").unwrap();
    let mut running = Vec::new();
    for database in &databases {
        for user in ["postgres", "web_trust", "limited"] {
            let mut command = tokio::process::Command::new(&pgbench);
            command
                .args(["-n", "-c", "6", "-t", "25", "-h", "127.0.0.1", "-U", user, "-p"])
                .arg(proxy.address().port().to_string())
                .arg("-f")
                .arg(&script)
                .arg(&database.name)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true);
            running.push(tokio::spawn(command.output()));
        }
    }
    let direct = databases[0].connect().await;
    let mut most_of_a_database = 0;
    until("all are served", async || {
        let counts = counts(&direct, &[&databases[0], &databases[1]]).await;
        let sum = |of: &dyn Fn(&(String, String)) -> bool| -> i64 {
            counts.iter().filter(|(key, _)| of(key)).map(|(_, count)| count).sum()
        };
        for database in &databases {
            let now = sum(&|key| key.0 == database.name);
            assert!(now <= 5, "max_db_connections: {counts:?}");
            most_of_a_database = most_of_a_database.max(now);
        }
        assert!(sum(&|key| key.1 == "postgres") <= 3, "max_user_connections: {counts:?}");
        assert!(sum(&|key| key.1 == "web_trust") <= 3, "max_user_connections: {counts:?}");
        assert!(sum(&|key| key.1 == "limited") <= 2, "the user's own maximum: {counts:?}");
        running.iter().all(tokio::task::JoinHandle::is_finished)
    })
    .await;
    assert!(most_of_a_database >= 3, "nothing was shared: {most_of_a_database}");
    for program in running {
        let output = program.await.unwrap().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("processed: 150/150"), "{said}");
    }
}

/// Must survive: noisy neighbours
#[tokio::test]
async fn an_idle_connection_of_another_pool_makes_room() {
    let scene = scene("max_db_connections = 1\nquery_wait_timeout = \"300ms\"\n").await;
    let direct = scene.direct().await;
    let mut first = login(&scene.proxy, "postgres", &scene.database).await;
    let mut second = login(&scene.proxy, "limited", &scene.database).await;
    for _ in 0..3 {
        assert_eq!(first.value("SELECT current_user").await, "postgres");
        assert_eq!(server_connections(&direct).await.len(), 1);
        assert_eq!(second.value("SELECT current_user").await, "limited");
        assert_eq!(server_connections(&direct).await.len(), 1);
    }
    first.rows("BEGIN").await;
    let answered = second.query("SELECT 1").await;
    assert_eq!(error(&answered).sqlstate(), "53300");
    let hint = error(&answered).hint().to_owned();
    assert!(hint.contains("max_db_connections"), "{hint}");
    first.rows("COMMIT").await;
    assert_eq!(second.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn the_reserve_is_used_after_its_timeout_and_goes_away() {
    let scene = scene(
        "default_pool_size = 1\nreserve_pool_timeout = \"300ms\"\n[databases.NAME]\n\
         reserve_pool_size = 1\n",
    )
    .await;
    let direct = scene.direct().await;
    let [mut holder, mut patient, mut late] = scene.clients().await;
    holder.rows("BEGIN").await;
    let since = Instant::now();
    patient.rows("BEGIN").await;
    assert!(since.elapsed() >= Duration::from_millis(300), "{:?}", since.elapsed());
    assert_eq!(server_connections(&direct).await.len(), 2);
    late.send_query("SELECT 1").await;
    late.expect_silence(Duration::from_millis(400)).await;
    assert_eq!(server_connections(&direct).await.len(), 2, "more than the reserve");
    for client in [&mut holder, &mut patient] {
        client.rows("COMMIT").await;
    }
    late.expect_until(b'Z').await;
    until("the reserve is closed", async || server_connections(&direct).await.len() == 1).await;
}

#[tokio::test]
async fn a_pool_with_a_known_user_is_warm_from_the_start_and_after_a_kill() {
    let scene =
        scene("[databases.NAME]\nuser = \"postgres\"\nmin_pool_size = 3\npool_size = 5\n").await;
    let direct = scene.direct().await;
    until("it is filled", async || server_connections(&direct).await.len() == 3).await;
    let first = server_connections(&direct).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid";
    direct.query(kill, &[&first]).await.unwrap();
    until("it is filled again", async || {
        let now = server_connections(&direct).await;
        now.len() == 3 && now.iter().all(|pid| !first.contains(pid))
    })
    .await;
    let mut client = scene.client().await;
    let pid = client.value("SELECT pg_backend_pid()").await;
    let warm = server_connections(&direct).await;
    assert!(warm.iter().any(|server| server.to_string() == pid), "it used none of them");
}

/// Must survive: min_pool against max limits
#[tokio::test]
async fn a_minimum_does_not_exceed_a_maximum() {
    let scene =
        scene("max_db_connections = 2\n[databases.NAME]\nuser = \"postgres\"\nmin_pool_size = 5\n")
            .await;
    let direct = scene.direct().await;
    let mut client = login(&scene.proxy, "postgres", &scene.database).await;
    until("it is filled", async || server_connections(&direct).await.len() == 2).await;
    for _ in 0..10 {
        client.rows("SELECT pg_sleep(0.02)").await;
        let now = server_connections(&direct).await.len();
        assert!(now <= 2, "{now} server connections");
    }
}

#[tokio::test]
async fn a_pool_with_clients_is_kept_at_its_minimum_and_without_them_it_shrinks() {
    let scene = scene("min_pool_size = 2\nserver_idle_timeout = \"300ms\"\n").await;
    let direct = scene.direct().await;
    let mut client = scene.client().await;
    client.rows("SELECT 1").await;
    until("two are there", async || server_connections(&direct).await.len() == 2).await;
    let pids = server_connections(&direct).await;
    client.rows("SELECT pg_sleep(0.6)").await;
    assert_eq!(server_connections(&direct).await, pids, "idle for longer than the timeout");
    drop(client);
    until("none is left", async || server_connections(&direct).await.is_empty()).await;
}

#[tokio::test]
async fn connections_opened_together_are_closed_apart() {
    let scene = scene(
        "server_lifetime = \"2s\"\n[databases.NAME]\nuser = \"postgres\"\nmin_pool_size = 8\n",
    )
    .await;
    let direct = scene.direct().await;
    until("it is filled", async || server_connections(&direct).await.len() == 8).await;
    let mut left = server_connections(&direct).await;
    let mut ends = Vec::new();
    until("all are replaced", async || {
        let now = server_connections(&direct).await;
        assert!(now.len() <= 20, "more than the pool's size");
        let before = left.len();
        left.retain(|pid| now.contains(pid));
        ends.extend(std::iter::repeat_n(Instant::now(), before - left.len()));
        left.is_empty()
    })
    .await;
    // A fifth of the lifetime is left to chance; all eight within a quarter of that is 1 in 10,000.
    let spread = *ends.last().unwrap() - ends[0];
    assert!(spread >= Duration::from_millis(100), "all closed within {spread:?}");
    assert!(scene.client().await.value("SELECT 1").await == "1");
}

#[tokio::test]
async fn clients_of_a_database_and_of_a_user_have_their_maxima() {
    let scene =
        scene("max_db_client_connections = 3\n[users.limited]\nmax_user_client_connections = 1\n")
            .await;
    let _first = login(&scene.proxy, "postgres", &scene.database).await;
    let second = login(&scene.proxy, "limited", &scene.database).await;
    let refused = async |user: &str| {
        let mut client = scene.proxy.scripted().await;
        client.startup(user, &scene.database.name, &[]).await;
        client.expect_error().await
    };
    let error = refused("limited").await;
    assert_eq!(error.sqlstate(), "53300");
    let expected = "client connections exceeded (max_user_client_connections)";
    assert_eq!(error.message(), expected);
    assert!(error.hint().contains("of user limited is 1"), "{error:?}");
    let _third = login(&scene.proxy, "web_trust", &scene.database).await;
    let error = refused("postgres").await;
    assert_eq!(error.message(), "client connections exceeded (max_db_client_connections)");
    // Other databases have their own; and a place that comes free can be taken.
    let mut elsewhere = ScriptedClient::login(scene.proxy.address(), "postgres", "postgres").await;
    assert_eq!(elsewhere.value("SELECT 1").await, "1");
    second.abort();
    until("the place is free", async || {
        let mut client = scene.proxy.scripted().await;
        client.startup("limited", &scene.database.name, &[]).await;
        client.expect_frame().await.0 == b'R'
    })
    .await;
}

#[tokio::test]
async fn a_database_made_on_demand_is_closed_when_unused() {
    let scene = scene("autodb_idle_timeout = \"300ms\"\n").await;
    let (direct, console) = (scene.direct().await, scene.console().await);
    let mut client = scene.client().await;
    client.rows("SELECT pg_sleep(0.5)").await;
    assert_eq!(server_connections(&direct).await.len(), 1, "it has a client");
    drop(client);
    until("its connection is closed", async || server_connections(&direct).await.is_empty()).await;
    until("it is gone", async || {
        let pools = show(&console, "SHOW POOLS").await;
        pools.iter().all(|pool| pool["database"] != scene.database.name)
    })
    .await;
    assert_eq!(scene.client().await.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn round_robin_uses_all_connections() {
    let scene = scene("server_round_robin = true\ndefault_pool_size = 3\n").await;
    let mut clients: [ScriptedClient; 3] = scene.clients().await;
    for client in &mut clients {
        client.rows("BEGIN").await;
    }
    for client in &mut clients {
        client.rows("COMMIT").await;
    }
    let mut pids = Vec::new();
    for _ in 0..3 {
        pids.push(clients[0].value("SELECT pg_backend_pid()").await);
    }
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 3);
}

#[tokio::test]
async fn a_cold_pool_opens_eight_connections_at_a_time() {
    // One connection that never answers a query, and others that never log in.
    let scripts = vec![vec![Step::AcceptLogin, Step::Hang], vec![Step::ReadStartup, Step::Hang]];
    let server = FakeServer::start_each(scripts).await;
    let proxy =
        Proxy::start(PGWEIR, ProxyOptions::upstream(server.url("postgres", "postgres"))).await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        let mut client = ScriptedClient::login(proxy.address(), "postgres", "postgres").await;
        client.send_query("SELECT 1").await;
        clients.push(client);
    }
    let console = proxy.connect("postgres", "pgweir").await;
    until("29 wait", async || {
        let pools = show(&console, "SHOW POOLS").await;
        pools.iter().any(|pool| pool["cl_waiting"] == "29" && pool["sv_login"] == "8")
    })
    .await;
    server.wait_for_connections(9).await;
    // The planner has a connection of its own.
    assert!(server.connections() <= 10, "{} connections", server.connections());
}

#[tokio::test]
async fn users_of_a_database_with_one_user_share_the_size_of_one_pool() {
    let scene = scene("[databases.NAME]\nuser = \"postgres\"\npool_size = 2\n").await;
    let direct = scene.direct().await;
    let mut clients = Vec::new();
    for user in ["limited", "web_trust", "postgres"].repeat(3) {
        clients.push(login(&scene.proxy, user, &scene.database).await);
    }
    for client in &mut clients {
        client.send_query("SELECT current_user FROM pg_sleep(0.05)").await;
    }
    for client in &mut clients {
        let answer = client.expect_until(b'Z').await;
        assert_eq!(crate::scene::values(&answer), ["postgres"]);
        let now = server_connections(&direct).await.len();
        assert!(now <= 2, "{now} server connections");
    }
}
