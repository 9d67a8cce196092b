//! tokio-postgres: prepared statements, bound values, binary results, cancelling.

use std::time::{Duration, SystemTime};

use tokio_postgres::NoTls;
use tokio_postgres::types::Type;

use crate::scene::{Scene, rows, until};

#[tokio::test]
async fn bound_values_and_binary_rows() {
    let scene = Scene::with("").await;
    let app = scene.client("cart").await;
    for number in 0..4i32 {
        app.query("SELECT $1::int4 + 1", &[&number]).await.unwrap();
    }
    let console = scene.console("watcher").await;
    let text = "SELECT q.text, q.calls, q.total_ms, q.last_seen, m.calls > $2 \
                FROM queries q JOIN query_minutes m USING (fingerprint) \
                WHERE q.application = $1 AND m.minute > $3 AND q.calls >= $2";
    let statement = console.prepare(text).await.unwrap();
    assert_eq!(statement.params(), [Type::TEXT, Type::INT8, Type::TIMESTAMPTZ]);
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let found = console.query(&statement, &[&"cart", &1i64, &hour_ago]).await.unwrap();
    let row = found.first().expect("the statement was measured");
    assert_eq!(row.get::<_, &str>(0), "SELECT $1::int4 + $2");
    assert_eq!(row.get::<_, i64>(1), 4);
    assert!(row.get::<_, f64>(2) > 0.0);
    assert!(row.get::<_, SystemTime>(3) > hour_ago);
    let never = SystemTime::now() + Duration::from_secs(3600);
    assert!(console.query(&statement, &[&"cart", &1i64, &never]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cancel_request_ends_the_query_and_nothing_else() {
    let scene = Scene::with("console_query_timeout = \"60s\"").await;
    let console = scene.console("watcher").await;
    let token = console.cancel_token();
    let never = "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n) \
                 SELECT count(*) FROM n";
    let running = console.simple_query(never);
    tokio::pin!(running);
    let error = loop {
        // The request may come before the query does: again until it has met it.
        tokio::select! {
            ended = &mut running => break ended.unwrap_err(),
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                token.cancel_query(NoTls).await.unwrap();
            }
        }
    };
    let error = error.as_db_error().expect("told by the console");
    assert_eq!(
        (error.code().code(), error.message()),
        ("57014", "canceling statement due to user request")
    );
    assert_eq!(rows(&console, "SELECT count(*) > 0 FROM settings").await, ["t"]);
}

#[tokio::test]
async fn whoever_goes_away_leaves_no_query_behind() {
    let scene = Scene::with("console_query_timeout = \"60s\"").await;
    let never = "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n) \
                 SELECT count(*) FROM n";
    // More than run at a time.
    for _ in 0..4 {
        let (console, connection) = scene.connected("dbname=pgweir user=watcher").await;
        let _ = tokio::time::timeout(Duration::from_millis(300), console.simple_query(never)).await;
        // Without it the driver would wait for the answer.
        connection.abort();
    }
    let console = scene.console("watcher").await;
    until("a turn", async || {
        let asked = rows(&console, "SELECT count(*) > 0 FROM settings");
        let answer = tokio::time::timeout(Duration::from_secs(10), asked).await.ok()?;
        (answer == ["t"]).then_some(())
    })
    .await;
}
