//! The primary is killed under load, and the standby promoted.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use testkit::{Postgres, Proxy};
use tokio_postgres::Client;

use crate::scene::{Pair, is, port, show, until};
use crate::writers::{Kind, Record, Writers};

/// How soon after the promotion writes must go on.
const BOUND: Duration = Duration::from_secs(5);

const WRITERS: [Kind; 8] = [
    Kind::Simple,
    Kind::Simple,
    Kind::Simple,
    Kind::Prepared,
    Kind::Prepared,
    Kind::Prepared,
    Kind::Block,
    Kind::Block,
];

#[tokio::test]
async fn writes_go_on_after_a_promotion_and_none_that_was_acknowledged_is_lost() {
    let mut pair = Pair::start().await;
    let table = "CREATE TABLE written (writer int, number bigint)";
    pair.primary.admin().await.batch_execute(table).await.unwrap();
    pair.replicate_synchronously().await;
    let proxy = pair.pgweir("default_pool_size = 4\n[databases.shop]\nHOSTS\n").await;
    let console = proxy.connect("postgres", "pgweir").await;
    let writers = Writers::start(&proxy, "shop", &WRITERS).await;
    until("all write", async || writers.have_done(&[0; 8], 50)).await;

    pair.primary.kill().await;
    let killed = Instant::now();
    // With nowhere to write to, they wait; none is sent away.
    until("all wait", async || waiting(&console).await == WRITERS.len()).await;
    let before = writers.counts();
    let asked = Instant::now();
    pair.standby.promote().await;
    let promoted = Instant::now();
    until("all write again", async || writers.have_done(&before, 50)).await;
    let records = writers.stop().await;

    let first = first_after(&records, asked);
    println!(
        "first write acknowledged {} ms after pg_promote had returned, {} ms after it was called, \
         {} ms after the primary was killed",
        first.saturating_duration_since(promoted).as_millis(),
        first.duration_since(asked).as_millis(),
        first.duration_since(killed).as_millis(),
    );
    assert!(first.saturating_duration_since(promoted) < BOUND, "{first:?} {promoted:?}");
    for record in &records {
        println!(
            "{:?} {}: {} acknowledged, failed: {:?}",
            record.kind,
            record.writer,
            record.acknowledged.len(),
            record.failed
        );
        assert_eq!(record.reconnects, 0, "{:?} had to connect again", record.kind);
        assert!(record.failed.len() <= 2, "{:?}", record.failed);
    }
    let lost = lost(&pair.standby, &records).await;
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    the_old_one_comes_back(&mut pair, &proxy, &console).await;
}

/// Killed and started again, it takes itself for a primary still: nothing may be written there.
async fn the_old_one_comes_back(pair: &mut Pair, proxy: &Proxy, console: &Client) {
    pair.primary.start_again().await;
    until("the old one is seen", async || is(console, &pair.primary, "up", "primary").await).await;
    console.batch_execute("RELOAD").await.unwrap();
    let client = proxy.connect("postgres", "shop").await;
    for _ in 0..20 {
        assert_eq!(port(&client).await, pair.standby.port());
    }
    // And when the new one is away for a moment, they wait for it.
    pair.standby.stop(testkit::StopMode::Fast).await;
    let write = client.batch_execute("INSERT INTO written VALUES (99, 1)");
    let (written, ()) = tokio::join!(write, async {
        until("it waits", async || waiting(console).await == 1).await;
        pair.standby.start_again().await;
    });
    written.unwrap();
    let admin = pair.primary.admin().await;
    let rows = admin.query("SELECT FROM written WHERE writer = 99", &[]).await.unwrap();
    assert!(rows.is_empty(), "it was written to the primary that was replaced");
}

async fn waiting(console: &Client) -> usize {
    let pools = show(console, "SHOW POOLS").await;
    let waiting = pools.iter().filter(|pool| pool["database"] == "shop");
    waiting.map(|pool| pool["cl_waiting"].parse::<usize>().unwrap()).sum()
}

fn first_after(records: &[Record], since: Instant) -> Instant {
    let times = records.iter().flat_map(|record| record.acknowledged.iter().map(|(_, at)| *at));
    times.filter(|at| *at > since).min().unwrap()
}

/// What was acknowledged and is not there.
async fn lost(server: &Postgres, records: &[Record]) -> Vec<(i32, i64)> {
    let rows = server.admin().await.query("SELECT writer, number FROM written", &[]).await.unwrap();
    let there: HashSet<(i32, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let acknowledged = records
        .iter()
        .flat_map(|record| record.acknowledged.iter().map(|(number, _)| (record.writer, *number)));
    acknowledged.filter(|write| !there.contains(write)).collect()
}
