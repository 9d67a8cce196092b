//! Replication through pgweir, by PostgreSQL's own programs.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Output, Stdio};

use testkit::frames::{self, kinds, only_error};
use testkit::{Postgres, PostgresOptions, Proxy, ProxyOptions, ScriptedClient, show, until};
use tokio::process::{Child, Command};
use tokio_postgres::Client;

use crate::scene::{PGWEIR, cancel, key};

/// A server that replicates, and a pgweir in front of it.
struct Scene {
    postgres: Postgres,
    proxy: Proxy,
    directory: tempfile::TempDir,
}

impl Scene {
    async fn open(settings: &str) -> Self {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let options = PostgresOptions {
            settings: vec![setting("wal_level", "logical"), setting("wal_sender_timeout", "20s")],
        };
        let postgres = Postgres::start(options).await;
        let upstream = postgres.url("postgres", "postgres");
        let settings = format!("upstream = {upstream:?}\n{settings}");
        let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
        let directory = tempfile::tempdir().unwrap();
        Self { postgres, proxy, directory }
    }

    fn program(&self, name: &str, user: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.postgres.programs().program(name).unwrap());
        command
            .args(["-h", "127.0.0.1", "-p", &self.proxy.address().port().to_string()])
            .args(["-U", user, "-w"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, name: &str, arguments: &[&str]) -> String {
        text(self.program(name, "postgres", arguments).output().await.unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    async fn console(&self) -> Client {
        self.proxy.connect("postgres", "pgweir").await
    }

    /// A raw client, not logged in.
    async fn replicating(&self, kind: &str) -> ScriptedClient {
        let mut client = self.proxy.scripted().await;
        client
            .startup(
                "postgres",
                "postgres",
                &[("replication", kind), ("application_name", "standby")],
            )
            .await;
        client
    }

    /// Backends of replication that the server has.
    async fn walsenders(&self) -> usize {
        let sql = "SELECT FROM pg_stat_activity WHERE backend_type = 'walsender'";
        self.postgres.admin().await.query(sql, &[]).await.unwrap().len()
    }

    async fn until_over(&self) {
        until("the server's side is closed", async || self.walsenders().await == 0).await;
    }
}

fn text(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text.into_owned()
}

async fn ended(child: Child) -> (bool, String) {
    let output = child.wait_with_output().await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn of_replication(rows: Vec<HashMap<String, String>>) -> Vec<HashMap<String, String>> {
    rows.into_iter().filter(|row| row["replication"] != "none").collect()
}

#[tokio::test]
async fn a_backup_is_taken_and_is_whole() {
    let scene = Scene::open("").await;
    let target = scene.path("backup");
    scene.run("pg_basebackup", &["-D", &target, "-X", "stream", "-c", "fast"]).await;
    let verify = scene.postgres.programs().program("pg_verifybackup").unwrap();
    let output = Command::new(verify).arg(&target).output().await.unwrap();
    assert!(text(output).contains("successfully verified"));
    scene.until_over().await;
}

#[tokio::test]
async fn the_write_ahead_log_is_streamed() {
    let scene = Scene::open("").await;
    let target = scene.path("wal");
    std::fs::create_dir(&target).unwrap();
    scene.run("pg_receivewal", &["-D", &target, "--slot", "keep", "--create-slot"]).await;
    let arguments = ["-D", &target, "--slot", "keep", "--synchronous", "--no-loop"];
    let mut receiving = scene.program("pg_receivewal", "postgres", &arguments).spawn().unwrap();
    let admin = scene.postgres.admin().await;
    let sql = "SELECT FROM pg_stat_replication WHERE state = 'streaming'";
    until("it streams", async || !admin.query(sql, &[]).await.unwrap().is_empty()).await;
    admin.batch_execute("CREATE TABLE t AS SELECT generate_series(1, 100000) AS a").await.unwrap();
    let sql = "SELECT pg_current_wal_lsn() <= flush_lsn FROM pg_stat_replication";
    until("all of it has arrived", async || {
        admin.query(sql, &[]).await.unwrap().first().is_some_and(|row| row.get(0))
    })
    .await;
    let console = scene.console().await;
    let clients = of_replication(show(&console, "SHOW CLIENTS").await);
    let servers = of_replication(show(&console, "SHOW SERVERS").await);
    assert_eq!((clients.len(), servers.len()), (1, 1));
    let (client, server) = (&clients[0], &servers[0]);
    assert_eq!((&*client["replication"], &*server["replication"]), ("physical", "physical"));
    assert_eq!((&*client["database"], &*client["state"]), ("replication", "active"));
    assert_eq!((&client["link"], &server["link"]), (&server["ptr"], &client["ptr"]));
    assert_eq!(client["application_name"], "pg_receivewal");
    assert!(
        show(&console, "SHOW POOLS").await.iter().all(|pool| pool["database"] != "replication")
    );
    receiving.start_kill().unwrap();
    let written: Vec<_> = std::fs::read_dir(Path::new(&target)).unwrap().collect();
    assert!(!written.is_empty());
    scene.until_over().await;
    until("nothing of it is left", async || {
        of_replication(show(&console, "SHOW SERVERS").await).is_empty()
    })
    .await;
}

#[tokio::test]
async fn changes_are_streamed_to_who_proves_who_he_is() {
    let scene = Scene::open(
        "admin_users = \"web_scram\"\n[users.web_scram]\npassword = \"scram-secret\"\n",
    )
    .await;
    let admin = scene.postgres.admin().await;
    admin.batch_execute("ALTER ROLE web_scram REPLICATION; CREATE TABLE t (a int)").await.unwrap();
    let slot = ["-d", "postgres", "--slot", "changes", "-P", "test_decoding"];
    let mut create =
        scene.program("pg_recvlogical", "web_scram", &[&slot[..], &["--create-slot"]].concat());
    text(create.env("PGPASSWORD", "scram-secret").output().await.unwrap());
    let mut wrong =
        scene.program("pg_recvlogical", "web_scram", &[&slot[..], &["--drop-slot"]].concat());
    let wrong = wrong.env("PGPASSWORD", "guessed").output().await.unwrap();
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("password authentication failed"));

    let file = scene.path("changes");
    let start = ["--start", "-f", &file, "--no-loop"];
    let mut start = scene.program("pg_recvlogical", "web_scram", &[&slot[..4], &start].concat());
    let mut receiving = start.env("PGPASSWORD", "scram-secret").spawn().unwrap();
    admin.batch_execute("INSERT INTO t SELECT generate_series(1, 1000)").await.unwrap();
    until("the last change is there", async || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains("a[integer]:1000"))
    })
    .await;
    let console = scene.proxy.connect("web_scram:scram-secret", "pgweir").await;
    let clients = of_replication(show(&console, "SHOW CLIENTS").await);
    assert_eq!(clients.len(), 1);
    assert_eq!((&*clients[0]["replication"], &*clients[0]["database"]), ("logical", "postgres"));
    receiving.start_kill().unwrap();
    scene.until_over().await;
}

#[tokio::test]
async fn its_commands_run_and_are_cancelled() {
    let scene = Scene::open("").await;
    let mut client = scene.replicating("database").await;
    let welcome = client.login_trust().await;
    let key = key(&welcome);
    assert_eq!(kinds(&client.query("IDENTIFY_SYSTEM").await), "TDCZ");
    // A database's walsender understands SQL too; settings of the startup packet are its own.
    assert_eq!(client.value("SHOW application_name").await, "standby");
    client.send_query("SELECT pg_sleep(3401)").await;
    crate::scene::until_sleeping(&scene.postgres, 3401).await;
    cancel(scene.proxy.address(), &key).await;
    assert_eq!(only_error(&client.expect_until(b'Z').await).sqlstate(), "57014");
    assert_eq!(client.value("SELECT 1").await, "1");
    client.terminate().await;
    scene.until_over().await;
    // It is not measured, nor is there a pool of it.
    let console = scene.console().await;
    let queries = show(&console, "SHOW QUERIES").await;
    assert!(queries.iter().all(|row| !row["text"].contains("pg_sleep")), "{queries:?}");
}

#[tokio::test]
async fn who_may_not_is_told_by_the_server() {
    let scene = Scene::open("").await;
    let mut client = scene.proxy.scripted().await;
    client.startup("limited", "postgres", &[("replication", "true")]).await;
    let error = client.expect_error().await;
    assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "42501"), "{error}");
    client.expect_closed().await;
}

#[tokio::test]
async fn rules_for_replication_are_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let hba = directory.path().join("hba");
    std::fs::write(&hba, "host all postgres all trust\nhost replication limited all trust\n")
        .unwrap();
    let scene = Scene::open(&format!("auth_type = \"hba\"\nauth_hba_file = {hba:?}\n")).await;
    let mut client = scene.replicating("true").await;
    let error = client.expect_error().await;
    assert_eq!(error.sqlstate(), "28000");
    assert!(error.message().contains("no pg_hba.conf entry for replication connection"), "{error}");
    let mut client = scene.replicating("database").await;
    client.login_trust().await;
}

#[tokio::test]
async fn it_counts_for_the_maxima() {
    let scene = Scene::open("max_db_connections = 1\nquery_wait_timeout = \"300ms\"\n").await;
    let mut client = scene.replicating("database").await;
    client.login_trust().await;
    let mut other = ScriptedClient::connect(scene.proxy.address()).await;
    other.startup("postgres", "postgres", &[]).await;
    let refused = other.expect_error().await;
    assert!(refused.hint().contains("max_db_connections"), "{refused}");
    client.terminate().await;
    scene.until_over().await;
    // The place is free again, and an idle connection of a pool makes room for replication.
    let (mut pooled, _) = crate::scene::client(scene.proxy.address(), frames::PROTOCOL_3_0).await;
    assert_eq!(pooled.value("SELECT 1").await, "1");
    let mut client = scene.replicating("database").await;
    client.login_trust().await;
}

#[tokio::test]
async fn an_admin_ends_it_between_two_messages() {
    let scene = Scene::open("").await;
    let target = scene.path("wal");
    std::fs::create_dir(&target).unwrap();
    let arguments = ["-D", &target, "--no-loop"];
    let receiving = scene.program("pg_receivewal", "postgres", &arguments).spawn().unwrap();
    let console = scene.console().await;
    until("it streams", async || scene.walsenders().await == 1).await;
    until("it is shown", async || !of_replication(show(&console, "SHOW CLIENTS").await).is_empty())
        .await;
    let id = of_replication(show(&console, "SHOW CLIENTS").await)[0]["id"].clone();
    console.simple_query(&format!("KILL_CLIENT {id}")).await.unwrap();
    let (_, said) = ended(receiving).await;
    assert!(said.contains("terminating connection due to administrator command"), "{said}");
    scene.until_over().await;
}

#[tokio::test]
async fn a_drain_closes_it_when_its_time_is_over() {
    let mut scene = Scene::open("shutdown_timeout = \"700ms\"\n").await;
    let mut client = scene.replicating("true").await;
    client.login_trust().await;
    let began = std::time::Instant::now();
    scene.proxy.signal("TERM");
    assert_eq!(client.expect_error().await.sqlstate(), "57P01");
    let waited = began.elapsed();
    assert!(waited >= std::time::Duration::from_millis(600), "{waited:?}");
    client.expect_closed().await;
    let Scene { proxy, postgres, .. } = scene;
    assert_eq!(proxy.wait().await, 0);
    drop(postgres);
}

#[tokio::test]
async fn who_leaves_without_a_word_and_a_server_that_dies() {
    let mut scene = Scene::open("").await;
    let mut client = scene.replicating("true").await;
    client.login_trust().await;
    client.abort();
    scene.until_over().await;
    let mut client = scene.replicating("true").await;
    client.login_trust().await;
    scene.postgres.stop(testkit::StopMode::Fast).await;
    assert_eq!(client.expect_error().await.sqlstate(), "57P01");
    client.expect_closed().await;
}
