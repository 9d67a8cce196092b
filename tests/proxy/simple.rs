//! The simple protocol, and settings that follow a client.

use testkit::{ErrorFields, frames};

use crate::scene::{Scene, error, parameters, status, tags, values};

#[tokio::test]
async fn strings_of_several_statements_answer_in_order() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let mut client = scene.client().await;
    let answered = client
        .query("SELECT 1; INSERT INTO t VALUES (1), (2); SELECT a FROM t;;SELECT 'x;y'")
        .await;
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
async fn settings_end_with_their_savepoint() {
    let scene = Scene::with_pool_of(1).await;
    let [mut one, mut other] = scene.clients().await;
    one.rows("BEGIN; SET application_name TO 'kept'; SAVEPOINT s").await;
    one.rows("SET application_name TO 'lost'; SET TimeZone TO 'Asia/Tokyo'; ROLLBACK TO s").await;
    one.rows("COMMIT").await;
    other.rows("SELECT 1").await;
    assert_eq!(one.value("SHOW application_name").await, "kept");
    assert_eq!(one.value("SHOW TimeZone").await, "UTC");
}

#[tokio::test]
async fn reset_all_keeps_nothing_and_pins_nobody() {
    let scene = Scene::with_pool_of(1).await;
    let [mut one, mut other] = scene.clients().await;
    one.rows("SET application_name TO 'x'; SET TimeZone TO 'Asia/Tokyo'; RESET ALL").await;
    other.rows("SELECT 1").await;
    assert_eq!(one.value("SHOW application_name").await, "");
    assert_eq!(one.value("SHOW TimeZone").await, "UTC");
}
