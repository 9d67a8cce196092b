//! PostgreSQL's own programs as clients.

use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::scene::{Scene, server_connections, until};
use crate::way;

/// A program of the server's installation that connects through pgweir.
async fn program(scene: &Scene, name: &str, arguments: &[&str]) -> Command {
    let path = way::postgres().await.programs().program(name).unwrap();
    let mut command = Command::new(path);
    command
        .args(arguments)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", scene.proxy.address().port().to_string())
        .env("PGSSLMODE", way::SSLMODE)
        .env("PGUSER", "postgres")
        .env("PGDATABASE", &scene.database.name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn text(output: Output) -> String {
    let (out, err) = (output.stdout, output.stderr);
    let text = String::from_utf8_lossy(&out) + String::from_utf8_lossy(&err);
    assert!(output.status.success(), "{text}");
    text.into_owned()
}

async fn run(scene: &Scene, name: &str, arguments: &[&str]) -> String {
    text(program(scene, name, arguments).await.output().await.unwrap())
}

#[tokio::test]
async fn pgbench_in_every_mode_by_a_pool_of_ten() {
    let scene = Scene::with_pool_of(10).await;
    run(&scene, "pgbench", &["-i", "-q", "-s", "1"]).await;
    let direct = scene.direct().await;
    for (mode, script) in [
        ("simple", "select-only"),
        ("extended", "select-only"),
        ("prepared", "select-only"),
        ("simple", "tpcb-like"),
        ("extended", "tpcb-like"),
        ("prepared", "tpcb-like"),
    ] {
        let builtin = format!("--builtin={script}");
        // A thread of pgbench prepares without looking after its other clients, which may hold all
        // server connections: what is known must be prepared without one.
        let arguments = ["-n", "-c", "40", "-j", "2", "-t", "15", "-M", mode, &builtin];
        let running = program(&scene, "pgbench", &arguments).await.spawn().unwrap();
        let running = tokio::spawn(running.wait_with_output());
        until("pgbench is done", async || {
            let connections = server_connections(&direct).await.len();
            assert!(connections <= 10, "{connections} server connections");
            running.is_finished()
        })
        .await;
        let said = text(running.await.unwrap().unwrap());
        assert!(said.contains("transactions actually processed: 600/600"), "{mode}: {said}");
        assert!(said.contains("failed transactions: 0"), "{mode}: {said}");
    }
}

#[tokio::test]
async fn pgbench_that_connects_for_each_transaction() {
    let scene = Scene::with_pool_of(4).await;
    run(&scene, "pgbench", &["-i", "-q", "-s", "1"]).await;
    let said = run(&scene, "pgbench", &["-n", "-C", "-c", "10", "-t", "20", "-S"]).await;
    assert!(said.contains("failed transactions: 0"), "{said}");
}

#[tokio::test]
async fn psql_copies_describes_and_runs_strings() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int, b text)").await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rows.csv");
    std::fs::write(&file, "1,one\n2,two\n").unwrap();
    let file = file.display();
    let copy_in = format!("\\copy t FROM '{file}' CSV");
    let copy_out = format!("\\copy (SELECT * FROM t ORDER BY a DESC) TO '{file}' CSV");
    let arguments =
        ["-X", "-c", &copy_in, "-c", "\\d t", "-c", "SELECT 'x'; SELECT 'y'", "-c", &copy_out];
    let said = run(&scene, "psql", &arguments).await;
    for expected in ["COPY 2", "Table \"public.t\"", " x\n", " y\n"] {
        assert!(said.contains(expected), "no {expected:?} in {said}");
    }
    let written = std::fs::read_to_string(directory.path().join("rows.csv")).unwrap();
    assert_eq!(written, "2,two\n1,one\n");
}

#[tokio::test]
async fn ctrl_c_in_psql_cancels_its_query_and_psql_goes_on() {
    let scene = Scene::with_pool_of(1).await;
    let arguments = ["-X", "-c", "SELECT pg_sleep(60)", "-c", "SELECT 'went on'"];
    let psql = program(&scene, "psql", &arguments).await.spawn().unwrap();
    let pid = psql.id().unwrap().to_string();
    scene.until_sleeping().await;
    Command::new("kill").args(["-INT", &pid]).status().await.unwrap();
    let said = psql.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("canceling statement due to user request"), "{said}");
    assert_eq!(scene.client().await.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn pg_dump_reads_a_database_through_a_pool_of_one() {
    let scene = Scene::with_pool_of(1)
        .await
        .with_schema("CREATE TABLE t AS SELECT generate_series(1, 1000) AS a")
        .await;
    let dump = run(&scene, "pg_dump", &[]).await;
    assert!(dump.contains("CREATE TABLE public.t") && dump.contains("\n1000\n"));
    // What it set for itself is not left for the next client.
    assert_eq!(scene.client().await.value("SHOW search_path").await, "\"$user\", public");
}
