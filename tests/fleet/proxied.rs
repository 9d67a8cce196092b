//! Balancers that say whom they bring. HAProxy's own bytes are in the tests of `wire`.

use std::net::SocketAddr;
use std::time::Duration;

use testkit::frames::{self, only_error};
use testkit::{
    Authority, ClientEncryption, Postgres, Proxy, ProxyOptions, ScriptedClient, show, until,
};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::scene::{PGWEIR, cancel, client, until_sleeping};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 40001 6432\r\n";

/// A header of version 2 of this client.
fn v2() -> Vec<u8> {
    let addresses = [203, 0, 113, 7, 192, 0, 2, 1, 0x9c, 0x41, 0x19, 0x20];
    // With an extension that nobody looks at.
    let extension = [0x04, 0, 3, 0, 0, 0];
    [SIGNATURE, &[0x21, 0x11, 0, 18], &addresses, &extension].concat()
}

/// A header of version 2 of the balancer's own.
fn own() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

/// Brings connections to pgweir, each with a header in front.
async fn balancer(to: SocketAddr, header: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let header = header.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.unwrap();
                server.write_all(&header).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

/// A pgweir that takes connections from balancers on this machine, with these settings besides.
async fn behind_balancers(settings: &str) -> Proxy {
    let upstream = Postgres::shared().await.url("postgres", "postgres");
    let from = "proxy_protocol_from = [\"127.0.0.0/8\"]";
    let settings = format!("upstream = {upstream:?}\n{from}\n{settings}");
    Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await
}

/// Sends these bytes first.
async fn connect(proxy: &Proxy, first: &[u8]) -> ScriptedClient {
    let mut client = proxy.scripted().await;
    client.send(first).await;
    client
}

async fn log_in(client: &mut ScriptedClient, user: &str, database: &str) {
    client.startup(user, database, &[]).await;
    client.login_trust().await;
}

#[tokio::test]
async fn the_client_is_who_the_balancer_says() {
    let proxy = behind_balancers("").await;
    let through = balancer(proxy.address(), own()).await;
    let console = format!("postgres://postgres@{through}/pgweir");
    let (console, connection) =
        tokio_postgres::connect(&console, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let v6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 40002 6432\r\n".to_vec();
    for (header, host, port) in [
        (V1.to_vec(), "203.0.113.7", "40001"),
        (v2(), "203.0.113.7", "40001"),
        (v6, "2001:db8::7", "40002"),
    ] {
        let mut client = connect(&proxy, &header).await;
        log_in(&mut client, "postgres", "postgres").await;
        assert_eq!(client.value("SELECT 'an answer'").await, "an answer");
        let clients = show(&console, "SHOW CLIENTS").await;
        let found = |row: &&std::collections::HashMap<String, String>| row["addr"] == host;
        assert_eq!(clients.iter().find(found).unwrap()["port"], port);
        client.terminate().await;
        until("it has left", async || {
            !show(&console, "SHOW CLIENTS").await.iter().any(|row| row["addr"] == host)
        })
        .await;
    }
    for header in [own(), b"PROXY UNKNOWN\r\n".to_vec()] {
        let mut client = connect(&proxy, &header).await;
        log_in(&mut client, "postgres", "postgres").await;
        let clients = show(&console, "SHOW CLIENTS").await;
        let port = client.local_port().to_string();
        assert!(clients.iter().any(|row| row["addr"] == "127.0.0.1" && row["port"] == port));
    }
}

#[tokio::test]
async fn rules_are_of_the_clients_address() {
    let directory = tempfile::tempdir().unwrap();
    let hba = directory.path().join("hba");
    std::fs::write(&hba, "host all all 203.0.113.7/32 trust\n").unwrap();
    let proxy = behind_balancers(&format!("auth_type = \"hba\"\nauth_hba_file = {hba:?}")).await;
    for (header, let_in) in [
        (V1.to_vec(), true),
        (v2(), true),
        (b"PROXY TCP4 203.0.113.8 192.0.2.1 40001 6432\r\n".to_vec(), false),
        (own(), false),
    ] {
        let mut client = connect(&proxy, &header).await;
        if let_in {
            log_in(&mut client, "postgres", "postgres").await;
        } else {
            client.startup("postgres", "postgres", &[]).await;
            assert_eq!(client.expect_error().await.sqlstate(), "28000");
        }
    }
    // The log has the address, and the port that the balancer said.
    until("the log says who was refused", async || {
        proxy.log().lines().any(|line| {
            line.contains("203.0.113.8:40001")
                && line.contains("no pg_hba.conf entry for host \"203.0.113.8\"")
        })
    })
    .await;
}

#[tokio::test]
async fn a_header_may_come_in_pieces_and_with_what_follows() {
    let proxy = behind_balancers("").await;
    let startup = [("user", "postgres"), ("database", "postgres")];
    let startup = frames::startup(frames::PROTOCOL_3_0, &startup);
    for header in [V1.to_vec(), v2()] {
        let mut client = proxy.scripted().await;
        for byte in &header {
            client.send(&[*byte]).await;
        }
        client.send(&startup).await;
        client.login_trust().await;
        let mut client = connect(&proxy, &[&header[..], &startup].concat()).await;
        client.login_trust().await;
        assert_eq!(client.value("SELECT 1").await, "1");
    }
}

#[tokio::test]
async fn tls_follows_the_header() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("the balancers' authority");
    let (certificate, key) = authority.local().write(directory.path(), "pgweir");
    let proxy = behind_balancers(&format!(
        "client_tls_sslmode = \"require\"\nclient_tls_cert_file = {certificate:?}\n\
         client_tls_key_file = {key:?}\n"
    ))
    .await;
    let how = ClientEncryption::trusting(authority.pem());
    for direct in [false, true] {
        let mut client = connect(&proxy, &v2()).await;
        if direct {
            client.shake_hands(&how).await.unwrap();
        } else {
            client.encrypt(&how).await;
        }
        log_in(&mut client, "postgres", "postgres").await;
        assert_eq!(client.value("SELECT 1").await, "1");
    }
    // In the encrypted part it is none.
    let mut client = proxy.scripted().await;
    client.send(&v2()).await;
    client.encrypt(&how).await;
    client.send(&v2()).await;
    assert!(client.drain().await.is_empty());
}

#[tokio::test]
async fn what_is_no_header_is_closed_with_one_line_in_the_log() {
    let proxy = behind_balancers("client_login_timeout = \"300ms\"").await;
    let count = |what: &str| proxy.log().matches(what).count();
    let mut too_long = b"PROXY ".to_vec();
    too_long.extend([b'x'; 200]);
    for (first, said) in [
        (b"GET / HTTP/1.0\r\n\r\n".to_vec(), "does not begin with a PROXY header"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n".to_vec(), "two addresses and two ports"),
        (too_long, "is too long"),
        ([SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(), "is too long"),
        ([SIGNATURE, &[0x31]].concat(), "unknown version"),
    ] {
        let before = count(said);
        let mut client = connect(&proxy, &first).await;
        assert!(client.drain().await.is_empty(), "{said}");
        until(said, async || count(said) == before + 1).await;
    }
    // One that never ends has its time.
    let mut client = connect(&proxy, b"PROXY TCP4 1.2.3.4").await;
    assert_eq!(client.expect_error().await.message(), "timed out: client_login_timeout");
    client.expect_closed().await;
    // A check that only connects is nothing to speak of.
    let lines = proxy.log().lines().count();
    drop(proxy.scripted().await);
    for _ in 0..20 {
        // HAProxy's check sends its header and resets the connection.
        connect(&proxy, &own()).await.abort();
    }
    let mut client = connect(&proxy, V1).await;
    log_in(&mut client, "postgres", "postgres").await;
    assert_eq!(proxy.log().lines().count(), lines);
}

#[tokio::test]
async fn a_client_without_a_header_is_told_why() {
    let proxy = behind_balancers("").await;
    for asks in [false, true] {
        let mut client = proxy.scripted().await;
        if asks {
            client.send(&frames::request_code(frames::SSL_REQUEST)).await;
            assert_eq!(client.expect_byte().await, b'N');
        }
        client.startup("postgres", "postgres", &[]).await;
        let error = client.expect_error().await;
        assert_eq!(error.sqlstate(), "08P01");
        assert!(error.hint().contains("proxy_protocol_from"), "{error}");
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn nobody_else_may_send_a_header() {
    let upstream = Postgres::shared().await.url("postgres", "postgres");
    let settings = format!("upstream = {upstream:?}\nproxy_protocol_from = \"10.0.0.0/8\"\n");
    let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
    for (header, times) in [(V1.to_vec(), 1), (v2(), 2)] {
        let mut client = connect(&proxy, &header).await;
        assert!(client.drain().await.is_empty());
        until("it is said once", async || {
            proxy.log().matches("begins with a PROXY header, and may not").count() == times
        })
        .await;
    }
    client(proxy.address(), frames::PROTOCOL_3_0).await;
}

#[tokio::test]
async fn a_peers_cancel_request_needs_no_header() {
    let postgres = Postgres::shared().await;
    let proxy = behind_balancers("").await;
    let through = balancer(proxy.address(), v2()).await;
    let (mut client, key) = client(through, frames::PROTOCOL_3_0).await;
    for (seconds, door) in [(3301, proxy.address()), (3302, through)] {
        client.send_query(&format!("SELECT pg_sleep({seconds})")).await;
        until_sleeping(postgres, seconds).await;
        cancel(door, &key).await;
        assert_eq!(only_error(&client.expect_until(b'Z').await).sqlstate(), "57014");
    }
    client.expect_silence(Duration::from_millis(50)).await;
}
