//! SHUTDOWN.

use tokio_postgres::error::SqlState;

use crate::load::Load;
use crate::scene::{Scene, refused, rows, until};

async fn until_closed(scene: &Scene) {
    until("nobody gets in any more", async || {
        tokio::net::TcpStream::connect(scene.proxy.address()).await.is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn wait_for_clients_takes_no_new_ones_and_ends_with_the_last() {
    let scene = Scene::with("").await;
    let (app, connection) =
        scene.connected(&format!("dbname={} application_name=app", scene.database.name)).await;
    let console = scene.console("postgres").await;
    console.batch_execute("SHUTDOWN WAIT_FOR_CLIENTS").await.unwrap();
    until_closed(&scene).await;
    assert_eq!(rows(&app, "SELECT 1").await, ["1"]);
    for command in ["RESUME", "SUSPEND"] {
        assert_eq!(refused(&console, command).await.message(), "pooler is shutting down");
    }
    // A second SHUTDOWN of the same kind is no other.
    console.batch_execute("SHUTDOWN WAIT_FOR_CLIENTS").await.unwrap();
    assert_eq!(rows(&app, "SELECT 1").await, ["1"]);
    drop(app);
    connection.await.unwrap();
    let Scene { proxy, .. } = scene;
    assert_eq!(proxy.wait().await, 0);
}

#[tokio::test]
async fn wait_for_servers_after_wait_for_clients_only_waits_for_transactions() {
    let scene = Scene::with("").await;
    let (busy, idle) = (scene.client("busy").await, scene.client("idle").await);
    busy.batch_execute("CREATE TABLE t (a int); BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    let console = scene.console("postgres").await;
    console.batch_execute("SHUTDOWN WAIT_FOR_CLIENTS").await.unwrap();
    until_closed(&scene).await;
    rows(&idle, "SELECT 1").await;
    console.batch_execute("SHUTDOWN WAIT_FOR_SERVERS").await.unwrap();
    until("the idle one is sent away", async || idle.is_closed().then_some(())).await;
    busy.batch_execute("COMMIT").await.unwrap();
    let Scene { proxy, database, .. } = scene;
    assert_eq!(proxy.wait().await, 0);
    assert_eq!(rows(&database.connect().await, "SELECT count(*) FROM t").await, ["1"]);
}

#[tokio::test]
async fn shutdown_alone_waits_for_nobody() {
    let scene = Scene::with("").await;
    let load = Load::of(&scene, 4).await;
    let busy = scene.client("busy").await;
    busy.batch_execute("BEGIN").await.unwrap();
    let console = scene.console("postgres").await;
    console.batch_execute("SHUTDOWN WAIT_FOR_CLIENTS").await.unwrap();
    // The answer may be lost with the process.
    let _ = console.batch_execute("SHUTDOWN").await;
    let error = until("it is sent away", async || busy.batch_execute("SELECT 1").await.err()).await;
    assert!(error.is_closed() || error.code() == Some(&SqlState::ADMIN_SHUTDOWN), "{error}");
    assert!(load.end().await.iter().all(Result::is_err));
    let Scene { proxy, .. } = scene;
    assert_eq!(proxy.wait().await, 0);
}

#[tokio::test]
async fn what_is_suspended_can_still_be_shut_down() {
    let scene = Scene::with("").await;
    let app = scene.client("app").await;
    let console = scene.console("postgres").await;
    console.batch_execute("SUSPEND").await.unwrap();
    let asking = tokio::spawn(async move {
        let _ = app.batch_execute("SELECT 1").await;
    });
    let _ = console.batch_execute("SHUTDOWN WAIT_FOR_SERVERS").await;
    asking.await.unwrap();
    let Scene { proxy, .. } = scene;
    assert_eq!(proxy.wait().await, 0);
}

#[tokio::test]
async fn who_waits_for_a_paused_database_is_sent_away() {
    let scene = Scene::with("").await;
    let app = scene.client("app").await;
    let console = scene.console("postgres").await;
    console.batch_execute("PAUSE").await.unwrap();
    let asking = tokio::spawn(async move { app.batch_execute("SELECT 1").await });
    until("it waits", async || {
        rows(&console, "SELECT 1 FROM pools WHERE cl_waiting > 0").await.pop()
    })
    .await;
    let began = std::time::Instant::now();
    let _ = console.batch_execute("SHUTDOWN WAIT_FOR_SERVERS").await;
    assert_eq!(asking.await.unwrap().unwrap_err().code(), Some(&SqlState::ADMIN_SHUTDOWN));
    let Scene { proxy, .. } = scene;
    assert_eq!(proxy.wait().await, 0);
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "shutdown_timeout is 60 s");
}
