//! Sizes that clients announce before they are logged in.

use testkit::frames::{self, PROTOCOL_3_0, header};
use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient};

use crate::scene::{PGWEIR, Scene, until, with_settings};
use crate::vitals;

/// The length of the longest startup packet that PostgreSQL takes (MAX_STARTUP_PACKET_LENGTH), with
/// the length itself.
const LONGEST: usize = 10_004;

/// A startup packet of exactly this many bytes.
fn startup_of(bytes: usize, database: &str) -> Vec<u8> {
    let with = |filler: &str| {
        let parameters = [("user", "postgres"), ("database", database), ("_pq_.filler", filler)];
        frames::startup(PROTOCOL_3_0, &parameters)
    };
    let filler = "x".repeat(bytes - with("").len());
    with(&filler)
}

/// Must survive: giant startup packets
#[tokio::test]
async fn a_startup_packet_of_the_largest_size_is_the_last_that_is_read() {
    let scene = Scene::open([]).await;
    let mut client = scene.proxy.scripted().await;
    client.send(&startup_of(LONGEST, &scene.database.name)).await;
    client.expect(b'v').await;
    client.login_trust().await;
    assert_eq!(client.value("SELECT 1").await, "1");
    for bytes in [LONGEST + 1, 1 << 20] {
        let mut client = scene.proxy.scripted().await;
        // Refused by its length: what follows may not even be taken.
        let _ = client.try_send(&startup_of(bytes, &scene.database.name)).await;
        assert_eq!(client.expect_error().await.sqlstate(), "08P01", "{bytes} bytes");
        client.expect_closed().await;
    }
}

/// Must survive: a negative length; a cap for every size
#[tokio::test]
async fn a_password_message_of_any_length() {
    let postgres = Postgres::shared().await;
    for method in ["plain", "md5", "scram-sha-256"] {
        let options = ProxyOptions::upstream(postgres.url("postgres:secret", "postgres"));
        let auth = format!("auth_type={method}");
        let proxy = Proxy::start(PGWEIR, with_settings(options, [&auth])).await;
        let lengths = [0, 3, 0x8000_0000, u32::MAX, 0x7fff_ffff, 0x0001_0000, 1_000_000];
        for length in lengths {
            let mut client = proxy.scripted().await;
            client.startup("postgres", "postgres", &[]).await;
            client.expect(b'R').await;
            client.send(&header(b'p', length)).await;
            let error = client.expect_error().await;
            let said = (error.severity(), error.sqlstate());
            assert_eq!(said, ("FATAL", "08P01"), "{method}, {length}: {error}");
            client.expect_closed().await;
        }
        assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
    }
}

/// Must survive: unbounded allocation from a length field; a cap for every size
#[tokio::test]
async fn what_is_announced_is_not_allocated() {
    const CLIENTS: usize = 150;
    let scene = Scene::open(["default_pool_size=1", "max_client_conn=1000"]).await;
    let announce = async |announced: &[u8], logs_in: bool| {
        let mut crowd: Vec<ScriptedClient> = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = match logs_in {
                true => scene.client().await,
                false => scene.proxy.scripted().await,
            };
            client.send(announced).await;
            crowd.push(client);
        }
        crowd
    };
    // What a connection costs at all is known before it is looked at what it announces.
    drop(announce(b"", true).await);
    let before = vitals::resident_kib(&scene.proxy);
    let mut all = Vec::new();
    let startup = [&10_000_u32.to_be_bytes()[..], &PROTOCOL_3_0.to_be_bytes()].concat();
    all.push(announce(&startup, false).await);
    for kind in b"QPBFd" {
        // A gigabyte, the most that a message may have.
        all.push(announce(&header(*kind, 0x3fff_ffff), true).await);
    }
    // Each has been read: its connection is served to the end of what it sent.
    let mut other = scene.client().await;
    until("all are logged in", async || {
        let console = scene.console().await;
        scene.clients(&console).await > 5 * CLIENTS
    })
    .await;
    if let (Some(before), Some(after)) = (before, vitals::resident_kib(&scene.proxy)) {
        let clients = u64::try_from(6 * CLIENTS).unwrap();
        assert!(after < before + clients * 64, "from {before} to {after} KiB for {clients}");
    }
    drop(all);
    assert_eq!(other.value("SELECT 1").await, "1");
}
