//! What is wrong is found, and is gone when it is fixed.

use crate::scene::{Scene, findings};

const LOOK_UP: &str = "SELECT total FROM orders WHERE customer_id = $1";

async fn shop(scene: &Scene) {
    let server = scene.database.connect().await;
    server
        .batch_execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int NOT NULL, total int);
             INSERT INTO orders SELECT g, g % 20000, g FROM generate_series(1, 200000) g;
             ANALYZE orders",
        )
        .await
        .expect("the shop is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_index_is_named_fixed_and_gone() {
    let scene = Scene::start().await;
    shop(&scene).await;
    let client = scene.client().await;
    let statement = client.prepare(LOOK_UP).await.expect("it is prepared");
    for customer in 0..60i32 {
        client.query(&statement, &[&customer]).await.expect("rows");
    }
    let fix = scene
        .until("missing index", |report| {
            let found = findings(report, "missing_index");
            let finding = found.first()?;
            assert_eq!(found.len(), 1, "one index is missing: {found:#?}");
            assert_eq!(finding["tables"], serde_json::json!(["public.orders"]));
            let title = finding["title"].as_str()?;
            assert!(title.contains("(customer_id)"), "{title}");
            assert!(finding["fix"]["undo"].is_string());
            Some(finding["fix"]["sql"].as_str()?.to_owned())
        })
        .await;
    assert!(fix.starts_with("CREATE INDEX CONCURRENTLY"), "{fix}");
    scene.database.connect().await.batch_execute(&fix).await.expect("the fix is right");
    scene
        .until("report without the finding", |report| {
            findings(report, "missing_index").is_empty().then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_asks_for_each_row_by_itself_is_found() {
    let scene = Scene::start().await;
    shop(&scene).await;
    let mut client = scene.client().await;
    for page in 0..5i64 {
        let transaction = client.transaction().await.expect("a transaction");
        for row in 0..20i64 {
            transaction
                .query("SELECT total FROM orders WHERE id = $1", &[&(page * 20 + row)])
                .await
                .expect("a row");
        }
        transaction.commit().await.expect("a commit");
    }
    scene
        .until("N+1", |report| {
            let found = findings(report, "n_plus_one");
            let finding = found.first()?;
            assert_eq!(finding["severity"], "warning");
            Some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_often_fails_is_found() {
    let scene = Scene::start().await;
    let client = scene.client().await;
    client.batch_execute("CREATE TABLE users (name text PRIMARY KEY)").await.expect("DDL");
    for n in 0..40i32 {
        let name = format!("user {}", n % 20);
        // Every second one is there already.
        let _ = client.execute("INSERT INTO users VALUES ($1)", &[&name]).await;
    }
    scene
        .until("error rate", |report| {
            let found = findings(report, "error_rate");
            let finding = found.first()?;
            assert!(finding["title"].as_str()?.contains("23505"), "{finding:#}");
            Some(())
        })
        .await;
}
