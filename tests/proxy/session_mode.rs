//! Session mode: a server connection for as long as the client stays.

use testkit::frames::{bind, execute, parse, sync};

use crate::scene::{Scene, show, until, values};

async fn scene(size: &str) -> Scene {
    Scene::open(["--pool-mode", "session", "--default-pool-size", size]).await
}

#[tokio::test]
async fn a_client_keeps_one_server_connection_and_all_its_state() {
    let scene = scene("2").await;
    let [mut one, mut other] = scene.clients().await;
    let pid = one.value("SELECT pg_backend_pid()").await;
    one.rows("SET work_mem = '7MB'; CREATE TEMP TABLE mine (a int); PREPARE p AS SELECT 'p'").await;
    one.send(&[parse("s", "SELECT 's'"), sync()].concat()).await;
    one.expect_until(b'Z').await;
    for _ in 0..3 {
        assert_ne!(other.value("SELECT pg_backend_pid()").await, pid);
        assert_eq!(one.value("SELECT pg_backend_pid()").await, pid);
    }
    assert_eq!(one.value("SHOW work_mem").await, "7MB");
    assert_eq!(one.value("SELECT count(*) FROM mine").await, "0");
    assert_eq!(one.value("EXECUTE p").await, "p");
    one.send(&[bind("", "s", &[]), execute("", 0), sync()].concat()).await;
    assert_eq!(values(&one.expect_until(b'Z').await), ["s"]);
}

#[tokio::test]
async fn the_next_client_waits_until_the_first_leaves_and_finds_nothing_of_it() {
    let scene = scene("1").await;
    let mut first = scene.client().await;
    let default = first.value("SHOW work_mem").await;
    first.rows("SET work_mem = '7MB'; CREATE TEMP TABLE mine (a int); LISTEN x").await;
    first.rows("SET application_name TO 'first'; SELECT pg_advisory_lock(1)").await;
    let mut next = scene.client().await;
    next.send_query("SHOW work_mem").await;
    let console = scene.console().await;
    until("it waits", async || {
        show(&console, "SHOW POOLS").await.iter().any(|pool| pool["cl_waiting"] == "1")
    })
    .await;
    first.terminate().await;
    assert_eq!(values(&next.expect_until(b'Z').await), [default]);
    let left = "SELECT count(*) FROM pg_class WHERE relname = 'mine'";
    assert_eq!(next.value(left).await, "0");
    assert_eq!(next.value("SELECT count(*) FROM pg_listening_channels()").await, "0");
    assert_eq!(next.value("SHOW application_name").await, "");
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(next.value(locks).await, "0");
}

#[tokio::test]
async fn the_next_client_finds_no_setting_that_code_has_made() {
    let scene = scene("1").await;
    // What was reset is empty, not gone.
    let setting = "SELECT coalesce(nullif(current_setting('shop.tenant', true), ''), 'none')";
    let of_a_function = "CREATE FUNCTION sets(name text) RETURNS text LANGUAGE sql
        AS $$ SELECT set_config('shop.' || name, 'a', false) $$";
    scene.direct().await.batch_execute(of_a_function).await.unwrap();
    for text in [
        "SET shop.tenant TO 'a'",
        "SELECT set_config('shop.tenant', 'a', false)",
        "DO $$ BEGIN PERFORM set_config('shop.tenant', 'a', false); END $$",
        "DO $$ BEGIN EXECUTE 'SET shop.' || 'tenant TO 1'; END $$",
        "SELECT sets('tenant')",
    ] {
        for end in [true, false] {
            let mut first = scene.client().await;
            assert_eq!(first.value(setting).await, "none", "before {text}");
            first.rows(text).await;
            if end {
                first.rows("DISCARD ALL").await;
            }
            first.terminate().await;
            let mut next = scene.client().await;
            assert_eq!(next.value(setting).await, "none", "after {text}, DISCARD ALL: {end}");
            next.terminate().await;
        }
    }
}

#[tokio::test]
async fn a_client_that_has_not_asked_for_anything_holds_nothing() {
    let scene = scene("1").await;
    let _silent = scene.client().await;
    assert_eq!(scene.client().await.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn startup_settings_come_back_with_discard_all() {
    let scene = scene("1").await;
    let mut client = scene.proxy.scripted().await;
    let settings = [("application_name", "mine"), ("options", "-c work_mem=5MB")];
    client.startup("postgres", &scene.database.name, &settings).await;
    client.login_trust().await;
    assert_eq!(client.value("SHOW work_mem").await, "5MB");
    client.rows("SET work_mem = '9MB'").await;
    client.rows("DISCARD ALL").await;
    assert_eq!(client.value("SHOW work_mem").await, "5MB");
    assert_eq!(client.value("SHOW application_name").await, "mine");
}

#[tokio::test]
async fn mode_can_differ_by_database_and_user() {
    let postgres = testkit::Postgres::shared().await;
    let database = postgres.database().await;
    let settings = format!(
        "upstream = {:?}\ndefault_pool_size = 1\nauth_type = \"trust\"\n[databases.long]\n\
         dbname = {:?}\npool_mode = \"session\"\n[users.web_trust]\npool_mode = \"session\"\n",
        postgres.url("postgres", "postgres"),
        database.name
    );
    let options = testkit::ProxyOptions::default().settings(settings);
    let proxy = testkit::Proxy::start(crate::scene::PGWEIR, options).await;
    for (user, name, mode) in [
        ("postgres", database.name.as_str(), "transaction"),
        ("postgres", "long", "session"),
        ("web_trust", database.name.as_str(), "session"),
    ] {
        let mut client = testkit::ScriptedClient::login(proxy.address(), user, name).await;
        client.rows("SELECT 1").await;
        let console = proxy.connect("postgres", "pgweir").await;
        let pools = show(&console, "SHOW POOLS").await;
        let pool = pools.iter().find(|row| row["user"] == user && row["database"] == name).unwrap();
        let held = if mode == "session" { "1" } else { "0" };
        assert_eq!((pool["pool_mode"].as_str(), pool["sv_active"].as_str()), (mode, held));
    }
}
