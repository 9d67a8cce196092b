//! Two instances and one PostgreSQL.

use std::path::Path;
use std::time::{Duration, Instant};

use model::{FingerprintId, QueryStats};
use pgweir_store::{Fleet, History, StoreError, Stored};
use testkit::{Postgres, PostgresOptions, StopMode, TestDatabase};
use tokio_postgres::NoTls;

use crate::made::{BEGIN, Measured, at, by_statement, calls_in, history};

fn fleet(url: &str) -> Fleet {
    Fleet::new(url.parse().unwrap(), NoTls, "the fleet").unwrap()
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn sent(history: &History, minute: i64) {
    let wanted = at(minute);
    until("it is written and sent", async || {
        let status = history.status();
        status.written_up_to == Some(wanted) && status.waiting_for_fleet <= 1
    })
    .await;
}

/// What both files have, put together.
fn both(folders: [&Path; 2], until: i64) -> Vec<((FingerprintId, String), QueryStats)> {
    let mut all = std::collections::BTreeMap::new();
    for folder in folders {
        let stored = Stored::open(&folder.join("history.db")).unwrap();
        for (key, stats) in by_statement(&stored.snapshot(at(BEGIN), at(until), &[]).unwrap()) {
            all.entry(key).or_insert_with(QueryStats::default).merge(&stats);
        }
    }
    all.into_iter().collect()
}

async fn of_fleet(url: &str, until: i64) -> Vec<((FingerprintId, String), QueryStats)> {
    let read = fleet(url).snapshot(at(BEGIN), at(until), &[]).await.unwrap();
    by_statement(&read).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleets_sums_are_those_of_both_and_an_outage_loses_nothing() {
    let mut postgres = Postgres::start(PostgresOptions::default()).await;
    let url = postgres.url("postgres", "postgres");
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folders = [left.path(), right.path()];
    let ones = Measured::new("checkout", BEGIN, 0);
    let twos = Measured::new("checkout", BEGIN, 300);
    let start = |folder: &Path, name: &str| {
        history(folder, name, BEGIN, Some(Duration::ZERO), Some(fleet(&url)))
    };
    let (one, two) = (start(left.path(), "one"), start(right.path(), "two"));
    let offer = async |from: i64, to: i64| {
        for minute in from..=to {
            for part in [2, 1] {
                one.offer(&ones.tick(minute, part));
                two.offer(&twos.tick(minute, part));
            }
            until("it is written", async || {
                let written = at(minute);
                [&one, &two].iter().all(|history| history.written_up_to() >= Some(written))
            })
            .await;
        }
    };
    // An hour is over, and rolled up.
    offer(BEGIN + 1, BEGIN + 70).await;
    sent(&one, BEGIN + 70).await;
    sent(&two, BEGIN + 70).await;
    let there = of_fleet(&url, BEGIN + 70).await;
    assert_eq!(there, both(folders, BEGIN + 70));
    let calls: u64 = there.iter().map(|(_, stats)| stats.calls).sum();
    assert_eq!(calls, 2 * (BEGIN..BEGIN + 70).map(calls_in).sum::<u64>());
    // The slow one's statements and the fast one's are in one histogram.
    let ((_, _), stats) = &there[0];
    assert!(stats.total.min_ms() < 20.0 && stats.total.max_ms() > 300.0, "{stats:?}");
    let read = fleet(&url).snapshot(at(BEGIN), at(BEGIN + 70), &[]).await.unwrap();
    assert_eq!(read.shapes[&FingerprintId(7)].class, "SELECT");
    assert_eq!(&*read.shapes[&FingerprintId(7)].text, "SELECT 7 FROM goods WHERE id = $1");

    postgres.stop(StopMode::Immediate).await;
    offer(BEGIN + 71, BEGIN + 90).await;
    until("rows wait", async || one.status().waiting_for_fleet >= 19).await;
    assert_eq!(one.status().dropped_for_fleet, 0);
    postgres.start_again().await;
    sent(&one, BEGIN + 90).await;
    sent(&two, BEGIN + 90).await;
    assert_eq!(of_fleet(&url, BEGIN + 90).await, both(folders, BEGIN + 90));
    let conclusions = fleet(&url).conclusions(at(BEGIN), at(BEGIN + 100)).await.unwrap();
    assert_eq!(conclusions.checked, ["missing_index"]);
    let instances = fleet(&url).instances().await.unwrap();
    assert_eq!(instances.into_keys().collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_by_the_last_process_is_sent_by_the_next() {
    let postgres = Postgres::shared().await;
    let database: TestDatabase = postgres.database().await;
    let url = postgres.url("postgres", &database.name);
    let folder = tempfile::tempdir().unwrap();
    let measured = Measured::new("checkout", BEGIN, 0);
    let one = history(folder.path(), "one", BEGIN, None, None);
    one.offer(&measured.tick(BEGIN + 4, 1));
    assert!(one.stop(Duration::from_secs(10)));
    let next = history(folder.path(), "one", BEGIN + 5, None, Some(fleet(&url)));
    until("all is sent", async || {
        fleet(&url).extent().await.is_ok_and(|extent| extent == Some((at(BEGIN), at(BEGIN + 5))))
    })
    .await;
    let read = of_fleet(&url, BEGIN + 5).await;
    let calls: u64 = read.iter().map(|(_, stats)| stats.calls).sum();
    assert_eq!(calls, (BEGIN..BEGIN + 5).map(calls_in).sum::<u64>());
    drop(next);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_later_version_are_left_alone() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let url = postgres.url("postgres", &database.name);
    let client = database.connect().await;
    client
        .batch_execute(
            "CREATE SCHEMA pgweir; CREATE TABLE pgweir.schema_version (version integer);
             INSERT INTO pgweir.schema_version VALUES (99)",
        )
        .await
        .unwrap();
    let refused = fleet(&url).extent().await;
    assert!(matches!(refused, Err(StoreError::TooNew { found: 99, .. })), "{refused:?}");
    let folder = tempfile::tempdir().unwrap();
    let one = history(folder.path(), "one", BEGIN, None, Some(fleet(&url)));
    one.offer(&Measured::new("checkout", BEGIN, 0).tick(BEGIN + 3, 1));
    until("rows wait", async || one.status().waiting_for_fleet == 3).await;
    let tables: i64 = client
        .query_one("SELECT count(*) FROM pg_tables WHERE schemaname = 'pgweir'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(tables, 1);
}
