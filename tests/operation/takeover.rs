//! One process takes over from another while clients are at work.

use testkit::frames::{bind, execute, kinds, parse, sync};
use testkit::{Proxy, ScriptedClient};

use crate::bench::{Bench, until_more};
use crate::scene::{Scene, show, until};

/// Must survive: a restart that drops transactions
#[tokio::test(flavor = "multi_thread")]
async fn ten_takeovers_under_pgbench_fail_no_transaction() {
    let scene = Scene::new().await;
    let mut running = scene.start([]).await;
    let address = running.address();
    let mut bench = Bench::start(&scene, address, (100, 30), ["-M", "prepared"]).await;
    until_more(&scene, 100).await;
    for _ in 0..10 {
        let successor = scene.successor([]).await;
        assert_eq!(successor.address(), address);
        until_more(&scene, 50).await;
        assert_eq!(running.wait().await, 0, "the one before ends by itself");
        running = successor;
    }
    assert!(bench.is_running(), "the load was over before the takeovers were");
    bench.expect_none_failed(&scene).await;
    assert!(!running.log().contains("panicked"), "{}", running.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_come_and_go_meanwhile_are_let_in_by_one_or_the_other() {
    let scene = Scene::new().await;
    let mut running = scene.start([]).await;
    let mut bench = Bench::start(&scene, running.address(), (8, 15), ["-C"]).await;
    until_more(&scene, 10).await;
    for _ in 0..5 {
        let successor = scene.successor([]).await;
        until_more(&scene, 10).await;
        assert_eq!(running.wait().await, 0);
        running = successor;
    }
    assert!(bench.is_running(), "the load was over before the takeovers were");
    bench.expect_none_failed(&scene).await;
}

/// Waits until the console of this process shows so many clients of the database.
async fn until_clients(scene: &Scene, proxy: &Proxy, count: usize) {
    let console = proxy.connect("postgres", "pgweir").await;
    until("the clients are here", async || scene.clients_of(&console).await == count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_client_keeps_its_session() {
    let scene = Scene::new().await;
    let first = scene.start([]).await;
    let mut client = scene.client(&first).await;
    client.rows("SET search_path TO pg_catalog, public").await;
    client.rows("SET statement_timeout TO '77s'").await;
    client.rows("SET application_name TO 'moved'").await;
    client.send(&[parse("mine", "SELECT $1::text || '\u{e4}'"), sync()].concat()).await;
    client.expect_until(b'Z').await;
    let console = first.connect("postgres", "pgweir").await;
    let before = show(&console, "SHOW CLIENTS").await;
    let before = before.iter().find(|row| row["application_name"] == "moved").unwrap();

    let second = scene.successor([]).await;
    drop(console);
    assert_eq!(first.wait().await, 0);
    client.send(&[bind("", "mine", &[Some("a")]), execute("", 0), sync()].concat()).await;
    let answer = client.expect_until(b'Z').await;
    assert_eq!(kinds(&answer), "2DCZ");
    assert_eq!(testkit::frames::row_values(&answer[1].1), [Some("a\u{e4}".to_owned())]);
    assert_eq!(client.value("SHOW search_path").await, "pg_catalog, public");
    assert_eq!(client.value("SHOW statement_timeout").await, "77s");
    assert_eq!(client.value("SHOW application_name").await, "moved");
    let console = second.connect("postgres", "pgweir").await;
    let after = show(&console, "SHOW CLIENTS").await;
    let after = after.iter().find(|row| row["application_name"] == "moved").unwrap();
    for column in ["addr", "port", "user", "database", "connect_time"] {
        assert_eq!(after[column], before[column], "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_in_whichever_process_runs_it() {
    let scene = Scene::new().await;
    let first = scene.start([]).await;
    let (mut moved, moved_key) = logged_in(&scene, &first).await;
    let (mut left, left_key) = logged_in(&scene, &first).await;
    left.rows("BEGIN").await;
    let second = scene.successor([]).await;
    until_clients(&scene, &second, 1).await;
    for (client, key) in [(&mut moved, moved_key), (&mut left, left_key)] {
        client.send_query("SELECT pg_sleep(60)").await;
        // Sent again and again: it may come before the query runs.
        let cancelled = async {
            loop {
                let mut canceller = ScriptedClient::connect(second.address()).await;
                canceller.send(&testkit::frames::cancel(key.0, &key.1)).await;
                canceller.drain().await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        let answer = tokio::select! {
            answer = client.expect_until(b'Z') => answer,
            () = cancelled => unreachable!("it never ends"),
        };
        assert_eq!(testkit::frames::only_error(&answer).sqlstate(), "57014");
    }
    left.rows("ROLLBACK").await;
    assert_eq!(first.wait().await, 0);
    assert_eq!(moved.value("SELECT 1").await, "1");
    assert_eq!(left.value("SELECT 2").await, "2");
    until_clients(&scene, &second, 2).await;
}

/// A client, and what cancels its queries.
async fn logged_in(scene: &Scene, proxy: &Proxy) -> (ScriptedClient, (i32, Vec<u8>)) {
    let mut client = proxy.scripted().await;
    client.startup("postgres", &scene.database.name, &[]).await;
    let frames = client.login_trust().await;
    let key = frames.iter().find(|frame| frame.0 == b'K').unwrap();
    let process_id = i32::from_be_bytes(key.1[..4].try_into().unwrap());
    (client, (process_id, key.1[4..].to_vec()))
}
