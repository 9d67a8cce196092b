//! RECONNECT and WAIT_CLOSE.

use std::collections::BTreeSet;

use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::load::Load;
use crate::scene::{Scene, rows, until};

#[tokio::test]
async fn reconnect_replaces_every_server_connection_and_no_client_notices() {
    let scene = Scene::with("default_pool_size = 4").await;
    let load = Load::of(&scene, 10).await;
    let (console, direct) = (scene.console("postgres").await, scene.database.connect().await);
    for command in ["RECONNECT".to_owned(), format!("RECONNECT {}", scene.database.name)] {
        let before = BTreeSet::from_iter(scene.server_connections(&direct).await);
        assert!(!before.is_empty());
        console.batch_execute(&command).await.unwrap();
        console.batch_execute(&command.replace("RECONNECT", "WAIT_CLOSE")).await.unwrap();
        let after = BTreeSet::from_iter(scene.server_connections(&direct).await);
        assert!(before.is_disjoint(&after), "{before:?} {after:?}");
        load.until_more(20).await;
    }
    load.end_well().await;
}

#[tokio::test]
async fn what_is_in_use_is_closed_when_it_is_released_and_wait_close_waits_for_that() {
    let scene = Scene::with("default_pool_size = 2").await;
    let (busy, other) = (scene.client("busy").await, scene.client("other").await);
    busy.batch_execute("BEGIN").await.unwrap();
    let pid = rows(&busy, "SELECT pg_backend_pid()").await;
    let (console, watcher) = (scene.console("postgres").await, scene.console("watcher").await);
    console.batch_execute("RECONNECT").await.unwrap();
    let close_needed = "SELECT remote_pid, close_needed FROM servers WHERE close_needed = 1";
    assert_eq!(rows(&watcher, close_needed).await, [format!("{}|1", pid[0])]);
    // New ones are made at once, and are not to be closed.
    rows(&other, "SELECT 1").await;
    assert_eq!(rows(&watcher, close_needed).await.len(), 1);
    assert_eq!(rows(&busy, "SELECT pg_backend_pid()").await, pid, "the transaction goes on");

    let token = console.cancel_token();
    let cancelled = tokio::join!(console.batch_execute("WAIT_CLOSE"), async {
        until("it has begun", async || {
            let cancelled = token.cancel_query(NoTls).await;
            cancelled.ok().filter(|()| scene.proxy.log().contains("console command cancelled"))
        })
        .await;
    })
    .0;
    assert_eq!(cancelled.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));

    // Not the same: a cancel request may still be on its way to that.
    let console = scene.console("postgres").await;
    let waiting = tokio::spawn(async move {
        console.batch_execute("WAIT_CLOSE").await.unwrap();
        console
    });
    // Time for it to end too early.
    for _ in 0..3 {
        assert_eq!(rows(&busy, "SELECT pg_backend_pid()").await, pid);
        assert!(!waiting.is_finished());
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    busy.batch_execute("COMMIT").await.unwrap();
    waiting.await.unwrap();
    let direct = scene.database.connect().await;
    assert!(!scene.server_connections(&direct).await.contains(&pid[0]));
    assert_ne!(rows(&busy, "SELECT pg_backend_pid()").await, pid);
    assert_eq!(rows(&watcher, close_needed).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_session_keeps_its_server_connection_until_it_ends() {
    let scene = Scene::with("pool_mode = \"session\"").await;
    let (session, connection) =
        scene.connected(&format!("dbname={} application_name=s", scene.database.name)).await;
    let pid = rows(&session, "SELECT pg_backend_pid()").await;
    let console = scene.console("postgres").await;
    console.batch_execute("RECONNECT").await.unwrap();
    assert_eq!(rows(&session, "SELECT pg_backend_pid()").await, pid);
    drop(session);
    connection.await.unwrap();
    console.batch_execute("WAIT_CLOSE").await.unwrap();
    let direct = scene.database.connect().await;
    assert!(!scene.server_connections(&direct).await.contains(&pid[0]));
}
