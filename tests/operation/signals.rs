//! What signals do; docs/operation.md has the table.

use testkit::frames::kinds;
use tokio::net::TcpStream;

use crate::scene::{Scene, show, until};

#[tokio::test]
async fn sigusr1_pauses_and_sigusr2_resumes() {
    let scene = Scene::new().await;
    let mut proxy = scene.start([]).await;
    let mut client = scene.client(&proxy).await;
    assert_eq!(client.value("SELECT 1").await, "1");
    let console = proxy.connect("postgres", "pgweir").await;
    let paused = async || {
        let rows = show(&console, "SHOW DATABASES").await;
        rows.iter().any(|row| row["name"] == scene.database.name && row["paused"] == "1")
    };
    proxy.signal("USR1");
    until("it is paused", paused).await;
    client.send_query("SELECT 2").await;
    until("the client waits", async || {
        show(&console, "SHOW POOLS").await.iter().any(|pool| pool["cl_waiting"] == "1")
    })
    .await;
    proxy.signal("USR2");
    assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
    let events = show(&console, "SHOW EVENTS").await;
    for kind in ["pause", "resume"] {
        let told = events.iter().any(|event| event.values().any(|value| value == kind));
        assert!(told, "no {kind} in {events:?}");
    }
}

#[tokio::test]
async fn sigquit_does_not_wait() {
    let scene = Scene::new().await;
    let mut proxy = scene.start([]).await;
    let mut busy = scene.client(&proxy).await;
    busy.rows("BEGIN").await;
    proxy.signal("QUIT");
    busy.drain().await;
    assert_eq!(proxy.wait().await, 0);
}

#[tokio::test]
async fn sigterm_said_again_does_not_wait_any_more() {
    let scene = Scene::new().await;
    let mut proxy = scene.start([]).await;
    let mut busy = scene.client(&proxy).await;
    busy.rows("BEGIN").await;
    proxy.signal("TERM");
    until("the listener is closed", async || TcpStream::connect(proxy.address()).await.is_err())
        .await;
    assert_eq!(busy.value("SELECT 'still here'").await, "still here");
    proxy.signal("TERM");
    busy.drain().await;
    assert_eq!(proxy.wait().await, 0);
}
