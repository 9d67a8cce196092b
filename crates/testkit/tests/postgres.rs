//! The kit's PostgreSQL is what its documentation says.

use std::time::Duration;

use pgweir_testkit::{Postgres, PostgresOptions, ScriptedClient, StopMode, frames};
use tokio_postgres::NoTls;

#[tokio::test]
async fn databases_are_separate_and_go_away() {
    let postgres = Postgres::shared().await;
    let (first, second) = (postgres.database().await, postgres.database().await);
    assert_ne!(first.name, second.name);
    first.connect().await.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let error = second.connect().await.batch_execute("SELECT FROM t").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P01");

    let name = first.name.clone();
    drop(first);
    let admin = postgres.admin().await;
    let still_there = "SELECT count(*) FROM pg_database WHERE datname = $1";
    for attempt in 1.. {
        if admin.query_one(still_there, &[&name]).await.unwrap().get::<_, i64>(0) == 0 {
            break;
        }
        assert!(attempt < 1000, "{name} is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn each_role_logs_in_by_its_method_only() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    // The code of the Authentication message: Ok, CleartextPassword, MD5Password, SASL.
    for (user, code, password) in [
        ("web_trust", 0, ""),
        ("web_plain", 3, "plain-secret"),
        ("web_md5", 5, "md5-secret"),
        ("web_scram", 10, "scram-secret"),
    ] {
        let mut raw = ScriptedClient::connect(postgres.address()).await;
        raw.startup(user, &database.name, &[]).await;
        assert_eq!(raw.expect(b'R').await[..4], u32::to_be_bytes(code), "{user}");

        let login = |password: &str| {
            let url = database.url_as(&format!("{user}:{password}"));
            async move { tokio_postgres::connect(&url, NoTls).await.map(|_| ()) }
        };
        login(password).await.unwrap();
        if code != 0 {
            let error = login("wrong").await.unwrap_err();
            assert_eq!(error.code().unwrap().code(), "28P01", "{user}");
        }
    }
}

#[tokio::test]
async fn web_roles_use_tables_and_limited_does_not() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    database.connect().await.batch_execute("CREATE TABLE t (a serial)").await.unwrap();
    let web = postgres.connect(&database.name, "web_trust").await;
    web.batch_execute("INSERT INTO t DEFAULT VALUES; CREATE TABLE u (); CREATE TEMP TABLE v ();")
        .await
        .unwrap();
    let limited = postgres.connect(&database.name, "limited").await;
    for refused in ["SELECT FROM t", "CREATE TABLE w ()", "CREATE TEMP TABLE v ()"] {
        let error = limited.batch_execute(refused).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{refused}");
    }
}

#[tokio::test]
async fn a_server_of_ones_own_stops_and_starts_on_its_port() {
    let settings = vec![("max_connections".to_owned(), "17".to_owned())];
    let mut postgres = Postgres::start(PostgresOptions { settings }).await;
    let mut client = ScriptedClient::login(postgres.address(), "postgres", "postgres").await;
    assert_eq!(client.value("SHOW max_connections").await, "17");
    client.query("CREATE TABLE kept (a int)").await;

    postgres.stop(StopMode::Fast).await;
    assert_eq!(client.expect_error().await.sqlstate(), "57P01");
    client.expect_closed().await;
    assert!(tokio::net::TcpStream::connect(postgres.address()).await.is_err());

    postgres.start_again().await;
    let mut client = ScriptedClient::login(postgres.address(), "postgres", "postgres").await;
    assert_eq!(client.value("SELECT count(*) FROM kept").await, "0");

    let pid = client.value("SELECT pg_backend_pid()").await.parse().unwrap();
    postgres.kill_backend(pid).await;
    assert_eq!(client.expect_error().await.sqlstate(), "57P01");

    let directory = postgres.socket_directory().to_owned();
    drop(postgres);
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_crashed_backend_takes_the_others_with_it() {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let mut victim = ScriptedClient::login(postgres.address(), "postgres", "postgres").await;
    let mut witness = ScriptedClient::login(postgres.address(), "postgres", "postgres").await;
    let pid = victim.value("SELECT pg_backend_pid()").await.parse().unwrap();
    postgres.crash_backend(pid);
    victim.expect_closed().await;
    let last = witness.drain().await;
    assert!(last.iter().all(|frame| frame.0 == b'N' || frame.0 == b'E'), "{last:?}");
}

#[tokio::test]
async fn the_scripted_client_speaks_the_extended_protocol() {
    let postgres = Postgres::shared().await;
    let mut client = ScriptedClient::login(postgres.address(), "web_trust", "postgres").await;
    let pipeline = [
        frames::parse("s", "SELECT $1::int + 1, $2::text"),
        frames::describe(b'S', "s"),
        frames::bind("", "s", &[Some("41"), None]),
        frames::execute("", 0),
        frames::close(b'S', "s"),
        frames::sync(),
    ];
    client.send(&pipeline.concat()).await;
    let replies = client.expect_until(b'Z').await;
    assert_eq!(frames::kinds(&replies), "1tT2DC3Z");
    assert_eq!(frames::row_values(&replies[4].1), [Some("42".into()), None]);

    client.send_query("SELECT 1/0").await;
    assert_eq!(client.expect_error().await.to_string(), "ERROR 22012: division by zero");
    assert_eq!(client.expect(b'Z').await, b"I");
}

#[tokio::test]
async fn an_aborted_client_leaves_no_backend() {
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let mut client = ScriptedClient::login(postgres.address(), "postgres", "postgres").await;
    let pid: i32 = client.value("SELECT pg_backend_pid()").await.parse().unwrap();
    client.abort();
    let admin = postgres.admin().await;
    let backends = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    for attempt in 1.. {
        if admin.query_one(backends, &[&pid]).await.unwrap().get::<_, i64>(0) == 0 {
            return;
        }
        assert!(attempt < 1000, "the backend is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
