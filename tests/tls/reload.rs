//! Certificates that change while pgweir runs.

use std::path::Path;

use testkit::{Authority, ClientEncryption, Proxy, ProxyOptions};

use crate::scene::{PGWEIR, until};
use crate::way::{ground, start};

async fn pgweir(directory: &Path, server: &str) -> Proxy {
    let file = |name: &str| directory.join(name);
    let settings = format!(
        "upstream = {server:?}\nclient_tls_sslmode = \"prefer\"\nclient_tls_cert_file = {:?}\n\
         client_tls_key_file = {:?}\n",
        file("pgweir.crt"),
        file("pgweir.key")
    );
    Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await
}

async fn connects(proxy: &Proxy, authority: &Authority) -> bool {
    let mut client = proxy.scripted().await;
    client.send(&testkit::frames::request_code(testkit::frames::SSL_REQUEST)).await;
    assert_eq!(client.expect_byte().await, b'S');
    let how = ClientEncryption::trusting(authority.pem());
    client.shake_hands(&how).await.is_ok()
}

#[tokio::test]
async fn a_new_certificate_is_for_new_clients_and_a_broken_one_for_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second, third) = (Authority::new("1"), Authority::new("2"), Authority::new("3"));
    first.local().write(directory.path(), "pgweir");
    let server = ground().await.url("postgres", "sslmode=require");
    let mut proxy = pgweir(directory.path(), &server).await;
    let mut client = proxy.scripted().await;
    client.encrypt(&ClientEncryption::trusting(first.pem())).await;
    client.startup("postgres", "postgres", &[]).await;
    client.login_trust().await;

    second.local().write(directory.path(), "pgweir");
    assert!(connects(&proxy, &first).await, "nothing is read before it is said");
    let console = proxy.connect("postgres", "pgweir").await;
    console.batch_execute("RELOAD").await.unwrap();
    assert!(connects(&proxy, &second).await);
    assert!(!connects(&proxy, &first).await);
    assert_eq!(client.value("SELECT 1").await, "1");

    let certificate = directory.path().join("pgweir.crt");
    for (broken, why) in [
        ("", "which holds no certificate (PEM)"),
        ("-----BEGIN CERTIFICATE-----\nMII", "which ends in the middle of a section"),
        (&*third.local().certificate, "client_tls_key_file: is not the key of the certificate"),
    ] {
        std::fs::write(&certificate, broken).unwrap();
        let error = console.batch_execute("RELOAD").await.unwrap_err();
        let told = error.as_db_error().unwrap().to_string();
        assert!(told.contains("client_tls_") && told.contains(why), "{told}");
        until("the log says so", async || proxy.log().contains(why)).await;
        assert!(connects(&proxy, &second).await);
    }
    third.local().write(directory.path(), "pgweir");
    proxy.signal("HUP");
    until("the third is shown", async || connects(&proxy, &third).await).await;
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn a_stricter_mode_is_for_all_server_connections() {
    let ground = ground().await;
    let directory = tempfile::tempdir().unwrap();
    let server = start(&Authority::new("another").local(), &ground.authority, &[]).await;
    let file = directory.path().join("pgweir.toml");
    let url = server.url("postgres", "postgres");
    let write = |mode: &str| {
        let authority = &ground.authority_file;
        let settings = format!(
            "upstream = {url:?}\nserver_tls_sslmode = {mode:?}\nserver_tls_ca_file = {authority:?}"
        );
        std::fs::write(&file, settings).unwrap();
    };
    write("require");
    let options = ProxyOptions::default().arguments(["-c", file.to_str().unwrap()]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let client = proxy.connect("postgres", "postgres").await;
    client.query_one("SELECT 1", &[]).await.unwrap();
    write("verify-ca");
    let console = proxy.connect("postgres", "pgweir").await;
    console.batch_execute("RELOAD").await.unwrap();
    let error = client.query_one("SELECT 1", &[]).await.unwrap_err();
    let told = error.as_db_error().unwrap().message().to_owned();
    assert!(told.ends_with("the server's certificate is of an unknown authority"), "{told}");
}

#[tokio::test]
async fn what_is_wrong_at_start_is_named_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = Authority::new("1").local().write(directory.path(), "pgweir");
    let (certificate, key) = (certificate.display(), key.display());
    let missing = directory.path().join("missing.pem");
    let missing = missing.display();
    for (settings, expected) in [
        (
            "client_tls_sslmode = 'require'".to_owned(),
            "client_tls_sslmode: is require, which needs a certificate and its key".to_owned(),
        ),
        (
            format!(
                "client_tls_sslmode = 'verify-ca'\nclient_tls_cert_file = '{certificate}'\n\
                 client_tls_key_file = '{key}'"
            ),
            "client_tls_sslmode: is verify-ca, which needs the file".to_owned(),
        ),
        (
            format!(
                "client_tls_sslmode = 'allow'\nclient_tls_cert_file = '{missing}'\n\
                 client_tls_key_file = '{key}'"
            ),
            format!("client_tls_cert_file: names {missing}, which cannot be read"),
        ),
        (
            format!(
                "client_tls_sslmode = 'allow'\nclient_tls_cert_file = '{certificate}'\n\
                 client_tls_key_file = '{certificate}'"
            ),
            format!("client_tls_key_file: names {certificate}, which holds no private key (PEM)"),
        ),
        (
            "server_tls_sslmode = 'verify-full'".to_owned(),
            "server_tls_sslmode: is verify-full, which needs a file of authorities".to_owned(),
        ),
        ("client_tls_protocols = 'tlsv1.1'".to_owned(), "tlsv1.1 is not offered".to_owned()),
        ("client_tls_sslmode = 'on'".to_owned(), "`on` is not a mode; use disable".to_owned()),
    ] {
        let settings = format!("upstream = 'postgres://postgres@127.0.0.1/postgres'\n{settings}");
        let started = Proxy::try_start(PGWEIR, ProxyOptions::default().settings(settings)).await;
        let error = started.expect_err("a refusal").to_string();
        assert!(error.contains(&expected), "no {expected:?} in {error}");
        assert!(error.contains(".toml:"), "no place in {error}");
    }
}
