//! More kinds of clients than are told apart at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::scene::{PATIENCE, Scene};

/// Clients that rename themselves at the same time.
const CLIENTS: usize = 100;

#[tokio::test]
async fn after_more_applications_than_are_told_apart_the_newest_still_is() {
    let scene = Scene::with("log_min_duration = \"1s\"\nlog_format = \"json\"").await;
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
    // The analyser makes room ten times a second, or later on a busy machine.
    scene
        .until("room", |served| (served.value("pgweir_labels", &[])? < limit as f64).then_some(()))
        .await;
    let newest = scene.client().await;
    let began = Instant::now();
    newest.batch_execute("SET application_name = 'the newest'").await.unwrap();
    // What is slow names its application. Where many were slow, as on a busy machine, the log leaves out
    // what is like it for a while.
    let is_told = |line: &str| ["slow statement", "pg_sleep"].iter().all(|it| line.contains(it));
    let line = loop {
        newest.simple_query("SELECT pg_sleep(1.1)").await.unwrap();
        if let Some(line) = scene.proxy.log().lines().find(|line| is_told(line)) {
            break line.to_owned();
        }
        assert!(began.elapsed() < PATIENCE, "no slow statement in {}", scene.proxy.log());
    };
    assert!(line.contains(r#""application":"the newest""#), "{line}");
    // No count has moved from its pool to another.
    let pool = [("database", scene.database.name.as_str()), ("user", "postgres")];
    scene
        .until("statement in its pool", |served| {
            let renamed = served.value("pgweir_query_duration_seconds_count", &pool)?;
            let labels = served.value("pgweir_labels", &[])?;
            (renamed > names as f64 && labels <= limit as f64).then_some(())
        })
        .await;
}
