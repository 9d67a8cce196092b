//! Clients that vanish, and what they leave on the server connection that the next one gets.

use std::time::Duration;

use testkit::frames::{bind, copy_data, describe, execute, flush, header, parse, query, sync};

use crate::scene::{Scene, assert_clean, until};

/// Everything that a session can have when its client vanishes.
const STATE: [&str; 14] = [
    "SELECT pg_advisory_lock(7)",
    "SELECT pg_advisory_lock(7), 1/0",
    "CREATE TEMP TABLE theirs (a int)",
    "SET search_path TO nowhere",
    "SET timezone TO 'Asia/Tokyo'",
    "SET application_name TO 'theirs'",
    "SELECT set_config('geqo', 'off', false)",
    "PREPARE theirs AS SELECT 1",
    "LISTEN theirs",
    "DECLARE theirs CURSOR WITH HOLD FOR SELECT 1",
    "BEGIN; SET timezone TO 'Asia/Tokyo'; INSERT INTO t VALUES (1)",
    "BEGIN; SELECT 1/0",
    "SET ROLE pg_monitor",
    "DO $$ BEGIN PERFORM set_config('geqo', 'off', false); END $$",
];

async fn scene() -> Scene {
    let scene = Scene::open(["default_pool_size=1", "query_wait_timeout=8s"]).await;
    scene.direct().await.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    scene
}

/// The next client of the only server connection finds nothing, and nothing was committed.
async fn clean(scene: &Scene, after: &str) {
    let mut next = scene.client().await;
    assert_clean(&mut next, after).await;
    assert_eq!(next.value("SELECT current_user").await, "postgres", "after {after}");
    assert_eq!(next.value("SELECT count(*) FROM t").await, "0", "after {after}");
    let prepared = next.query("EXECUTE theirs").await;
    assert_eq!(crate::scene::error(&prepared).sqlstate(), "26000", "after {after}");
    next.terminate().await;
}

/// Must survive: an advisory lock left behind; a temporary table left behind; a SET left behind; a
/// PREPARE left behind; an open transaction left behind
#[tokio::test]
async fn after_the_answer() {
    let scene = scene().await;
    for text in STATE {
        let mut client = scene.client().await;
        client.query(text).await;
        client.abort();
        clean(&scene, text).await;
    }
}

/// Must survive: an advisory lock left behind; a temporary table left behind; a SET left behind; a
/// PREPARE left behind; an open transaction left behind
#[tokio::test]
async fn before_the_answer() {
    let scene = scene().await;
    for text in STATE {
        // The server may have run it, or not, or be about to.
        for attempt in 0..8 {
            let mut client = scene.client().await;
            client.query("SELECT 1").await;
            client.send_query(text).await;
            for _ in 0..attempt {
                tokio::task::yield_now().await;
            }
            client.abort();
            clean(&scene, text).await;
        }
    }
}

/// Must survive: a request cut in half, then disconnect
#[tokio::test]
async fn in_the_middle_of_anything() {
    let scene = scene().await;
    let insert = query("INSERT INTO t VALUES (1)");
    let copy = [query("COPY t FROM STDIN"), copy_data(b"1\n2\n")].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("half a query", insert[..insert.len() - 3].to_vec()),
        ("a head", header(b'Q', 100)),
        ("a long query cut off", [header(b'Q', 500_000), vec![b' '; 200_000]].concat()),
        ("a COPY", copy.clone()),
        ("a COPY cut off", [copy, header(b'd', 100), b"3\n".to_vec()].concat()),
        (
            "a block and half a query",
            [query("BEGIN"), insert.clone(), insert[..9].to_vec()].concat(),
        ),
        (
            "a pipeline without a Sync",
            [parse("", "INSERT INTO t VALUES (1)"), bind("", "", &[]), execute("", 0), flush()]
                .concat(),
        ),
        (
            "a long pipeline",
            (0..200)
                .flat_map(|_| [parse("", "SELECT 1"), describe(b'S', ""), sync()].concat())
                .collect(),
        ),
        ("a failed pipeline", [parse("", "selekt"), flush()].concat()),
        (
            "many queries that look like our own",
            (0..200).flat_map(|_| query("ROLLBACK; SELECT 1 AS __pgweir_clean")).collect(),
        ),
        ("a large answer", query("SELECT repeat('x', 1000) FROM generate_series(1, 50000)")),
        ("a late CopyData", [query("SELECT 1"), copy_data(b"x")].concat()),
    ];
    for (what, bytes) in cases {
        for gently in [true, false] {
            let mut client = scene.client().await;
            client.send(&bytes).await;
            tokio::task::yield_now().await;
            if gently {
                drop(client)
            } else {
                client.abort()
            }
            clean(&scene, what).await;
        }
    }
}

#[tokio::test]
async fn what_they_ran_is_stopped() {
    let scene = scene().await;
    let direct = scene.direct().await;
    let running = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event = 'PgSleep'";
    for text in ["SELECT pg_sleep(60)", "BEGIN; INSERT INTO t VALUES (1); SELECT pg_sleep(60)"] {
        let mut client = scene.client().await;
        client.send_query(text).await;
        until("it runs", async || {
            direct.query_one(running, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        client.abort();
        clean(&scene, text).await;
    }
}

/// Must survive: RST in mid-write by a client
#[tokio::test]
async fn a_reset_while_a_large_answer_is_written() {
    let scene = scene().await;
    for _ in 0..5 {
        let mut client = scene.client().await;
        client.send_query("SELECT repeat('x', 10000) FROM generate_series(1, 20000)").await;
        client.expect(b'T').await;
        client.expect(b'D').await;
        client.abort();
    }
    clean(&scene, "a reset").await;
}

/// Must survive: RST in mid-write by a client
#[tokio::test]
async fn a_reset_while_a_large_request_is_read() {
    let scene = scene().await;
    for _ in 0..3 {
        let mut client = scene.client().await;
        let begun = [header(b'Q', 200_000_000), b"SELECT '".to_vec(), vec![b'x'; 4 << 20]].concat();
        client.send(&begun).await;
        client.abort();
    }
    clean(&scene, "a reset").await;
}

#[tokio::test]
async fn in_the_queue() {
    let scene = scene().await;
    let mut holder = scene.client().await;
    holder.query("BEGIN").await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        let mut client = scene.client().await;
        client.send_query("INSERT INTO t VALUES (1)").await;
        crowd.push(client);
    }
    let console = scene.console().await;
    let waiting = async |count: &str| {
        let pools = crate::scene::show(&console, "SHOW POOLS").await;
        let pool = pools.iter().find(|pool| pool["database"] == scene.database.name);
        pool.is_some_and(|pool| pool["cl_waiting"] == count)
    };
    until("all wait", async || waiting("20").await).await;
    for client in crowd {
        client.abort();
    }
    until("nobody waits", async || waiting("0").await).await;
    holder.query("ROLLBACK").await;
    holder.terminate().await;
    clean(&scene, "a crowd").await;
    holder_gets_it_again(&scene).await;
}

/// Nobody who has left holds the only connection.
async fn holder_gets_it_again(scene: &Scene) {
    let mut client = scene.client().await;
    client.set_patience(Duration::from_secs(5));
    assert_eq!(client.value("SELECT 1").await, "1");
}
