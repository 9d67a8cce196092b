//! Clients and pools that want more than others, and that others are served all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use testkit::ScriptedClient;

use crate::limits::{login, scene};
use crate::scene::{Scene, server_connections, show, until, values};

#[tokio::test]
async fn one_client_beside_fifty_greedy_ones_is_served_within_a_few_turns() {
    for maximum in [2, 1] {
        let scene = scene(&format!("max_db_connections = {maximum}\n")).await;
        let turns = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let mut greedy = Vec::new();
        for _ in 0..50 {
            let mut client = login(&scene.proxy, "postgres", &scene.database).await;
            let (turns, stop) = (Arc::clone(&turns), Arc::clone(&stop));
            greedy.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    client.rows("SELECT pg_sleep(0.01)").await;
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        until("the greedy are under way", async || turns.load(Ordering::Relaxed) > 20).await;
        let mut one = login(&scene.proxy, "limited", &scene.database).await;
        for _ in 0..5 {
            let before = turns.load(Ordering::Relaxed);
            assert_eq!(one.value("SELECT 1").await, "1");
            let passed = turns.load(Ordering::Relaxed) - before;
            // Each of the others has waited for some 25 or 50 turns.
            assert!(passed <= 100, "{passed} turns of others, of {maximum} connections");
        }
        let before = turns.load(Ordering::Relaxed);
        until("the greedy go on", async || turns.load(Ordering::Relaxed) > before + 20).await;
        stop.store(true, Ordering::Relaxed);
        for client in greedy {
            client.await.unwrap();
        }
    }
}

/// As long as `stop` is not set: requests without waiting for answers, so that there is always one
/// under way. Returns how many were answered.
async fn never_pauses(mut client: ScriptedClient, request: Vec<u8>, stop: Arc<AtomicBool>) -> u64 {
    const AHEAD: u64 = 20;
    let (mut sent, mut answered) = (0, 0);
    while answered < sent || !stop.load(Ordering::Relaxed) {
        while sent < answered + AHEAD && !stop.load(Ordering::Relaxed) {
            client.send(&request).await;
            sent += 1;
        }
        let answer = client.expect_until(b'Z').await;
        assert!(answer.iter().any(|(kind, _)| *kind == b'D'), "no row: {answer:?}");
        answered += 1;
    }
    answered
}

#[tokio::test]
async fn a_client_that_never_stops_pipelining_gives_way_between_transactions() {
    use testkit::frames::{bind, execute, parse, query, sync};
    let sql = "SELECT pg_sleep(0.005)";
    let extended = [parse("", sql), bind("", "", &[]), execute("", 0), sync()].concat();
    for request in [query(sql), extended] {
        let scene = Scene::with_pool_of(1).await;
        let stop = Arc::new(AtomicBool::new(false));
        let pipeline = never_pauses(scene.client().await, request, Arc::clone(&stop));
        let pipeline = tokio::spawn(pipeline);
        scene.until_sleeping().await;
        let mut other = scene.client().await;
        for _ in 0..5 {
            assert_eq!(other.value("SELECT 1").await, "1");
        }
        other.rows("BEGIN").await;
        other.rows("SELECT 1").await;
        other.rows("COMMIT").await;
        stop.store(true, Ordering::Relaxed);
        assert!(pipeline.await.unwrap() > 5);
    }
}

#[tokio::test]
async fn what_was_sent_far_ahead_is_dealt_out_when_others_wait() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let [mut holder, mut ahead, mut other] = scene.clients().await;
    let console = scene.console().await;
    let waiting = async |number: &str| {
        until("so many wait", async || {
            let pools = show(&console, "SHOW POOLS").await;
            pools.iter().any(|pool| pool["cl_waiting"] == number)
        })
        .await;
    };
    holder.rows("BEGIN").await;
    // 300 statements with a transaction block among them, in one go.
    let mut requests = Vec::new();
    for number in 0..100 {
        for sql in [
            "BEGIN".to_owned(),
            format!("INSERT INTO t SELECT {number} FROM pg_sleep(0.01)"),
            "COMMIT".to_owned(),
        ] {
            requests.extend(testkit::frames::query(&sql));
        }
    }
    ahead.send(&requests).await;
    waiting("1").await;
    other.send_query("SELECT count(*) FROM t").await;
    waiting("2").await;
    holder.rows("COMMIT").await;
    let rows = values(&other.expect_until(b'Z').await);
    assert_eq!(rows, ["1"], "its turn came after one transaction of the hundred");
    for _ in 0..300 {
        let answer = ahead.expect_until(b'Z').await;
        assert!(answer.iter().all(|(kind, _)| *kind != b'E'), "{answer:?}");
    }
    assert_eq!(other.value("SELECT count(*) FROM t").await, "100");
}

#[tokio::test]
async fn a_copy_by_the_extended_protocol_ends_while_others_wait() {
    use testkit::frames::{bind, copy_data, copy_done, execute, kinds, parse, sync};
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let [mut copier, mut other] = scene.clients().await;
    let console = scene.console().await;
    copier.rows("BEGIN").await;
    other.send_query("SELECT count(*) FROM t").await;
    until("it waits", async || {
        show(&console, "SHOW POOLS").await.iter().any(|pool| pool["cl_waiting"] == "1")
    })
    .await;
    // It has held the connection for long when it begins.
    copier.rows("SELECT pg_sleep(0.05)").await;
    let sql = "COPY t FROM STDIN";
    let begin = [parse("", sql), bind("", "", &[]), execute("", 0), sync()].concat();
    copier.send(&begin).await;
    copier.expect_until(b'G').await;
    copier.send(&[copy_data(b"1\n2\n"), copy_done(), sync()].concat()).await;
    assert_eq!(kinds(&copier.expect_until(b'Z').await), "CZ");
    copier.rows("COMMIT").await;
    assert_eq!(values(&other.expect_until(b'Z').await), ["2"]);
}

/// Runs short queries until `stop`, connecting anew after each error and, now and then, leaving in
/// mid-query.
async fn is_broken_often(scene: &Scene, user: &str, stop: &AtomicBool) -> u64 {
    let mut served = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(client) = scene.proxy.try_connect(user, &scene.database.name).await else {
            continue;
        };
        for round in 0..30 {
            let query = client.simple_query("SELECT pg_sleep(0.003)");
            if round == 29 {
                // Dropped in mid-query, with its connection.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(1), query).await;
            } else if query.await.is_err() {
                break;
            } else {
                served += 1;
            }
        }
    }
    served
}

#[tokio::test]
async fn no_place_under_a_maximum_is_lost_when_connections_break() {
    let scene = Arc::new(scene("max_db_connections = 3\nquery_wait_timeout = \"5s\"\n").await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut running = Vec::new();
    for user in ["postgres", "web_trust"].repeat(4) {
        let (scene, stop) = (Arc::clone(&scene), Arc::clone(&stop));
        running.push(tokio::spawn(async move { is_broken_often(&scene, user, &stop).await }));
    }
    let direct = scene.direct().await;
    for _ in 0..60 {
        let pids = server_connections(&direct).await;
        assert!(pids.len() <= 3, "{} server connections", pids.len());
        if let Some(pid) = pids.first() {
            direct.query("SELECT pg_terminate_backend($1)", &[pid]).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in running {
        assert!(client.await.unwrap() > 0);
    }
    // Each of the users can have all places, one after the other.
    for user in ["web_trust", "postgres"] {
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = login(&scene.proxy, user, &scene.database).await;
            client.rows("BEGIN").await;
            clients.push(client);
        }
        assert_eq!(server_connections(&direct).await.len(), 3);
        for client in &mut clients {
            client.rows("COMMIT").await;
        }
    }
}
