//! The simple protocol, and session state in transaction mode.

use testkit::{ErrorFields, frames};

use crate::scene::{Scene, error, parameters, status, tags, until, values};

#[tokio::test]
async fn strings_of_several_statements_answer_in_order() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let mut client = scene.client().await;
    let answered =
        client.query("SELECT 1; INSERT INTO t VALUES (1), (2); SELECT a FROM t;;SELECT 'x;y'").await;
    assert_eq!(frames::kinds(&answered), "TDCCTDDCTDCZ");
    assert_eq!(tags(&answered), ["SELECT 1", "INSERT 0 2", "SELECT 2", "SELECT 1"]);
    assert_eq!(values(&answered), ["1", "1", "2", "x;y"]);
}

#[tokio::test]
async fn an_error_ends_a_string_and_takes_back_what_it_did() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let mut client = scene.client().await;
    let answered = client.query("INSERT INTO t VALUES (1); SELECT 1/0; SELECT 2").await;
    assert_eq!((frames::kinds(&answered).as_str(), status(&answered)), ("CEZ", 'I'));
    assert_eq!(error(&answered).sqlstate(), "22012");
    assert_eq!(client.value("SELECT count(*) FROM t").await, "0");
    let answered = client.query("SELECT 1; SELEKT").await;
    assert_eq!(frames::kinds(&answered), "EZ", "nothing runs of what cannot be parsed");
}

#[tokio::test]
async fn empty_strings_are_answered_as_such() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    for sql in ["", ";", " ; ;", "-- nothing", "/* nothing */"] {
        assert_eq!(frames::kinds(&client.query(sql).await), "IZ", "{sql:?}");
    }
}

#[tokio::test]
async fn the_transactions_status_is_the_servers() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    for (sql, expected) in [
        ("SELECT 1", 'I'),
        ("BEGIN", 'T'),
        ("SELECT 1", 'T'),
        ("SAVEPOINT s", 'T'),
        ("SELECT 1/0", 'E'),
        ("SELECT 1", 'E'),
        ("ROLLBACK TO s", 'T'),
        ("COMMIT; BEGIN; SELECT 1/0", 'E'),
        ("COMMIT", 'I'),
    ] {
        assert_eq!(status(&client.query(sql).await), expected, "{sql}");
    }
}

#[tokio::test]
async fn two_queries_in_one_write_are_two_queries() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let (one, other) = (frames::query("SELECT 1"), frames::query("SELECT 2"));
    client.send(&[one, other].concat()).await;
    assert_eq!(values(&client.expect_until(b'Z').await), ["1"]);
    assert_eq!(values(&client.expect_until(b'Z').await), ["2"]);
}

#[tokio::test]
async fn a_query_sent_byte_by_byte_is_a_query() {
    let scene = Scene::with_pool_of(1).await;
    let [mut slow, mut quick] = scene.clients().await;
    for byte in frames::query("SELECT 'slow'") {
        slow.send(&[byte]).await;
        // Half a message holds no server connection.
        assert_eq!(quick.value("SELECT 'quick'").await, "quick");
    }
    assert_eq!(values(&slow.expect_until(b'Z').await), ["slow"]);
}

#[tokio::test]
async fn notices_come_through() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let answered = client.query("DROP TABLE IF EXISTS no_such_table").await;
    assert_eq!(frames::kinds(&answered), "NCZ");
    assert_eq!(ErrorFields::read(&answered[0].1).sqlstate(), "00000");
    let answered = client.query("DO $$ BEGIN RAISE WARNING 'careful'; END $$").await;
    assert_eq!(ErrorFields::read(&answered[0].1).message(), "careful");
}

#[tokio::test]
async fn listeners_are_pinned_and_notified() {
    let scene = Scene::with_pool_of(2).await;
    let [mut listener, mut sender] = scene.clients().await;
    listener.rows("LISTEN news").await;
    assert_eq!(scene.pinned(&listener).await, "LISTEN");
    sender.rows("NOTIFY news, 'first'").await;
    let body = listener.expect(b'A').await;
    assert!(body.ends_with(b"news\0first\0"), "{body:?}");
    listener.rows("NOTIFY news, 'second'").await;
}

#[tokio::test]
async fn settings_that_the_server_reports_follow_the_client_without_a_pin() {
    let scene = Scene::with_pool_of(1).await;
    let [mut one, mut other] = scene.clients().await;
    let answered = one.query("SET application_name TO 'one'").await;
    assert_eq!(parameters(&answered)["application_name"], "one");
    one.rows("SET TIME ZONE 'Asia/Tokyo'; SET client_encoding = 'LATIN1'").await;
    other.rows("SET DateStyle = 'German'").await;
    let sql = "SELECT concat_ws('|', current_setting('application_name'),
        current_setting('TimeZone'), current_setting('client_encoding'),
        current_setting('DateStyle'))";
    for _ in 0..2 {
        assert_eq!(one.value(sql).await, "one|Asia/Tokyo|LATIN1|ISO, MDY");
        assert_eq!(other.value(sql).await, "|UTC|UTF8|German, DMY");
    }
    assert_eq!(scene.pinned(&one).await, "");
    let answered = one.query("RESET application_name").await;
    assert_eq!(parameters(&answered)["application_name"], "");
    other.rows("SELECT 1").await;
    assert_eq!(one.value(sql).await, "|Asia/Tokyo|LATIN1|ISO, MDY");
}

#[tokio::test]
async fn what_is_re_applied_is_not_reported_again() {
    let scene = Scene::with_pool_of(1).await;
    let [mut one, mut other] = scene.clients().await;
    one.rows("SET application_name TO 'one'").await;
    for _ in 0..2 {
        assert_eq!(frames::kinds(&other.query("SELECT 1").await), "TDCZ");
        assert_eq!(frames::kinds(&one.query("SELECT 1").await), "TDCZ");
    }
}

#[tokio::test]
async fn settings_end_with_their_transaction() {
    let scene = Scene::with_pool_of(1).await;
    let [mut one, mut other] = scene.clients().await;
    one.rows("BEGIN; SET application_name TO 'lost'; ROLLBACK").await;
    one.rows("BEGIN; SET LOCAL TimeZone TO 'Asia/Tokyo'; COMMIT").await;
    for client in [&mut other, &mut one] {
        assert_eq!(client.value("SHOW application_name").await, "");
        assert_eq!(client.value("SHOW TimeZone").await, "UTC");
    }
}

#[tokio::test]
async fn settings_that_are_not_reported_pin_until_discard_all() {
    let scene = Scene::with_pool_of(2).await.with_schema("CREATE SCHEMA s").await;
    let [mut one, mut other] = scene.clients().await;
    let pid = one.value("SELECT pg_backend_pid()").await;
    one.rows("SET search_path TO s").await;
    assert_eq!(scene.pinned(&one).await, "SET");
    for _ in 0..3 {
        assert_ne!(other.value("SELECT pg_backend_pid()").await, pid);
        assert_eq!(other.value("SHOW search_path").await, "\"$user\", public");
        assert_eq!(one.value("SHOW search_path").await, "s");
    }
    one.rows("DISCARD ALL").await;
    until("the pin is gone", async || scene.pinned(&one).await.is_empty()).await;
    assert_eq!(one.value("SHOW search_path").await, "\"$user\", public");
}

#[tokio::test]
async fn a_temporary_table_pins_and_goes_with_its_client() {
    let scene = Scene::with_pool_of(1).await;
    let mut one = scene.client().await;
    one.rows("CREATE TEMP TABLE cart (a int); INSERT INTO cart VALUES (7)").await;
    assert_eq!(scene.pinned(&one).await, "temporary table");
    assert_eq!(one.value("SELECT a FROM cart").await, "7");
    // The only server connection is pinned: the other one waits for the first to leave.
    let mut other = scene.client().await;
    other.send_query("SELECT to_regclass('cart')::text").await;
    assert_eq!(one.value("SELECT a FROM cart").await, "7");
    one.terminate().await;
    let answered = other.expect_until(b'Z').await;
    assert_eq!(frames::row_values(&answered[1].1), [None]);
}

#[tokio::test]
async fn state_of_a_client_that_vanishes_is_gone_for_the_next() {
    for state in [
        "CREATE TEMP TABLE left_over (a int)",
        "SET search_path TO nowhere",
        "SET SESSION AUTHORIZATION limited",
        "SELECT pg_advisory_lock(5)",
        "PREPARE left_over AS SELECT 1",
        "LISTEN left_over",
        "BEGIN; DECLARE left_over CURSOR WITH HOLD FOR SELECT 1; COMMIT",
        "BEGIN; LOCK TABLE pg_class; SELECT pg_advisory_lock(5)",
    ] {
        let scene = Scene::with_pool_of(1).await;
        let [mut one, mut next] = scene.clients().await;
        one.rows(state).await;
        one.abort();
        let sql = "SELECT (to_regclass('left_over') IS NULL)
            AND current_setting('search_path') <> 'nowhere' AND current_user = 'postgres'
            AND NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'left_over')
            AND NOT EXISTS (SELECT FROM pg_listening_channels())
            AND NOT EXISTS (SELECT FROM pg_cursors)
            AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 5
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        assert_eq!(next.value(sql).await, "t", "{state}");
    }
}
