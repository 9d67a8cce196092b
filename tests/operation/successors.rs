//! Successors that do not come up, and those that the running process starts itself.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use testkit::{Proxy, ProxyOptions, ScriptedClient};
use tokio::process::Command;

use crate::bench::{Bench, until_more};
use crate::scene::{PGWEIR, Scene, calls, until};

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_come_up_changes_nothing() {
    let scene = Scene::new().await;
    let first = scene.start([]).await;
    let mut client = scene.client(&first).await;
    let mut bench = Bench::start(&scene, first.address(), (10, 10), []).await;
    until_more(&scene, 10).await;
    // Wrong settings; a certificate that is missing; an address that is taken, which it finds out
    // when it has the sockets already.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("http={}", taken.local_addr().unwrap());
    for wrong in [
        ["--set", "pool_mode=nonsense"],
        ["--set", "client_tls_sslmode=require"],
        ["--set", &taken],
    ] {
        let said = scene.failing_successor(wrong).await;
        assert!(!said.contains("panicked"), "{said}");
        until_more(&scene, 10).await;
        client.rows("SELECT 'counted' AS mark").await;
    }
    until("it says that it goes on", async || first.log().contains("this process goes on")).await;
    assert!(bench.is_running());
    bench.expect_none_failed(&scene).await;
    assert_eq!(first.stop().await, 0);
    assert_eq!(calls(&scene.report(), "AS mark"), 3, "its history goes on, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_killed_half_way_changes_nothing() {
    let scene = Scene::new().await;
    let first = scene.start([]).await;
    let mut client = scene.client(&first).await;
    // What it would say, up to where it has the history.
    let mut stream = knock(&scene, &first);
    assert!(say(&mut stream, HELLO).contains("Sockets"));
    assert!(say(&mut stream, r#""Prepared""#).contains("HistoryFree"));
    assert!(say(&mut knock(&scene, &first), HELLO).contains("another process is taking over"));
    client.rows("SELECT 'counted' AS mark").await;
    drop(stream);
    until("it says that it goes on", async || {
        first.log().contains("has ended before it could serve")
    })
    .await;
    client.rows("SELECT 'counted' AS mark").await;
    assert_eq!(first.stop().await, 0);
    assert_eq!(calls(&scene.report(), "AS mark"), 2);
}

const HELLO: &str = r#"{"Hello":{"protocol":1,"pid":1,"version":"9"}}"#;

/// A connection to the running process, as of one that takes over.
fn knock(scene: &Scene, running: &Proxy) -> UnixStream {
    let file = format!("state/takeover-{}.sock", running.address().port());
    UnixStream::connect(scene.folder.path().join(file)).unwrap()
}

/// Says something there, and returns the answer.
fn say(stream: &mut UnixStream, said: &str) -> String {
    let length = u32::try_from(said.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, said.as_bytes()].concat()).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// What the console says to PAUSE.
async fn pause(console: &tokio_postgres::Client) -> String {
    match console.batch_execute("PAUSE").await {
        Ok(()) => "paused".to_owned(),
        Err(error) => error.as_db_error().unwrap().message().to_owned(),
    }
}

async fn refused(console: &tokio_postgres::Client, command: &str) -> String {
    let error = console.batch_execute(command).await.expect_err(command);
    error.as_db_error().unwrap().message().to_owned()
}

/// Who waits for RESUME in the one process would not hear of it in the other.
#[tokio::test(flavor = "multi_thread")]
async fn pause_and_takeover_do_not_meet() {
    let scene = Scene::new().await;
    let first = scene.start([]).await;
    let console = first.connect("postgres", "pgweir").await;
    let mut client = scene.client(&first).await;

    let mut early = knock(&scene, &first);
    assert!(say(&mut early, HELLO).contains("Sockets"));
    assert_eq!(pause(&console).await, "paused", "it may yet come to nothing");
    let said = say(&mut early, r#""Prepared""#);
    assert!(said.contains("Refused") && said.contains("it is paused: RESUME first"), "{said}");
    console.batch_execute("RESUME").await.unwrap();

    let mut late = knock(&scene, &first);
    assert!(say(&mut late, HELLO).contains("Sockets"));
    assert!(say(&mut late, r#""Prepared""#).contains("HistoryFree"));
    let refusal = "another process is taking over: say it there";
    for command in ["PAUSE", "SUSPEND", "KILL"] {
        assert_eq!(refused(&console, command).await, refusal, "{command}");
    }
    drop(late);
    until("it may be paused again", async || pause(&console).await == "paused").await;
    console.batch_execute("RESUME").await.unwrap();

    // Two that stay for a while.
    let mut killed = scene.client(&first).await;
    killed.rows("BEGIN").await;
    client.rows("BEGIN").await;
    let second = scene.successor([]).await;
    let refusal = "pooler is shutting down";
    for command in ["PAUSE", "SUSPEND"] {
        assert_eq!(refused(&console, command).await, refusal, "nobody could resume it");
    }
    client.rows("COMMIT").await;
    // It is handed over, and not reached by what closes those that are left.
    assert_eq!(client.value("SELECT 1").await, "1");
    until("it is handed over", async || scene.clients_of(&console).await == 1).await;
    console.batch_execute("KILL").await.unwrap();
    killed.expect_error().await;
    drop(console);
    assert_eq!(first.wait().await, 0);
    assert_eq!(client.value("SELECT 1").await, "1");
    assert_eq!(second.stop().await, 0);
}

/// Ends a process that no guardian looks after.
struct Orphan(u32);

impl Orphan {
    fn signal(&self, signal: &str) {
        let pid = self.0.to_string();
        let _ = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

async fn takeover_command(scene: &Scene) -> (bool, String) {
    let folder = scene.folder.path().join("state");
    let output = Command::new(PGWEIR)
        .args(["takeover", "--data-dir", folder.to_str().unwrap()])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_running_process_starts_its_own_when_it_is_told_to() {
    let scene = Scene::new().await;
    let (done, said) = takeover_command(&scene).await;
    assert!(!done && said.contains("no pgweir that keeps its state in"), "{said}");
    let settings = scene.folder.path().join("pgweir.toml");
    std::fs::write(&settings, "default_pool_size = 3\n").unwrap();
    let first = scene.start(["-c", settings.to_str().unwrap()]).await;
    let address = first.address();
    let mut client = scene.client(&first).await;

    std::fs::write(&settings, "default_pool_size = nonsense\n").unwrap();
    let (done, said) = takeover_command(&scene).await;
    assert!(!done && said.contains("the successor has ended"), "{said}");
    assert_eq!(client.value("SELECT 1").await, "1");

    std::fs::write(&settings, "default_pool_size = 4\n").unwrap();
    let (done, said) = takeover_command(&scene).await;
    assert!(done, "{said}");
    let pid = said.split_whitespace().nth(1).and_then(|pid| pid.parse().ok());
    let second = Orphan(pid.unwrap_or_else(|| panic!("{said}")));
    assert_eq!(client.value("SELECT 2").await, "2");
    let log = first.log();
    assert_eq!(first.wait().await, 0);
    assert_eq!(client.value("SELECT 3").await, "3");
    let mut new = ScriptedClient::login(address, "postgres", &scene.database.name).await;
    assert_eq!(new.value("SELECT 4").await, "4");
    second.signal("TERM");
    assert_eq!(client.expect_error().await.sqlstate(), "57P01", "{log}");
    until("the second has ended", async || {
        UnixStream::connect(
            scene.folder.path().join(format!("state/takeover-{}.sock", address.port())),
        )
        .is_err()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_stays_where_it_is() {
    let scene = Scene::new().await;
    let sockets = tempfile::tempdir().unwrap();
    let setting = format!("unix_socket_dir={}", sockets.path().display());
    let first = scene.start(["--set", &setting]).await;
    let path = sockets.path().join(format!(".s.PGSQL.{}", first.address().port()));
    let login = async || {
        let mut client = ScriptedClient::connect_unix(&path).await;
        client.startup("postgres", &scene.database.name, &[]).await;
        client.login_trust().await;
        client
    };
    let mut client = login().await;
    let second = scene.successor(["--set", &setting]).await;
    assert_eq!(first.wait().await, 0);
    assert_eq!(client.value("SELECT 1").await, "1");
    assert_eq!(login().await.value("SELECT 2").await, "2");
    assert_eq!(second.stop().await, 0);
    assert!(!path.exists(), "the last one takes it away");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nobody_there_it_starts_as_usual_and_a_paused_one_refuses() {
    let scene = Scene::new().await;
    let first = scene.successor([]).await;
    let console = first.connect("postgres", "pgweir").await;
    console.batch_execute("PAUSE").await.unwrap();
    let said = scene.failing_successor([]).await;
    assert!(said.contains("it is paused: RESUME first"), "{said}");
    console.batch_execute("RESUME").await.unwrap();
    drop(console);
    let options: ProxyOptions = scene.options(["--takeover"]);
    let second = Proxy::start(PGWEIR, options).await;
    assert_eq!(first.wait().await, 0);
    assert_eq!(second.stop().await, 0);
}
