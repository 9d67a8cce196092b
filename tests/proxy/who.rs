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

#[tokio::test]
async fn clients_and_servers_say_what_they_do() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let console = scene.console().await;
    let port = client.local_port().to_string();
    let look = async || {
        let clients = show(&console, "SHOW CLIENTS").await;
        let client = clients.into_iter().find(|row| row["port"] == port).expect("the client");
        let servers = show(&console, "SHOW SERVERS").await;
        (client, servers.into_iter().find(|row| row["database"] == scene.database.name))
    };
    client.rows("BEGIN").await;
    let (row, server) = look().await;
    let server = server.expect("its server connection");
    assert_eq!((&*row["state"], &*row["activity"]), ("active", "idle in transaction"));
    assert_eq!((&row["link"], &server["link"]), (&server["ptr"], &row["ptr"]));
    assert_eq!(
        (&server["activity"], &server["fingerprint"]),
        (&row["activity"], &row["fingerprint"])
    );
    assert!(!row["fingerprint"].is_empty() && !row["activity_time"].is_empty());
    client.rows("COMMIT").await;
    let (row, server) = look().await;
    assert_eq!((&*row["activity"], &*row["link"]), ("idle", ""));
    assert_eq!(server.map(|server| server["activity"].clone()).as_deref(), Some(""));
    client.rows("CREATE TEMP TABLE mine (a int)").await;
    // The server is asked first whether the table is there.
    until("it is idle", async || look().await.0["activity"] == "idle, pinned").await;
    let (_, server) = look().await;
    assert_eq!(server.map(|server| server["pinned"].clone()).as_deref(), Some("temporary table"));
}
