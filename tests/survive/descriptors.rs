//! A process that has no file descriptor left.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient, show};

use crate::scene::{PGWEIR, until};
use crate::vitals;

/// File descriptors that pgweir may have.
pub(crate) const LIMIT: usize = 64;

/// A program that is pgweir with few file descriptors.
pub(crate) fn limited(directory: &std::path::Path) -> std::path::PathBuf {
    let file = directory.join("pgweir");
    let script = format!("#!/bin/sh\nulimit -n {LIMIT}\nexec '{PGWEIR}' \"$@\"\n");
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// Must survive: no file descriptors left (keep accepting later)
#[tokio::test]
async fn without_file_descriptors_it_goes_on_and_accepts_later() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres")).arguments([
        "--set",
        "analyse=off",
        "--set",
        "client_login_timeout=60s",
    ]);
    let proxy = Proxy::start(limited(directory.path()), options).await;
    let login = async || ScriptedClient::login(proxy.address(), "postgres", &database.name).await;
    let mut inside = login().await;
    let console = proxy.connect("postgres", "pgweir").await;
    assert_eq!(inside.value("SELECT 1").await, "1");

    for round in 0..2 {
        // The system takes them all, pgweir cannot.
        let mut crowd = Vec::new();
        for _ in 0..LIMIT + 20 {
            let mut client = ScriptedClient::connect(proxy.address()).await;
            client.startup("postgres", &database.name, &[]).await;
            crowd.push(client);
        }
        until("it says so", async || proxy.log().contains("cannot accept")).await;
        until("there are none left", async || {
            vitals::file_descriptors(&proxy).is_none_or(|open| open >= LIMIT)
        })
        .await;
        // Who is inside is served as ever, and the console answers.
        for number in 0..20 {
            let number = number.to_string();
            assert_eq!(inside.value(&format!("SELECT {number}")).await, number);
        }
        show(&console, "SHOW CLIENTS").await;
        let mut outside = ScriptedClient::connect(proxy.address()).await;
        outside.startup("postgres", &database.name, &[]).await;
        outside.expect_silence(Duration::from_millis(100)).await;
        drop(crowd);
        // Who stood outside is let in, and so is whoever comes later.
        outside.login_trust().await;
        assert_eq!(outside.value("SELECT 2").await, "2", "round {round}");
        assert_eq!(login().await.value("SELECT 3").await, "3", "round {round}");
    }
    // It has not said so at every attempt.
    let lines = proxy.log().lines().filter(|line| line.contains("cannot accept")).count();
    assert!(lines < 10, "{lines} lines of log");
}
