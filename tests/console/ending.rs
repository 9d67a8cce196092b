//! SHUTDOWN.

use testkit::ScriptedClient;
use testkit::frames::{cancel, only_error};
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
async fn while_clients_are_waited_for_the_unix_socket_leads_to_the_console() {
    let directory = tempfile::tempdir().unwrap();
    let scene = Scene::with(&format!("unix_socket_dir = {:?}\n", directory.path())).await;
    let socket = directory.path().join(format!(".s.PGSQL.{}", scene.proxy.address().port()));
    let mut app = ScriptedClient::connect(scene.proxy.address()).await;
    app.startup("postgres", &scene.database.name, &[]).await;
    let frames = app.login_trust().await;
    let key = frames.iter().find(|frame| frame.0 == b'K').unwrap();
    let (process_id, key) = (i32::from_be_bytes(key.1[..4].try_into().unwrap()), &key.1[4..]);
    scene.console("postgres").await.batch_execute("SHUTDOWN WAIT_FOR_CLIENTS").await.unwrap();
    until_closed(&scene).await;

    let mut stranger = ScriptedClient::connect_unix(&socket).await;
    stranger.startup("postgres", &scene.database.name, &[]).await;
    let refusal = stranger.expect_error().await;
    assert_eq!((refusal.severity(), refusal.sqlstate()), ("FATAL", "57P03"));
    let mut console = ScriptedClient::connect_unix(&socket).await;
    console.startup("postgres", "pgweir", &[]).await;
    console.login_trust().await;
    let who = console.value("SELECT database FROM clients").await;
    assert_eq!(who, scene.database.name, "it is shown who is waited for");
    app.send_query("SELECT pg_sleep(60)").await;
    // Sent again and again: it may come before the query runs.
    let asking = async {
        loop {
            let mut canceller = ScriptedClient::connect_unix(&socket).await;
            canceller.send(&cancel(process_id, key)).await;
            canceller.drain().await;
        }
    };
    let answer = tokio::select! {
        answer = app.expect_until(b'Z') => answer,
        () = asking => unreachable!("it never ends"),
    };
    assert_eq!(only_error(&answer).sqlstate(), "57014");
    app.terminate().await;
    let Scene { proxy, .. } = scene;
    assert_eq!(proxy.wait().await, 0, "a console is not waited for");
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_more_urgent_shutdown_closes_the_unix_socket_too() {
    let directory = tempfile::tempdir().unwrap();
    let scene = Scene::with(&format!("unix_socket_dir = {:?}\n", directory.path())).await;
    let socket = directory.path().join(format!(".s.PGSQL.{}", scene.proxy.address().port()));
    let busy = scene.client("busy").await;
    busy.batch_execute("BEGIN").await.unwrap();
    scene.console("postgres").await.batch_execute("SHUTDOWN WAIT_FOR_CLIENTS").await.unwrap();
    until_closed(&scene).await;
    let mut console = ScriptedClient::connect_unix(&socket).await;
    console.startup("postgres", "pgweir", &[]).await;
    console.login_trust().await;
    console.query("SHUTDOWN WAIT_FOR_SERVERS").await;
    until("it is closed", async || (!socket.exists()).then_some(())).await;
    busy.batch_execute("COMMIT").await.unwrap();
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
