//! A fix turns its finding into a result: before and after, as measured.

use serde_json::Value;

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

fn result(report: &Value) -> Option<&Value> {
    report["results"].as_array()?.first()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_index_that_is_made_becomes_a_result() {
    let scene = Scene::start().await;
    shop(&scene).await;
    let client = scene.client().await;
    let statement = client.prepare(LOOK_UP).await.expect("it is prepared");
    let look_up = async |calls: i32| {
        for customer in 0..calls {
            client.query(&statement, &[&customer]).await.expect("rows");
        }
    };
    look_up(60).await;
    let fix = scene
        .until("missing index", |report| {
            Some(findings(report, "missing_index").first()?["fix"]["sql"].as_str()?.to_owned())
        })
        .await;
    // The finding is followed from the first reading of the catalogue that it stands in.
    scene.database.connect().await.batch_execute(&fix).await.expect("the fix is right");
    let change =
        scene.until("result", |report| Some(result(report)?["change"].as_str()?.to_owned())).await;
    assert_eq!(change, "index orders_customer_id_idx was created on public.orders");
    look_up(60).await;
    scene
        .until("effect", |report| {
            let result = result(report)?;
            if result["effect"] == "measuring" {
                return None;
            }
            assert_eq!(result["effect"], "better", "{result:#}");
            let (before, after) = (&result["before"], &result["after"]);
            assert_eq!((before["calls"].as_u64(), after["calls"].as_u64()), (Some(60), Some(60)));
            let mean = |side: &Value| side["database_mean_ms"].as_f64().expect("a number");
            assert!(mean(before) > mean(after) * 1.25, "{result:#}");
            assert!(result["unchanged_at"].as_str() < result["changed_at"].as_str());
            assert!(findings(report, "missing_index").is_empty());
            Some(())
        })
        .await;
    let text = scene.report_text(&[]);
    assert!(text.contains("RESULTS OF FIXES") && text.contains("× faster"), "{text}");
    let page = scene.report_text(&["--format", "html"]);
    assert!(page.contains("Results of fixes") && page.contains("tag better"));
    let ticket = scene.report_text(&["--format", "markdown"]);
    assert!(ticket.contains("✅ **") && ticket.contains("× faster"), "{ticket}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_on_a_part_and_one_that_is_refused() {
    let scene = Scene::start().await;
    let client = scene.client().await;
    client.query_one("SELECT 4711", &[]).await.expect("a row");
    let report = |arguments: &[&str]| -> Value {
        let text = scene.report_text(&[&["--format", "json"], arguments].concat());
        serde_json::from_str(&text).expect("JSON")
    };
    let own = report(&["--database", &scene.database.name, "--sort", "calls"]);
    assert_eq!(own["totals"]["calls"], 1, "{own:#}");
    assert_eq!(own["selection"]["sort"], "calls");
    let other = report(&["--database", "nobodys"]);
    assert_eq!(other["totals"]["calls"], 0);
    let compared = report(&["--compare", "30m"]);
    assert!(compared["comparison"]["worse"].is_array(), "{compared:#}");

    let refused = scene.refused(&["--show-values"]);
    assert!(refused.contains("report_values"), "{refused}");
    let backwards = scene.refused(&["--since", "5m", "--until", "10m"]);
    assert!(backwards.contains("since must lie before until"), "{backwards}");
}
