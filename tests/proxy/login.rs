//! Who is let in, and what those are told who are not.

use std::time::{Duration, Instant};

use testkit::{ErrorFields, Postgres, Proxy, ProxyOptions, ScriptedClient, frames};

use crate::scene::{PGWEIR, Scene, show, until};

/// The roles of the test server, each with the way in which the server checks it.
const USERS: &str = r#"
[users.web_trust]
password = "trust-secret"
[users.web_plain]
password = "plain-secret"
[users.web_md5]
password = "md5-secret"
[users.web_scram]
password = "scram-secret"
"#;

async fn checking(auth_type: &str) -> (Proxy, testkit::TestDatabase) {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let upstream = postgres.url("postgres", "postgres");
    let settings = format!("upstream = {upstream:?}\nauth_type = {auth_type:?}\n{USERS}");
    let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
    (proxy, database)
}

#[tokio::test]
async fn every_method_on_the_clients_side_goes_with_every_method_on_the_servers() {
    for auth_type in ["trust", "plain", "md5", "scram-sha-256"] {
        let (proxy, database) = checking(auth_type).await;
        for way in ["trust", "plain", "md5", "scram"] {
            let user = format!("web_{way}");
            let login = format!("{user}:{way}-secret");
            let client = proxy.connect(&login, &database.name).await;
            let row = client.query_one("SELECT current_user::text", &[]).await.unwrap();
            assert_eq!(row.get::<_, String>(0), user, "auth_type {auth_type}");
        }
    }
}

/// Must survive: users told apart by the text of a refusal
#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_cannot_be_told_apart() {
    for auth_type in ["plain", "md5", "scram-sha-256"] {
        let (proxy, database) = checking(auth_type).await;
        for user in ["web_trust", "nobody"] {
            let login = format!("{user}:wrong");
            let error = proxy.try_connect(&login, &database.name).await.err();
            let error = error.unwrap_or_else(|| panic!("{auth_type} let {user} in"));
            let told = error.as_db_error().unwrap_or_else(|| panic!("{auth_type}: {error}"));
            let said = (told.severity(), told.code().code(), told.message());
            let expected = format!("password authentication failed for user \"{user}\"");
            assert_eq!(said, ("FATAL", "28P01", &*expected), "{auth_type}");
        }
    }
}

#[tokio::test]
async fn an_unknown_database_is_the_servers_own_refusal() {
    let scene = Scene::with_pool_of(2).await;
    for attempt in 0..2 {
        let mut client = scene.proxy.scripted().await;
        client.startup("postgres", "no_such_database", &[]).await;
        let error = client.expect_error().await;
        let said = "FATAL 3D000: database \"no_such_database\" does not exist";
        assert_eq!(error.to_string(), said, "attempt {attempt}");
        client.expect_closed().await;
    }
    assert_eq!(scene.client().await.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn encryption_is_declined_and_the_login_goes_on() {
    let scene = Scene::with_pool_of(1).await;
    let (ssl, gss) = (frames::SSL_REQUEST, frames::GSSENC_REQUEST);
    for asked in [vec![ssl], vec![gss], vec![gss, ssl], vec![ssl, gss]] {
        let mut client = scene.proxy.scripted().await;
        for code in asked {
            client.send(&frames::request_code(code)).await;
            assert_eq!(client.expect_byte().await, b'N');
        }
        client.startup("postgres", &scene.database.name, &[]).await;
        client.login_trust().await;
        assert_eq!(client.value("SELECT 1").await, "1");
    }
}

#[tokio::test]
async fn bytes_that_came_with_an_encryption_request_are_refused() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.proxy.scripted().await;
    let startup = [("user", "postgres"), ("database", &scene.database.name)];
    let smuggled = frames::startup(frames::PROTOCOL_3_0, &startup);
    client.send(&[frames::request_code(frames::SSL_REQUEST), smuggled].concat()).await;
    assert_eq!(client.expect_error().await.sqlstate(), "08P01");
    client.expect_closed().await;
}

#[tokio::test]
async fn connections_beyond_max_client_conn_are_refused_until_one_leaves() {
    let scene = Scene::open(["--max-client-conn", "2"]).await;
    let mut first = scene.client().await;
    let second = scene.client().await;
    let mut third = scene.proxy.scripted().await;
    third.startup("postgres", &scene.database.name, &[]).await;
    let error = third.expect_error().await;
    assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "53300"));
    assert!(error.message().contains("no more connections allowed (max_client_conn)"), "{error}");
    third.expect_closed().await;

    // Who must find out why is not locked out.
    assert_eq!(show(&scene.console().await, "SHOW CLIENTS").await.len(), 2);
    second.terminate().await;
    until("a place is free", async || {
        let mut client = scene.proxy.scripted().await;
        client.startup("postgres", &scene.database.name, &[]).await;
        client.expect_frame().await.0 == b'R'
    })
    .await;
    assert_eq!(first.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn who_does_not_log_in_in_time_is_disconnected() {
    let scene = Scene::open(["--set", "client_login_timeout=200ms"]).await;
    let login = frames::startup(frames::PROTOCOL_3_0, &[("user", "postgres")]);
    for sent in [&[][..], &login[..3], &login[..login.len() - 1]] {
        let mut client = scene.proxy.scripted().await;
        let since = Instant::now();
        client.send(sent).await;
        for (kind, body) in client.drain().await {
            assert_eq!(char::from(kind), 'E');
            assert_eq!(ErrorFields::read(&body).severity(), "FATAL");
        }
        let took = since.elapsed();
        assert!((200..2000).contains(&took.as_millis()), "{} bytes: {took:?}", sent.len());
    }
}

#[tokio::test]
async fn a_client_that_has_logged_in_may_be_silent() {
    let scene = Scene::open(["--set", "client_login_timeout=100ms"]).await;
    let mut client = scene.client().await;
    client.expect_silence(Duration::from_millis(300)).await;
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn who_does_not_want_to_replicate_is_a_client_as_any_other() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.proxy.scripted().await;
    client.startup("postgres", &scene.database.name, &[("replication", "perhaps")]).await;
    let error = client.expect_error().await;
    assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "22023"));
    let mut client = scene.proxy.scripted().await;
    client.startup("postgres", "pgweir", &[("replication", "database")]).await;
    let error = client.expect_error().await;
    assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "0A000"));
    let mut client = ScriptedClient::connect(scene.proxy.address()).await;
    client.startup("postgres", &scene.database.name, &[("replication", "off")]).await;
    client.login_trust().await;
}

#[tokio::test]
async fn an_upstream_may_be_a_name() {
    let port = Postgres::shared().await.port();
    let upstream = format!("postgres://postgres@localhost:{port}/postgres");
    let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(upstream)).await;
    let client = proxy.connect("postgres", "postgres").await;
    client.query_one("SELECT 1", &[]).await.unwrap();
}
