//! Clients that begin to log in and leave it at that.

use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient, frames};

use crate::descriptors::{LIMIT, limited};
use crate::scene::PGWEIR;
use crate::vitals;

/// More than may be there without being logged in: a quarter of the file descriptors.
const CROWD: usize = LIMIT / 2;

/// Must survive: logins that are begun and not ended
#[tokio::test]
async fn whoever_has_not_logged_in_for_longest_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = Postgres::shared().await;
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"))
        .arguments(["--set", "analyse=off"]);
    let proxy = Proxy::start(limited(directory.path()), options).await;
    let mut inside = ScriptedClient::login(proxy.address(), "postgres", "postgres").await;
    assert_eq!(inside.value("SELECT 1").await, "1");
    let startup = frames::startup(frames::PROTOCOL_3_0, &[("user", "postgres")]);
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let mut client = ScriptedClient::connect(proxy.address()).await;
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => &startup[..startup.len() - 1],
            _ => &frames::request_code(frames::SSL_REQUEST),
        };
        client.send(said).await;
        crowd.push(client);
    }
    // It takes its turn, and is let in with all of them still there.
    let mut outside = ScriptedClient::login(proxy.address(), "postgres", "postgres").await;
    assert_eq!(outside.value("SELECT 2").await, "2");
    assert_eq!(inside.value("SELECT 3").await, "3");
    assert!(vitals::file_descriptors(&proxy).is_none_or(|open| open < LIMIT));
    let log = proxy.log();
    assert!(log.contains("connections are not logged in"), "{log}");
    assert!(!log.contains("cannot accept"), "{log}");
    crowd[0].drain().await;
}

/// Must survive: logins that are begun and not ended
#[tokio::test]
async fn who_has_not_proved_who_it_is_takes_nobodys_place() {
    let upstream = Postgres::shared().await.url("postgres:secret", "postgres");
    let settings = ["--set", "auth_type=plain", "--set", "max_client_conn=2"];
    let options = ProxyOptions::upstream(upstream).arguments(settings);
    let proxy = Proxy::start(PGWEIR, options).await;
    let mut begun = Vec::new();
    for _ in 0..5 {
        let mut client = proxy.scripted().await;
        client.startup("postgres", "postgres", &[]).await;
        client.expect(b'R').await;
        begun.push(client);
    }
    let inside = [
        proxy.connect("postgres:secret", "postgres").await,
        proxy.connect("postgres:secret", "postgres").await,
    ];
    let full = "FATAL 53300: no more connections allowed (max_client_conn)";
    let mut late = proxy.scripted().await;
    late.startup("postgres", "postgres", &[]).await;
    assert_eq!(late.expect_error().await.to_string(), full, "before it is asked for a password");
    let mut first = begun.remove(0);
    first.send(&frames::password("secret")).await;
    assert_eq!(first.expect_error().await.to_string(), full);
    drop(inside);
    // The others go on where they were.
    let mut second = begun.remove(0);
    second.send(&frames::password("wrong")).await;
    assert_eq!(second.expect_error().await.sqlstate(), "28P01");
    let mut third = begun.remove(0);
    third.send(&frames::password("secret")).await;
    third.login_trust().await;
    assert_eq!(third.value("SELECT 1").await, "1");
}
