//! What a connection string asks of server connections.

use crate::scene::{Scene, refusal, value};

/// A scene with one database, `db`, whose connection string ends so.
async fn scene(more: &str) -> (Scene, crate::scene::Running) {
    let scene = Scene::open("CREATE ROLE marko LOGIN").await;
    let ini = format!(
        "[databases]\ndb = host=127.0.0.1 port={} dbname=postgres {more}\n[pgbouncer]\n\
         listen_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_file = userlist.txt\n\
         pool_mode = transaction\nserver_login_retry = 0.1\n",
        scene.postgres.port(),
        scene.port
    );
    let file = scene.write(&ini, &[]);
    let running = scene.start(&file).await;
    (scene, running)
}

#[tokio::test]
async fn settings_of_a_database_hold_where_clients_do_not_say_otherwise() {
    let (scene, _running) = scene(
        "client_encoding=LATIN1 datestyle='SQL, DMY' timezone=Asia/Tokyo application_name=pooled",
    )
    .await;
    let client = scene.connect("marko:asdasd", "db").await.unwrap();
    for (name, expected) in
        [("DateStyle", "SQL, DMY"), ("TimeZone", "Asia/Tokyo"), ("application_name", "pooled")]
    {
        assert_eq!(value(&client, &format!("SHOW {name}")).await, expected);
    }
    client.batch_execute("SET timezone TO 'UTC'").await.unwrap();
    assert_eq!(value(&client, "SHOW timezone").await, "UTC");
    client.batch_execute("RESET timezone").await.unwrap();
    assert_eq!(value(&client, "SHOW timezone").await, "Asia/Tokyo");
    // The next client has what the database says, not what the one before it set.
    client.batch_execute("SET datestyle TO 'German'").await.unwrap();
    let other = scene.connect("marko:asdasd", "db?application_name=own").await.unwrap();
    assert_eq!(value(&other, "SHOW datestyle").await, "SQL, DMY");
    assert_eq!(value(&other, "SHOW application_name").await, "own");
}

#[tokio::test]
async fn connect_query_runs_once_on_each_server_connection() {
    let (scene, _running) = scene(
        "pool_size=1 connect_query='SET timezone TO ''Asia/Tokyo''; INSERT INTO opened VALUES (1)'",
    )
    .await;
    // Its error is no error of the client's.
    let client = scene.connect("marko:asdasd", "db").await.unwrap();
    assert_eq!(value(&client, "SELECT 1").await, "1");
    drop(client);
    let admin = scene.postgres.admin().await;
    let sql = "CREATE TABLE opened (a int); GRANT ALL ON opened TO marko";
    admin.batch_execute(sql).await.unwrap();
    let terminate =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'marko'";
    admin.batch_execute(terminate).await.unwrap();
    for _ in 0..3 {
        let client = scene.connect("marko:asdasd", "db").await.unwrap();
        testkit::until("a server connection is there again", async || {
            client.simple_query("SELECT 1").await.is_ok()
        })
        .await;
        assert_eq!(value(&client, "SHOW timezone").await, "Asia/Tokyo");
    }
    assert_eq!(value(&admin, "SELECT count(*) FROM opened").await, "1");
}

#[tokio::test]
async fn a_connect_query_that_leaves_a_transaction_is_told_of() {
    let (scene, _running) = scene("connect_query=BEGIN query_wait_timeout=1").await;
    let told = refusal(scene.connect("marko:asdasd", "db").await);
    assert!(told.contains("connect_query began a transaction"), "{told}");
}
