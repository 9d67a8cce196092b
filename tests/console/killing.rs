//! KILL, and KILL_CLIENT with what is no client.

use tokio_postgres::error::SqlState;

use crate::load::Load;
use crate::scene::{Scene, is_paused, refused, rows, until};

#[tokio::test]
async fn kill_drops_clients_and_servers_of_a_database_at_once_and_holds_it() {
    let scene = Scene::with("default_pool_size = 3").await;
    let elsewhere = scene.postgres.database().await;
    let spared = scene.connect(&format!("dbname={} application_name=spared", elsewhere.name)).await;
    let (open, running) = (scene.client("open").await, scene.client("running").await);
    let (console, direct) = (scene.console("postgres").await, scene.database.connect().await);
    open.batch_execute("BEGIN").await.unwrap();
    let sleeping = tokio::spawn(async move { running.batch_execute("SELECT pg_sleep(60)").await });
    until("it runs", async || {
        let text = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                    AND datname = current_database()";
        rows(&direct, text).await.pop()
    })
    .await;
    let load = Load::of(&scene, 6).await;
    console.batch_execute(&format!("KILL {}", scene.database.name)).await.unwrap();
    let killed = sleeping.await.unwrap().unwrap_err();
    assert_eq!(killed.code(), Some(&SqlState::ADMIN_SHUTDOWN), "{killed}");
    assert!(open.batch_execute("SELECT 1").await.is_err());
    assert!(load.end().await.iter().all(Result::is_err), "all clients are gone");
    until("all server connections are gone", async || {
        scene.server_connections(&direct).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(rows(&spared, "SELECT 1").await, ["1"]);
    assert!(is_paused(&console, &scene.database.name).await);

    // Who comes now waits until RESUME.
    let again = async {
        let app = scene.client("again").await;
        rows(&app, "SELECT 'served'").await
    };
    let resuming = async {
        let watcher = scene.console("watcher").await;
        until("somebody waits", async || {
            let text = "SELECT 1 FROM pools WHERE cl_waiting > 0";
            rows(&watcher, text).await.pop()
        })
        .await;
        console.batch_execute(&format!("RESUME {}", scene.database.name)).await.unwrap();
    };
    assert_eq!(tokio::join!(again, resuming).0, ["served"]);
}

#[tokio::test]
async fn kill_of_everything_spares_the_console_and_is_resumed_as_a_pause() {
    let scene = Scene::with("").await;
    let console = scene.console("postgres").await;
    let load = Load::of(&scene, 5).await;
    console.batch_execute("KILL").await.unwrap();
    assert!(load.end().await.iter().all(Result::is_err));
    assert_eq!(refused(&console, "KILL").await.message(), "already suspended/paused");
    until("no client is left", async || {
        rows(&console, "SHOW CLIENTS").await.is_empty().then_some(())
    })
    .await;
    console.batch_execute("RESUME").await.unwrap();
    assert_eq!(rows(&scene.client("new").await, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn a_killed_clients_server_connection_goes_with_it() {
    let scene = Scene::with("default_pool_size = 1").await;
    let (app, next) = (scene.client("app").await, scene.client("next").await);
    let console = scene.console("postgres").await;
    app.batch_execute("BEGIN").await.unwrap();
    let pid = rows(&app, "SELECT pg_backend_pid()").await;
    let id = rows(&console, "SELECT id FROM clients WHERE application = 'app'").await;
    console.batch_execute(&format!("kill_client {}", id[0])).await.unwrap();
    assert!(app.batch_execute("SELECT 1").await.is_err());
    assert_ne!(rows(&next, "SELECT pg_backend_pid()").await, pid);
    for (text, words) in [
        (format!("KILL_CLIENT {}", id[0]), "client not found"),
        ("KILL_CLIENT 999999".to_owned(), "client not found"),
        ("KILL_CLIENT".to_owned(), "invalid client pointer supplied"),
        ("KILL_CLIENT app".to_owned(), "invalid client pointer supplied"),
        ("KILL_CLIENT 99999999999999999999999".to_owned(), "invalid client pointer supplied"),
    ] {
        let told = refused(&console, &text).await;
        assert_eq!((told.message(), told.code().code()), (words, "22023"), "{text}");
    }
}
