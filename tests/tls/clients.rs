//! Every `client_tls_sslmode` with every kind of client.

use std::time::Instant;

use testkit::{
    Authority, ClientEncryption, ErrorFields, Identity, Proxy, ProxyOptions, ScriptedClient,
    Validity, frames,
};

use crate::scene::{PGWEIR, show, until};
use crate::table::Table;
use crate::way::{Ground, ground};

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

async fn pgweir(ground: &Ground, mode: &str) -> Proxy {
    let upstream = ground.url("postgres", "sslmode=verify-full");
    let settings = format!("upstream = {upstream:?}\n{}", ground.client_tls(mode));
    Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await
}

/// How a login ends that needs no password.
async fn log_in(mut client: ScriptedClient, connected: &str) -> String {
    let startup = [("user", "postgres"), ("database", "postgres")];
    if let Err(error) = client.try_send(&frames::startup(frames::PROTOCOL_3_0, &startup)).await {
        return format!("refused: {error}");
    }
    match client.try_frame().await {
        Ok((b'R', _)) => {
            client.expect_until(b'Z').await;
            assert_eq!(client.value("SELECT 'an answer'").await, "an answer");
            connected.to_owned()
        }
        Ok((_, body)) => format!("refused: `{}`", ErrorFields::read(&body)),
        Err(error) => format!("refused: `{error}`"),
    }
}

async fn without_tls(proxy: &Proxy) -> String {
    log_in(proxy.scripted().await, "plain").await
}

/// A client that insists on TLS.
async fn with_tls(proxy: &Proxy, how: &ClientEncryption) -> String {
    let mut client = proxy.scripted().await;
    client.send(&frames::request_code(frames::SSL_REQUEST)).await;
    if client.expect_byte().await == b'N' {
        return "TLS is declined".to_owned();
    }
    match client.shake_hands(how).await {
        Ok(()) => log_in(client, "TLS").await,
        Err(error) => format!("refused: `{error}`"),
    }
}

#[tokio::test]
async fn every_mode_with_every_kind_of_client() {
    let ground = ground().await;
    let identities: [(&str, Option<Identity>); 5] = [
        ("TLS, no certificate", None),
        ("TLS, certificate of the authority", Some(ground.authority.client("postgres"))),
        (
            "TLS, expired certificate of the authority",
            Some(ground.authority.issue("postgres", &[], Validity::Expired)),
        ),
        (
            "TLS, certificate that is not valid yet",
            Some(ground.authority.issue("postgres", &[], Validity::Future)),
        ),
        (
            "TLS, certificate of another authority",
            Some(Authority::new("another authority").client("postgres")),
        ),
    ];
    let mut rows = vec![("no TLS".to_owned(), Vec::new())];
    rows.extend(identities.iter().map(|(kind, _)| ((*kind).to_owned(), Vec::new())));
    for mode in MODES {
        let proxy = pgweir(ground, mode).await;
        rows[0].1.push(without_tls(&proxy).await);
        for (number, (_, identity)) in identities.iter().enumerate() {
            let how = ClientEncryption { identity: identity.clone(), ..ground.trusting() };
            rows[number + 1].1.push(with_tls(&proxy, &how).await);
        }
        if mode == "verify-ca" {
            for why in ["peer sent no certificates", "expired", "not valid yet", "UnknownIssuer"] {
                until("it is in the log", async || proxy.log().contains(why)).await;
            }
        }
    }
    let columns = ["client"].into_iter().chain(MODES).map(str::to_owned).collect();
    Table { name: "clients", columns, rows }.check();
}

#[tokio::test]
async fn who_must_encrypt_and_does_not_is_told_what_to_do() {
    let proxy = pgweir(ground().await, "require").await;
    for database in ["postgres", "pgweir"] {
        let mut client = proxy.scripted().await;
        client.startup("postgres", database, &[]).await;
        let error = client.expect_error().await;
        assert_eq!(error.to_string(), "FATAL 28000: SSL required");
        let hint = "client_tls_sslmode is require: connect with sslmode=require, verify-ca or \
                    verify-full.";
        assert_eq!(error.hint(), hint);
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn both_sides_encryption_is_shown() {
    let ground = ground().await;
    let proxy = pgweir(ground, "prefer").await;
    let mut encrypted = proxy.scripted().await;
    encrypted.encrypt(&ground.trusting()).await;
    encrypted.startup("postgres", "postgres", &[]).await;
    encrypted.login_trust().await;
    let mut plain = ScriptedClient::login(proxy.address(), "postgres", "postgres").await;
    plain.rows("SELECT 1").await;
    let console = proxy.connect("postgres", "pgweir").await;
    let rows = show(&console, "SHOW CLIENTS").await;
    let of = |client: &ScriptedClient| {
        let port = client.local_port().to_string();
        rows.iter().find(|row| row["port"] == port).expect("its row")["tls"].clone()
    };
    assert_eq!((of(&encrypted).as_str(), of(&plain).as_str()), (SUITE, ""));
    let servers = show(&console, "SHOW SERVERS").await;
    assert!(!servers.is_empty() && servers.iter().all(|row| row["tls"] == SUITE), "{servers:?}");
}

/// What rustls and OpenSSL agree on.
const SUITE: &str = "TLSv1.3/TLS_AES_256_GCM_SHA384";

/// Must survive: bytes already buffered after SSLRequest, from a client
#[tokio::test]
async fn bytes_behind_the_request_for_tls_are_refused() {
    let proxy = pgweir(ground().await, "prefer").await;
    let smuggled = frames::startup(frames::PROTOCOL_3_0, &[("user", "postgres")]);
    for (code, what) in
        [(frames::SSL_REQUEST, "SSL"), (frames::GSSENC_REQUEST, "GSSAPI encryption")]
    {
        let mut client = proxy.scripted().await;
        client.send(&[frames::request_code(code), smuggled.clone()].concat()).await;
        let expected = format!("FATAL 08P01: received unencrypted data after {what} request");
        assert_eq!(client.expect_error().await.to_string(), expected);
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn a_handshake_that_is_not_gone_on_with_ends_with_the_time_for_logins() {
    let ground = ground().await;
    let upstream = ground.url("postgres", "sslmode=require");
    let settings = format!(
        "upstream = {upstream:?}\nclient_login_timeout = \"200ms\"\n{}",
        ground.client_tls("require")
    );
    let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
    // Nothing, and the front of a handshake.
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut client = proxy.scripted().await;
        let since = Instant::now();
        client.send(&frames::request_code(frames::SSL_REQUEST)).await;
        assert_eq!(client.expect_byte().await, b'S');
        client.send(sent).await;
        client.expect_closed().await;
        let took = since.elapsed();
        assert!((200..2000).contains(&took.as_millis()), "{took:?}");
    }
    let mut client = proxy.scripted().await;
    client.encrypt(&ground.trusting()).await;
    assert_eq!(client.expect_error().await.message(), "timed out: client_login_timeout");
    client.expect_closed().await;
}

#[tokio::test]
async fn within_tls_nothing_is_encrypted_again() {
    let ground = ground().await;
    let proxy = pgweir(ground, "prefer").await;
    for code in [frames::SSL_REQUEST, frames::GSSENC_REQUEST] {
        let mut client = proxy.scripted().await;
        client.encrypt(&ground.trusting()).await;
        client.send(&frames::request_code(code)).await;
        assert_eq!(client.expect_error().await.sqlstate(), "08P01");
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn what_is_not_tls_does_no_harm() {
    let ground = ground().await;
    let proxy = pgweir(ground, "prefer").await;
    for garbage in [&b"\x16garbage that is no handshake"[..], b"\x16", b"\x16\x03\x01\xff\xff"] {
        for asked in [true, false] {
            let mut client = proxy.scripted().await;
            if asked {
                client.send(&frames::request_code(frames::SSL_REQUEST)).await;
                assert_eq!(client.expect_byte().await, b'S');
            }
            client.send(garbage).await;
            client.half_close().await;
            while client.try_frame().await.is_ok() {}
        }
    }
    let console = proxy.connect("postgres", "pgweir").await;
    until("nobody is left", async || show(&console, "SHOW CLIENTS").await.is_empty()).await;
    assert_eq!(with_tls(&proxy, &ground.trusting()).await, "TLS");
}
