//! Cancel requests that come to another pgweir than their query.

use std::net::SocketAddr;

use testkit::frames::{self, only_error};
use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient, show, until};

use crate::scene::{PGWEIR, cancel, client, until_sleeping};

const PROTOCOL_3_2: u32 = 3 << 16 | 2;

/// Some pgweirs that know each other.
struct Fleet {
    proxies: Vec<Proxy>,
    /// Their files.
    _directory: tempfile::TempDir,
}

impl Fleet {
    /// `knows(one, other)` says whether the one has the other as a peer; both count from 1.
    async fn open(size: u16, knows: impl Fn(u16, u16) -> bool) -> Self {
        let upstream = Postgres::shared().await.url("postgres", "postgres");
        let directory = tempfile::tempdir().unwrap();
        let file = |id: u16| directory.path().join(format!("{id}.toml"));
        let text = |id: u16| format!("upstream = {upstream:?}\npeer_id = {id}\n");
        let mut proxies = Vec::new();
        for id in 1..=size {
            std::fs::write(file(id), text(id)).unwrap();
            let file = file(id).display().to_string();
            let options = ProxyOptions::default().arguments(["-c", &file]);
            proxies.push(Proxy::start(PGWEIR, options).await);
        }
        // Their ports are known only now.
        let addresses: Vec<SocketAddr> = proxies.iter().map(Proxy::address).collect();
        for (id, proxy) in (1..=size).zip(&mut proxies) {
            let others = (1..=size).filter(|other| knows(id, *other));
            let peers = others.map(|other| {
                let port = addresses[usize::from(other) - 1].port();
                format!(
                    "[peers.{other}]\nhost = \"127.0.0.1\"\nport = {port}\npool_size = {}\n",
                    other + 1
                )
            });
            std::fs::write(file(id), text(id) + &peers.collect::<String>()).unwrap();
            proxy.signal("HUP");
            until("it knows its peers", async || proxy.log().contains("configuration reloaded"))
                .await;
        }
        Self { proxies, _directory: directory }
    }

    fn address(&self, id: usize) -> SocketAddr {
        self.proxies[id - 1].address()
    }
}

/// Must survive: a cancel request at another process than its query
#[tokio::test]
async fn a_cancel_request_finds_its_query_wherever_it_comes_in() {
    let postgres = Postgres::shared().await;
    let fleet = Fleet::open(3, |_, _| true).await;
    let mut seconds = 3000;
    for version in [frames::PROTOCOL_3_0, PROTOCOL_3_2] {
        for (home, door) in [(1, 2), (2, 1), (3, 1), (2, 2), (1, 3)] {
            let (mut client, key) = client(fleet.address(home), version).await;
            assert_eq!(key.1.len(), if version == PROTOCOL_3_2 { 32 } else { 4 });
            seconds += 1;
            client.send_query(&format!("SELECT pg_sleep({seconds})")).await;
            until_sleeping(postgres, seconds).await;
            cancel(fleet.address(door), &key).await;
            let answered = client.expect_until(b'Z').await;
            assert_eq!(only_error(&answered).sqlstate(), "57014", "{home} {door}");
            assert_eq!(client.value("SELECT 1").await, "1");
        }
    }
}

#[tokio::test]
async fn only_the_right_key_cancels() {
    let postgres = Postgres::shared().await;
    // The third is known to nobody.
    let fleet = Fleet::open(2, |_, _| true).await;
    let (mut client, key) = client(fleet.address(1), frames::PROTOCOL_3_0).await;
    client.send_query("SELECT pg_sleep(3101)").await;
    until_sleeping(postgres, 3101).await;
    let mut wrong = key.clone();
    wrong.1[0] ^= 1;
    let mut of_nobody = key.clone();
    of_nobody.0 = i32::from_be_bytes([0, 3, 0, 0]);
    let mut of_no_peer = key.clone();
    of_no_peer.0 = 1;
    let mut spent = key.clone();
    spent.1[3] &= !3;
    for key in [wrong, of_nobody, of_no_peer, spent] {
        // From the second, which would have to pass them on.
        cancel(fleet.address(2), &key).await;
    }
    client.expect_silence(std::time::Duration::from_millis(200)).await;
    cancel(fleet.address(2), &key).await;
    assert_eq!(only_error(&client.expect_until(b'Z').await).sqlstate(), "57014");
}

#[tokio::test]
async fn a_query_of_the_console_is_cancelled_from_elsewhere() {
    let fleet = Fleet::open(2, |_, _| true).await;
    let mut console = ScriptedClient::connect(fleet.address(1)).await;
    console.startup("postgres", "pgweir", &[]).await;
    let key = crate::scene::key(&console.login_trust().await);
    console.send_query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n").await;
    // A request that comes before the query is for nothing.
    let door = fleet.address(2);
    let cancelling = tokio::spawn(async move {
        loop {
            cancel(door, &key).await;
        }
    });
    let answered = console.expect_until(b'Z').await;
    cancelling.abort();
    assert_eq!(only_error(&answered).sqlstate(), "57014");
}

#[tokio::test]
async fn the_console_shows_peers_and_a_dead_one_is_said() {
    let mut fleet = Fleet::open(3, |_, other| other != 1).await;
    let console = fleet.proxies[0].connect("postgres", "pgweir").await;
    let peers = show(&console, "SHOW PEERS").await;
    let row = |row: &std::collections::HashMap<String, String>| {
        ["peer_id", "host", "port", "pool_size"].map(|column| row[column].clone())
    };
    let port = |id: usize| fleet.address(id).port().to_string();
    let expected = [["2", "127.0.0.1", &port(2), "3"], ["3", "127.0.0.1", &port(3), "4"]];
    assert_eq!(peers.iter().map(row).collect::<Vec<_>>(), expected);
    let pools = show(&console, "SHOW PEER_POOLS").await;
    assert_eq!(pools.len(), 2);
    assert!(pools.iter().all(|pool| pool["cl_waiting_cancel_req"] == "0"));
    let (_client, key) = client(fleet.address(3), frames::PROTOCOL_3_0).await;
    fleet.proxies.pop().unwrap().kill().await;
    cancel(fleet.address(1), &key).await;
    until("the log says so", async || {
        fleet.proxies[0].log().contains("cancel request not passed on")
    })
    .await;
}
