//! More kinds of clients than are told apart at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::logs::line;
use crate::scene::Scene;

/// Clients that rename themselves at the same time.
const CLIENTS: usize = 4;

#[tokio::test]
async fn after_more_applications_than_are_told_apart_the_newest_still_is() {
    let scene = Scene::with("log_min_duration = \"300ms\"\nlog_format = \"json\"").await;
    let limit = scene.scrape().await.value("pgweir_labels_limit", &[]).expect("a limit") as u64;
    let names = limit + limit / 10;
    let last = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (client, last) = (scene.client().await, Arc::clone(&last));
        clients.push(tokio::spawn(async move {
            loop {
                let number = last.fetch_add(1, Ordering::Relaxed);
                if number >= names {
                    return client;
                }
                let rename = format!("SET application_name = 'worker {number}'");
                client.batch_execute(&rename).await.unwrap();
            }
        }));
    }
    let mut still_there = Vec::new();
    for client in clients {
        still_there.push(client.await.unwrap());
    }
    let newest = scene.client().await;
    newest.batch_execute("SET application_name = 'the newest'").await.unwrap();
    newest.simple_query("SELECT pg_sleep(0.4)").await.unwrap();
    let line = line(&scene.proxy, &["slow statement", "pg_sleep"]).await;
    assert!(line.contains(r#""application":"the newest""#), "{line}");
    // No count has moved from its pool to another.
    let pool = [("database", scene.database.name.as_str()), ("user", "postgres")];
    scene
        .until("statement in its pool", |served| {
            let count = served.value("pgweir_query_duration_seconds_count", &pool)?;
            let labels = served.value("pgweir_labels", &[])?;
            (count == (names + 2) as f64 && labels <= limit as f64).then_some(())
        })
        .await;
}
