//! PAUSE and RESUME.

use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::load::Load;
use crate::scene::{Scene, is_paused, refused, rows, shown, until};

#[tokio::test]
async fn pause_ends_when_no_server_connection_is_left_and_no_client_notices() {
    let scene = Scene::with("default_pool_size = 4").await;
    let load = Load::of(&scene, 12).await;
    let (console, direct) = (scene.console("postgres").await, scene.database.connect().await);
    for _ in 0..5 {
        console.batch_execute("PAUSE").await.unwrap();
        // At once: whoever restarts the server now must meet nobody.
        assert_eq!(scene.server_connections(&direct).await, [] as [String; 0]);
        let at_rest = load.done();
        assert_eq!(shown(&console, "SHOW STATE", "paused").await, "yes");
        assert_eq!(shown(&console, "SHOW STATE", "active").await, "no");
        assert!(is_paused(&console, &scene.database.name).await);
        assert!(load.done() <= at_rest + 12, "what was done is counted a little later");
        console.batch_execute("RESUME").await.unwrap();
        load.until_more(20).await;
    }
    load.end_well().await;
    assert_eq!(shown(&console, "SHOW STATE", "active").await, "yes");
}

#[tokio::test]
async fn what_cannot_be_paused_or_resumed_is_refused_in_pgbouncers_words() {
    let scene = Scene::with("").await;
    let console = scene.console("postgres").await;
    let app = scene.client("app").await;
    app.batch_execute("SELECT 1").await.unwrap();
    let name = &scene.database.name;
    for (command, words) in [
        ("RESUME".to_owned(), "pooler is not paused/suspended".to_owned()),
        (format!("RESUME {name}"), format!("database {name} is not paused")),
        ("PAUSE pgbouncer".to_owned(), "cannot pause admin db: pgbouncer".to_owned()),
        ("KILL pgweir".to_owned(), "cannot kill admin db: pgweir".to_owned()),
        ("WAIT_CLOSE pgweir".to_owned(), "cannot wait in admin db: pgweir".to_owned()),
        ("DISABLE pgbouncer".to_owned(), "cannot disable admin db: pgbouncer".to_owned()),
    ] {
        assert_eq!(refused(&console, &command).await.message(), words);
    }
    console.batch_execute(&format!("pause \"{name}\";")).await.unwrap();
    // Said again, it is as true.
    console.batch_execute(&format!("PAUSE {name}")).await.unwrap();
    let told = refused(&console, "RESUME").await;
    assert!(told.hint().unwrap_or_default().contains(name.as_str()), "{told:?}");
    assert_eq!(
        refused(&console, "SUSPEND").await.message(),
        "cannot suspend with paused databases"
    );
    console.batch_execute("PAUSE").await.unwrap();
    for command in ["PAUSE", "SUSPEND", "KILL", &format!("PAUSE {name}")] {
        let told = refused(&console, command).await;
        assert_eq!(told.message(), "already suspended/paused", "{command}");
        assert_eq!(told.code(), &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    }
    console.batch_execute("RESUME").await.unwrap();
    // It was paused by its name.
    assert!(is_paused(&console, name).await);
    console.batch_execute(&format!("RESUME {name}")).await.unwrap();
    app.batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_refused() {
    let scene = Scene::with_named_databases().await;
    let console = scene.console("postgres").await;
    for command in ["PAUSE", "RESUME", "RECONNECT", "KILL", "WAIT_CLOSE", "DISABLE", "ENABLE"] {
        let told = refused(&console, &format!("{command} nope")).await;
        assert_eq!(told.message(), "no such database: nope", "{command}");
        assert_eq!(told.code(), &SqlState::INVALID_CATALOG_NAME);
    }
    for command in ["DISABLE", "ENABLE"] {
        assert_eq!(refused(&console, command).await.message(), "a database is required");
    }
}

#[tokio::test]
async fn ctrl_c_takes_a_pause_back_that_waits() {
    let scene = Scene::with("").await;
    let (busy, other) = (scene.client("busy").await, scene.client("other").await);
    busy.batch_execute("BEGIN").await.unwrap();
    let console = scene.console("postgres").await;
    let token = console.cancel_token();
    for command in ["PAUSE".to_owned(), format!("PAUSE {}", scene.database.name)] {
        let pausing = console.batch_execute(&command);
        let cancelling = async {
            let watcher = scene.console("watcher").await;
            until("it is paused", async || {
                is_paused(&watcher, &scene.database.name).await.then_some(())
            })
            .await;
            token.cancel_query(NoTls).await.unwrap();
        };
        let (paused, ()) = tokio::join!(pausing, cancelling);
        assert_eq!(paused.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
        other.batch_execute("SELECT 1").await.unwrap();
    }
    busy.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_pause_whose_console_goes_away_stays_in_force() {
    let scene = Scene::with("").await;
    let (busy, direct) = (scene.client("busy").await, scene.database.connect().await);
    busy.batch_execute("BEGIN").await.unwrap();
    let (console, connection) = scene.connected("dbname=pgweir user=postgres").await;
    let pausing = tokio::spawn(async move { console.batch_execute("PAUSE").await });
    let other = scene.console("postgres").await;
    until("it is paused", async || {
        (shown(&other, "SHOW STATE", "paused").await == "yes").then_some(())
    })
    .await;
    connection.abort();
    let _ = pausing.await;
    busy.batch_execute("COMMIT").await.unwrap();
    until("the server connections are closed", async || {
        scene.server_connections(&direct).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(shown(&other, "SHOW STATE", "paused").await, "yes");
    other.batch_execute("RESUME").await.unwrap();
    assert_eq!(rows(&busy, "SELECT 1").await, ["1"]);
}

#[tokio::test]
async fn who_waits_for_a_pause_that_somebody_else_ends_is_told() {
    let scene = Scene::with("").await;
    let busy = scene.client("busy").await;
    busy.batch_execute("BEGIN").await.unwrap();
    let (console, other) = (scene.console("postgres").await, scene.console("postgres").await);
    let resuming = async {
        until("it can be resumed", async || other.batch_execute("RESUME").await.ok()).await;
    };
    let (paused, ()) = tokio::join!(console.batch_execute("PAUSE"), resuming);
    let error = paused.unwrap_err();
    let told = error.as_db_error().unwrap();
    assert_eq!(told.message(), "resumed before all server connections were closed");
}
