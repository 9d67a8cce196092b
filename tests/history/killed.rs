//! kill -9 under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use testkit::Proxy;

use crate::scene::{PGWEIR, Scene, report, report_of, statements};

const KILLS: usize = 4;
const CLIENTS: usize = 8;

/// Statements that the log says are written.
fn said_to_be_written(log: &str) -> u64 {
    let line = log
        .lines()
        .rev()
        .find(|line| line.contains("history is written up to") && !line.contains("statements=0 "));
    let count = line.and_then(|line| {
        let (_, rest) = line.split_once("statements=")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    count.unwrap_or(0)
}

/// Asks for a tick, so that something is written at once.
fn tick(proxy: &Proxy) {
    report(&["--admin", &proxy.url("postgres", "pgweir")]).expect("a report");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_to_be_written_is_there_after_kill_9_and_nothing_is_doubled() {
    let scene = Arc::new(Scene::new().await);
    let sent = Arc::new(AtomicU64::new(0));
    let mut written = 0;
    for kill in 0..KILLS {
        let proxy = scene.start("one", "").await;
        let mut load = Vec::new();
        for _ in 0..CLIENTS {
            let client = proxy.connect("postgres", &scene.database.name).await;
            let sent = Arc::clone(&sent);
            load.push(tokio::spawn(async move {
                loop {
                    sent.fetch_add(1, Ordering::Relaxed);
                    // Ends with the process that is killed.
                    if client.simple_query("SELECT 4711").await.is_err() {
                        return;
                    }
                }
            }));
        }
        let said = scene
            .until("line that says what is written", || {
                tick(&proxy);
                let said = said_to_be_written(&proxy.log());
                (said > 500).then_some(said)
            })
            .await;
        written += said;
        proxy.kill().await;
        for client in load {
            client.await.expect("it ends");
        }
        let there = statements(&report_of(&scene.file("one")));
        let sent = sent.load(Ordering::Relaxed);
        assert!(there >= written, "kill {kill}: {there} are there, {written} were written");
        assert!(there <= sent, "kill {kill}: {there} are there, {sent} were sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_says_that_the_first_one_has_the_file() {
    let scene = Scene::new().await;
    let first = scene.start("one", "").await;
    let second = scene.start("one", "").await;
    assert!(!first.log().contains("history is kept in memory only"), "{}", first.log());
    let said = second.log();
    assert!(
        said.contains("history is kept in memory only") && said.contains("is in use"),
        "{said}"
    );
    // It pools all the same.
    scene.run(&second, 3).await;
    assert_eq!(first.stop().await, 0);
    assert_eq!(second.stop().await, 0);
}

#[test]
fn what_is_no_history_is_named() {
    let said = report(&["--store", "/nonexistent/history.db"]).expect_err("there is none");
    assert!(said.contains("/nonexistent/history.db") && said.contains("No such file"), "{said}");
    let said = report(&["--store", PGWEIR]).expect_err("it is a program");
    assert!(said.contains("is no history of pgweir"), "{said}");
    let said = report(&["--store", "postgres://nobody@127.0.0.1:1/x"]).expect_err("nobody there");
    assert!(said.contains("the fleet's store"), "{said}");
}
