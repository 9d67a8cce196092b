//! What only the proxy sees, from real statements on a real server to the report.

use std::time::Duration;

use serde_json::Value;
use testkit::ScriptedClient;
use tokio_postgres::types::Type;

use crate::scene::{Scene, findings};

/// What a test of some seconds can reach.
const SETTINGS: &str = r#"
[detection.bind_type_mismatch]
least_time = "1ms"
least_ratio = 0
[detection.deep_offset]
least_time = "1ms"
least_ratio = 0
least_samples = 1
[detection.leading_wildcard]
least_time = "1ms"
least_ratio = 0
least_samples = 1
[detection.slow_client]
least_time = "1s"
"#;

async fn shop(scene: &Scene) {
    let server = scene.database.connect().await;
    server
        .batch_execute(
            "CREATE TABLE products (id bigint PRIMARY KEY, name text NOT NULL, stock int NOT NULL);
             INSERT INTO products SELECT g, 'product ' || g, 9 FROM generate_series(1, 20000) g;
             ANALYZE products",
        )
        .await
        .expect("the shop is made");
}

/// The detector's only finding.
async fn found(scene: &Scene, detector: &str) -> Value {
    let wanted = |report: &Value| findings(report, detector).first().map(|one| (*one).clone());
    scene.until(detector, wanted).await
}

fn title(finding: &Value) -> &str {
    finding["title"].as_str().expect("a title")
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_decide_about_the_plan_are_seen() {
    let scene = Scene::with(SETTINGS).await;
    shop(&scene).await;
    let client = scene.client().await;
    let by_id = "SELECT name FROM products WHERE id = $1";
    // Sent as double precision, so that bigint is converted.
    let by_id = client.prepare_typed(by_id, &[Type::FLOAT8]).await.expect("prepared");
    for turn in 0..40 {
        client.query(&by_id, &[&f64::from(turn)]).await.expect("rows");
        let offset = 15_000 + i64::from(turn);
        client
            .query("SELECT name FROM products ORDER BY id LIMIT 5 OFFSET $1", &[&offset])
            .await
            .expect("rows");
        client
            .query("SELECT id FROM products WHERE name LIKE $1", &[&format!("%{turn}%")])
            .await
            .expect("rows");
    }
    let mismatch = found(&scene, "bind_type_mismatch").await;
    assert_eq!(mismatch["severity"], "critical", "{mismatch:#}");
    assert!(title(&mismatch).contains("id is bigint"), "{mismatch:#}");
    let offset = found(&scene, "deep_offset").await;
    assert!(offset["evidence"]["offset_mean"].as_f64() >= Some(15_000.0), "{offset:#}");
    let wildcard = found(&scene, "leading_wildcard").await;
    let sql = wildcard["fix"]["sql"].as_str().expect("SQL");
    // One by one, as psql sends them: together they would be one transaction.
    for statement in sql.split_inclusive(";\n") {
        scene.database.connect().await.batch_execute(statement).await.expect("the fix is right");
    }
    scene
        .until("report without the finding", |report| {
            findings(report, "leading_wildcard").is_empty().then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_answers_and_clients_that_only_the_proxy_sees_are_found() {
    let scene = Scene::with(SETTINGS).await;
    shop(&scene).await;
    let client = scene.client().await;

    client.batch_execute("SET statement_timeout = '30ms'").await.expect("SET");
    for _ in 0..5 {
        client.batch_execute("SELECT pg_sleep(5)").await.expect_err("it takes too long");
    }
    client.batch_execute("SET statement_timeout = 0").await.expect("SET");
    for _ in 0..3 {
        let rows = client.query("SELECT id, name FROM products", &[]).await.expect("rows");
        assert_eq!(rows.len(), 20_000);
    }
    for value in 0..2_500 {
        let text = format!("SELECT name FROM products WHERE stock = {value} LIMIT 1");
        client.query(&text, &[]).await.expect("rows");
    }
    deadlocks(&scene).await;
    stall(&scene).await;

    let timeouts = found(&scene, "statement_timeouts").await;
    assert_eq!(timeouts["confidence"], "high", "all ended after the same time: {timeouts:#}");
    let unbounded = found(&scene, "unbounded_result").await;
    assert_eq!(unbounded["evidence"]["rows_most"], 20_000, "{unbounded:#}");
    let literals = found(&scene, "unparameterised_literals").await;
    assert_eq!(literals["severity"], "warning", "each text was prepared: {literals:#}");
    let deadlocks = found(&scene, "deadlocks").await;
    assert_eq!(deadlocks["evidence"]["failed"], 3, "{deadlocks:#}");
    let slow = found(&scene, "slow_client").await;
    assert!(title(&slow).contains("repeat"), "{slow:#}");
}

/// Three times two clients each want the row that the other has.
async fn deadlocks(scene: &Scene) {
    let (one, two) = (scene.client().await, scene.client().await);
    for client in [&one, &two] {
        client.batch_execute("SET deadlock_timeout = '10ms'").await.expect("SET");
    }
    let update = |id: u32| format!("UPDATE products SET stock = stock - 1 WHERE id = {id}");
    for _ in 0..3 {
        one.batch_execute(&format!("BEGIN; {}", update(1))).await.expect("the first row");
        two.batch_execute(&format!("BEGIN; {}", update(2))).await.expect("the second row");
        let (crossing_one, crossing_two) = (update(2), update(1));
        let (a, b) =
            tokio::join!(one.batch_execute(&crossing_one), two.batch_execute(&crossing_two));
        assert!(a.is_ok() != b.is_ok(), "one of them is the victim");
        one.batch_execute("ROLLBACK").await.expect("ROLLBACK");
        two.batch_execute("ROLLBACK").await.expect("ROLLBACK");
    }
}

/// A client that does not read its answer for longer than a second.
async fn stall(scene: &Scene) {
    let address = scene.proxy.address();
    let mut client = ScriptedClient::login(address, "postgres", &scene.database.name).await;
    // More than the buffers of two sockets hold.
    client.send_query("SELECT repeat('x', 1000000) FROM generate_series(1, 40)").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    client.expect_until(b'Z').await;
}
