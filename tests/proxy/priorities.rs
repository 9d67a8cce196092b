//! Who gets the next server connection, and who is told that there is too much to do.

use std::time::{Duration, Instant};

use testkit::frames::{bind, execute, kinds, parse, sync};
use testkit::{ScriptedClient, TestDatabase};

use crate::limits::scene;
use crate::scene::{Scene, error, show, status, until};

const APPLICATIONS: &str =
    "[applications.shop]\npriority = \"high\"\n[applications.\"cron*\"]\npriority = \"low\"\n";

async fn application(scene: &Scene, name: &str) -> ScriptedClient {
    let mut client = ScriptedClient::connect(scene.proxy.address()).await;
    let TestDatabase { name: database, .. } = &scene.database;
    client.startup("postgres", database, &[("application_name", name)]).await;
    client.login_trust().await;
    client
}

async fn waiting(scene: &Scene, number: &str) {
    let console = scene.console().await;
    until("so many wait", async || {
        show(&console, "SHOW POOLS").await.iter().any(|pool| pool["cl_waiting"] == number)
    })
    .await;
}

/// The first in the queue has waited for so long.
async fn waited(scene: &Scene, time: Duration) {
    let console = scene.console().await;
    until("it has waited", async || {
        let pools = show(&console, "SHOW POOLS").await;
        pools.iter().any(|pool| {
            let number = |column: &str| pool[column].parse::<u64>().unwrap();
            let micros = number("maxwait") * 1_000_000 + number("maxwait_us");
            Duration::from_micros(micros) >= time
        })
    })
    .await;
}

/// Sends a query that notes who ran it, and waits until it is in the queue as the `nth`.
async fn joins(scene: &Scene, client: &mut ScriptedClient, name: &str, nth: usize) {
    client.send_query(&format!("INSERT INTO turns (name) VALUES ('{name}')")).await;
    waiting(scene, &nth.to_string()).await;
}

async fn turns(scene: &Scene) -> Vec<String> {
    let rows = scene.direct().await.query("SELECT name FROM turns ORDER BY turn", &[]).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

const TURNS: &str = "CREATE TABLE turns (turn serial, name text)";

#[tokio::test]
async fn the_urgent_go_first_also_those_that_rename_themselves() {
    let settings = format!("default_pool_size = 1\n{APPLICATIONS}");
    let scene = scene(&settings).await.with_schema(TURNS).await;
    let mut holder = application(&scene, "psql").await;
    let mut cron = application(&scene, "cron-nightly").await;
    let mut other = application(&scene, "psql").await;
    let mut shop = application(&scene, "psql").await;
    shop.rows("SET application_name = 'shop'").await;
    holder.rows("BEGIN").await;
    joins(&scene, &mut cron, "cron", 1).await;
    joins(&scene, &mut other, "other", 2).await;
    joins(&scene, &mut shop, "shop", 3).await;
    holder.rows("COMMIT").await;
    for client in [&mut shop, &mut other, &mut cron] {
        assert_eq!(kinds(&client.expect_until(b'Z').await), "CZ");
    }
    assert_eq!(turns(&scene).await, ["shop", "other", "cron"]);
    // Back to what it was.
    shop.rows("RESET application_name").await;
    holder.rows("BEGIN").await;
    joins(&scene, &mut other, "other", 1).await;
    joins(&scene, &mut shop, "shop no more", 2).await;
    holder.rows("COMMIT").await;
    for client in [&mut shop, &mut other] {
        client.expect_until(b'Z').await;
    }
    assert_eq!(turns(&scene).await[3..], ["other", "shop no more"]);
}

#[tokio::test]
async fn a_reload_gives_other_priorities_to_those_who_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pgweir.toml");
    let write = |shop: &str| {
        let settings =
            format!("default_pool_size = 1\n[applications.shop]\npriority = \"{shop}\"\n");
        std::fs::write(&file, settings).unwrap();
    };
    write("low");
    let path = file.display().to_string();
    let scene = Scene::open(["-c", &path]).await.with_schema(TURNS).await;
    let [mut holder, mut other] = scene.clients().await;
    let mut shop = application(&scene, "shop").await;
    for (priority, first) in [("low", "other"), ("high", "shop")] {
        write(priority);
        scene.console().await.simple_query("RELOAD").await.unwrap();
        holder.rows("BEGIN").await;
        let [(one, name), (another, and)] = match first {
            "other" => [(&mut shop, "shop"), (&mut other, "other")],
            _ => [(&mut other, "other"), (&mut shop, "shop")],
        };
        joins(&scene, one, name, 1).await;
        joins(&scene, another, and, 2).await;
        holder.rows("COMMIT").await;
        other.expect_until(b'Z').await;
        shop.expect_until(b'Z').await;
        let all = turns(&scene).await;
        assert_eq!(all[all.len() - 2], first, "{all:?}");
    }
}

#[tokio::test]
async fn a_part_of_the_pool_is_kept_from_those_of_low_priority() {
    // Of the maximum, which is less than the pool's size.
    let settings = format!("max_db_connections = 2\nlow_priority_share = 50\n{APPLICATIONS}");
    let scene = scene(&settings).await;
    let mut first = application(&scene, "cron").await;
    let mut second = application(&scene, "cron").await;
    let mut shop = application(&scene, "shop").await;
    first.rows("BEGIN").await;
    second.send_query("SELECT 2").await;
    waiting(&scene, "1").await;
    // As long as the others like.
    for number in ["1", "2", "3"] {
        assert_eq!(shop.value(&format!("SELECT {number}")).await, number);
    }
    assert_eq!(scene.server_connections().await.len(), 2);
    second.expect_silence(Duration::from_millis(100)).await;
    first.rows("COMMIT").await;
    assert_eq!(kinds(&second.expect_until(b'Z').await), "TDCZ");
    // What breaks while it is held gives its part back too.
    first.rows("BEGIN").await;
    first.abort();
    assert_eq!(second.value("SELECT 3").await, "3");
}

#[tokio::test]
async fn who_would_wait_too_long_is_told_at_once_and_stays() {
    let settings = format!("default_pool_size = 1\nmax_queue_age = \"200ms\"\n{APPLICATIONS}");
    let scene = scene(&settings).await;
    let [mut holder, mut waiter] = scene.clients().await;
    let [mut late, mut urgent] =
        [application(&scene, "psql").await, application(&scene, "shop").await];
    holder.rows("BEGIN").await;
    waiter.send_query("SELECT 'waited'").await;
    waiting(&scene, "1").await;
    waited(&scene, Duration::from_millis(210)).await;
    let asked = Instant::now();
    let refused = late.query("SELECT 1").await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!((kinds(&refused), status(&refused)), ("EZ".to_owned(), 'I'));
    let told = error(&refused);
    assert_eq!(told.sqlstate(), "53300");
    assert!(told.message().contains("(max_queue_age)"), "{told}");
    assert!(told.get(b'D').contains("1 clients of normal priority wait, 1 in all"), "{told}");
    assert!(told.hint().contains("max_queue_age is 0.2 s"), "{told}");
    // An extended query too, whole.
    let extended = [parse("", "SELECT 1"), bind("", "", &[]), execute("", 0), sync()].concat();
    late.send(&extended).await;
    assert_eq!(kinds(&late.expect_until(b'Z').await), "EZ");
    // Nobody urgent waits yet: this one may.
    urgent.send_query("SELECT 'urgent'").await;
    waiting(&scene, "2").await;
    holder.rows("COMMIT").await;
    assert_eq!(kinds(&urgent.expect_until(b'Z').await), "TDCZ");
    assert_eq!(kinds(&waiter.expect_until(b'Z').await), "TDCZ");
    assert_eq!(late.value("SELECT 2").await, "2", "it has stayed, and is served");
}

#[tokio::test]
async fn pause_is_no_overload() {
    let scene = Scene::open(["--set", "max_queue_age=100ms"]).await;
    let [mut first, mut second] = scene.clients().await;
    let console = scene.console().await;
    console.simple_query("PAUSE").await.unwrap();
    first.send_query("SELECT 1").await;
    waiting(&scene, "1").await;
    waited(&scene, Duration::from_millis(110)).await;
    second.send_query("SELECT 2").await;
    waiting(&scene, "2").await;
    console.simple_query("RESUME").await.unwrap();
    for client in [&mut first, &mut second] {
        assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
    }
}

#[tokio::test]
async fn in_a_full_queue_the_urgent_take_the_place_of_others() {
    let settings = format!("default_pool_size = 1\nmax_wait_queue = 1\n{APPLICATIONS}");
    let scene = scene(&settings).await;
    let mut holder = application(&scene, "psql").await;
    let mut cron = application(&scene, "cron").await;
    let mut shop = application(&scene, "shop").await;
    let mut another = application(&scene, "shop").await;
    holder.rows("BEGIN").await;
    cron.send_query("SELECT 1").await;
    waiting(&scene, "1").await;
    shop.send_query("SELECT 1").await;
    let displaced = cron.expect_until(b'Z').await;
    let told = error(&displaced);
    assert_eq!((told.sqlstate(), status(&displaced)), ("53300", 'I'));
    assert!(told.message().contains("a higher priority"), "{told}");
    let told = error(&another.query("SELECT 1").await);
    assert!(told.message().contains("(max_wait_queue)"), "{told}");
    holder.rows("COMMIT").await;
    assert_eq!(kinds(&shop.expect_until(b'Z').await), "TDCZ");
    assert_eq!(cron.value("SELECT 2").await, "2");
}
