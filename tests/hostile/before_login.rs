//! Clients that misbehave before they are logged in.

use std::time::Duration;

use testkit::frames::{self, PROTOCOL_3_0, PROTOCOL_3_2};
use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient};

use crate::scene::{PGWEIR, Scene, show, until, with_settings};
use crate::vitals;

/// A client that sends this first must get this error, and the end of the connection.
async fn refused(scene: &Scene, bytes: &[u8], sqlstate: &str) {
    let mut client = scene.proxy.scripted().await;
    client.send(bytes).await;
    let error = client.expect_error().await;
    assert_eq!((error.severity(), error.sqlstate()), ("FATAL", sqlstate), "{bytes:?}: {error}");
    client.expect_closed().await;
}

/// Must survive: a length that overflows; a negative length
#[tokio::test]
async fn lengths_that_no_startup_packet_has() {
    let scene = Scene::open([]).await;
    for length in [0, 1, 4, 7, 10_005, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        // Judged by the length alone: nothing else is waited for.
        refused(&scene, &length.to_be_bytes(), "08P01").await;
    }
    refused(&scene, b"GET / HTTP/1.1\r\n\r\n", "08P01").await;
    // A TLS handshake, where TLS is off: no message of ours would be understood.
    let mut client = scene.proxy.scripted().await;
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    client.expect_closed().await;
}

#[tokio::test]
async fn startup_packets_of_the_wrong_layout() {
    let scene = Scene::open([]).await;
    let with = |parameters: &[u8]| {
        let body = [&PROTOCOL_3_0.to_be_bytes()[..], parameters].concat();
        frames::untyped(&body)
    };
    refused(&scene, &with(b"user\0postgres\0"), "08P01").await;
    refused(&scene, &with(b"user\0"), "08P01").await;
    refused(&scene, &with(b"user\0postgres\0\0more\0"), "08P01").await;
    refused(&scene, &with(b"\0"), "28000").await;
    refused(&scene, &with(b"user\0\0\0"), "28000").await;
    refused(&scene, &with(b"user\0post\xffgres\0\0"), "22021").await;
    refused(&scene, &with(b"user\0postgres\0options\0-c\0\0"), "42601").await;
    refused(&scene, &frames::startup(0x0002_0000, &[("user", "postgres")]), "0A000").await;
    refused(&scene, &frames::startup(0x0004_0000, &[("user", "postgres")]), "0A000").await;
    refused(
        &scene,
        &frames::startup(PROTOCOL_3_0, &[("user", "postgres"), ("replication", "no such")]),
        "22023",
    )
    .await;
}

/// Must survive: long names
#[tokio::test]
async fn long_names_are_names_like_others() {
    let scene = Scene::open([]).await;
    let long = "n".repeat(9_000);
    let mut client = scene.proxy.scripted().await;
    client.startup(&long, &scene.database.name, &[]).await;
    assert_eq!(client.expect_error().await.sqlstate(), "28000", "no such role");
    let mut client = scene.proxy.scripted().await;
    client.startup("postgres", &long, &[]).await;
    assert_eq!(client.expect_error().await.sqlstate(), "3D000", "no such database");
    let mut client = scene.proxy.scripted().await;
    client.startup("postgres", &scene.database.name, &[(&long, "on")]).await;
    assert_eq!(client.expect_error().await.sqlstate(), "42704", "no such setting");
    let mut client = scene.proxy.scripted().await;
    client.startup("postgres", &scene.database.name, &[("application_name", &long)]).await;
    client.login_trust().await;
    assert_eq!(client.value("SELECT 1").await, "1");
    // Pools of names that do not exist do not stay.
    let console = scene.console().await;
    until("no pool is left of them", async || {
        show(&console, "SHOW POOLS").await.iter().all(|pool| !pool["database"].starts_with("nn"))
    })
    .await;
}

/// Must survive: packets in the wrong order
#[tokio::test]
async fn packets_in_the_wrong_order() {
    let scene = Scene::open([]).await;
    refused(&scene, &frames::query("SELECT 1"), "08P01").await;
    refused(&scene, &frames::password("secret"), "08P01").await;
    let mut client = scene.client().await;
    client.send(&frames::startup(PROTOCOL_3_0, &[("user", "postgres")])).await;
    assert_eq!(client.expect_error().await.sqlstate(), "08P01", "a second startup packet");
    client.expect_closed().await;
    let mut client = scene.client().await;
    client.send(&frames::password("late")).await;
    assert_eq!(client.expect_error().await.sqlstate(), "08P01", "nobody asked for it");
    client.expect_closed().await;
    let mut client = scene.client().await;
    client.send(&frames::request_code(frames::SSL_REQUEST)).await;
    assert_eq!(client.expect_error().await.sqlstate(), "08P01", "too late for encryption");
    client.expect_closed().await;
}

/// Must survive: bytes already buffered after SSLRequest, from a client
#[tokio::test]
async fn encryption_is_asked_for_once_and_nothing_is_smuggled_past_it() {
    let scene = Scene::open([]).await;
    let (ssl, gss) =
        (frames::request_code(frames::SSL_REQUEST), frames::request_code(frames::GSSENC_REQUEST));
    let startup =
        frames::startup(PROTOCOL_3_0, &[("user", "postgres"), ("database", &scene.database.name)]);

    let mut client = scene.proxy.scripted().await;
    client.send(&ssl).await;
    assert_eq!(client.expect_byte().await, b'N');
    client.send(&gss).await;
    assert_eq!(client.expect_byte().await, b'N');
    client.send(&startup).await;
    client.login_trust().await;

    let mut client = scene.proxy.scripted().await;
    client.send(&ssl).await;
    assert_eq!(client.expect_byte().await, b'N');
    client.send(&ssl).await;
    assert_eq!(client.expect_error().await.sqlstate(), "08P01", "asked twice");
    client.expect_closed().await;

    refused(&scene, &[&ssl[..], &startup[..]].concat(), "08P01").await;
    refused(&scene, &[&gss[..], &startup[..]].concat(), "08P01").await;
    refused(&scene, &[&ssl[..], b"\0"].concat(), "08P01").await;
}

#[tokio::test]
async fn whoever_says_nothing_is_sent_away() {
    let scene = Scene::open(["client_login_timeout=300ms"]).await;
    let startup = frames::startup(PROTOCOL_3_0, &[("user", "postgres")]);
    let before = vitals::file_descriptors(&scene.proxy);
    let mut clients = Vec::new();
    for bytes in [&b""[..], b"\0", b"\0\0\0\x30", &startup[..startup.len() - 1]] {
        let mut client = scene.proxy.scripted().await;
        client.send(bytes).await;
        clients.push(client);
    }
    for mut client in clients {
        let said = client.drain().await;
        assert_eq!(crate::scene::error(&said).sqlstate(), "57014");
    }
    if let Some(before) = before {
        until("their sockets are closed", async || {
            vitals::file_descriptors(&scene.proxy).unwrap() <= before
        })
        .await;
    }
}

#[tokio::test]
async fn a_newer_protocol_is_negotiated() {
    let scene = Scene::open([]).await;
    let parameters =
        [("user", "postgres"), ("database", &scene.database.name), ("_pq_.unknown", "on")];
    for (version, key) in [(0x0003_ffff, 32), (PROTOCOL_3_2, 32), (PROTOCOL_3_0, 4)] {
        let mut client = scene.proxy.scripted().await;
        client.send(&frames::startup(version, &parameters)).await;
        let body = client.expect(b'v').await;
        assert_eq!(body[..4], version.min(PROTOCOL_3_2).to_be_bytes());
        let said = client.login_trust().await;
        let (_, data) = said.iter().find(|(kind, _)| *kind == b'K').unwrap();
        assert_eq!(data.len(), 4 + key);
    }
}

/// pgweir that asks for passwords, with a client that has got as far as the question.
async fn asked_for_password(method: &str) -> (Proxy, ScriptedClient) {
    let postgres = Postgres::shared().await;
    let options = ProxyOptions::upstream(postgres.url("postgres:secret", "postgres"));
    let auth = format!("auth_type={method}");
    let proxy = Proxy::start(PGWEIR, with_settings(options, [&auth])).await;
    let mut client = proxy.scripted().await;
    client.startup("postgres", "postgres", &[]).await;
    client.expect(b'R').await;
    (proxy, client)
}

fn sasl_initial(mechanism: &str, length: i32, data: &[u8]) -> Vec<u8> {
    let body = [mechanism.as_bytes(), b"\0", &length.to_be_bytes(), data].concat();
    frames::message(b'p', &body)
}

/// Must survive: SASL garbage
#[tokio::test]
async fn sasl_garbage() {
    let (proxy, first) = asked_for_password("scram-sha-256").await;
    drop(first);
    let long = "x".repeat(60_000);
    let nonce = format!("n,,n=,r={long}");
    let cases = [
        (frames::header(b'p', 3), "08P01"),
        (frames::header(b'p', u32::MAX), "08P01"),
        (frames::header(b'p', 0x7fff_ffff), "08P01"),
        (frames::query("SELECT 1"), "08P01"),
        (frames::password("secret"), "08P01"),
        (sasl_initial("SCRAM-SHA-256", 1_000_000, b"n,,n=,r=abc"), "08P01"),
        (sasl_initial("SCRAM-SHA-256", -2, b""), "08P01"),
        (sasl_initial("SCRAM-SHA-256-PLUS", 11, b"n,,n=,r=abc"), "08P01"),
        (sasl_initial("PLAIN", 0, b""), "08P01"),
        (sasl_initial("SCRAM-SHA-256", 9, b"\xff\xfe\0,,n=,r"), "08P01"),
        (
            sasl_initial("SCRAM-SHA-256", i32::try_from(nonce.len()).unwrap(), nonce.as_bytes()),
            "08P01",
        ),
        (sasl_initial("SCRAM-SHA-256", 15, b"n,a=me,n=,r=abc"), "0A000"),
        (sasl_initial("SCRAM-SHA-256", 16, b"p=tls,,n=,r=abcd"), "08P01"),
    ];
    for (bytes, sqlstate) in cases {
        let mut client = proxy.scripted().await;
        client.startup("postgres", "postgres", &[]).await;
        client.expect(b'R').await;
        client.send(&bytes).await;
        let error = client.expect_error().await;
        let front = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert_eq!((error.severity(), error.sqlstate()), ("FATAL", sqlstate), "{front:?}: {error}");
        client.expect_closed().await;
    }
}

/// Must survive: SASL garbage
#[tokio::test]
async fn a_scram_proof_that_proves_nothing() {
    let (_proxy, mut client) = asked_for_password("scram-sha-256").await;
    client.send(&sasl_initial("SCRAM-SHA-256", 11, b"n,,n=,r=abc")).await;
    let challenge = client.expect(b'R').await;
    let text = String::from_utf8_lossy(&challenge[4..]).into_owned();
    let nonce = text.split(',').next().unwrap().trim_start_matches("r=");
    let proof = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    client.send(&frames::message(b'p', format!("c=biws,r={nonce},p={proof}").as_bytes())).await;
    assert_eq!(client.expect_error().await.sqlstate(), "28P01");
    client.expect_closed().await;
}

/// Must survive: users told apart by the text of a refusal
#[tokio::test]
async fn an_unknown_user_looks_like_a_wrong_password() {
    for method in ["plain", "md5"] {
        let (proxy, _) = asked_for_password(method).await;
        let mut said = Vec::new();
        for user in ["postgres", "nobody_by_that_name"] {
            let mut client = proxy.scripted().await;
            client.startup(user, "postgres", &[]).await;
            client.expect(b'R').await;
            client.send(&frames::password("md5wrong")).await;
            let error = client.expect_error().await;
            said.push(error.to_string().replace(user, "?"));
            client.expect_closed().await;
        }
        assert_eq!(said[0], said[1]);
        assert!(said[0].contains("28P01"), "{}", said[0]);
    }
}

#[tokio::test]
async fn a_hundred_half_logins_do_not_keep_others_out() {
    let scene = Scene::open([]).await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        let mut client = scene.proxy.scripted().await;
        client.send(b"\0\0\0").await;
        crowd.push(client);
    }
    let mut client = scene.client().await;
    client.set_patience(Duration::from_secs(5));
    assert_eq!(client.value("SELECT 1").await, "1");
}
