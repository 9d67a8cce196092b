//! The pool's bounds, its queue, and what becomes of its server connections.

use std::time::{Duration, Instant};

use testkit::ScriptedClient;
use testkit::frames::{self, bind, execute, kinds, parse, sync};

use crate::scene::{Scene, error, server_connections, show, status, until, values};

#[tokio::test]
async fn fifty_clients_never_have_more_than_three_server_connections() {
    let scene = Scene::with_pool_of(3).await;
    let mut clients: [ScriptedClient; 50] = scene.clients().await;
    for client in &mut clients {
        client.send_query("SELECT pg_sleep(0.02)").await;
    }
    let direct = scene.direct().await;
    let mut most = 0;
    until("all are served", async || {
        let now = server_connections(&direct).await.len();
        most = most.max(now);
        assert!(now <= 3, "{now} server connections");
        let console = show(&scene.console().await, "SHOW POOLS").await;
        console.iter().all(|pool| pool["cl_waiting"] == "0")
    })
    .await;
    for client in &mut clients {
        assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
    }
    assert_eq!(most, 3, "the pool did not fill");
}

#[tokio::test]
async fn an_idle_pool_grows_no_larger_than_its_use() {
    let scene = Scene::with_pool_of(10).await;
    let mut clients: [ScriptedClient; 20] = scene.clients().await;
    for client in &mut clients {
        client.rows("SELECT 1").await;
    }
    let connections = scene.server_connections().await.len();
    assert!(connections <= 2, "{connections} server connections for one query at a time");
}

#[tokio::test]
async fn the_queue_is_first_come_first_served() {
    let scene = Scene::with_pool_of(1)
        .await
        .with_schema("CREATE TABLE served (place serial, client int)")
        .await;
    let console = scene.console().await;
    let mut holder = scene.client().await;
    holder.rows("BEGIN").await;
    let mut clients: [ScriptedClient; 8] = scene.clients().await;
    for (index, client) in clients.iter_mut().enumerate() {
        client.send_query(&format!("INSERT INTO served (client) VALUES ({index})")).await;
        let waiting = (index + 1).to_string();
        until("it stands in the queue", async || {
            show(&console, "SHOW POOLS").await.iter().any(|pool| pool["cl_waiting"] == waiting)
        })
        .await;
    }
    holder.rows("COMMIT").await;
    for client in &mut clients {
        client.expect_until(b'Z').await;
    }
    let served = holder.query("SELECT client FROM served ORDER BY place").await;
    assert_eq!(values(&served), ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[tokio::test]
async fn who_waits_too_long_is_told_and_stays() {
    let scene = Scene::open(["--default-pool-size", "1", "--query-wait-timeout", "150ms"]).await;
    let [mut holder, mut client] = scene.clients().await;
    holder.rows("BEGIN").await;
    let extended = [parse("", "SELECT 1"), bind("", "", &[]), execute("", 0), sync()];
    for request in [frames::query("SELECT 1"), extended.concat()] {
        let since = Instant::now();
        client.send(&request).await;
        let answered = client.expect_until(b'Z').await;
        assert_eq!((kinds(&answered).as_str(), status(&answered)), ("EZ", 'I'));
        assert!(error(&answered).message().contains("query_wait_timeout"), "{answered:?}");
        assert!(since.elapsed() >= Duration::from_millis(150));
    }
    assert_eq!(status(&holder.query("COMMIT").await), 'I');
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let scene = Scene::open(["--default-pool-size", "1", "--set", "max_wait_queue=1"]).await;
    let console = scene.console().await;
    let [mut holder, mut waiting, mut refused] = scene.clients().await;
    holder.rows("BEGIN").await;
    waiting.send_query("SELECT 1").await;
    until("one waits", async || {
        show(&console, "SHOW POOLS").await.iter().any(|pool| pool["cl_waiting"] == "1")
    })
    .await;
    let answered = refused.query("SELECT 1").await;
    assert_eq!((error(&answered).sqlstate(), status(&answered)), ("53300", 'I'));
    holder.rows("COMMIT").await;
    assert_eq!(kinds(&waiting.expect_until(b'Z').await), "TDCZ");
    assert_eq!(refused.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn idle_server_connections_are_closed_after_server_idle_timeout() {
    let scene = Scene::open(["--set", "server_idle_timeout=200ms"]).await;
    let direct = scene.direct().await;
    let mut client = scene.client().await;
    client.rows("SELECT 1").await;
    until("none is left", async || server_connections(&direct).await.is_empty()).await;
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn server_connections_are_replaced_after_server_lifetime() {
    let scene = Scene::open(["--default-pool-size", "1", "--set", "server_lifetime=200ms"]).await;
    let direct = scene.direct().await;
    let mut client = scene.client().await;
    client.rows("BEGIN").await;
    let first = client.value("SELECT pg_backend_pid()").await;
    // Not in mid-transaction, however old.
    let old = format!(
        "SELECT FROM pg_stat_activity WHERE pid = {first}
         AND clock_timestamp() - backend_start > interval '400 ms'"
    );
    until("it is old", async || !direct.query(&old, &[]).await.unwrap().is_empty()).await;
    assert_eq!(client.value("SELECT pg_backend_pid()").await, first);
    client.rows("COMMIT").await;
    assert_ne!(client.value("SELECT pg_backend_pid()").await, first);
}

#[tokio::test]
async fn a_transaction_keeps_its_server_connection_and_its_state() {
    let scene = Scene::with_pool_of(3).await.with_schema("CREATE TABLE t (owner int)").await;
    let [mut a, mut b, mut c] = scene.clients().await;
    let mut pids = Vec::new();
    for (index, client) in [&mut a, &mut b, &mut c].into_iter().enumerate() {
        client.rows("BEGIN ISOLATION LEVEL REPEATABLE READ").await;
        client.rows(&format!("INSERT INTO t VALUES ({index})")).await;
        client.rows(&format!("SET LOCAL application_name TO 'client {index}'")).await;
        pids.push(client.value("SELECT pg_backend_pid()").await);
    }
    for round in 0..5 {
        for (index, client) in [&mut a, &mut b, &mut c].into_iter().enumerate() {
            assert_eq!(client.value("SELECT pg_backend_pid()").await, pids[index]);
            assert_eq!(values(&client.query("SELECT owner FROM t").await), [index.to_string()]);
            let name = client.value("SHOW application_name").await;
            assert_eq!(name, format!("client {index}"), "round {round}");
        }
    }
    a.rows("COMMIT").await;
    b.rows("ROLLBACK").await;
    c.rows("COMMIT").await;
    assert_eq!(values(&a.query("SELECT owner FROM t ORDER BY owner").await), ["0", "2"]);
    assert_eq!(a.value("SHOW application_name").await, "");
}

#[tokio::test]
async fn a_client_gets_the_server_connection_that_it_had_last() {
    let scene = Scene::with_pool_of(2).await;
    let [mut a, mut b] = scene.clients().await;
    a.rows("BEGIN").await;
    b.rows("BEGIN").await;
    let of_a = a.value("SELECT pg_backend_pid()").await;
    let of_b = b.value("SELECT pg_backend_pid()").await;
    a.rows("COMMIT").await;
    b.rows("COMMIT").await;
    for _ in 0..3 {
        assert_eq!(a.value("SELECT pg_backend_pid()").await, of_a);
        assert_eq!(b.value("SELECT pg_backend_pid()").await, of_b);
    }
}

#[tokio::test]
async fn who_leaves_in_mid_transaction_is_rolled_back() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    for leave in ["abort", "terminate", "in a failed transaction"] {
        let mut client = scene.client().await;
        client.rows("BEGIN; INSERT INTO t VALUES (1)").await;
        match leave {
            "abort" => client.abort(),
            "terminate" => client.terminate().await,
            _ => {
                client.query("SELECT 1/0").await;
                client.abort();
            }
        }
        let mut next = scene.client().await;
        assert_eq!(next.value("SELECT count(*) FROM t").await, "0", "{leave}");
        assert_eq!(status(&next.query("SELECT 1").await), 'I');
    }
    assert_eq!(scene.server_connections().await.len(), 1);
}

#[tokio::test]
async fn what_runs_for_a_client_that_left_is_cancelled() {
    let scene = Scene::with_pool_of(1).await;
    let direct = scene.direct().await;
    let extended =
        [parse("", "SELECT pg_sleep(60)"), bind("", "", &[]), execute("", 0), sync()].concat();
    let pipeline = extended.repeat(3);
    for request in [frames::query("SELECT pg_sleep(60)"), extended, pipeline] {
        let mut client = scene.client().await;
        client.send(&request).await;
        scene.until_sleeping().await;
        let since = Instant::now();
        client.abort();
        assert_eq!(scene.client().await.value("SELECT 1").await, "1");
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
        until("nothing runs for it on the server", async || {
            let sql = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'
                       AND datname = current_database()";
            direct.query(sql, &[]).await.unwrap().is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn half_a_message_holds_up_nobody() {
    let scene = Scene::with_pool_of(1).await;
    let [mut half, mut other] = scene.clients().await;
    let request = frames::query("SELECT 1");
    half.send(&request[..8]).await;
    assert_eq!(other.value("SELECT 1").await, "1");
    half.abort();
    assert_eq!(other.value("SELECT 1").await, "1");
    assert_eq!(scene.server_connections().await.len(), 1);
}

#[tokio::test]
async fn a_half_of_a_large_message_does_not_reach_the_next_client() {
    let scene = Scene::with_pool_of(1).await;
    let mut half = scene.client().await;
    let request = frames::query(&format!("SELECT length('{}')", "x".repeat(400_000)));
    half.send(&request[..300_000]).await;
    let console = scene.console().await;
    until("it holds a server connection", async || {
        show(&console, "SHOW CLIENTS").await.iter().any(|client| client["state"] == "active")
    })
    .await;
    half.abort();
    assert_eq!(scene.client().await.value("SELECT 1").await, "1");
}

/// Must survive: a pool that collapses
#[tokio::test]
async fn three_hundred_clients_that_come_at_once_are_all_served() {
    let scene = std::sync::Arc::new(Scene::with_pool_of(5).await);
    let clients: Vec<_> = (0..300)
        .map(|number| {
            let scene = std::sync::Arc::clone(&scene);
            tokio::spawn(async move {
                let mut client = scene.client().await;
                assert_eq!(client.value(&format!("SELECT {number}")).await, number.to_string());
                client
            })
        })
        .collect();
    let mut connected = Vec::new();
    for client in clients {
        connected.push(client.await.unwrap());
    }
    let console = scene.console().await;
    assert_eq!(show(&console, "SHOW CLIENTS").await.len(), 300);
    assert!(scene.server_connections().await.len() <= 5);
    drop(connected);
    until("all have left", async || show(&console, "SHOW CLIENTS").await.is_empty()).await;
}
