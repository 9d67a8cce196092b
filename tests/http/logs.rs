//! Slow statements in the log, and floods of like lines.

use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Proxy, ProxyOptions};

use crate::scene::{PATIENCE, PGWEIR, Scene};

/// The first line of the log that has all of these.
async fn line(proxy: &Proxy, wanted: &[&str]) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = proxy.log();
        if let Some(line) = log.lines().find(|line| wanted.iter().all(|text| line.contains(text))) {
            return line.to_owned();
        }
        assert!(Instant::now() < deadline, "no {wanted:?} in {log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_slow_statement_is_logged_with_the_consoles_ids_and_without_values() {
    let scene = Scene::with("log_min_duration = \"100ms\"\nlog_format = \"json\"").await;
    let client = scene.client().await;
    client.simple_query("SELECT 'quick'").await.unwrap();
    client.simple_query("SELECT pg_sleep(0.15), 'geheim\nforged'").await.unwrap();
    let line = line(&scene.proxy, &["slow statement"]).await;
    let line: Value = serde_json::from_str(&line).expect("a line is JSON");
    assert_eq!(line["text"], "SELECT pg_sleep($1), $2");
    assert_eq!(line["database"], scene.database.name.as_str());
    assert!(line["duration_ms"].as_f64().is_some_and(|ms| ms >= 150.0), "{line}");
    let console = scene.proxy.connect("postgres", "pgweir").await;
    let clients = testkit::show(&console, "SHOW CLIENTS").await;
    let id = line["client"].to_string();
    let shown = clients.iter().any(|row| row["id"] == id && row["database"] == scene.database.name);
    assert!(shown, "{id} in {clients:?}");
    let queries = testkit::show(&console, "SHOW QUERIES").await;
    assert!(queries.iter().any(|row| row["fingerprint"] == line["fingerprint"]), "{line}");
    let log = scene.proxy.log();
    assert!(!log.contains("geheim") && !log.contains("quick"), "{log}");
}

#[tokio::test]
async fn a_flood_of_like_lines_is_cut_short_and_counted() {
    let options = ProxyOptions::upstream("postgres://postgres@127.0.0.1:1/d")
        .settings("server_login_retry = 0\nanalyse = false");
    let proxy = Proxy::start(PGWEIR, options).await;
    for _ in 0..30 {
        proxy.try_connect("postgres", "d").await.unwrap_err();
    }
    line(&proxy, &["INFO 20 more like it within 10 s: client refused"]).await;
    let log = proxy.log();
    assert_eq!(log.matches("INFO client refused").count(), 10, "{log}");
}
