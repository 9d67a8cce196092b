//! Server connections and servers that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::frames::{self, bind, execute, kinds, parse, sync};
use testkit::{Postgres, PostgresOptions, Proxy, ProxyOptions, ScriptedClient, StopMode};

use crate::scene::{PGWEIR, Scene, error, server_connections, status, until, values};

#[tokio::test]
async fn a_backend_killed_in_mid_query_is_an_error_and_the_next_query_works() {
    let scene = Scene::with_pool_of(1).await;
    let postgres = Postgres::shared().await;
    let mut client = scene.client().await;
    let extended = [parse("", "SELECT pg_sleep(60)"), bind("", "", &[]), execute("", 0), sync()];
    for request in [frames::query("SELECT pg_sleep(60)"), extended.concat()] {
        let pid: i32 = client.value("SELECT pg_backend_pid()").await.parse().unwrap();
        client.send(&request).await;
        scene.until_sleeping().await;
        postgres.kill_backend(pid).await;
        let answered = client.expect_until(b'Z').await;
        assert!(kinds(&answered).ends_with("EZ"), "{answered:?}");
        let told = error(&answered);
        assert_eq!((told.severity(), told.sqlstate(), status(&answered)), ("ERROR", "57P01", 'I'));
        assert_eq!(client.value("SELECT 1").await, "1");
    }
}

#[tokio::test]
async fn prepared_statements_survive_their_server_connection() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    client.send(&[parse("s", "SELECT $1::text"), sync()].concat()).await;
    client.expect_until(b'Z').await;
    let pid: i32 = client.value("SELECT pg_backend_pid()").await.parse().unwrap();
    Postgres::shared().await.kill_backend(pid).await;
    let direct = scene.direct().await;
    until("it is gone", async || server_connections(&direct).await.is_empty()).await;
    client.send(&[bind("", "s", &[Some("alive")]), execute("", 0), sync()].concat()).await;
    assert_eq!(values(&client.expect_until(b'Z').await), ["alive"]);
}

#[tokio::test]
async fn a_transaction_whose_server_died_is_a_failed_one_until_its_end() {
    let scene = Scene::with_pool_of(1).await;
    let postgres = Postgres::shared().await;
    let mut client = scene.client().await;
    for end in ["ROLLBACK", "COMMIT"] {
        client.rows("BEGIN").await;
        let pid: i32 = client.value("SELECT pg_backend_pid()").await.parse().unwrap();
        client.send_query("SELECT pg_sleep(60)").await;
        scene.until_sleeping().await;
        postgres.kill_backend(pid).await;
        let answered = client.expect_until(b'Z').await;
        assert_eq!((error(&answered).sqlstate(), status(&answered)), ("57P01", 'E'));
        let answered = client.query("SELECT 1").await;
        assert_eq!((error(&answered).sqlstate(), status(&answered)), ("25P02", 'E'));
        let extended = [parse("", "SELECT 1"), bind("", "", &[]), execute("", 0), sync()];
        client.send(&extended.concat()).await;
        let answered = client.expect_until(b'Z').await;
        assert_eq!((error(&answered).sqlstate(), status(&answered)), ("25P02", 'E'));
        let answered = client.query(end).await;
        assert_eq!((kinds(&answered).as_str(), status(&answered)), ("CZ", 'I'));
        assert_eq!(crate::scene::tags(&answered), ["ROLLBACK"]);
        assert_eq!(client.value("SELECT 1").await, "1");
    }
}

#[tokio::test]
async fn a_transaction_whose_server_died_while_it_idled_gets_to_know() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let direct = scene.direct().await;
    let mut client = scene.client().await;
    for end in [frames::query("COMMIT"), [parse("", "COMMIT"), bind("", "", &[])].concat()] {
        client.rows("BEGIN; INSERT INTO t VALUES (1)").await;
        let pid: i32 = client.value("SELECT pg_backend_pid()").await.parse().unwrap();
        Postgres::shared().await.kill_backend(pid).await;
        until("it is gone", async || !server_connections(&direct).await.contains(&pid)).await;
        let by_query = end[0] == b'Q';
        client.send(&end).await;
        if !by_query {
            client.send(&[execute("", 0), sync()].concat()).await;
        }
        // The worst would be to say that it was committed.
        let answered = client.expect_until(b'Z').await;
        assert_eq!((error(&answered).sqlstate(), kinds(&answered).contains('C')), ("57P01", false));
        if status(&answered) == 'E' {
            client.rows("ROLLBACK").await;
        }
        assert_eq!(client.value("SELECT count(*) FROM t").await, "0");
    }
}

#[tokio::test]
async fn a_pinned_client_whose_server_died_is_disconnected() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    client.rows("CREATE TEMP TABLE t (a int)").await;
    let pid: i32 = client.value("SELECT pg_backend_pid()").await.parse().unwrap();
    Postgres::shared().await.kill_backend(pid).await;
    let error = client.expect_error().await;
    assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "57P01"));
    client.expect_closed().await;
    assert_eq!(scene.client().await.value("SELECT 1").await, "1");
}

/// Must survive: a dead server connection handed out
#[tokio::test]
async fn dead_idle_connections_are_not_handed_out() {
    let scene = Scene::with_pool_of(5).await;
    let direct = scene.direct().await;
    let mut clients: [ScriptedClient; 10] = scene.clients().await;
    for round in 0..3 {
        for client in &mut clients {
            client.send_query("SELECT pg_sleep(0.02)").await;
        }
        for client in &mut clients {
            let answered = client.expect_until(b'Z').await;
            assert_eq!(kinds(&answered), "TDCZ", "round {round}");
        }
        let killed = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND application_name <> 'pgweir-catalog'";
        direct.execute(killed, &[]).await.unwrap();
    }
    for client in &mut clients {
        client.send_query("SELECT 1").await;
    }
    for client in &mut clients {
        assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
    }
}

#[tokio::test]
async fn a_crash_of_the_server_is_an_error_once() {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"));
    let proxy = Proxy::start(PGWEIR, options).await;
    let mut killed = ScriptedClient::login(proxy.address(), "postgres", "postgres").await;
    let mut beside = ScriptedClient::login(proxy.address(), "postgres", "postgres").await;
    killed.rows("BEGIN").await;
    let pid: i32 = killed.value("SELECT pg_backend_pid()").await.parse().unwrap();
    killed.rows("COMMIT").await;
    beside.send_query("SELECT pg_sleep(60)").await;
    let mut direct = ScriptedClient::login(postgres.address(), "postgres", "postgres").await;
    until("it runs", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        direct.value(sql).await == "1"
    })
    .await;
    postgres.crash_backend(pid);
    let answered = beside.expect_until(b'Z').await;
    assert!(["57P02", "08006"].contains(&error(&answered).sqlstate()), "{}", error(&answered));
    // The server recovers; who asks meanwhile waits for it.
    assert_eq!(killed.value("SELECT 1").await, "1");
    assert_eq!(beside.value("SELECT 1").await, "1");
}

/// Queries until it is told to stop; gives the SQLSTATEs of all errors.
async fn load(
    address: std::net::SocketAddr,
    over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut client = ScriptedClient::login(address, "postgres", "postgres").await;
    let mut errors = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let answered = client.query("SELECT 7, pg_sleep(0.002)").await;
        if kinds(&answered).contains('E') {
            errors.push(error(&answered).sqlstate().to_owned());
        } else {
            assert_eq!(values(&answered), ["7"]);
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    errors
}

/// Must survive: a pool that collapses
#[tokio::test]
async fn a_restart_of_the_server_under_load_loses_only_what_was_in_flight() {
    const POOL: usize = 4;
    let mut postgres = Postgres::start(PostgresOptions::default()).await;
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"))
        .arguments(["--default-pool-size", "4"]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..20)
        .map(|_| tokio::spawn(load(proxy.address(), Arc::clone(&over), Arc::clone(&done))))
        .collect();
    let more = async |count: usize| {
        let goal = done.load(Ordering::Relaxed) + count;
        until("the load goes on", async || done.load(Ordering::Relaxed) >= goal).await;
    };
    more(100).await;
    postgres.stop(StopMode::Fast).await;
    postgres.start_again().await;
    more(200).await;
    over.store(true, Ordering::Relaxed);
    let mut errors = Vec::new();
    for client in clients {
        errors.extend(client.await.unwrap());
    }
    assert!(errors.len() <= POOL, "more errors than server connections: {errors:?}");
    assert!(errors.iter().all(|code| code == "57P01" || code == "08006"), "{errors:?}");
}

#[tokio::test]
async fn an_upstream_that_was_never_there_is_said_so_at_once() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let options = ProxyOptions::upstream(format!("postgres://postgres@{address}/x"));
    let proxy = Proxy::start(PGWEIR, options).await;
    let since = Instant::now();
    for _ in 0..2 {
        let mut client = proxy.scripted().await;
        client.startup("postgres", "x", &[]).await;
        let error = client.expect_error().await;
        assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "08006"));
        assert!(error.message().contains(&address.to_string()), "{error}");
        assert!(!error.hint().is_empty());
        client.expect_closed().await;
    }
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert!(proxy.log().contains(&address.to_string()), "{}", proxy.log());
}

/// Must survive: sticking to a failed host
#[tokio::test]
async fn an_upstream_that_comes_later_is_found() {
    let mut postgres = Postgres::start(PostgresOptions::default()).await;
    postgres.stop(StopMode::Fast).await;
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"));
    let proxy = Proxy::start(PGWEIR, options).await;
    assert!(proxy.try_connect("postgres", "postgres").await.is_err());
    postgres.start_again().await;
    until("it is found", async || proxy.try_connect("postgres", "postgres").await.is_ok()).await;
}

#[tokio::test]
async fn clients_wait_out_a_short_outage_and_are_told_of_a_long_one() {
    let mut postgres = Postgres::start(PostgresOptions::default()).await;
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"))
        .arguments(["--set", "server_login_retry=1s"]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let mut client = ScriptedClient::login(proxy.address(), "postgres", "postgres").await;
    client.rows("SELECT 1").await;
    postgres.stop(StopMode::Fast).await;
    client.send_query("SELECT 'waited'").await;
    postgres.start_again().await;
    assert_eq!(values(&client.expect_until(b'Z').await), ["waited"]);
    postgres.stop(StopMode::Fast).await;
    let since = Instant::now();
    let answered = client.query("SELECT 1").await;
    assert_eq!((error(&answered).sqlstate(), status(&answered)), ("08006", 'I'));
    assert!((500..4000).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    postgres.start_again().await;
    until("it works again", async || kinds(&client.query("SELECT 1").await) == "TDCZ").await;
}

#[tokio::test]
async fn a_server_with_fewer_places_than_the_pool_still_serves_everybody() {
    let settings = vec![("max_connections".to_owned(), "7".to_owned())];
    let postgres = Postgres::start(PostgresOptions { settings }).await;
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"));
    let proxy = Proxy::start(PGWEIR, options).await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(ScriptedClient::login(proxy.address(), "postgres", "postgres").await);
    }
    for _ in 0..3 {
        for client in &mut clients {
            client.send_query("SELECT pg_sleep(0.01)").await;
        }
        for client in &mut clients {
            let answered = client.expect_until(b'Z').await;
            assert_eq!(kinds(&answered), "TDCZ", "{answered:?}");
        }
    }
}
