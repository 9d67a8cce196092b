//! Who holds what, and why: what an admin can read of clients, servers and pools.

use crate::scene::{Row, Scene, show, until};

/// The row of the scene's pool.
async fn pool(scene: &Scene) -> Row {
    let rows = show(&scene.console().await, "SHOW POOLS").await;
    let row = rows.into_iter().find(|row| row["database"] == scene.database.name);
    row.expect("the pool of the scene")
}

/// Pinned clients, transactions, and those run while pinned.
fn counts(pool: &Row) -> [&str; 3] {
    ["cl_pinned", "xact_count", "pinned_xact_count"].map(|column| &*pool[column])
}

#[tokio::test]
async fn pools_count_transactions_run_while_pinned() {
    let scene = Scene::with_pool_of(2).await;
    let mut client = scene.client().await;
    client.rows("SELECT 1").await;
    // Pins, but was not pinned before.
    client.rows("CREATE TEMP TABLE mine (a int)").await;
    assert_eq!(counts(&pool(&scene).await), ["1", "2", "0"]);
    client.rows("BEGIN").await;
    client.rows("INSERT INTO mine VALUES (1)").await;
    client.rows("COMMIT").await;
    client.rows("SELECT * FROM mine").await;
    assert_eq!(counts(&pool(&scene).await), ["1", "4", "2"]);
    client.rows("DISCARD ALL").await;
    client.rows("SELECT 1").await;
    assert_eq!(counts(&pool(&scene).await), ["0", "6", "3"]);
    client.rows("CREATE TEMP TABLE mine (a int)").await;
    client.terminate().await;
    until("the client is gone", async || counts(&pool(&scene).await) == ["0", "7", "3"]).await;
}

#[tokio::test]
async fn pools_show_how_long_clients_wait() {
    let scene = Scene::with_pool_of(1).await;
    let [mut holder, mut client] = scene.clients().await;
    holder.rows("BEGIN").await;
    client.send_query("SELECT 1").await;
    until("the client waits for 20 ms", async || {
        pool(&scene).await["maxwait_us"].parse::<u32>().unwrap() >= 20_000
    })
    .await;
    holder.rows("COMMIT").await;
    client.expect_until(b'Z').await;
    let p95: f64 = pool(&scene).await["wait_p95_ms"].parse().unwrap();
    assert!((19.0..15_000.0).contains(&p95), "{p95} ms");
}
