//! What tests ask of the admin console, and how they wait for it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, SimpleQueryMessage};

/// How long [`until`] waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// The rows of a SHOW, by column; NULL is "". `console` is connected to the admin console.
pub async fn show(console: &Client, sql: &str) -> Vec<HashMap<String, String>> {
    let answer = console.simple_query(sql).await;
    let messages = answer.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| {
        let columns = row.columns().iter().map(|column| column.name().to_owned());
        let values = (0..row.len()).map(|index| row.get(index).unwrap_or_default().to_owned());
        columns.zip(values).collect()
    })
    .collect()
}

/// Waits until `check` is true; panics with what is missing after 10 seconds.
pub async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check().await {
        assert!(Instant::now() < deadline, "not so after {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
