//! The pool modes that allow less: `transaction_strict` and `statement`.

use testkit::ScriptedClient;
use testkit::frames::{self, bind, execute, kinds, parse, sync};

use crate::scene::{Scene, error, until};

async fn scene(mode: &str) -> Scene {
    Scene::open(["--pool-mode", mode, "--default-pool-size", "1"]).await
}

/// The request is answered with this error, and the client goes on.
async fn refused(client: &mut ScriptedClient, request: &[u8], message: &str, what: &str) {
    client.send(request).await;
    let answered = client.expect_until(b'Z').await;
    let error = error(&answered);
    assert_eq!((error.severity(), error.sqlstate()), ("ERROR", "0A000"), "{what}: {error}");
    assert!(error.message().contains(message), "{what}: {error}");
    assert!(error.hint().contains("pool_mode"), "{what}: {error}");
    assert_eq!(kinds(&answered), "EZ", "{what}");
}

fn by_either_protocol(sql: &str) -> [Vec<u8>; 2] {
    let extended = [parse("", sql), bind("", "", &[]), execute("", 0), sync()].concat();
    [frames::query(sql), extended]
}

#[tokio::test]
async fn strict_refuses_state_before_it_is_made() {
    let scene = scene("transaction_strict").await;
    let mut client = scene.client().await;
    for (sql, state) in [
        ("CREATE TEMP TABLE t (a int)", "temporary table"),
        ("LISTEN x", "LISTEN"),
        ("SELECT pg_advisory_lock(1)", "advisory lock"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "cursor WITH HOLD"),
        ("LOAD 'plpgsql'", "LOAD"),
        ("SET search_path TO pg_temp", "temporary table"),
    ] {
        for request in by_either_protocol(sql) {
            refused(&mut client, &request, state, sql).await;
        }
    }
    refused(&mut client, &frames::query("SELECT 1; LISTEN x"), "LISTEN", "one of several").await;
    assert_eq!(client.value("SELECT count(*) FROM pg_listening_channels()").await, "0");
    for sql in [
        "SET work_mem = '5MB'",
        "SELECT pg_advisory_xact_lock(1)",
        "BEGIN; CREATE TEMP TABLE t (a int) ON COMMIT DROP; COMMIT",
        "DO $$ BEGIN PERFORM 1; END $$",
    ] {
        client.rows(sql).await;
    }
    assert_eq!(client.value("SHOW work_mem").await, "5MB");
    let mut other = scene.client().await;
    assert_eq!(other.value("SHOW work_mem").await, "4MB", "the connection is given back");
}

#[tokio::test]
async fn what_strict_refuses_fails_its_block_and_its_pipeline() {
    let scene = scene("transaction_strict").await.with_schema("CREATE TABLE t (a int)").await;
    let mut client = scene.client().await;
    client.rows("BEGIN; INSERT INTO t VALUES (1)").await;
    refused(&mut client, &frames::query("LISTEN x"), "LISTEN", "in a block").await;
    assert_eq!(error(&client.query("LISTEN x").await).sqlstate(), "25P02");
    client.rows("COMMIT").await;
    let pipeline = [
        parse("", "INSERT INTO t VALUES (2)"),
        bind("", "", &[]),
        execute("", 0),
        parse("s", "LISTEN x"),
        bind("", "s", &[]),
        execute("", 0),
        sync(),
    ];
    client.send(&pipeline.concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "12CEZ");
    assert_eq!(client.value("SELECT count(*) FROM t").await, "0");
    client.send(&[parse("s", "SELECT 's'"), sync()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "1Z", "the name was not taken");
}

#[tokio::test]
async fn state_that_no_text_tells_of_ends_the_client_and_is_cleaned_up() {
    let scene = scene("transaction_strict").await;
    let mut client = scene.client().await;
    let mut other = scene.client().await;
    client.send_query("DO $$ BEGIN CREATE TEMP TABLE t (a int); END $$").await;
    client.expect_until(b'Z').await;
    let error = client.expect_error().await;
    assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "0A000"), "{error}");
    client.expect_closed().await;
    assert_eq!(other.value("SELECT to_regclass('t') IS NULL").await, "t");
}

#[tokio::test]
async fn statement_mode_refuses_transaction_blocks() {
    let scene = scene("statement").await.with_schema("CREATE TABLE t (a int)").await;
    let mut client = scene.client().await;
    for sql in ["BEGIN", "START TRANSACTION", "SELECT 1; BEGIN; SELECT 2"] {
        refused(&mut client, &frames::query(sql), "transaction blocks", sql).await;
    }
    let [_, extended] = by_either_protocol("BEGIN");
    refused(&mut client, &extended, "transaction blocks", "extended").await;
    client.rows("BEGIN; INSERT INTO t VALUES (1); COMMIT").await;
    client.rows("INSERT INTO t VALUES (2)").await;
    let mut other = scene.client().await;
    assert_eq!(other.value("SELECT count(*) FROM t").await, "2");
    // In a block all the same: nobody could tell from the text of one statement.
    client.send_query("BEGIN; INSERT INTO t VALUES (3); COMMIT AND CHAIN").await;
    client.expect_until(b'Z').await;
    let error = client.expect_error().await;
    assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "0A000"), "{error}");
    until("it is rolled back", async || other.value("SELECT count(*) FROM t").await == "3").await;
}
