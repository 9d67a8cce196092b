//! What an admin does, by the console.

use std::time::Duration;

use testkit::frames::kinds;
use testkit::{Postgres, ScriptedClient};
use tokio_postgres::error::SqlState;

use crate::scene::{Scene, server_connections, show, until};

#[tokio::test]
async fn pause_waits_for_transactions_and_resume_lets_go_on() {
    let scene = Scene::with_pool_of(2).await;
    let direct = scene.direct().await;
    let [mut busy, mut waiting] = scene.clients().await;
    busy.rows("BEGIN").await;
    let (console, other) = (scene.console().await, scene.console().await);
    let pausing = tokio::spawn(async move { console.batch_execute("PAUSE").await });
    until("it is paused", async || {
        let databases = show(&other, "SHOW DATABASES").await;
        databases.iter().any(|row| row["name"] == scene.database.name && row["paused"] == "1")
    })
    .await;
    waiting.send_query("SELECT 'after'").await;
    assert_eq!(busy.value("SELECT 'in mid-transaction'").await, "in mid-transaction");
    assert!(!pausing.is_finished());
    busy.rows("COMMIT").await;
    pausing.await.unwrap().unwrap();
    until("no server connection is left", async || server_connections(&direct).await.is_empty())
        .await;
    waiting.expect_silence(Duration::from_millis(100)).await;
    let again = other.batch_execute("PAUSE").await.unwrap_err();
    assert!(again.as_db_error().is_some(), "{again}");
    other.batch_execute("RESUME").await.unwrap();
    assert_eq!(crate::scene::values(&waiting.expect_until(b'Z').await), ["after"]);
    assert_eq!(busy.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn pause_of_one_database_leaves_the_others() {
    let scene = Scene::with_pool_of(2).await;
    let other = Postgres::shared().await.database().await;
    let mut client = scene.client().await;
    client.rows("SELECT 1").await;
    let console = scene.console().await;
    console.batch_execute(&format!("PAUSE {}", scene.database.name)).await.unwrap();
    client.send_query("SELECT 1").await;
    let mut elsewhere = ScriptedClient::login(scene.proxy.address(), "postgres", &other.name).await;
    assert_eq!(elsewhere.value("SELECT 1").await, "1");
    client.expect_silence(Duration::from_millis(100)).await;
    console.batch_execute(&format!("RESUME {}", scene.database.name)).await.unwrap();
    client.expect_until(b'Z').await;
}

#[tokio::test]
async fn kill_client_ends_one_client_and_what_it_ran() {
    let scene = Scene::with_pool_of(2).await;
    let console = scene.console().await;
    let [mut idle, mut running, mut spared] = scene.clients().await;
    running.send_query("SELECT pg_sleep(60)").await;
    scene.until_sleeping().await;
    for client in [&mut idle, &mut running] {
        let port = client.local_port().to_string();
        let clients = show(&console, "SHOW CLIENTS").await;
        let row = clients.iter().find(|row| row["port"] == port).unwrap();
        console.batch_execute(&format!("KILL_CLIENT {}", row["id"])).await.unwrap();
        let error = client.expect_error().await;
        assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "57P01"));
        client.expect_closed().await;
    }
    assert_eq!(spared.value("SELECT 1").await, "1");
    let direct = scene.direct().await;
    until("nothing runs for it", async || {
        let sql = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'
                   AND datname = current_database()";
        direct.query(sql, &[]).await.unwrap().is_empty()
    })
    .await;
    let error = console.batch_execute("KILL_CLIENT 999999").await.unwrap_err();
    assert!(error.as_db_error().is_some(), "{error}");
}

/// What it has not read yet lies in the kernel: a socket that is closed with a client's bytes unread is
/// reset, and all of that is lost.
#[tokio::test]
async fn who_is_killed_while_it_sends_reads_all_that_was_said() {
    let scene = Scene::with_pool_of(2).await;
    let console = scene.console().await;
    let mut client = scene.client().await;
    client.send_query("SELECT repeat('x', 300000)").await;
    client.expect(b'T').await;
    let port = client.local_port().to_string();
    let mut id = String::new();
    until("the answer is written", async || {
        let clients = show(&console, "SHOW CLIENTS").await;
        let row = clients.iter().find(|row| row["port"] == port).unwrap();
        id.clone_from(&row["id"]);
        row["state"] == "idle"
    })
    .await;
    console.batch_execute(&format!("KILL_CLIENT {id}")).await.unwrap();
    client.send_query("SELECT 'one more'").await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "DCZ");
    assert_eq!(client.expect_error().await.sqlstate(), "57P01");
    client.expect_closed().await;
}

/// Must survive: admin commands only for admin_users; stats only for stats_users
#[tokio::test]
async fn only_admins_get_in_and_stats_users_only_look() {
    let scene = Scene::open(["--admin-users", "postgres", "--set", "stats_users=web_trust"]).await;
    let refused = scene.proxy.try_connect("limited", "pgweir").await.err().unwrap();
    let told = refused.as_db_error().unwrap();
    assert_eq!((told.severity(), told.code()), ("FATAL", &SqlState::INSUFFICIENT_PRIVILEGE));
    assert!(told.message().contains("admin access needed"), "{told}");
    let looking = scene.proxy.connect("web_trust", "pgbouncer").await;
    assert!(!show(&looking, "SHOW CONFIG").await.is_empty());
    for command in ["PAUSE", "RELOAD", "KILL_CLIENT 1", "SHUTDOWN"] {
        let error = looking.batch_execute(command).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{command}: {error}");
    }
    assert_eq!(scene.client().await.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn show_tells_what_is_there() {
    let scene = Scene::with_pool_of(3).await;
    let [mut active, mut idle] = scene.clients().await;
    active.rows("SET application_name TO 'shop'").await;
    active.rows("BEGIN").await;
    idle.rows("SELECT 1").await;
    let console = scene.console().await;
    let of_us = |rows: Vec<crate::scene::Row>| {
        let name = scene.database.name.clone();
        rows.into_iter().filter(move |row| row["database"] == name)
    };
    let pools: Vec<_> = of_us(show(&console, "SHOW POOLS").await).collect();
    let [pool] = &pools[..] else { panic!("{pools:?}") };
    let counted = ["user", "cl_active", "cl_waiting", "sv_active", "pool_mode"];
    let counted = counted.map(|column| pool[column].as_str());
    assert_eq!(counted, ["postgres", "2", "0", "1", "transaction"]);
    let mut states: Vec<_> = of_us(show(&console, "SHOW CLIENTS").await)
        .map(|row| (row["application_name"].clone(), row["state"].clone()))
        .collect();
    states.sort();
    let expected = [(String::new(), "idle"), ("shop".to_owned(), "active")];
    assert_eq!(states, expected.map(|(name, state)| (name, state.to_owned())));
    let pid = active.value("SELECT pg_backend_pid()").await;
    let servers: Vec<_> = of_us(show(&console, "SHOW SERVERS").await).collect();
    let held = servers.iter().find(|row| row["remote_pid"] == pid).unwrap();
    assert_eq!((held["state"].as_str(), held["application_name"].as_str()), ("active", "shop"));
    active.rows("COMMIT").await;
}
