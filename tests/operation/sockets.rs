//! What the system has been asked to do with the TCP connections of a running process.
#![cfg(target_os = "linux")]

use testkit::{Proxy, ScriptedClient};
use tokio_postgres::Client;

use crate::scene::{Scene, show, until};

/// What there is in /proc/net/tcp of the connection between two ports (Linux:
/// Documentation/networking/proc_net_tcp.rst): after how many more seconds of silence its peer is asked
/// whether it is still there. None if it never is.
fn asked_after(local: u16, remote: u16) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |end: &str| u16::from_str_radix(end.rsplit_once(':').unwrap().1, 16).unwrap();
    let mut lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = lines.find(|of| (port(of[1]), port(of[2])) == (local, remote));
    let found = found.unwrap_or_else(|| panic!("no connection of {local} to {remote}: {table}"));
    let (timer, left) = found[5].split_once(':').unwrap();
    // 2 is the timer of keepalives; its time is in hundredths of a second.
    (timer == "02").then(|| u64::from_str_radix(left, 16).unwrap() / 100)
}

/// Waits until a client, and the server connection opened last, are asked after so many seconds.
async fn expect_asked_after(
    (scene, proxy, console): (&Scene, &Proxy, &Client),
    client: &mut ScriptedClient,
    seconds: Option<u64>,
) {
    let is_it = |found: Option<u64>| match (found, seconds) {
        (Some(found), Some(wanted)) => (wanted - 100..=wanted).contains(&found),
        (found, wanted) => found == wanted,
    };
    client.rows("SELECT 1").await;
    until("the client's is as set", async || {
        is_it(asked_after(proxy.address().port(), client.local_port()))
    })
    .await;
    until("the server connection's is as set", async || {
        let rows = show(console, "SHOW SERVERS").await;
        let mut own = rows.iter().filter(|row| row["database"] == scene.database.name);
        let local = own.next().unwrap()["local_port"].parse().unwrap();
        assert!(own.next().is_none());
        is_it(asked_after(local, scene.postgres.port()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keepalives_are_as_set_on_clients_and_servers_connections() {
    let scene = Scene::new().await;
    let proxy = scene.start(["--set", "tcp_keepidle=7000"]).await;
    let console = proxy.connect("postgres", "pgweir").await;
    let at = (&scene, &proxy, &console);
    let mut first = scene.client(&proxy).await;
    expect_asked_after(at, &mut first, Some(7_000)).await;
    for (setting, seconds) in
        [("tcp_keepidle = '3000'", Some(3_000)), ("tcp_keepalive = '0'", None)]
    {
        console.batch_execute(&format!("SET {setting}")).await.unwrap();
        console.batch_execute(&format!("RECONNECT {}", scene.database.name)).await.unwrap();
        let mut client = scene.client(&proxy).await;
        expect_asked_after(at, &mut client, seconds).await;
    }
    // Those that were there before are as they were.
    let of_first = asked_after(proxy.address().port(), first.local_port());
    assert!(of_first.is_some_and(|seconds| seconds > 3_000), "{of_first:?}");
}
