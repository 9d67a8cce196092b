//! RELOAD and SIGHUP read the file again, by the same rules.

use std::time::Duration;

use testkit::{show, until};
use tokio_postgres::Client;

use crate::scene::{Scene, value};

fn ini(scene: &Scene, more: &str) -> String {
    format!(
        "[databases]\ndb = host=127.0.0.1 port={} dbname=postgres\n[pgbouncer]\n\
         listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_file = userlist.txt\n\
         admin_users = marko\n{more}\n",
        scene.postgres.port(),
        scene.port
    )
}

async fn setting(console: &Client, name: &str) -> String {
    let rows = show(console, "SHOW CONFIG").await;
    rows.iter().find(|row| row["key"] == name).unwrap()["value"].clone()
}

#[tokio::test]
async fn a_file_is_read_again() {
    let scene = Scene::open("CREATE ROLE marko LOGIN").await;
    let file = scene.write(&ini(&scene, "pool_mode = transaction"), &[]);
    let running = scene.start(&file).await;
    let client = scene.connect("marko:asdasd", "db").await.unwrap();
    let console = scene.connect("marko:asdasd", "pgbouncer").await.unwrap();
    assert_eq!(setting(&console, "pool_mode").await, "transaction");

    // What is not said any more is as PgBouncer has it.
    scene.write(&ini(&scene, "default_pool_size = 3\nlogfile = x"), &[]);
    console.batch_execute("RELOAD").await.unwrap();
    assert_eq!(setting(&console, "pool_mode").await, "session");
    assert_eq!(setting(&console, "default_pool_size").await, "3");
    assert_eq!(value(&client, "SELECT 1").await, "1");

    // What is wrong changes nothing, and is told at its place.
    scene.write(&ini(&scene, "default_pool_size = 4\nmax_client_con = 5"), &[]);
    let error = console.batch_execute("RELOAD").await.unwrap_err();
    let told = error.as_db_error().unwrap().message().to_owned();
    assert!(told.contains("pgbouncer.ini:10:1: max_client_con"), "{told}");
    assert!(told.contains("did you mean `max_client_conn`?"), "{told}");
    assert_eq!(setting(&console, "default_pool_size").await, "3");

    scene.write(&ini(&scene, "default_pool_size = 6"), &[]);
    let pid = running.pid().to_string();
    let hung_up = tokio::process::Command::new("kill").args(["-HUP", &pid]).status().await;
    assert!(hung_up.unwrap().success());
    let again = async {
        until("the file is read again", async || {
            setting(&console, "default_pool_size").await == "6"
        })
        .await;
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
}
