//! Cancel requests reach the query they are meant for, and no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use testkit::frames::{self, bind, execute, kinds, parse, sync};

use crate::scene::{Scene, error, show, status, until};

#[tokio::test]
async fn a_running_query_is_cancelled_and_the_connection_lives() {
    let scene = Scene::with_pool_of(1).await;
    let (mut client, key) = scene.client_with_key().await;
    let extended = [parse("", "SELECT pg_sleep(60)"), bind("", "", &[]), execute("", 0), sync()];
    for request in [frames::query("SELECT pg_sleep(60)"), extended.concat()] {
        client.send(&request).await;
        scene.until_sleeping().await;
        key.cancel().await;
        let answered = client.expect_until(b'Z').await;
        assert_eq!((error(&answered).sqlstate(), status(&answered)), ("57014", 'I'));
    }
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn a_cancelled_transaction_is_a_failed_one() {
    let scene = Scene::with_pool_of(1).await;
    let (mut client, key) = scene.client_with_key().await;
    client.rows("BEGIN").await;
    client.send_query("SELECT pg_sleep(60)").await;
    scene.until_sleeping().await;
    key.cancel().await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!((error(&answered).sqlstate(), status(&answered)), ("57014", 'E'));
    client.rows("ROLLBACK").await;
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn who_stands_in_the_queue_is_cancelled_and_lives() {
    let scene = Scene::with_pool_of(1).await;
    let mut holder = scene.client().await;
    holder.rows("BEGIN").await;
    let (mut client, key) = scene.client_with_key().await;
    let console = scene.console().await;
    let extended = [parse("", "SELECT 1"), bind("", "", &[]), execute("", 0), sync()];
    for request in [frames::query("SELECT 1"), extended.concat()] {
        client.send(&request).await;
        until("the client waits", async || {
            show(&console, "SHOW POOLS").await.iter().any(|pool| pool["cl_waiting"] == "1")
        })
        .await;
        key.cancel().await;
        let answered = client.expect_until(b'Z').await;
        assert_eq!((kinds(&answered).as_str(), error(&answered).sqlstate()), ("EZ", "57014"));
    }
    assert_eq!(holder.value("SELECT 1").await, "1");
    holder.rows("COMMIT").await;
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn a_wrong_secret_and_an_idle_client_cancel_nothing() {
    let scene = Scene::with_pool_of(1).await;
    let (mut idle, of_idle) = scene.client_with_key().await;
    idle.rows("SELECT 1").await;
    let (mut client, key) = scene.client_with_key().await;
    client.send_query("SELECT pg_sleep(0.3)").await;
    scene.until_sleeping().await;
    of_idle.cancel().await;
    let flipped: Vec<u8> = key.secret.iter().map(|byte| !byte).collect();
    for secret in [flipped, Vec::new(), key.secret[..3].to_vec(), [&key.secret[..], &[0]].concat()]
    {
        let mut connection = scene.proxy.scripted().await;
        connection.send(&frames::cancel(key.process_id, &secret)).await;
        connection.drain().await;
    }
    assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
}

#[tokio::test]
async fn of_a_pipeline_only_the_query_that_runs_is_cancelled() {
    let scene = Scene::with_pool_of(1).await;
    let (mut client, key) = scene.client_with_key().await;
    let (sleep, one) = (frames::query("SELECT pg_sleep(60)"), frames::query("SELECT 1"));
    client.send(&[sleep, one].concat()).await;
    scene.until_sleeping().await;
    key.cancel().await;
    assert_eq!(error(&client.expect_until(b'Z').await).sqlstate(), "57014");
    assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
}

/// A storm under way.
struct Storm {
    scene: Scene,
    cancels: AtomicUsize,
    over: AtomicBool,
}

impl Storm {
    /// How many cancels are sent at least.
    const CANCELS: usize = 400;

    /// Queries until the storm is over; none is cancelled. Gives how many there were.
    async fn bystander(self: Arc<Self>, name: usize) -> usize {
        let mut client = self.scene.client().await;
        let mut answered = 0;
        while !self.over.load(Ordering::Relaxed) {
            let token = format!("bystander {name}, {answered}");
            let rows = client.rows(&format!("SELECT '{token}', pg_sleep(0.001)")).await;
            assert_eq!(rows[0][0], Some(token));
            answered += 1;
        }
        answered
    }

    /// Queries with a cancel sent along, which arrives before, while or after the query runs, and
    /// with another one when the client is idle and its server connection somebody else's. Gives
    /// how many were cancelled.
    async fn target(self: Arc<Self>, name: usize) -> usize {
        let (mut client, key) = self.scene.client_with_key().await;
        let mut hits = 0;
        while self.cancels.fetch_add(2, Ordering::Relaxed) < Self::CANCELS {
            let sql = format!("SELECT 'target {name}', pg_sleep(0.001)");
            let (answered, ()) = tokio::join!(client.query(&sql), key.cancel());
            if kinds(&answered).contains('E') {
                assert_eq!(error(&answered).sqlstate(), "57014");
                hits += 1;
            }
            key.cancel().await;
        }
        hits
    }
}

/// Must survive: a cancel hits somebody else's query; cancel after the server connection changed
/// hands
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_cancels_hits_nobody_else() {
    let storm = Arc::new(Storm {
        scene: Scene::with_pool_of(2).await,
        cancels: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    let bystanders: Vec<_> =
        (0..16).map(|name| tokio::spawn(Arc::clone(&storm).bystander(name))).collect();
    let targets: Vec<_> =
        (0..4).map(|name| tokio::spawn(Arc::clone(&storm).target(name))).collect();
    let mut hits = 0;
    for target in targets {
        hits += target.await.unwrap();
    }
    storm.over.store(true, Ordering::Relaxed);
    for bystander in bystanders {
        assert!(bystander.await.unwrap() > 0);
    }
    assert!(hits > 0, "no cancel met its query: the storm was none");
}
