//! How pgweir ends.

use std::time::{Duration, Instant};

use testkit::frames::kinds;
use tokio::net::TcpStream;

use crate::scene::{Scene, show, until};

async fn until_closed(scene: &Scene) {
    until("the listener is closed", async || {
        TcpStream::connect(scene.proxy.address()).await.is_err()
    })
    .await;
}

/// Must survive: a restart that drops transactions
#[tokio::test]
async fn sigterm_lets_transactions_end() {
    let mut scene = Scene::with_pool_of(3).await.with_schema("CREATE TABLE t (a int)").await;
    let [mut idle, mut busy, mut running] = scene.clients().await;
    busy.rows("BEGIN; INSERT INTO t VALUES (1)").await;
    running.send_query("SELECT pg_sleep(0.5), 'whole'").await;
    scene.until_sleeping().await;
    scene.proxy.signal("TERM");
    until_closed(&scene).await;
    let error = idle.expect_error().await;
    assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "57P01"));
    idle.expect_closed().await;
    assert_eq!(kinds(&running.expect_until(b'Z').await), "TDCZ");
    assert_eq!(running.expect_error().await.sqlstate(), "57P01");
    busy.rows("INSERT INTO t VALUES (2)").await;
    busy.rows("COMMIT").await;
    assert_eq!(busy.expect_error().await.sqlstate(), "57P01");
    busy.expect_closed().await;
    let Scene { proxy, database } = scene;
    assert_eq!(proxy.wait().await, 0);
    let row = database.connect().await.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 2);
}

#[tokio::test]
async fn who_stands_in_the_queue_is_served_before_the_end() {
    let mut scene = Scene::with_pool_of(1).await;
    let [mut holder, mut waiting] = scene.clients().await;
    holder.rows("BEGIN").await;
    waiting.send_query("SELECT 'served'").await;
    let console = scene.console().await;
    until("it stands in the queue", async || {
        show(&console, "SHOW POOLS").await.iter().any(|pool| pool["cl_waiting"] == "1")
    })
    .await;
    scene.proxy.signal("TERM");
    until_closed(&scene).await;
    holder.rows("COMMIT").await;
    assert_eq!(crate::scene::values(&waiting.expect_until(b'Z').await), ["served"]);
    assert_eq!(scene.proxy.wait().await, 0);
}

#[tokio::test]
async fn shutdown_timeout_ends_the_waiting() {
    let scene = Scene::open(["--shutdown-timeout", "300ms"]).await;
    let mut busy = scene.client().await;
    busy.rows("BEGIN").await;
    let since = Instant::now();
    assert_eq!(scene.proxy.stop().await, 0);
    let took = since.elapsed();
    assert!((300..4000).contains(&took.as_millis()), "{took:?}");
    assert_eq!(busy.expect_error().await.sqlstate(), "57P01");
    busy.expect_closed().await;
}

#[tokio::test]
async fn sigint_twice_does_not_wait() {
    let mut scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let mut busy = scene.client().await;
    busy.rows("BEGIN; INSERT INTO t VALUES (1)").await;
    scene.proxy.signal("INT");
    until_closed(&scene).await;
    assert_eq!(busy.value("SELECT 'still here'").await, "still here");
    let since = Instant::now();
    scene.proxy.signal("INT");
    busy.drain().await;
    let Scene { proxy, database } = scene;
    proxy.wait().await;
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    let direct = database.connect().await;
    until("the transaction is rolled back", async || {
        crate::scene::server_connections(&direct).await.is_empty()
    })
    .await;
    let row = direct.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn the_consoles_shutdown_ends_it_too() {
    let scene = Scene::with_pool_of(1).await;
    let mut idle = scene.client().await;
    // The answer may be lost with the process.
    let _ = scene.console().await.batch_execute("SHUTDOWN WAIT_FOR_SERVERS").await;
    assert_eq!(idle.expect_error().await.sqlstate(), "57P01");
    assert_eq!(scene.proxy.wait().await, 0);
}

#[tokio::test]
async fn no_server_connection_is_left_behind() {
    let scene = Scene::with_pool_of(5).await;
    let direct = scene.direct().await;
    let mut clients: [testkit::ScriptedClient; 5] = scene.clients().await;
    for client in &mut clients {
        client.send_query("SELECT pg_sleep(0.02)").await;
    }
    for client in &mut clients {
        client.expect_until(b'Z').await;
    }
    assert_eq!(scene.proxy.stop().await, 0);
    assert_eq!(crate::scene::server_connections(&direct).await, [] as [i32; 0]);
}
