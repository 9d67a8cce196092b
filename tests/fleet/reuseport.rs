//! Several processes on one address.

use testkit::frames::{self, only_error};
use testkit::{Postgres, Proxy, ProxyOptions};

use crate::scene::{PGWEIR, cancel, client, until_sleeping};

#[tokio::test]
async fn two_processes_share_an_address_and_cancel_requests_find_their_query() {
    let postgres = Postgres::shared().await;
    let directory = tempfile::tempdir().unwrap();
    let mut proxies: Vec<Proxy> = Vec::new();
    for id in [1, 2] {
        let own = directory.path().join(id.to_string());
        std::fs::create_dir(&own).unwrap();
        let listen = proxies.first().map(|first| first.address());
        // The second knows the port; the first is told by a reload, when it is known.
        let other = directory.path().join((3 - id).to_string());
        let port = listen.map_or(6432, |listen| listen.port());
        let settings = format!(
            "upstream = {:?}\nso_reuseport = true\npeer_id = {id}\nunix_socket_dir = {own:?}\n\
             [peers.{}]\nhost = {other:?}\nport = {port}\n",
            postgres.url("postgres", "postgres"),
            3 - id,
        );
        let file = directory.path().join(format!("{id}.toml"));
        std::fs::write(&file, settings).unwrap();
        let options = ProxyOptions {
            listen: listen.map(|listen| listen.to_string()),
            ..ProxyOptions::default()
        };
        let file = file.display().to_string();
        proxies.push(Proxy::start(PGWEIR, options.arguments(["-c", &file])).await);
    }
    let address = proxies[0].address();
    assert_eq!(proxies[1].address(), address);
    let file = directory.path().join("1.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("port = 6432", &format!("port = {}", address.port())))
        .unwrap();
    proxies[0].signal("HUP");
    testkit::until("it knows its peer", async || {
        proxies[0].log().contains("configuration reloaded")
    })
    .await;

    let mut homes = std::collections::BTreeSet::new();
    let mut seconds = 3200;
    // The system spreads connections by chance: both have some after a while.
    while homes.len() < 2 {
        assert!(seconds < 3300, "one process gets all clients");
        let (mut client, key) = client(address, frames::PROTOCOL_3_0).await;
        homes.insert(key.0.to_be_bytes()[1]);
        seconds += 1;
        client.send_query(&format!("SELECT pg_sleep({seconds})")).await;
        until_sleeping(postgres, seconds).await;
        cancel(address, &key).await;
        assert_eq!(only_error(&client.expect_until(b'Z').await).sqlstate(), "57014");
    }
    assert_eq!(homes, [1, 2].into());
}

#[tokio::test]
async fn without_it_an_address_is_one_process_alone() {
    let upstream = Postgres::shared().await.url("postgres", "postgres");
    let first = Proxy::start(PGWEIR, ProxyOptions::upstream(&upstream)).await;
    let listen = Some(first.address().to_string());
    let options = ProxyOptions { listen, ..ProxyOptions::upstream(&upstream) };
    let options = options.arguments(["--set", "so_reuseport=true"]);
    let error = Proxy::try_start(PGWEIR, options).await.unwrap_err();
    assert!(error.to_string().contains("cannot listen on"), "{error}");
}
