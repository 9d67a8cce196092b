//! Ten thousand malformed connections against one pgweir.

use std::sync::Arc;
use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use testkit::{Postgres, frames};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::mutations::{self, Case, Ending};
use crate::scene::{Scene, assert_clean, show, until};
use crate::vitals;
use crate::witness::Witness;

const CASES: usize = 10_000;
/// Cases to warm up with, before memory is looked at.
const WARM_UP: usize = 1_500;
/// Cases at a time.
const AT_ONCE: usize = 24;
/// How long pgweir may take to close a connection whose client has said its last word.
const PATIENCE: Duration = Duration::from_secs(20);
/// By this much memory may grow from the end of the warm-up to the end.
const GROWTH_KIB: u64 = 20 * 1024;
const POOL_SIZE: usize = 6;
/// Connections of the analyser, one a database: they come and go by themselves.
const ANALYSERS: usize = 2;

/// `PROPTEST_RNG_SEED` repeats a run; without it every run is another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_bytes_harm_nobody_but_their_sender() {
    let scene = Arc::new(Scene::open(["default_pool_size=6", "max_client_conn=500"]).await);
    let console = scene.console().await;
    let witnesses = [
        Witness::of_tokens(scene.client().await),
        Witness::of_tokens(scene.client().await),
        Witness::of_state(scene.client().await),
    ];
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });

    run(&scene, &mut runner, WARM_UP).await;
    settled(&scene, &console, witnesses.len()).await;
    let memory = vitals::resident_kib(&scene.proxy);
    let descriptors = vitals::file_descriptors(&scene.proxy);
    let servers = show(&console, "SHOW SERVERS").await.len();
    run(&scene, &mut runner, CASES - WARM_UP).await;
    if !witnesses.iter().all(Witness::is_well) {
        panic!("a client that did nothing wrong was disturbed\n{}", last_words(&scene).await);
    }
    settled(&scene, &console, witnesses.len()).await;

    // Server connections may have come and gone; nothing else is open that was not.
    if let Some(descriptors) = descriptors {
        until("no file descriptor is left open", async || {
            let servers_now = show(&console, "SHOW SERVERS").await.len();
            let now = vitals::file_descriptors(&scene.proxy).unwrap();
            now + servers <= descriptors + servers_now + ANALYSERS
        })
        .await;
    }
    for witness in witnesses {
        // They share the pool with clients that hold its connections with half a message.
        assert!(witness.leave().await > 20, "it was not served");
    }
    usable(&scene).await;
    if let (Some(before), Some(after)) = (memory, vitals::resident_kib(&scene.proxy)) {
        assert!(after <= before + GROWTH_KIB, "resident memory went from {before} to {after} KiB");
    }
    assert!(!scene.proxy.log().contains("panicked"), "{}", scene.proxy.log());
}

/// What pgweir and the server said about it. The errors that were provoked are left out.
async fn last_words(scene: &Scene) -> String {
    const LINES: usize = 60;
    let server = Postgres::shared().await.log();
    let server = server.lines().filter(|line| {
        ["LOG:", "FATAL:", "PANIC:", "WARNING:"].iter().any(|level| line.contains(level))
    });
    let tail = |lines: Vec<&str>| lines[lines.len().saturating_sub(LINES)..].join("\n");
    let proxy = scene.proxy.log();
    let (proxy, server) = (tail(proxy.lines().collect()), tail(server.collect()));
    format!("pgweir:\n{proxy}\nPostgreSQL:\n{server}")
}

/// Runs cases, several at a time.
async fn run(scene: &Arc<Scene>, runner: &mut TestRunner, count: usize) {
    let strategy = mutations::case();
    let mut running = JoinSet::new();
    for _ in 0..count {
        let case = strategy.new_tree(runner).expect("a strategy that rejects nothing").current();
        let scene = Arc::clone(scene);
        running.spawn(async move {
            let shown = format!("{case:?}");
            timeout(PATIENCE, attack(&scene, case))
                .await
                .unwrap_or_else(|_| panic!("no end within {PATIENCE:?}: {shown}"));
        });
        if running.len() >= AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

async fn attack(scene: &Scene, case: Case) {
    let mut stream = TcpStream::connect(scene.proxy.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    if case.logs_in {
        log_in(&mut stream, &scene.database.name).await;
    }
    let (first, second) = case.bytes.split_at(case.cut);
    // It may have been thrown out already: then nothing of what follows succeeds.
    if stream.write_all(first).await.is_ok() {
        tokio::task::yield_now().await;
        let _ = stream.write_all(second).await;
    }
    match case.ending {
        Ending::Close => {}
        Ending::Abort => stream.set_zero_linger().unwrap(),
        Ending::Drain => {
            let _ = stream.shutdown().await;
            read_to_end(&mut stream).await;
        }
        Ending::Silence => {
            // Long enough for what was sent to be dealt with, most of the time.
            let _ = timeout(Duration::from_millis(10), read_to_end(&mut stream)).await;
        }
    }
}

async fn log_in(stream: &mut TcpStream, database: &str) {
    let parameters = [("user", "postgres"), ("database", database)];
    stream.write_all(&frames::startup(frames::PROTOCOL_3_0, &parameters)).await.unwrap();
    let mut came = Vec::new();
    while !came.ends_with(&frames::ready_for_query(b'I')) {
        let count = stream.read_buf(&mut came).await.unwrap();
        assert!(count > 0, "login refused: {}", String::from_utf8_lossy(&came));
    }
}

async fn read_to_end(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}

/// Waits until all hostile clients are gone, and what they left is cleaned up.
async fn settled(scene: &Scene, console: &tokio_postgres::Client, witnesses: usize) {
    until("only the witnesses are left", async || scene.clients(console).await == witnesses).await;
    until("no server connection is being cleaned", async || {
        let servers = show(console, "SHOW SERVERS").await;
        servers.iter().all(|server| server["state"] != "tested")
    })
    .await;
}

/// As many clients as there are connections, all at once: each gets one, and it is clean.
async fn usable(scene: &Scene) {
    let direct = scene.direct().await;
    let mut clients = Vec::new();
    for _ in 0..POOL_SIZE {
        let mut client = scene.client().await;
        client.query("BEGIN").await;
        clients.push(client);
    }
    let mut connections = Vec::new();
    for client in &mut clients {
        connections.push(client.value("SELECT pg_backend_pid()").await);
        assert_clean(client, "ten thousand hostile clients").await;
    }
    connections.sort();
    connections.dedup();
    assert_eq!(connections.len(), POOL_SIZE, "all connections of the pool can be used at once");
    for sql in [
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'",
    ] {
        let left: i64 = direct.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!(left, 0, "{sql}");
    }
    for mut client in clients {
        client.query("ROLLBACK").await;
        client.terminate().await;
    }
}
