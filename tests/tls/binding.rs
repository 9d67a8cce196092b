//! SCRAM-SHA-256-PLUS: logins that hold on one TLS connection only.

use testkit::{Authority, ClientEncryption, Proxy, ProxyOptions, frames};

use crate::psql::{psql, said, succeeded};
use crate::scene::PGWEIR;
use crate::way::{Ground, ground};

/// pgweir that checks passwords and logs in with one.
async fn pgweir(ground: &Ground, parameters: &str) -> Proxy {
    let upstream = ground.url("web_scram:scram-secret", parameters);
    let settings = format!(
        "upstream = {upstream:?}\nauth_type = \"scram-sha-256\"\n{}\n[users.web_trust]\npassword = \
         \"trust-secret\"\n",
        ground.client_tls("prefer")
    );
    Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await
}

#[tokio::test]
async fn binding_is_not_offered_by_a_certificate_that_has_no_hash_for_it() {
    let ground = ground().await;
    let authority = Authority::with_ed25519("the modern authority");
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.local().write(directory.path(), "modern");
    let upstream = ground.url("web_scram:scram-secret", "sslmode=require");
    let settings = format!(
        "upstream = {upstream:?}\nclient_tls_sslmode = 'require'\nclient_tls_cert_file = \
         {certificate:?}\nclient_tls_key_file = {key:?}\n"
    );
    let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
    let mut client = proxy.scripted().await;
    client.encrypt(&ClientEncryption::trusting(authority.pem())).await;
    client.startup("web_scram", "postgres", &[]).await;
    let offer = frames::authentication_sasl(&["SCRAM-SHA-256"])[5..].to_vec();
    assert_eq!(client.expect(b'R').await, offer);
    // libpq could bind, and says so.
    let root = directory.path().join("root.crt");
    std::fs::write(&root, authority.pem()).unwrap();
    let known = ("PGSSLROOTCERT", root.to_str().unwrap());
    let output = psql(ground, &proxy, &[("PGSSLMODE", "verify-full"), known]).await;
    assert!(succeeded(&output), "{}", said(&output));
}

/// Which user the server sees, or what the client is told.
async fn outcome(proxy: &Proxy, login: &str) -> Result<String, String> {
    match proxy.try_connect(login, "postgres").await {
        Ok(client) => {
            let row = client.query_one("SELECT current_user::text", &[]).await.unwrap();
            Ok(row.get(0))
        }
        Err(error) => Err(error.as_db_error().unwrap().message().to_owned()),
    }
}

const SCRAM: &str = "web_scram:scram-secret";

#[tokio::test]
async fn a_login_to_the_server_is_bound_or_not_as_the_url_says() {
    let ground = ground().await;
    for binding in ["disable", "prefer", "require"] {
        let parameters = format!("sslmode=verify-full&channel_binding={binding}");
        let proxy = pgweir(ground, &parameters).await;
        assert_eq!(outcome(&proxy, SCRAM).await.as_deref(), Ok("web_scram"), "{binding}");
    }
}

#[tokio::test]
async fn a_login_that_cannot_be_bound_and_must_is_not_made() {
    let ground = ground().await;
    let proxy = pgweir(ground, "sslmode=require&channel_binding=require").await;
    let refused = outcome(&proxy, "web_trust:trust-secret").await.unwrap_err();
    let said = "channel_binding=require, and the server does not ask for SCRAM";
    assert!(refused.ends_with(said), "{refused}");
    let proxy = pgweir(ground, "sslmode=disable&channel_binding=require").await;
    let refused = outcome(&proxy, SCRAM).await.unwrap_err();
    assert!(refused.contains("channel_binding=require, and the server has no TLS"), "{refused}");
}

/// The message of a SASLInitialResponse.
fn initial_response(mechanism: &str, data: &str) -> Vec<u8> {
    let mut body = format!("{mechanism}\0").into_bytes();
    body.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    body.extend(data.as_bytes());
    frames::message(b'p', &body)
}

#[tokio::test]
async fn binding_is_offered_over_tls_only_and_a_downgrade_is_noticed() {
    let ground = ground().await;
    let proxy = pgweir(ground, "sslmode=require").await;
    let offer = |names: &[&str]| frames::authentication_sasl(names)[5..].to_vec();
    let mut plain = proxy.scripted().await;
    plain.startup("web_scram", "postgres", &[]).await;
    assert_eq!(plain.expect(b'R').await, offer(&["SCRAM-SHA-256"]));
    plain.send(&initial_response("SCRAM-SHA-256", "y,,n=,r=abc")).await;
    plain.expect(b'R').await;

    let both = offer(&["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
    for (mechanism, data, expected) in [
        // It believes that we cannot.
        ("SCRAM-SHA-256", "y,,n=,r=abc", "FATAL 08P01: SCRAM channel binding negotiation error"),
        (
            "SCRAM-SHA-256",
            "p=tls-server-end-point,,n=,r=abc",
            "FATAL 08P01: malformed SCRAM message (channel binding in a mechanism without it)",
        ),
        (
            "SCRAM-SHA-256-PLUS",
            "n,,n=,r=abc",
            "FATAL 08P01: malformed SCRAM message (no channel binding in a mechanism with it)",
        ),
        (
            "SCRAM-SHA-256-PLUS",
            "p=tls-unique,,n=,r=abc",
            "FATAL 08P01: unsupported SCRAM channel-binding type",
        ),
    ] {
        let mut client = proxy.scripted().await;
        client.encrypt(&ground.trusting()).await;
        client.startup("web_scram", "postgres", &[]).await;
        assert_eq!(client.expect(b'R').await, both);
        client.send(&initial_response(mechanism, data)).await;
        assert_eq!(client.expect_error().await.to_string(), expected);
        client.expect_closed().await;
    }
    let mut client = proxy.scripted().await;
    client.encrypt(&ground.trusting()).await;
    client.startup("web_scram", "postgres", &[]).await;
    client.expect(b'R').await;
    client.send(&initial_response("SCRAM-SHA-256", "n,,n=,r=abc")).await;
    let challenge = client.expect(b'R').await;
    assert_eq!(challenge[..4], [0, 0, 0, 11]);
}
