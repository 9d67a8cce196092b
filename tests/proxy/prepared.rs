//! Prepared statements of clients that share server connections.

use testkit::ScriptedClient;
use testkit::frames::{bind, close, describe, execute, kinds, parse, sync};

use crate::scene::{Scene, error, show, status, values};

async fn exchange(client: &mut ScriptedClient, messages: &[Vec<u8>]) -> Vec<testkit::Frame> {
    client.send(&messages.concat()).await;
    client.expect_until(b'Z').await
}

/// Binds and executes a statement without parameters, which must give one row.
async fn run(client: &mut ScriptedClient, name: &str) -> String {
    let answered = exchange(client, &[bind("", name, &[]), execute("", 0), sync()]).await;
    assert_eq!(kinds(&answered), "2DCZ", "statement {name:?}: {answered:?}");
    values(&answered).remove(0)
}

async fn prepare(client: &mut ScriptedClient, name: &str, sql: &str) {
    assert_eq!(kinds(&exchange(client, &[parse(name, sql), sync()]).await), "1Z");
}

#[tokio::test]
async fn the_unnamed_statement_lives_on_while_others_use_the_server() {
    let scene = Scene::with_pool_of(1).await;
    let [mut one, mut other] = scene.clients().await;
    prepare(&mut one, "", "SELECT 'one'").await;
    prepare(&mut other, "", "SELECT 'other'").await;
    for _ in 0..3 {
        assert_eq!(run(&mut one, "").await, "one");
        assert_eq!(run(&mut other, "").await, "other");
        let described = exchange(&mut one, &[describe(b'S', ""), sync()]).await;
        assert_eq!(kinds(&described), "tTZ");
    }
}

/// What code deallocates is seen by nobody but the server.
#[tokio::test]
async fn statements_that_code_has_deallocated_are_missed_once() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    prepare(&mut client, "known", "SELECT 'known'").await;
    let code = "DO $$ BEGIN EXECUTE 'DEALLOCATE ' || 'ALL'; END $$";
    other.rows(code).await;
    let again = [bind("", "known", &[]), execute("", 0), sync()];
    let answered = exchange(&mut client, &again).await;
    if kinds(&answered) != "2DCZ" {
        assert_eq!(error(&answered).sqlstate(), "26000");
    }
    assert_eq!(run(&mut client, "known").await, "known");
}

/// PostgreSQL too sends its answers when a request is at its end, whatever was sent ahead.
#[tokio::test]
async fn what_is_answered_does_not_wait_for_the_next_requests_server() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut holder] = scene.clients().await;
    prepare(&mut client, "known", "SELECT 'known'").await;
    holder.rows("BEGIN").await;
    let next = [bind("", "again", &[]), execute("", 0), sync()].concat();
    client.send(&[parse("again", "SELECT 'known'"), sync(), next].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "1Z");
    holder.rows("COMMIT").await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "2DCZ");
}

#[tokio::test]
async fn a_simple_query_ends_the_unnamed_statement() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    prepare(&mut client, "", "SELECT 1").await;
    client.rows("SELECT 2").await;
    // Another client's unnamed statement on the same server is none of its business.
    prepare(&mut other, "", "SELECT 'other'").await;
    let answered = exchange(&mut client, &[bind("", "", &[]), execute("", 0), sync()]).await;
    assert_eq!(error(&answered).sqlstate(), "26000");
    assert_eq!(error(&answered).message(), "unnamed prepared statement does not exist");
    assert_eq!(run(&mut other, "").await, "other");
}

/// Must survive: prepared statements in transaction mode
#[tokio::test]
async fn one_name_is_another_statement_for_each_client() {
    for pool in [1, 2] {
        let scene = Scene::with_pool_of(pool).await;
        let mut clients: [ScriptedClient; 12] = scene.clients().await;
        for (index, client) in clients.iter_mut().enumerate() {
            prepare(client, "s", &format!("SELECT 'client {index}'")).await;
        }
        for _ in 0..3 {
            for client in &mut clients {
                client.send(&[bind("", "s", &[]), execute("", 0), sync()].concat()).await;
            }
            for (index, client) in clients.iter_mut().enumerate() {
                let answered = client.expect_until(b'Z').await;
                assert_eq!(values(&answered), [format!("client {index}")]);
            }
        }
    }
}

#[tokio::test]
async fn what_many_clients_prepare_is_once_on_the_server() {
    let scene = Scene::with_pool_of(1).await;
    let mut clients: [ScriptedClient; 8] = scene.clients().await;
    for client in &mut clients {
        prepare(client, "mine", "SELECT $1::int").await;
    }
    let count = clients[0].value("SELECT count(*) FROM pg_prepared_statements").await;
    assert_eq!(count, "1");
}

#[tokio::test]
async fn more_statements_than_a_server_may_keep() {
    let scene =
        Scene::open(["--default-pool-size", "1", "--set", "max_prepared_statements=3"]).await;
    let [mut one, mut other] = scene.clients().await;
    for number in 0..10 {
        prepare(&mut one, &format!("s{number}"), &format!("SELECT 'one {number}'")).await;
        prepare(&mut other, &format!("s{number}"), &format!("SELECT 'other {number}'")).await;
    }
    for number in [0, 9, 5, 5, 0, 1, 2, 3, 4, 9, 8, 7, 6] {
        assert_eq!(run(&mut one, &format!("s{number}")).await, format!("one {number}"));
        assert_eq!(run(&mut other, &format!("s{number}")).await, format!("other {number}"));
    }
    let kept: u32 = one.value("SELECT count(*) FROM pg_prepared_statements").await.parse().unwrap();
    assert!(kept <= 3, "{kept} statements on the server");
}

/// Must survive: a statement evicted while in use
#[tokio::test]
async fn more_statements_in_one_pipeline_than_a_server_may_keep() {
    let scene =
        Scene::open(["--default-pool-size", "1", "--set", "max_prepared_statements=3"]).await;
    let mut client = scene.client().await;
    let names: Vec<String> = (0..10).map(|number| format!("s{number}")).collect();
    let mut request: Vec<Vec<u8>> =
        names.iter().map(|name| parse(name, &format!("SELECT '{name}'"))).collect();
    for name in &names {
        request.extend([bind("", name, &[]), execute("", 0)]);
    }
    request.push(sync());
    let answered = exchange(&mut client, &request).await;
    assert_eq!(kinds(&answered), format!("{}{}Z", "1".repeat(10), "2DC".repeat(10)));
    assert_eq!(values(&answered), names);
    // A portal of a statement that had to make room goes on.
    client.rows("BEGIN").await;
    let many = [parse("rows", "SELECT generate_series(1, 3)"), bind("p", "rows", &[])];
    let rest = [execute("p", 1), sync()];
    exchange(&mut client, &[many.concat(), rest.concat()]).await;
    for name in &names {
        assert_eq!(run(&mut client, name).await, *name);
    }
    assert_eq!(values(&exchange(&mut client, &[execute("p", 0), sync()]).await), ["2", "3"]);
}

#[tokio::test]
async fn a_name_twice_is_refused_in_the_clients_words() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    prepare(&mut client, "mine", "SELECT 1").await;
    prepare(&mut other, "theirs", "SELECT 1").await;
    let answered = exchange(&mut client, &[parse("mine", "SELECT 2"), sync()]).await;
    let refused = error(&answered);
    assert_eq!(refused.sqlstate(), "42P05");
    assert_eq!(refused.message(), "prepared statement \"mine\" already exists");
    assert_eq!(run(&mut client, "mine").await, "1");
    // The unnamed statement may be replaced at any time.
    prepare(&mut client, "", "SELECT 3").await;
    prepare(&mut client, "", "SELECT 4").await;
    assert_eq!(run(&mut client, "").await, "4");
}

#[tokio::test]
async fn a_statement_that_does_not_exist_is_refused_in_the_clients_words() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    prepare(&mut other, "theirs", "SELECT 1").await;
    for name in ["mine", "theirs", "__pgweir_0"] {
        for message in [bind("", name, &[]), describe(b'S', name)] {
            let answered = exchange(&mut client, &[message, sync()]).await;
            let refused = error(&answered);
            assert_eq!(refused.sqlstate(), "26000");
            assert!(refused.message().contains(name), "{refused}");
        }
        let answered = exchange(&mut client, &[close(b'S', name), sync()]).await;
        assert_eq!(kinds(&answered), "3Z", "closing what is not there is no error");
    }
    assert_eq!(run(&mut other, "theirs").await, "1");
}

/// Must survive: Close of a statement
#[tokio::test]
async fn a_closed_statement_is_gone_and_its_name_free() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    prepare(&mut client, "s", "SELECT 1").await;
    prepare(&mut other, "s", "SELECT 1").await;
    assert_eq!(kinds(&exchange(&mut client, &[close(b'S', "s"), sync()]).await), "3Z");
    let answered = exchange(&mut client, &[bind("", "s", &[]), sync()]).await;
    assert_eq!(error(&answered).sqlstate(), "26000");
    assert_eq!(run(&mut other, "s").await, "1");
    let again = [close(b'S', "s"), parse("s", "SELECT 2"), bind("", "s", &[])];
    let answered = exchange(&mut client, &[again.concat(), execute("", 0), sync()]).await;
    assert_eq!((kinds(&answered).as_str(), values(&answered)), ("312DCZ", vec!["2".to_owned()]));
}

/// Must survive: DEALLOCATE as PHP sends it
#[tokio::test]
async fn sql_gets_rid_of_protocol_level_statements() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    prepare(&mut other, "s", "SELECT 'other'").await;
    for sql in ["DEALLOCATE s", "DEALLOCATE PREPARE \"s\"", "DEALLOCATE ALL", "DISCARD ALL"] {
        prepare(&mut client, "s", "SELECT 'mine'").await;
        prepare(&mut client, "t", "SELECT 't'").await;
        let answered = client.query(sql).await;
        assert_eq!(kinds(&answered).replace('S', ""), "CZ", "{sql}: {answered:?}");
        let answered = exchange(&mut client, &[bind("", "s", &[]), sync()]).await;
        assert_eq!(error(&answered).sqlstate(), "26000", "{sql}");
        if sql.ends_with("ALL") {
            let answered = exchange(&mut client, &[bind("", "t", &[]), sync()]).await;
            assert_eq!(error(&answered).sqlstate(), "26000", "{sql}");
        } else {
            assert_eq!(run(&mut client, "t").await, "t", "{sql}");
            exchange(&mut client, &[close(b'S', "t"), sync()]).await;
        }
        assert_eq!(run(&mut other, "s").await, "other", "after another client's {sql}");
    }
    let answered = client.query("DEALLOCATE no_such_statement").await;
    assert_eq!(
        error(&answered).message(),
        "prepared statement \"no_such_statement\" does not exist"
    );
}

#[tokio::test]
async fn deallocate_by_the_extended_protocol_works_too() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    prepare(&mut other, "s", "SELECT 'other'").await;
    for sql in ["DEALLOCATE ALL", "DISCARD ALL"] {
        prepare(&mut client, "s", "SELECT 'mine'").await;
        let messages = [parse("", sql), bind("", "", &[]), execute("", 0), sync()];
        let answered = exchange(&mut client, &messages).await;
        assert_eq!(kinds(&answered).replace('S', ""), "12CZ", "{sql}: {answered:?}");
        let answered = exchange(&mut client, &[bind("", "s", &[]), sync()]).await;
        assert_eq!(error(&answered).sqlstate(), "26000", "{sql}");
        assert_eq!(run(&mut other, "s").await, "other");
    }
}

#[tokio::test]
async fn a_statement_that_cannot_be_parsed_leaves_its_name_free() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    for sql in ["SELEKT 1", "SELECT * FROM no_such_table"] {
        let request = [parse("s", sql), bind("", "s", &[]), execute("", 0), sync()];
        let answered = exchange(&mut client, &request).await;
        assert_eq!(kinds(&answered), "EZ");
        let answered = exchange(&mut client, &[bind("", "s", &[]), sync()]).await;
        assert_eq!(error(&answered).sqlstate(), "26000");
    }
    prepare(&mut client, "s", "SELECT 1").await;
    assert_eq!(run(&mut client, "s").await, "1");
}

#[tokio::test]
async fn a_parse_that_was_skipped_never_happened() {
    let scene = Scene::with_pool_of(1).await;
    let [mut client, mut other] = scene.clients().await;
    // Kept by the server already, so that the proxy answers for it.
    prepare(&mut other, "s", "SELECT 'shared'").await;
    let request = [
        parse("bad", "SELEKT"),
        parse("shared", "SELECT 'shared'"),
        parse("new", "SELECT 'new'"),
        sync(),
        parse("late", "SELECT 'shared'"),
        sync(),
    ];
    assert_eq!(kinds(&exchange(&mut client, &request).await), "EZ");
    assert_eq!(kinds(&client.expect_until(b'Z').await), "1Z");
    for name in ["bad", "shared", "new"] {
        let answered = exchange(&mut client, &[bind("", name, &[]), sync()]).await;
        assert_eq!(error(&answered).sqlstate(), "26000", "{name}");
    }
    assert_eq!(run(&mut client, "late").await, "shared");
    prepare(&mut client, "new", "SELECT 'new'").await;
    assert_eq!(run(&mut client, "new").await, "new");
    assert_eq!(run(&mut other, "s").await, "shared");
}

#[tokio::test]
async fn what_succeeded_before_an_error_in_the_pipeline_stays() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let request = [parse("kept", "SELECT 'kept'"), parse("", "SELECT 1/0"), bind("", "", &[])];
    let answered = exchange(&mut client, &[request.concat(), execute("", 0), sync()]).await;
    assert_eq!(error(&answered).sqlstate(), "22012");
    assert_eq!(run(&mut client, "kept").await, "kept");
}

#[tokio::test]
async fn a_statement_is_parsed_again_after_its_table_changed() {
    let scene = Scene::with_pool_of(2).await.with_schema("CREATE TABLE t (a int)").await;
    let [mut client, mut other] = scene.clients().await;
    prepare(&mut client, "s", "SELECT * FROM t").await;
    exchange(&mut client, &[bind("", "s", &[]), execute("", 0), sync()]).await;
    other.rows("ALTER TABLE t ADD b int").await;
    // As without a pooler: the result type of a cached plan must not change (0A000).
    let answered = exchange(&mut client, &[bind("", "s", &[]), execute("", 0), sync()]).await;
    assert_eq!((error(&answered).sqlstate(), status(&answered)), ("0A000", 'I'));
    // Drivers then close and prepare again, and must get the new row type.
    exchange(&mut client, &[close(b'S', "s"), sync()]).await;
    let again = [parse("s", "SELECT * FROM t"), describe(b'S', "s"), bind("", "s", &[])];
    let answered = exchange(&mut client, &[again.concat(), execute("", 0), sync()]).await;
    assert_eq!(kinds(&answered), "1tT2CZ", "{answered:?}");
}

/// Must survive: a table that changes under a statement
#[tokio::test]
async fn an_unnamed_statement_is_what_it_would_be_after_its_table_changed() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a int)").await;
    let [mut client, mut other] = scene.clients().await;
    // Settings of its own stand in front of what it sends.
    client.rows("SET work_mem TO '5MB'").await;
    let sql = "SELECT * FROM t WHERE a = $1";
    let columns = [parse("", sql), describe(b'S', ""), sync()].concat();
    let rows = [parse("", sql), bind("", "", &[Some("1")]), execute("", 0), sync()].concat();
    let mut count = 1;
    for (request, expected) in [(&columns, "1tTZ"), (&rows, "12CZ"), (&columns, "1tTZ")] {
        for _ in 0..3 {
            assert_eq!(
                kinds(&exchange(&mut client, std::slice::from_ref(request)).await),
                expected
            );
        }
        other.rows(&format!("ALTER TABLE t ADD c{count} int")).await;
        count += 1;
        let answered = exchange(&mut client, std::slice::from_ref(request)).await;
        assert_eq!(kinds(&answered), expected);
        let answered = exchange(&mut client, &[describe(b'S', ""), sync()]).await;
        let (_, described) = answered.iter().find(|(kind, _)| *kind == b'T').unwrap();
        assert_eq!(described[..2], [0, count], "all columns");
    }
}

#[tokio::test]
async fn sql_level_prepare_pins_and_works() {
    let scene = Scene::with_pool_of(2).await;
    let [mut client, mut other] = scene.clients().await;
    client.rows("PREPARE p (int) AS SELECT $1 + 1").await;
    other.rows("PREPARE p AS SELECT 'other'").await;
    assert_eq!(client.value("EXECUTE p(41)").await, "42");
    assert_eq!(other.value("EXECUTE p").await, "other");
    let request = [bind("", "p", &[Some("1")]), execute("", 0), sync()];
    assert_eq!(values(&exchange(&mut client, &request).await), ["2"]);
    client.rows("DEALLOCATE p").await;
    assert_eq!(error(&client.query("EXECUTE p(1)").await).sqlstate(), "26000");
}

#[tokio::test]
async fn the_console_counts_what_a_client_has_prepared() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    for name in ["a", "b", "c"] {
        prepare(&mut client, name, "SELECT 1").await;
    }
    let console = scene.console().await;
    assert_eq!(show(&console, "SHOW CLIENTS").await[0]["prepared_statements"], "3");
    assert_eq!(show(&console, "SHOW SERVERS").await[0]["prepared_statements"], "1");
}

#[tokio::test]
async fn texts_that_differ_only_in_their_declared_types_are_two_statements() {
    let scene = Scene::with_pool_of(1).await;
    let client = scene.driver().await;
    let other = scene.driver().await;
    let sql = "SELECT $1 IS NULL, pg_typeof($1)::text";
    let int = client.prepare_typed(sql, &[tokio_postgres::types::Type::INT4]).await.unwrap();
    let text = other.prepare_typed(sql, &[tokio_postgres::types::Type::TEXT]).await.unwrap();
    assert_eq!(client.query_one(&int, &[&1_i32]).await.unwrap().get::<_, String>(1), "integer");
    assert_eq!(other.query_one(&text, &[&"x"]).await.unwrap().get::<_, String>(1), "text");
}

#[tokio::test]
async fn a_statement_that_another_server_cannot_parse_is_that_error() {
    let scene = Scene::with_pool_of(2).await.with_schema("CREATE TABLE t (a int)").await;
    let [mut client, mut holder] = scene.clients().await;
    prepare(&mut client, "s", "SELECT count(*) FROM t").await;
    // The server that has it is taken: it must be prepared on the other one.
    let pid = client.value("SELECT pg_backend_pid()").await;
    holder.rows("BEGIN").await;
    assert_eq!(holder.value("SELECT pg_backend_pid()").await, pid);
    holder.rows("DROP TABLE t; COMMIT; BEGIN").await;
    for _ in 0..2 {
        let request = [bind("", "s", &[]), execute("", 0), sync()];
        let answered = exchange(&mut client, &request).await;
        assert_eq!((kinds(&answered).as_str(), error(&answered).sqlstate()), ("EZ", "42P01"));
    }
    client.rows("CREATE TABLE t (a int)").await;
    assert_eq!(run(&mut client, "s").await, "0");
    holder.rows("COMMIT").await;
}
