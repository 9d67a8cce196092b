//! The console's own commands.

use tokio_postgres::error::SqlState;

use crate::scene::{Scene, rows, until};

#[tokio::test]
async fn cancel_ends_what_a_client_runs_and_not_the_client() {
    let scene = Scene::with("").await;
    let app = scene.client("cart").await;
    let console = scene.console("postgres").await;
    let sleeping = async { app.simple_query("SELECT pg_sleep(30)").await };
    let cancelling = async {
        // A cancel request that comes before its statement has nothing to cancel.
        let direct = scene.database.connect().await;
        until("the statement runs", async || {
            let text = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                        AND datname = current_database()";
            rows(&direct, text).await.pop()
        })
        .await;
        let id = until("a client that works", async || {
            let text = "SELECT c.id FROM clients c JOIN servers s ON s.client = c.id \
                        WHERE c.application = 'cart' AND c.activity = 'active'";
            rows(&console, text).await.pop()
        })
        .await;
        console.batch_execute(&format!("CANCEL {id}")).await.unwrap();
        id
    };
    let (slept, id) = tokio::join!(sleeping, cancelling);
    assert_eq!(slept.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(rows(&app, "SELECT 1").await, ["1"]);
    until("it holds nothing", async || {
        let error = console.batch_execute(&format!("CANCEL {id}")).await.err()?;
        (error.code() == Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)).then_some(())
    })
    .await;
    assert!(console.batch_execute("CANCEL 999999").await.is_err());
}

#[tokio::test]
async fn notes_and_what_was_done_are_events() {
    let scene = Scene::with("").await;
    let console = scene.console("postgres").await;
    console.batch_execute("NOTE 'deployed 4.2'").await.unwrap();
    console.batch_execute("PAUSE").await.unwrap();
    console.batch_execute("RESUME").await.unwrap();
    console.batch_execute("RELOAD").await.unwrap();
    console.batch_execute("RECONNECT").await.unwrap();
    console.batch_execute("SET log_min_duration = '1s'").await.unwrap();
    // What was not done is no event.
    console.batch_execute("RESUME").await.unwrap_err();
    console.batch_execute("KILL_CLIENT 999999").await.unwrap_err();
    let kinds = rows(&console, "SELECT kind, text FROM events ORDER BY at").await;
    let expected = [
        concat!("start|pgweir ", env!("CARGO_PKG_VERSION")),
        "note|deployed 4.2",
        "pause|all databases",
        "resume|all databases",
        "reload|configuration reloaded",
        "command|RECONNECT",
        "command|SET log_min_duration",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(rows(&console, "SHOW EVENTS").await.len(), 7);
}

#[tokio::test]
async fn statistics_can_be_forgotten_and_a_statement_explained() {
    let scene = Scene::with("").await;
    let app = scene.client("cart").await;
    app.simple_query("SELECT 1 AS a, 2 AS b").await.unwrap();
    let console = scene.console("postgres").await;
    let id = rows(&console, "SELECT fingerprint FROM queries WHERE application = 'cart'").await;
    let explained = rows(&console, &format!("EXPLAIN FINGERPRINT '{}'", id[0])).await;
    assert_eq!(explained[1], "SELECT $1 AS a, $2 AS b");
    console.batch_execute("RESET STATS").await.unwrap();
    assert_eq!(rows(&console, "SELECT count(*) FROM query_minutes").await, ["0"]);
    app.simple_query("SELECT 1 AS a, 2 AS b").await.unwrap();
    assert_eq!(
        rows(&console, "SELECT calls, text FROM queries").await,
        ["1|SELECT $1 AS a, $2 AS b"]
    );
}

#[tokio::test]
async fn who_may_look_may_not_command_and_nobody_else_gets_in() {
    let scene = Scene::with("").await;
    let watcher = scene.console("watcher").await;
    for command in ["NOTE 'x'", "RESET STATS", "CANCEL 1", "KILL_CLIENT 1", "PAUSE", "RELOAD"] {
        let error = watcher.batch_execute(command).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{command}");
    }
    assert!(!rows(&watcher, "SELECT * FROM settings").await.is_empty());
    let output = scene.psql("stranger", &["-c", "SELECT 1"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("admin access needed"), "{said}");
}
