//! What goes over encrypted server connections besides queries, and what must not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::{Proxy, ProxyOptions, ScriptedClient, frames};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::{PGWEIR, Scene, backend_key, server_connections, until};
use crate::way::{ground, start};

/// Passes connections on to a server, and keeps what each begins with.
async fn tap(server: std::net::SocketAddr) -> (u16, Arc<Mutex<Vec<[u8; 8]>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let beginnings = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&beginnings);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut first = [0; 8];
                client.read_exact(&mut first).await?;
                seen.lock().unwrap().push(first);
                let mut server = TcpStream::connect(server).await?;
                server.write_all(&first).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (port, beginnings)
}

#[tokio::test]
async fn cancel_requests_are_encrypted_as_their_connection_is() {
    let ground = ground().await;
    let (port, beginnings) = tap(ground.postgres.address()).await;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=require");
    let options = ProxyOptions::upstream(url).arguments(["--set", "analyse=false"]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let mut client = ScriptedClient::connect(proxy.address()).await;
    client.startup("postgres", "postgres", &[]).await;
    let (process_id, secret) = backend_key(&client.login_trust().await);
    client.send_query("SELECT pg_sleep(60), 'over the tap'").await;
    let direct = ground.postgres.admin().await;
    let sql =
        "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%the tap%'";
    until("it sleeps", async || !direct.query(sql, &[]).await.unwrap().is_empty()).await;
    let mut other = ScriptedClient::connect(proxy.address()).await;
    other.send(&frames::cancel(process_id, &secret)).await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!(frames::only_error(&answered).sqlstate(), "57014");
    let asked = frames::request_code(frames::SSL_REQUEST);
    let beginnings = beginnings.lock().unwrap().clone();
    assert!(beginnings.len() >= 2, "{beginnings:?}");
    assert!(beginnings.iter().all(|first| first[..] == asked[..]), "{beginnings:?}");
}

/// Must survive: bytes already buffered after SSLRequest, from a server
#[tokio::test]
async fn bytes_behind_the_servers_answer_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://postgres@{}/postgres", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut connections = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 8]).await.unwrap();
            stream.write_all(b"SR\0\0\0\x08\0\0\0\0").await.unwrap();
            connections.push(stream);
        }
    });
    for mode in ["prefer", "require"] {
        let url = format!("{url}?sslmode={mode}");
        let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(url)).await;
        let error = proxy.try_connect("postgres", "postgres").await.err().unwrap();
        let told = error.as_db_error().unwrap();
        assert_eq!(told.code().code(), "08006");
        let said = "received unencrypted data after SSL response";
        assert!(told.message().ends_with(said), "{mode}: {}", told.message());
    }
    server.abort();
}

#[tokio::test]
async fn a_server_that_falls_silent_in_the_handshake_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.read_exact(&mut [0; 8]).await.unwrap();
            stream.write_all(b"S").await.unwrap();
            connections.push(stream);
        }
    });
    let url = format!("postgres://postgres@{address}/postgres?sslmode=require");
    let options = ProxyOptions::upstream(url).arguments([
        "--set",
        "server_connect_timeout=200ms",
        "--set",
        "server_login_retry=100ms",
    ]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let error = proxy.try_connect("postgres", "postgres").await.err().unwrap();
    let told = error.as_db_error().unwrap();
    assert!(told.message().ends_with("timed out: server_connect_timeout"), "{}", told.message());
    server.abort();
}

#[tokio::test]
async fn an_idle_server_connection_is_neither_dead_nor_takes_itself_for_busy() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let pid = client.value("SELECT pg_backend_pid()").await;
    // The time is the assertion: its liveness is looked at twenty times a second.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(client.value("SELECT pg_backend_pid()").await, pid);

    let direct = scene.direct().await;
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1";
    let number: i32 = pid.parse().unwrap();
    direct.query_one(sql, &[&number]).await.unwrap();
    until("it is gone", async || server_connections(&direct).await.is_empty()).await;
    let console = scene.console().await;
    until("pgweir knows", async || crate::scene::show(&console, "SHOW SERVERS").await.is_empty())
        .await;
    assert_ne!(client.value("SELECT pg_backend_pid()").await, pid);
}

#[tokio::test]
async fn the_analysers_own_connection_is_encrypted_too() {
    let ground = ground().await;
    let hba = "host postgres postgres 127.0.0.1/32 trust\nhostssl shop all 127.0.0.1/32 trust\n";
    let server = start(&ground.authority.local(), &ground.authority, &[("pg_hba.conf", hba)]).await;
    let direct = server.admin().await;
    direct.batch_execute("CREATE DATABASE shop").await.unwrap();
    let url = server.url("postgres", "shop");
    let authority = ground.authority_file.display();
    let url = format!("{url}?sslmode=verify-full&sslrootcert={authority}");
    let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(url)).await;
    let client = proxy.connect("postgres", "shop").await;
    let sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
               WHERE application_name = 'pgweir-catalog'";
    until("the catalogue is read", async || {
        client.query_one("SELECT 1", &[]).await.unwrap();
        direct.query(sql, &[]).await.unwrap().iter().any(|row| row.get::<_, bool>(0))
    })
    .await;
}

#[tokio::test]
async fn a_report_is_fetched_over_tls() {
    let ground = ground().await;
    let upstream = ground.url("postgres", "sslmode=require");
    let settings = format!("upstream = {upstream:?}\n{}", ground.client_tls("require"));
    let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
    let authority = ground.authority_file.display();
    for (mode, works) in [("disable", false), ("prefer", true), ("verify-full", true)] {
        let url =
            format!("{}?sslmode={mode}&sslrootcert={authority}", proxy.url("postgres", "pgweir"));
        let report = tokio::process::Command::new(PGWEIR)
            .args(["report", "--admin", &url, "--format", "json"])
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&report.stderr);
        assert_eq!(report.status.success(), works, "{mode}: {said}");
        assert!(works || said.contains("SSL required"), "{mode}: {said}");
    }
}
