//! SUSPEND.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::load::Load;
use crate::scene::{Scene, refused, rows, shown, until};

/// Long enough for an answer that must not come.
const A_WHILE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn nothing_moves_until_resume_and_nothing_is_lost() {
    let scene = Scene::with("default_pool_size = 3").await;
    let load = Load::of(&scene, 8).await;
    let console = scene.console("postgres").await;
    for _ in 0..3 {
        console.batch_execute("SUSPEND").await.unwrap();
        assert_eq!(shown(&console, "SHOW STATE", "suspended").await, "yes");
        let done = load.done();
        tokio::time::sleep(A_WHILE).await;
        assert!(load.done() <= done + 8, "what was written out is counted a little later");
        let done = load.done();
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(load.done(), done);
        for command in ["SUSPEND", "PAUSE", "KILL"] {
            let told = refused(&console, command).await;
            assert_eq!(told.message(), "already suspended/paused", "{command}");
        }
        console.batch_execute("RESUME").await.unwrap();
        load.until_more(20).await;
    }
    load.end_well().await;
}

#[tokio::test]
async fn whoever_logs_in_waits_and_an_admin_may_still_come() {
    let scene = Scene::with("").await;
    let app = scene.client("app").await;
    rows(&app, "SELECT 1").await;
    let first = scene.console("postgres").await;
    first.batch_execute("SUSPEND").await.unwrap();
    let coming = async {
        let late = scene.client("late").await;
        rows(&late, "SELECT 'served'").await
    };
    tokio::pin!(coming);
    let early = tokio::time::timeout(A_WHILE, &mut coming).await;
    assert!(early.is_err(), "{early:?}");
    let second = scene.console("postgres").await;
    second.batch_execute("RESUME").await.unwrap();
    assert_eq!(coming.await, ["served"]);
    assert_eq!(rows(&app, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn with_the_last_console_suspend_is_gone() {
    let scene = Scene::with("").await;
    let app = scene.client("app").await;
    let (console, connection) = scene.connected("dbname=pgweir user=postgres").await;
    console.batch_execute("SUSPEND").await.unwrap();
    let waits = rows(&app, "SELECT 1");
    tokio::pin!(waits);
    assert!(tokio::time::timeout(A_WHILE, &mut waits).await.is_err());
    drop(console);
    connection.await.unwrap();
    assert_eq!(waits.await, ["1"]);
    until("the log says so", async || {
        scene.proxy.log().contains("SUSPEND is taken back").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_closed_after_suspend_timeout() {
    let scene = Scene::with("suspend_timeout = \"400ms\"").await;
    let mut deaf =
        testkit::ScriptedClient::login(scene.proxy.address(), "postgres", &scene.database.name)
            .await;
    let console = scene.console("postgres").await;
    // It asks for more than all buffers on the way hold, and reads nothing.
    deaf.send_query("SELECT repeat('x', 1000) FROM generate_series(1, 200000)").await;
    until("the answer is stuck", async || {
        let text = "SELECT 1 FROM servers WHERE activity = 'active'";
        rows(&console, text).await.pop()
    })
    .await;
    tokio::time::sleep(A_WHILE).await;
    let app = scene.client("app").await;
    console.batch_execute("SUSPEND").await.unwrap();
    console.batch_execute("RESUME").await.unwrap();
    until("it is closed", async || {
        let text = "SELECT count(*) FROM clients WHERE application <> 'app'";
        (rows(&console, text).await == ["0"]).then_some(())
    })
    .await;
    assert!(scene.proxy.log().contains("suspend_timeout"), "{}", scene.proxy.log());
    assert_eq!(rows(&app, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn ctrl_c_takes_suspend_back() {
    let scene = Scene::with("suspend_timeout = 0").await;
    let mut deaf =
        testkit::ScriptedClient::login(scene.proxy.address(), "postgres", &scene.database.name)
            .await;
    deaf.send_query("SELECT repeat('x', 1000) FROM generate_series(1, 200000)").await;
    let (console, other) = (scene.console("postgres").await, scene.console("watcher").await);
    tokio::time::sleep(A_WHILE).await;
    let token = console.cancel_token();
    let cancelling = async {
        until("it is suspended", async || {
            (shown(&other, "SHOW STATE", "suspended").await == "yes").then_some(())
        })
        .await;
        token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    };
    let (suspended, ()) = tokio::join!(console.batch_execute("SUSPEND"), cancelling);
    assert_eq!(suspended.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(shown(&other, "SHOW STATE", "active").await, "yes");
    assert_eq!(rows(&scene.client("app").await, "SELECT 1").await, ["1"]);
}
