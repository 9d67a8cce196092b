//! Counts are exact, and fields are where the contract says.

use std::process::Command;

use testkit::Postgres;

use crate::scene::{Scene, query};

/// Runs pgbench through the proxy.
async fn pgbench(scene: &Scene, arguments: &[&str]) {
    let port = scene.proxy.address().port().to_string();
    let programs = Postgres::shared().await.programs();
    let mut command = Command::new(programs.program("pgbench").expect("pgbench is installed"));
    command
        .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres"])
        .args(arguments)
        .arg(&scene.database.name);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("the task ends")
        .expect("pgbench starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_prepared_statements_are_one_fingerprint_with_twenty_thousand_calls() {
    let scene = Scene::start().await;
    pgbench(&scene, &["-i", "-q"]).await;
    // As many clients as server connections: whoever has to queue is not quite healthy.
    pgbench(&scene, &["-n", "-S", "-M", "prepared", "-t", "4000", "-c", "5"]).await;
    let report = scene.report();
    let select = query(&report, "SELECT abalance FROM pgbench_accounts WHERE aid = $1");
    assert_eq!(select["calls"], 20_000);
    assert_eq!(select["rows"], 20_000);
    assert_eq!(select["applications"], serde_json::json!(["pgbench"]));
    assert_eq!(report["coverage"]["dropped"], 0);
    assert_eq!(report["findings"], serde_json::json!([]), "a healthy workload");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_and_all_literals_are_one_fingerprint() {
    let scene = Scene::start().await;
    let client = scene.client().await;
    client.batch_execute("CREATE TABLE items (id int, name text)").await.expect("DDL");
    for id in 0..7 {
        let sql = format!("INSERT INTO items (id, name) VALUES ({id}, 'n{id}'), ({id}, 'again')");
        client.batch_execute(&sql).await.expect("an insert");
    }
    let sql = "SELECT name FROM items WHERE id = $1";
    for id in 0..5i32 {
        assert_eq!(client.query(sql, &[&id]).await.expect("rows").len(), 2);
    }
    client.simple_query("SELECT name FROM items WHERE id = 3").await.expect("rows");

    let report = scene.report();
    let select = query(&report, sql);
    assert_eq!((select["calls"].as_u64(), select["rows"].as_u64()), (Some(6), Some(12)));
    let inserts: u64 = report["queries"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|query| query["text"].as_str().is_some_and(|text| text.starts_with("INSERT")))
        .map(|query| {
            assert_eq!(query["calls"], 7, "one fingerprint: {query:#}");
            query["rows"].as_u64().expect("a number")
        })
        .sum();
    assert_eq!(inserts, 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_told_apart_by_the_tags_in_their_comments() {
    let scene = Scene::start().await;
    let client = scene.client().await;
    let trace = "traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'";
    for _ in 0..3 {
        client.simple_query("SELECT 1 /*controller:cart,action:show*/").await.expect("a row");
        let text = format!("SELECT 2 /*action='list',controller='menu',{trace}*/");
        client.simple_query(&text).await.expect("a row");
        client.simple_query("SELECT 3").await.expect("a row");
    }
    let prepared =
        client.prepare("SELECT version(), $1::int /*controller:cart*/").await.expect("it is one");
    for _ in 0..4 {
        client.query(&prepared, &[&7i32]).await.expect("a row");
    }
    let calls = |report: &serde_json::Value, text: &str| query(report, text)["calls"].as_u64();
    assert_eq!(calls(&scene.report(), "SELECT $1"), Some(9));
    let text = scene.report_text(&["--format", "json", "--tag", "controller=cart"]);
    let cart: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(calls(&cart, "SELECT $1"), Some(3));
    assert_eq!(calls(&cart, "SELECT version(), $1::int"), Some(4));
    let tags = &query(&cart, "SELECT $1")["tags"];
    let names: Vec<_> = tags.as_array().expect("a list").iter().map(|tag| &tag["name"]).collect();
    assert_eq!(names, ["action", "controller"], "{tags}");
    assert!(scene.refused(&["--tag", "controller"]).contains("controller=cart"));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_counted_by_code_and_time_is_the_clients() {
    let scene = Scene::start().await;
    let client = scene.client().await;
    for _ in 0..3 {
        let error = client.simple_query("SELECT 1 / 0").await.expect_err("division by zero");
        assert_eq!(error.code().map(|code| code.code()), Some("22012"));
    }
    client.query("SELECT pg_sleep($1)", &[&0.25f64]).await.expect("a nap");

    let report = scene.report();
    let failing = query(&report, "SELECT $1 / $2");
    assert_eq!(failing["calls"], 3);
    assert_eq!(failing["errors"], serde_json::json!({"22012": 3}));
    let nap = query(&report, "SELECT pg_sleep($1)");
    for field in ["total_ms", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms"] {
        let value = nap[field].as_f64().expect(field);
        assert!((250.0..2_000.0).contains(&value), "{field} is {value}");
    }
    assert!(nap["first_byte_p95_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{nap:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_has_the_fields_of_its_contract() {
    let scene = Scene::start().await;
    scene.client().await.simple_query("SELECT 'secret value'").await.expect("a row");
    let report = scene.report();
    assert_eq!(report["schema"], "pgweir.report/1");
    for field in ["window", "coverage", "queries", "findings", "checked", "not_checked"] {
        assert!(!report[field].is_null(), "{field}");
    }
    let entry = query(&report, "SELECT $1");
    for field in [
        "fingerprint",
        "strict_ids",
        "text",
        "calls",
        "errors",
        "rows",
        "bytes",
        "total_ms",
        "mean_ms",
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "max_ms",
        "wait_ms",
        "databases",
        "users",
        "applications",
        "first_seen",
        "last_seen",
    ] {
        assert!(!entry[field].is_null(), "{field} in {entry:#}");
    }
    let text = scene.report_text(&[]);
    assert!(text.contains("VERDICT") && text.contains("SELECT $1"), "{text}");
    assert!(!text.contains("secret value") && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shapes_beyond_the_limit_end_in_the_others_row() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let options = testkit::ProxyOptions::upstream(postgres.url("postgres", "postgres"))
        .arguments(["--set", "max_fingerprints=50"]);
    let proxy = testkit::Proxy::start(crate::scene::PGWEIR, options).await;
    let scene = Scene { database, proxy };
    let client = scene.client().await;
    for n in 0..400 {
        let sql = format!("SELECT column_{n} FROM (SELECT 1 AS column_{n}) AS one");
        client.simple_query(&sql).await.expect("a row");
    }
    let report = scene.report();
    let coverage = &report["coverage"];
    assert!(coverage["fingerprints"].as_u64().is_some_and(|count| count <= 50), "{coverage:#}");
    assert_eq!(coverage["statements"], 400, "all are counted: {coverage:#}");
    let others = coverage["others"].as_u64().expect("a number");
    assert!(others >= 350, "honestly: {coverage:#}");
}
