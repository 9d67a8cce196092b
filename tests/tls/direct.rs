//! TLS from the first byte on, as `sslnegotiation=direct` of PostgreSQL 17's libpq.

use testkit::{ClientEncryption, Proxy, ProxyOptions};

use crate::scene::{PGWEIR, until};
use crate::way::ground;

async fn pgweir(mode: &str) -> Proxy {
    let ground = ground().await;
    let upstream = ground.url("postgres", "sslmode=require");
    let settings = format!("upstream = {upstream:?}\n{}", ground.client_tls(mode));
    Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await
}

#[tokio::test]
async fn who_names_the_protocol_is_served() {
    let proxy = pgweir("require").await;
    let mut client = proxy.scripted().await;
    client.shake_hands(&ground().await.trusting()).await.unwrap();
    client.startup("postgres", "postgres", &[]).await;
    client.login_trust().await;
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn who_names_none_is_refused_in_words() {
    let proxy = pgweir("allow").await;
    let how = ClientEncryption { protocol: None, ..ground().await.trusting() };
    let mut client = proxy.scripted().await;
    client.shake_hands(&how).await.unwrap();
    let error = client.expect_error().await.to_string();
    let said = "FATAL 08P01: received direct SSL connection request without ALPN protocol \
                negotiation extension";
    assert_eq!(error, said);
    client.expect_closed().await;
    // Asked for in the old way, it need not be named.
    let mut client = proxy.scripted().await;
    client.encrypt(&how).await;
    client.startup("postgres", "postgres", &[]).await;
    client.login_trust().await;
}

#[tokio::test]
async fn where_tls_is_off_the_log_says_so() {
    let proxy = pgweir("disable").await;
    let mut client = proxy.scripted().await;
    client.shake_hands(&ground().await.trusting()).await.unwrap_err();
    let said = "client refused: the client begins with TLS, which is off. client_tls_sslmode turns";
    until("the log says so", async || proxy.log().contains(said)).await;
}

#[tokio::test]
async fn who_names_another_is_refused_by_tls() {
    let proxy = pgweir("allow").await;
    let how = ClientEncryption { protocol: Some("http/1.1"), ..ground().await.trusting() };
    let mut client = proxy.scripted().await;
    let error = client.shake_hands(&how).await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[tokio::test]
async fn one_pgweir_in_front_of_another_needs_no_request() {
    let behind = pgweir("require").await;
    let authority = ground().await.authority_file.display();
    let url = behind.url("postgres", "postgres");
    let url = format!("{url}?sslmode=verify-full&sslrootcert={authority}&sslnegotiation=direct");
    let options = ProxyOptions::upstream(url).arguments(["--set", "analyse=false"]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let client = proxy.connect("postgres", "postgres").await;
    client.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_says_so_late_and_is_understood() {
    let behind = pgweir("verify-ca").await;
    let url = format!("{}?sslmode=require", behind.url("postgres", "postgres"));
    let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(url)).await;
    let error = proxy.try_connect("postgres", "postgres").await.err().unwrap();
    let told = error.as_db_error().unwrap();
    let said = "the server refused the TLS handshake: received fatal alert: CertificateRequired";
    assert!(told.message().ends_with(said), "{}", told.message());
    assert!(told.hint().unwrap().contains("server_tls_cert_file"), "{:?}", told.hint());
}

#[tokio::test]
async fn a_server_that_does_not_know_it_is_no_riddle() {
    let server = ground().await.postgres.url("postgres", "postgres");
    let url = format!("{server}?sslmode=require&sslnegotiation=direct");
    let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(url)).await;
    let error = proxy.try_connect("postgres", "postgres").await.err().unwrap();
    let told = error.as_db_error().unwrap();
    let hint = told.hint().unwrap_or_default();
    assert!(hint.contains("sslnegotiation=direct needs"), "{} {hint}", told.message());
}
