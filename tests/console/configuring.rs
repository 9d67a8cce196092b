//! SET, RELOAD, DISABLE and ENABLE.

use tokio_postgres::error::SqlState;

use crate::load::Load;
use crate::scene::{Scene, refused, rows, shown, until};

#[tokio::test]
async fn set_changes_a_setting_until_the_next_reload() {
    let scene = Scene::with("default_pool_size = 1").await;
    let load = Load::of(&scene, 6).await;
    let (console, direct) = (scene.console("postgres").await, scene.database.connect().await);
    let connections = async || scene.server_connections(&direct).await.len();
    assert_eq!(connections().await, 1);
    console.batch_execute("SET default_pool_size = 4").await.unwrap();
    assert_eq!(shown(&console, "SHOW CONFIG", "default_pool_size").await, "4");
    until("the pool has grown", async || (connections().await == 4).then_some(())).await;
    // Another one does not undo it.
    console.batch_execute("set Query_Wait_Timeout to '33s'").await.unwrap();
    assert_eq!(shown(&console, "SHOW CONFIG", "query_wait_timeout").await, "33");
    assert_eq!(rows(&console, "SHOW query_wait_timeout").await, ["33"]);
    assert_eq!(shown(&console, "SHOW CONFIG", "default_pool_size").await, "4");
    console.batch_execute("RELOAD").await.unwrap();
    assert_eq!(shown(&console, "SHOW CONFIG", "default_pool_size").await, "1");
    assert_eq!(shown(&console, "SHOW CONFIG", "query_wait_timeout").await, "120");
    until("the pool has shrunk", async || (connections().await == 1).then_some(())).await;
    load.end_well().await;
}

#[tokio::test]
async fn set_refuses_what_is_unknown_wrong_or_needs_a_restart() {
    let scene = Scene::with("").await;
    let console = scene.console("postgres").await;
    for (command, code, words) in [
        ("SET default_pol_size = 5", "42704", "unrecognized configuration parameter"),
        ("SET default_pool_size = many", "22023", "invalid value for parameter"),
        ("SET default_pool_size = 0", "22023", "invalid value for parameter"),
        ("SET pool_mode = 'sometimes'", "22023", "invalid value for parameter"),
        ("SET listen = '127.0.0.1:1'", "55P02", "cannot be changed without restarting"),
        ("SET logfile = '/x'", "42704", "unrecognized configuration parameter"),
    ] {
        let told = refused(&console, command).await;
        assert_eq!(told.code().code(), code, "{command}: {told:?}");
        assert!(told.message().contains(words), "{command}: {told:?}");
    }
    let told = refused(&console, "SET default_pol_size = 5").await;
    assert!(told.hint().unwrap_or_default().contains("default_pool_size"), "{told:?}");
    // What drivers set of their sessions is none of it.
    console.batch_execute("SET search_path = x; SET extra_float_digits = 3").await.unwrap();
    let watcher = scene.console("watcher").await;
    let told = refused(&watcher, "SET default_pool_size = 5").await;
    assert_eq!(
        (told.code(), told.message()),
        (&SqlState::INSUFFICIENT_PRIVILEGE, "admin access needed")
    );
    assert_eq!(shown(&console, "SHOW CONFIG", "default_pool_size").await, "20");
}

#[tokio::test]
async fn reload_says_what_needs_a_restart() {
    let scene = Scene::with_file("default_pool_size = 5\n").await;
    scene.write_file("default_pool_size = 6\nmax_fingerprints = 700\n");
    let output = scene.psql("postgres", &["-c", "reload"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let expected = "WARNING:  max_fingerprints has changed; that takes effect at the next start";
    assert!(said.contains(expected), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "RELOAD\n");
    let console = scene.console("postgres").await;
    assert_eq!(shown(&console, "SHOW CONFIG", "default_pool_size").await, "6");

    scene.write_file("default_pool_size = \"six\"\n");
    let told = refused(&console, "RELOAD").await;
    assert_eq!(told.code().code(), "F0000");
    assert!(told.message().contains("pgweir.toml:1"), "{told:?}");
    assert_eq!(shown(&console, "SHOW CONFIG", "default_pool_size").await, "6");
}

#[tokio::test]
async fn disable_keeps_new_clients_out_and_leaves_the_others() {
    let scene = Scene::with("").await;
    let load = Load::of(&scene, 3).await;
    let console = scene.console("postgres").await;
    let name = &scene.database.name;
    console.batch_execute(&format!("disable \"{name}\"")).await.unwrap();
    let text = format!("SELECT paused, disabled FROM databases WHERE name = '{name}'");
    assert_eq!(rows(&console, &text).await, ["0|1"]);
    let error = scene.proxy.try_connect("postgres", name).await.err().unwrap();
    let told = error.as_db_error().unwrap();
    assert_eq!(told.message(), format!("database does not allow connections: {name}"));
    assert_eq!(told.severity(), "FATAL");
    load.until_more(10).await;
    // RELOAD is no ENABLE.
    console.batch_execute("RELOAD").await.unwrap();
    assert!(scene.proxy.try_connect("postgres", name).await.is_err());
    console.batch_execute(&format!("ENABLE {name}")).await.unwrap();
    assert_eq!(rows(&console, &text).await, ["0|0"]);
    assert_eq!(rows(&scene.client("new").await, "SELECT 1").await, ["1"]);
    load.end_well().await;
}
