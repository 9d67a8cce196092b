//! What a prepared text means: some of it is decided when it is parsed, by the settings of whoever
//! prepares it and by the clock. Clients share what servers have parsed, and must not notice.

use testkit::ScriptedClient;
use testkit::frames::{bind, execute, kinds, parse, sync};

use crate::scene::{Scene, values};
use crate::way;

/// Prepares under this name, and runs it.
async fn run_anew(client: &mut ScriptedClient, name: &str, sql: &str) -> String {
    let request = [parse(name, sql), bind("", name, &[]), execute("", 0), sync()];
    client.send(&request.concat()).await;
    let answered = client.expect_until(b'Z').await;
    // Of a backslash in a constant the server warns.
    assert_eq!(kinds(&answered).replace('N', ""), "12DCZ", "{sql}: {answered:?}");
    values(&answered).remove(0)
}

async fn run_again(client: &mut ScriptedClient, name: &str) -> String {
    client.send(&[bind("", name, &[]), execute("", 0), sync()].concat()).await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!(kinds(&answered).replace('N', ""), "2DCZ", "{answered:?}");
    values(&answered).remove(0)
}

async fn client_with(scene: &Scene, settings: &[(&str, &str)]) -> ScriptedClient {
    let mut client = way::connect(scene.proxy.address()).await;
    client.startup("postgres", &scene.database.name, settings).await;
    client.login_trust().await;
    client
}

/// A setting, two values of it, and a text with what it gives under each.
const READINGS: [(&str, [&str; 2], &str, [&str; 2]); 6] = [
    (
        "TimeZone",
        ["UTC", "Asia/Tokyo"],
        "SELECT extract(epoch FROM '2024-01-01 00:00'::timestamptz)::int8",
        ["1704067200", "1704034800"],
    ),
    (
        "DateStyle",
        ["ISO, MDY", "ISO, DMY"],
        "SELECT ('02/03/2024'::date)::text",
        ["2024-02-03", "2024-03-02"],
    ),
    (
        "IntervalStyle",
        ["postgres", "sql_standard"],
        "SELECT extract(epoch FROM '-1 1:00:00'::interval)::int8",
        ["-82800", "-90000"],
    ),
    ("standard_conforming_strings", ["on", "off"], "SELECT length('a\\\\b')", ["4", "3"]),
    ("client_encoding", ["UTF8", "LATIN1"], "SELECT length('é')", ["1", "2"]),
    (
        "transform_null_equals",
        ["off", "on"],
        "SELECT coalesce((1 = NULL)::text, 'unknown')",
        ["unknown", "false"],
    ),
];

/// Must survive: a prepared statement read under another client's settings
#[tokio::test]
async fn a_text_is_read_under_the_settings_of_its_own_client() {
    let scene = Scene::with_pool_of(1).await;
    for (setting, [one, other], sql, [with_one, with_other]) in READINGS {
        let mut one = client_with(&scene, &[(setting, one)]).await;
        let mut other = client_with(&scene, &[(setting, other)]).await;
        for turn in 0..3 {
            for name in ["", &format!("s{turn}")] {
                assert_eq!(run_anew(&mut one, name, sql).await, with_one, "{setting} {name:?}");
                assert_eq!(run_anew(&mut other, name, sql).await, with_other, "{setting} {name:?}");
                assert_eq!(run_again(&mut one, name).await, with_one, "{setting} {name:?}");
                assert_eq!(run_again(&mut other, name).await, with_other, "{setting} {name:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_text_is_read_under_the_settings_that_hold_when_it_is_prepared() {
    let scene = Scene::with_pool_of(1).await;
    for (setting, [one, other], sql, [with_one, with_other]) in READINGS {
        let [mut client, mut neighbour] = scene.clients().await;
        client.rows(&format!("SET {setting} TO '{one}'")).await;
        for _ in 0..2 {
            assert_eq!(run_anew(&mut client, "", sql).await, with_one, "{setting}");
        }
        client.rows(&format!("SET {setting} TO '{other}'")).await;
        for _ in 0..2 {
            assert_eq!(run_anew(&mut client, "", sql).await, with_other, "{setting}");
        }
        client.rows(&format!("SET {setting} TO '{one}'")).await;
        client.rows("BEGIN").await;
        client.rows(&format!("SET LOCAL {setting} TO '{other}'")).await;
        for _ in 0..2 {
            assert_eq!(run_anew(&mut client, "", sql).await, with_other, "{setting}, local");
        }
        client.rows("COMMIT").await;
        for _ in 0..2 {
            assert_eq!(run_anew(&mut client, "", sql).await, with_one, "{setting}, after");
        }
        // In one request the setting is not reported before the text is parsed.
        let set = [parse("", &format!("SET LOCAL {setting} TO '{other}'")), bind("", "", &[])];
        let text = [parse("", sql), bind("", "", &[]), execute("", 0), sync()];
        client.send(&[set.concat(), execute("", 0), text.concat()].concat()).await;
        assert_eq!(values(&client.expect_until(b'Z').await), [with_other], "{setting}, pipelined");
        for _ in 0..2 {
            assert_eq!(run_anew(&mut client, "", sql).await, with_one, "{setting}, pipelined");
        }
        neighbour.rows(&format!("SET {setting} TO '{one}'")).await;
        assert_eq!(run_anew(&mut neighbour, "", sql).await, with_one, "{setting}, of another");
    }
}

#[tokio::test]
async fn what_is_read_off_the_clock_is_read_each_time_it_is_prepared() {
    let scene = Scene::with_pool_of(1).await;
    let [mut one, mut other] = scene.clients().await;
    let sql = "SELECT 'NOW'::timestamptz::text";
    let mut seen = Vec::new();
    for turn in 0..3 {
        seen.push(run_anew(&mut one, "", sql).await);
        seen.push(run_anew(&mut other, "", sql).await);
        let name = format!("s{turn}");
        seen.push(run_anew(&mut one, &name, sql).await);
        seen.push(run_anew(&mut other, &name, sql).await);
        assert_eq!(run_again(&mut one, &name).await, seen[seen.len() - 2], "read once");
    }
    assert!(seen.is_sorted(), "{seen:?}");
    seen.dedup();
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[tokio::test]
async fn tenants_with_tables_of_their_own_do_not_notice_each_other() {
    let schema = "CREATE SCHEMA one; CREATE TABLE one.own AS SELECT 1 AS a;
        CREATE SCHEMA other; CREATE TABLE other.own AS SELECT 'x'::text AS a, 2 AS b";
    let scene = Scene::with_pool_of(1).await.with_schema(schema).await;
    let sql = "SELECT * FROM own";
    let mut one = client_with(&scene, &[("search_path", "one")]).await;
    let mut other = scene.client().await;
    other.rows("SET search_path TO other").await;
    let mut last = scene.client().await;
    for turn in 0..3 {
        for name in ["", &format!("s{turn}")] {
            assert_eq!(run_anew(&mut one, name, sql).await, "1", "{name:?}");
            assert_eq!(run_anew(&mut other, name, sql).await, "x", "{name:?}");
            for (path, value) in [("one", "1"), ("other", "x")] {
                last.rows(&format!("BEGIN; SET LOCAL search_path TO {path}")).await;
                let name = if name.is_empty() { name } else { &format!("{name}_{path}") };
                assert_eq!(run_anew(&mut last, name, sql).await, value, "{name:?}");
                last.rows("COMMIT").await;
            }
            assert_eq!(run_again(&mut one, name).await, "1", "{name:?}");
            assert_eq!(run_again(&mut other, name).await, "x", "{name:?}");
        }
    }
}
