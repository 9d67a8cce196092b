//! The extended protocol, message by message.

use testkit::frames::{self, bind, close, describe, execute, flush, kinds, parse, sync};

use crate::scene::{Scene, error, status, tags, values};

#[tokio::test]
async fn a_whole_request_in_one_write() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let request = [
        parse("", "SELECT $1::int + 1"),
        describe(b'S', ""),
        bind("", "", &[Some("41")]),
        describe(b'P', ""),
        execute("", 0),
        sync(),
    ];
    client.send(&request.concat()).await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!(kinds(&answered), "1tT2TDCZ");
    assert_eq!((values(&answered), status(&answered)), (vec!["42".to_owned()], 'I'));
}

#[tokio::test]
async fn a_request_cut_anywhere_is_the_same_request() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    client.send(&[parse("named", "SELECT $1::text"), sync()].concat()).await;
    client.expect_until(b'Z').await;
    let request = [
        parse("", "SELECT 'unnamed ' || $1"),
        bind("p", "", &[Some("a")]),
        describe(b'P', "p"),
        execute("p", 0),
        close(b'P', "p"),
        bind("", "named", &[Some("b")]),
        execute("", 0),
        sync(),
    ]
    .concat();
    for cut in 1..request.len() {
        client.send(&request[..cut]).await;
        client.send(&request[cut..]).await;
        let answered = client.expect_until(b'Z').await;
        assert_eq!(kinds(&answered), "12TDC32DCZ", "cut at {cut}");
        assert_eq!(values(&answered), ["unnamed a", "b"]);
        if cut % 10 == 0 {
            other.send(&[parse("", "SELECT 1"), sync()].concat()).await;
            other.expect_until(b'Z').await;
        }
    }
    for byte in &request {
        client.send(&[*byte]).await;
    }
    assert_eq!(values(&client.expect_until(b'Z').await), ["unnamed a", "b"]);
}

#[tokio::test]
async fn each_message_with_a_flush_is_answered_by_itself() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    for (message, answers) in [
        (parse("s", "SELECT $1::int"), "1"),
        (describe(b'S', "s"), "tT"),
        (bind("p", "s", &[Some("1")]), "2"),
        (describe(b'P', "p"), "T"),
        (execute("p", 0), "DC"),
        (close(b'P', "p"), "3"),
        (close(b'S', "s"), "3"),
    ] {
        client.send(&[message, flush()].concat()).await;
        for answer in answers.bytes() {
            client.expect(answer).await;
        }
    }
    client.send(&sync()).await;
    assert_eq!(status(&client.expect_until(b'Z').await), 'I');
}

#[tokio::test]
async fn a_lone_sync_is_answered() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    client.send(&[sync(), sync(), flush(), sync()].concat()).await;
    for _ in 0..3 {
        assert_eq!(kinds(&client.expect_until(b'Z').await), "Z");
    }
    client.rows("BEGIN").await;
    client.send(&sync()).await;
    assert_eq!(status(&client.expect_until(b'Z').await), 'T');
}

#[tokio::test]
async fn statements_without_rows_and_without_text() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let mut client = scene.client().await;
    let run = |sql| {
        let messages =
            [parse("", sql), bind("", "", &[]), describe(b'P', ""), execute("", 0), sync()];
        messages.concat()
    };
    for (sql, answers) in [
        ("INSERT INTO t VALUES (1)", "12nCZ"),
        ("", "12nIZ"),
        ("SELECT 1 WHERE false", "12TCZ"),
        ("INSERT INTO t VALUES (2) RETURNING a", "12TDCZ"),
    ] {
        client.send(&run(sql)).await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), answers, "{sql}");
    }
}

#[tokio::test]
async fn a_pipeline_of_many_syncs_is_answered_in_order() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    let mut request = parse("s", "SELECT $1::int");
    let numbers: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    for number in &numbers {
        request.extend(bind("", "s", &[Some(number)]));
        request.extend(execute("", 0));
        request.extend(sync());
    }
    client.send(&request).await;
    for number in &numbers {
        assert_eq!(values(&client.expect_until(b'Z').await).concat(), *number);
    }
    assert_eq!(other.value("SELECT 1").await, "1");
}

/// Must survive: error in a pipeline then Sync
#[tokio::test]
async fn an_error_in_a_pipeline_skips_to_its_sync_and_no_further() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let mut client = scene.client().await;
    let insert = |value: &str| {
        [parse("", &format!("INSERT INTO t VALUES ({value})")), bind("", "", &[]), execute("", 0)]
            .concat()
    };
    let request = [
        insert("1"),
        insert("1/0"),
        insert("2"),
        describe(b'S', ""),
        sync(),
        insert("3"),
        sync(),
        insert("4"),
        insert("no_such_column"),
        insert("5"),
        sync(),
        insert("6"),
        sync(),
    ];
    client.send(&request.concat()).await;
    let expected = [("12C1EZ", "22012"), ("12CZ", ""), ("12CEZ", "42703"), ("12CZ", "")];
    for (answers, code) in expected {
        let answered = client.expect_until(b'Z').await;
        assert_eq!(kinds(&answered), answers);
        if !code.is_empty() {
            assert_eq!(error(&answered).sqlstate(), code);
        }
    }
    assert_eq!(values(&client.query("SELECT a FROM t ORDER BY a").await), ["3", "6"]);
}

#[tokio::test]
async fn after_an_error_without_sync_everything_waits_for_the_sync() {
    let scene = Scene::with_pool_of(2).await;
    let [mut client, mut other] = scene.clients().await;
    client.send(&[parse("bad", "SELEKT"), flush()].concat()).await;
    assert_eq!(client.expect_error().await.sqlstate(), "42601");
    let skipped = [
        parse("good", "SELECT 1"),
        bind("", "good", &[]),
        execute("", 0),
        frames::query("SELECT 'skipped too'"),
        flush(),
    ];
    client.send(&skipped.concat()).await;
    assert_eq!(other.value("SELECT 1").await, "1");
    client.send(&sync()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "Z");
    client.send(&[bind("", "good", &[]), sync()].concat()).await;
    assert_eq!(error(&client.expect_until(b'Z').await).sqlstate(), "26000");
    assert_eq!(client.value("SELECT 1").await, "1");
}

/// Must survive: PortalSuspended
#[tokio::test]
async fn max_rows_suspends_a_portal_and_execute_goes_on() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let begin = [
        parse("", "SELECT generate_series(1, 5)"),
        bind("p", "", &[]),
        execute("p", 2),
        execute("p", 2),
        flush(),
    ];
    client.send(&begin.concat()).await;
    let mut answered = Vec::new();
    while kinds(&answered).matches('s').count() < 2 {
        answered.push(client.expect_frame().await);
    }
    assert_eq!(kinds(&answered), "12DDsDDs");
    client.send(&[execute("p", 0), sync()].concat()).await;
    let rest = client.expect_until(b'Z').await;
    assert_eq!((kinds(&rest).as_str(), tags(&rest)), ("DCZ", vec!["SELECT 1".to_owned()]));

    // A Sync outside of a transaction block ends the portal.
    client.send(&[bind("p", "", &[]), execute("p", 2), sync()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "2DDsZ");
    client.send(&[execute("p", 0), sync()].concat()).await;
    assert_eq!(error(&client.expect_until(b'Z').await).sqlstate(), "34000");
}

/// Must survive: PortalSuspended
#[tokio::test]
async fn in_a_transaction_block_portals_outlive_a_sync() {
    let scene = Scene::with_pool_of(2).await;
    let [mut client, mut other] = scene.clients().await;
    client.rows("BEGIN").await;
    let begin =
        [parse("s", "SELECT generate_series(1, 5)"), bind("p", "s", &[]), execute("p", 2), sync()];
    client.send(&begin.concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "12DDsZ");
    assert_eq!(other.value("SELECT 1").await, "1");
    client.send(&[execute("p", 0), sync()].concat()).await;
    assert_eq!(values(&client.expect_until(b'Z').await), ["3", "4", "5"]);
    client.rows("COMMIT").await;
    client.send(&[execute("p", 0), sync()].concat()).await;
    assert_eq!(error(&client.expect_until(b'Z').await).sqlstate(), "34000");
}

#[tokio::test]
async fn a_failed_block_refuses_all_but_its_end() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    client.send(&[parse("s", "SELECT 1"), parse("end", "ROLLBACK"), sync()].concat()).await;
    client.expect_until(b'Z').await;
    assert_eq!(status(&client.query("BEGIN; SELECT 1/0").await), 'E');
    client.send(&[bind("", "s", &[]), execute("", 0), sync()].concat()).await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!((error(&answered).sqlstate(), status(&answered)), ("25P02", 'E'));
    client.send(&[bind("", "end", &[]), execute("", 0), sync()].concat()).await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!((kinds(&answered).as_str(), status(&answered)), ("2CZ", 'I'));
    assert_eq!(other.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn simple_and_extended_requests_mix_in_one_write() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let request = [
        frames::query("SELECT 1"),
        parse("", "SELECT 2"),
        bind("", "", &[]),
        execute("", 0),
        sync(),
        frames::query("BEGIN"),
        parse("", "SELECT 3"),
        bind("", "", &[]),
        execute("", 0),
        sync(),
        frames::query("COMMIT"),
    ];
    client.send(&request.concat()).await;
    for (answers, now) in [("TDCZ", 'I'), ("12DCZ", 'I'), ("CZ", 'T'), ("12DCZ", 'T'), ("CZ", 'I')]
    {
        let answered = client.expect_until(b'Z').await;
        assert_eq!((kinds(&answered).as_str(), status(&answered)), (answers, now));
    }
}

#[tokio::test]
async fn binary_values_and_explicit_types_pass_through() {
    let scene = Scene::with_pool_of(1).await;
    let client = scene.driver().await;
    let other = scene.driver().await;
    let sql = "SELECT $1::int8 + 1, $2::bytea, $3::text[]";
    let bytes: Vec<u8> = (0..=255).collect();
    let texts = vec!["a".to_owned(), String::new()];
    for _ in 0..2 {
        let row = client.query_one(sql, &[&41_i64, &bytes, &texts]).await.unwrap();
        assert_eq!((row.get(0), row.get(1), row.get(2)), (42_i64, bytes.clone(), texts.clone()));
        other.query_one("SELECT 1", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_function_call_is_answered() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    // FunctionCall of int4pl(40, 2): object id 177, text arguments, text result.
    let mut body = 177_u32.to_be_bytes().to_vec();
    body.extend([0, 0, 0, 2, 0, 0, 0, 2]);
    body.extend(b"40\0\0\0\x012\0\0");
    client.send_frame(b'F', &body).await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!((kinds(&answered).as_str(), &answered[0].1[4..]), ("VZ", &b"42"[..]));
    assert_eq!(client.value("SELECT 1").await, "1");
}
