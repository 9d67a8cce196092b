//! What becomes of clients, and of server connections, when something takes too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use testkit::frames::{self, bind, execute, kinds, parse, sync};
use testkit::{FakeServer, Postgres, Proxy, ProxyOptions, ScriptedClient, Step};

use crate::scene::{PGWEIR, Scene, error, show, status, until, values};

/// A pool of one, and this timeout.
async fn scene(name: &str, timeout: &str) -> Scene {
    let setting = format!("{name}={timeout}");
    Scene::open(["--default-pool-size", "1", "--set", &setting]).await
}

/// The client is told this, and disconnected.
async fn expect_end(client: &mut ScriptedClient, sqlstate: &str, setting: &str) {
    let fields = client.expect_error().await;
    assert_eq!((fields.sqlstate(), fields.severity()), (sqlstate, "FATAL"));
    assert!(fields.message().starts_with(&format!("{setting}: ")), "{fields}");
    assert!(fields.hint().contains(setting), "{fields}");
    client.expect_closed().await;
}

const PID: &str = "SELECT pg_backend_pid()";

/// Must survive: a query timeout that ends the connection
#[tokio::test]
async fn a_long_query_is_cancelled_and_client_and_server_connection_stay() {
    let scene = scene("query_timeout", "500ms").await;
    let mut client = scene.client().await;
    let pid = client.value(PID).await;
    let extended = [parse("", "SELECT pg_sleep(60)"), bind("", "", &[]), execute("", 0), sync()];
    for request in [frames::query("SELECT pg_sleep(60)"), extended.concat()] {
        let begun = Instant::now();
        client.send(&request).await;
        let answered = client.expect_until(b'Z').await;
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(500), "{took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        let fields = error(&answered);
        assert_eq!((fields.sqlstate(), status(&answered)), ("57014", 'I'));
        assert!(fields.message().contains("query_timeout"), "{fields}");
        assert!(fields.hint().contains("query_timeout"), "{fields}");
        assert_eq!(client.value(PID).await, pid);
    }
    // Each statement has the time for itself.
    for _ in 0..7 {
        client.rows("SELECT pg_sleep(0.1)").await;
    }
    assert_eq!(scene.server_connections().await.len(), 1);
}

#[tokio::test]
async fn a_transaction_whose_query_took_too_long_has_failed() {
    let scene = scene("query_timeout", "200ms").await;
    let mut client = scene.client().await;
    client.rows("BEGIN").await;
    let pid = client.value(PID).await;
    let answered = client.query("SELECT pg_sleep(60)").await;
    assert_eq!((error(&answered).sqlstate(), status(&answered)), ("57014", 'E'));
    client.rows("ROLLBACK").await;
    assert_eq!(client.value(PID).await, pid);
}

#[tokio::test]
async fn of_a_pipeline_only_the_query_that_takes_too_long_is_cancelled() {
    // Two of them together take longer than one may; each alone is far from it.
    let scene = scene("query_timeout", "2s").await;
    let mut client = scene.client().await;
    let queries = ["1.1", "1.1", "60", "1.1"]
        .map(|seconds| frames::query(&format!("SELECT pg_sleep({seconds})")));
    client.send(&queries.concat()).await;
    for expected in ["TDCZ", "TDCZ", "TEZ", "TDCZ"] {
        assert_eq!(kinds(&client.expect_until(b'Z').await), expected);
    }
}

#[tokio::test]
async fn waiting_for_a_server_connection_is_not_running() {
    let scene = scene("query_timeout", "300ms").await;
    let [mut holder, mut client] = scene.clients().await;
    holder.rows("BEGIN").await;
    client.send_query("SELECT pg_sleep(0.1)").await;
    client.expect_silence(Duration::from_millis(500)).await;
    holder.rows("COMMIT").await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
}

/// Queries that take about as long as they may: whether they are cancelled is a matter of luck,
/// but no other query may ever be, neither the client's next one nor another client's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_hits_no_other_query() {
    let scene =
        Arc::new(Scene::open(["--default-pool-size", "2", "--set", "query_timeout=100ms"]).await);
    let over = Arc::new(AtomicBool::new(false));
    let mut bystanders = Vec::new();
    for name in 0..6 {
        let (scene, over) = (Arc::clone(&scene), Arc::clone(&over));
        bystanders.push(tokio::spawn(async move {
            let mut client = scene.client().await;
            let mut pids = std::collections::BTreeSet::new();
            let mut answered = 0;
            while !over.load(Ordering::Relaxed) {
                let token = format!("bystander {name}, {answered}");
                let rows = client.rows(&format!("SELECT '{token}', pg_backend_pid()")).await;
                assert_eq!(rows[0][0], Some(token));
                pids.insert(rows[0][1].clone());
                answered += 1;
            }
            pids
        }));
    }
    let mut slow = Vec::new();
    for _ in 0..3 {
        let scene = Arc::clone(&scene);
        slow.push(tokio::spawn(async move {
            let mut client = scene.client().await;
            let mut hits = 0;
            for round in 0..12 {
                // In a transaction the client keeps the connection that the request is about.
                client.rows("BEGIN").await;
                let near = 100 + round * 5;
                let answered = client.query(&format!("SELECT pg_sleep({near} / 1000.0)")).await;
                if status(&answered) == 'E' {
                    assert!(error(&answered).message().contains("query_timeout"));
                    hits += 1;
                } else {
                    assert_eq!(client.value("SELECT 'mine'").await, "mine");
                }
                client.rows("ROLLBACK").await;
            }
            hits
        }));
    }
    let mut hits = 0;
    for slow in slow {
        hits += slow.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let mut pids = std::collections::BTreeSet::new();
    for bystander in bystanders {
        pids.extend(bystander.await.unwrap());
    }
    assert!(hits > 0, "nothing was cancelled");
    assert!(pids.len() <= 2, "server connections were lost: {pids:?}");
}

#[tokio::test]
async fn the_next_query_waits_for_the_cancel_of_one_that_ended_by_itself() {
    let answer = [frames::command_complete("SELECT 0"), frames::ready_for_query(b'I')].concat();
    let slow = vec![
        Step::AcceptLogin,
        Step::ReadUntil(b'Q'),
        Step::Delay(Duration::from_millis(600)),
        Step::Send(answer),
        Step::Serve,
    ];
    // The connection that the cancel request comes by: it is open for longer than the query runs.
    let cancel = vec![Step::Delay(Duration::from_millis(1_500)), Step::Close];
    let server = FakeServer::start_each(vec![slow, cancel]).await;
    let options = ProxyOptions::upstream(server.url("app", "shop"))
        .arguments(["--pool-mode", "session", "--set", "analyse=off"])
        .arguments(["--set", "query_timeout=200ms", "--set", "auth_type=trust"]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let mut client = ScriptedClient::login(proxy.address(), "app", "shop").await;
    assert_eq!(kinds(&client.query("SELECT 1").await), "CZ");
    assert_eq!(server.connections(), 2, "nothing was cancelled");
    client.send_query("SELECT 2").await;
    client.expect_silence(Duration::from_millis(300)).await;
    assert!(!kinds(&client.expect_until(b'Z').await).contains('E'));
}

#[tokio::test]
async fn who_is_silent_in_a_transaction_is_sent_away_and_rolled_back() {
    let scene = scene("idle_transaction_timeout", "600ms").await;
    let scene = scene.with_schema("CREATE TABLE t (a int)").await;
    let [mut client, mut next] = scene.clients().await;
    let pid = next.value(PID).await;
    client.rows("BEGIN").await;
    for _ in 0..4 {
        // Each of them breaks the silence.
        client.rows("INSERT INTO t VALUES (1)").await;
        client.expect_silence(Duration::from_millis(200)).await;
    }
    next.send_query(&format!("SELECT count(*) FROM t; {PID}")).await;
    expect_end(&mut client, "25P03", "idle_transaction_timeout").await;
    assert_eq!(values(&next.expect_until(b'Z').await), ["0".to_owned(), pid]);
    // Silence outside of a transaction is no fault.
    next.expect_silence(Duration::from_millis(800)).await;
    next.rows("SELECT 1").await;
}

#[tokio::test]
async fn a_transaction_that_lasts_too_long_is_rolled_back_and_its_client_sent_away() {
    let scene = scene("transaction_timeout", "400ms").await;
    let scene = scene.with_schema("CREATE TABLE t (a int)").await;
    let [mut busy, mut single, mut next] = scene.clients().await;
    let pid = next.value(PID).await;
    // Busy all the time, with many short statements.
    busy.rows("BEGIN").await;
    let begun = Instant::now();
    let ended = loop {
        busy.send_query("INSERT INTO t SELECT 1 FROM pg_sleep(0.02)").await;
        if busy.expect_frame().await.0 == b'E' {
            break begun.elapsed();
        }
        busy.expect(b'Z').await;
        assert!(begun.elapsed() < Duration::from_secs(10));
    };
    assert!(ended >= Duration::from_millis(350), "{ended:?}");
    busy.expect_closed().await;
    single.send_query("SELECT pg_sleep(60)").await;
    expect_end(&mut single, "25P04", "transaction_timeout").await;
    assert_eq!(values(&next.query("SELECT count(*) FROM t").await), ["0"]);
    assert_eq!(next.value(PID).await, pid);
}

#[tokio::test]
async fn who_asks_for_nothing_is_sent_away() {
    let scene = scene("client_idle_timeout", "400ms").await;
    let [mut idle, mut pinned, mut in_transaction, mut busy] = scene.clients().await;
    let begun = Instant::now();
    pinned.rows("CREATE TEMP TABLE mine (a int)").await;
    expect_end(&mut idle, "57P05", "client_idle_timeout").await;
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    expect_end(&mut pinned, "57P05", "client_idle_timeout").await;
    for ended in [&mut in_transaction, &mut busy] {
        ended.expect_error().await;
    }
    let [mut in_transaction, mut busy] = scene.clients().await;
    in_transaction.rows("BEGIN").await;
    busy.send_query("SELECT 1").await;
    busy.expect_silence(Duration::from_millis(700)).await;
    in_transaction.rows("COMMIT").await;
    busy.expect_until(b'Z').await;
    // What needs no server connection is something, too.
    for _ in 0..6 {
        busy.expect_silence(Duration::from_millis(100)).await;
        busy.send(&sync()).await;
        busy.expect(b'Z').await;
    }
}

#[tokio::test]
async fn in_session_mode_clients_may_idle() {
    let scene = Scene::open(["--pool-mode", "session", "--set", "client_idle_timeout=200ms"]).await;
    let [mut client, mut never_asked] = scene.clients().await;
    // Nor does it matter what would have pinned them elsewhere.
    client.rows("CREATE TEMP TABLE mine (a int)").await;
    expect_end(&mut never_asked, "57P05", "client_idle_timeout").await;
    client.expect_silence(Duration::from_millis(300)).await;
    client.rows("SELECT 1").await;
}

#[tokio::test]
async fn who_waits_for_long_gets_a_notice_once() {
    let scene = scene("query_wait_notify", "200ms").await;
    let [mut holder, mut client] = scene.clients().await;
    for _ in 0..2 {
        holder.rows("BEGIN").await;
        client.send_query("SELECT 1").await;
        let (kind, body) = client.expect_frame().await;
        assert_eq!(char::from(kind), 'N');
        let notice = frames::ErrorFields::read(&body);
        assert_eq!((notice.severity(), notice.sqlstate()), ("NOTICE", "00000"));
        client.expect_silence(Duration::from_millis(400)).await;
        holder.rows("COMMIT").await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
    }
}

#[tokio::test]
async fn the_notice_says_what_is_waited_for() {
    let scene = scene("query_wait_notify", "200ms").await;
    let (mut client, console) = (scene.client().await, scene.console().await);
    console.batch_execute("PAUSE").await.unwrap();
    client.send_query("SELECT 1").await;
    let (kind, body) = client.expect_frame().await;
    assert_eq!(char::from(kind), 'N');
    let notice = frames::ErrorFields::read(&body);
    assert!(notice.message().starts_with("the database is paused"), "{notice}");
    assert!(notice.hint().starts_with("RESUME"), "{notice}");
    console.batch_execute("RESUME").await.unwrap();
    assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
}

#[tokio::test]
async fn a_user_may_have_timeouts_of_its_own() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let settings = "query_timeout = \"200ms\"\n[users.postgres]\nquery_timeout = 0\n";
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres")).settings(settings);
    let proxy = Proxy::start(PGWEIR, options).await;
    let mut client = ScriptedClient::login(proxy.address(), "postgres", &database.name).await;
    assert_eq!(kinds(&client.query("SELECT pg_sleep(0.5)").await), "TDCZ");
    let shown = show(&proxy.connect("postgres", "pgweir").await, "SHOW CONFIG").await;
    assert!(shown.iter().any(|row| row["key"] == "query_timeout" && row["value"] == "0.2"));
}

#[tokio::test]
async fn a_timeout_shows_in_the_statistics_as_a_failed_call() {
    let scene = scene("query_timeout", "100ms").await;
    scene.client().await.query("SELECT pg_sleep(60)").await;
    let console = scene.console().await;
    until("the failure is counted", async || {
        let rows = show(&console, "SHOW QUERIES").await;
        rows.iter().any(|row| row["text"].contains("pg_sleep") && row["errors"] == "1")
    })
    .await;
}
