//! A process that has few file descriptors, or none left.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use testkit::frames::ErrorFields;
use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient, show};

use crate::scene::{PGWEIR, until};
use crate::vitals;

/// File descriptors that pgweir may have.
pub(crate) const LIMIT: usize = 96;

/// A program that is pgweir with few file descriptors.
pub(crate) fn limited(directory: &std::path::Path) -> std::path::PathBuf {
    let file = directory.join("pgweir");
    let script = format!("#!/bin/sh\nulimit -n {LIMIT}\nexec '{PGWEIR}' \"$@\"\n");
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// From now on pgweir may have so many open.
fn allow(proxy: &Proxy, files: usize) {
    let pid = Pid::from_raw(i32::try_from(proxy.pid()).unwrap());
    // Of the system that the tests run on, and not more than this process has.
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(files as u64), maximum }).unwrap();
}

/// Must survive: no file descriptors left (keep accepting later)
#[tokio::test]
async fn without_file_descriptors_it_goes_on_says_so_and_accepts_later() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"))
        .arguments(["--set", "analyse=off"]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let login = async || ScriptedClient::login(proxy.address(), "postgres", &database.name).await;
    let mut inside = login().await;
    // More than are kept back, which are topped up first.
    let mut leaving = Vec::new();
    for _ in 0..10 {
        leaving.push(login().await);
    }
    let console = proxy.connect("postgres", "pgweir").await;
    assert_eq!(inside.value("SELECT 1").await, "1");
    let Some(open) = vitals::file_descriptors(&proxy) else { return };
    allow(&proxy, open);
    // Those who find one after all: it is a number below the limit, of which some were free; and one
    // that is given back is nobody's for a moment.
    let crowd = parking_lot::Mutex::new(Vec::new());
    let refused = async || loop {
        let asked = Instant::now();
        let mut outside = ScriptedClient::connect(proxy.address()).await;
        // As libpq does: it asks for encryption first.
        let ssl = testkit::frames::request_code(testkit::frames::SSL_REQUEST);
        outside.send(&ssl).await;
        assert_eq!(outside.expect_byte().await, b'N');
        outside.startup("postgres", &database.name, &[]).await;
        let (kind, body) = outside.expect_frame().await;
        if kind == b'R' {
            crowd.lock().push(outside);
            assert!(crowd.lock().len() < 10, "there are descriptors");
            continue;
        }
        let error = ErrorFields::read(&body);
        assert_eq!((error.sqlstate(), error.severity()), ("53300", "FATAL"));
        assert_eq!(error.message(), "sorry, too many clients already");
        assert!(error.hint().contains("no file descriptor left"), "{error}");
        outside.expect_closed().await;
        break asked.elapsed();
    };
    refused().await;
    for number in 0..20 {
        let took = refused().await;
        assert!(took < Duration::from_secs(1), "{took:?}");
        // Who is inside is served as ever, and the console answers.
        let number = number.to_string();
        assert_eq!(inside.value(&format!("SELECT {number}")).await, number);
    }
    assert!(proxy.log().contains("cannot accept"), "it says so");
    show(&console, "SHOW CLIENTS").await;
    // Those that say nothing do not keep the others waiting for long.
    let mut silent = Vec::new();
    for _ in 0..30 {
        silent.push(ScriptedClient::connect(proxy.address()).await);
    }
    refused().await;
    drop(silent);
    // An admin gets in, for as long as there is something kept back.
    let late = proxy.connect("postgres", "pgweir").await;
    show(&late, "SHOW POOLS").await;
    drop(late);
    refused().await;

    // Some come free: whoever comes is served.
    drop(leaving);
    until("there is room", async || {
        let mut outside = ScriptedClient::connect(proxy.address()).await;
        outside.startup("postgres", &database.name, &[]).await;
        match outside.try_frame().await {
            Ok((b'R', _)) => {
                outside.expect_until(b'Z').await;
                outside.value("SELECT 3").await == "3"
            }
            _ => false,
        }
    })
    .await;
    allow(&proxy, open + 100);
    assert_eq!(login().await.value("SELECT 4").await, "4");
    assert_eq!(inside.value("SELECT 5").await, "5");
    // It has not said so at every attempt.
    let lines = proxy.log().lines().filter(|line| line.contains("cannot accept")).count();
    assert!(lines < 10, "{lines} lines of log");
}

#[tokio::test]
async fn clients_leave_descriptors_for_those_that_serve_them() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres")).arguments([
        "--set",
        "analyse=off",
        "--default-pool-size",
        "10",
    ]);
    let proxy = Proxy::start(limited(directory.path()), options).await;
    assert!(proxy.log().contains("no more than 48 are let in"), "{}", proxy.log());
    let mut inside = Vec::new();
    for _ in 0..LIMIT / 2 {
        let login = ScriptedClient::login(proxy.address(), "postgres", &database.name);
        inside.push(login.await);
    }
    for _ in 0..20 {
        let mut outside = ScriptedClient::connect(proxy.address()).await;
        outside.startup("postgres", &database.name, &[]).await;
        let error = outside.expect_error().await;
        assert_eq!(error.message(), "no more connections allowed (max_client_conn)");
        assert!(error.hint().contains("are enough for 48"), "{error}");
    }
    // All at once: the pool opens what it needs.
    for client in &mut inside {
        client.send_query("SELECT pg_sleep(0.01)").await;
    }
    for client in &mut inside {
        let answer = client.expect_until(b'Z').await;
        assert_eq!(testkit::frames::kinds(&answer), "TDCZ");
    }
    assert!(!proxy.log().contains("cannot"), "{}", proxy.log());
}
