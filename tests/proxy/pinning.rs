//! Session state in transaction mode: who makes it keeps its server connection.

use std::rc::Rc;

use testkit::frames::{self, bind, execute, kinds, parse, sync};
use tokio::task::LocalSet;

use crate::scene::{Scene, error, until, values};

/// Must survive: LISTEN and NOTIFY
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
async fn settings_that_are_not_reported_follow_the_client_without_a_pin() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE SCHEMA s").await;
    let [mut one, mut other] = scene.clients().await;
    one.rows("SET search_path TO s").await;
    for _ in 0..3 {
        assert_eq!(other.value("SHOW search_path").await, "\"$user\", public");
        assert_eq!(one.value("SHOW search_path").await, "s");
    }
    assert_eq!(scene.pinned(&one).await, "");
    one.rows("DISCARD ALL").await;
    assert_eq!(one.value("SHOW search_path").await, "\"$user\", public");
}

#[tokio::test]
async fn settings_made_by_a_procedure_follow_the_client_too() {
    let scene = Scene::with_pool_of(1).await;
    let [mut one, mut other] = scene.clients().await;
    one.rows("DO $$ BEGIN EXECUTE $q$SET work_mem TO '5MB'$q$; END $$").await;
    for _ in 0..2 {
        assert_eq!(other.value("SHOW work_mem").await, "4MB");
        assert_eq!(one.value("SHOW work_mem").await, "5MB");
    }
    assert_eq!(scene.pinned(&one).await, "");
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

#[tokio::test]
async fn whatever_makes_state_pins_by_either_protocol() {
    let scene = Scene::with_pool_of(2).await.with_schema("CREATE SEQUENCE s").await;
    for (sql, reason) in [
        ("SET work_mem = '5MB'", ""),
        ("SELECT set_config('work_mem', '5MB', false)", ""),
        ("SET ROLE limited", ""),
        ("SET SESSION AUTHORIZATION limited", ""),
        ("CREATE TEMP SEQUENCE x", "temporary table"),
        ("CREATE TEMP VIEW x AS SELECT 1", "temporary table"),
        ("SELECT 1 AS a INTO TEMP x", "temporary table"),
        ("CREATE TABLE pg_temp.x (a int)", "temporary table"),
        ("LISTEN x", "LISTEN"),
        ("SELECT pg_try_advisory_lock_shared(1)", "advisory lock"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("SELECT nextval('s'), lastval()", "sequence state"),
        ("DO $$ BEGIN PERFORM 1; END $$", ""),
        ("DO $$ BEGIN CREATE TEMP TABLE x (a int); END $$", "temporary table"),
        ("LOAD 'plpgsql'", "LOAD"),
        ("SELECT 1", ""),
        ("SELECT pg_advisory_xact_lock(1)", ""),
        ("SELECT nextval('s')", ""),
        ("SET LOCAL work_mem = '5MB'", ""),
        ("SELECT set_config('work_mem', '5MB', true)", ""),
        ("NOTIFY x", ""),
    ] {
        for request in by_either_protocol(sql) {
            let mut client = scene.client().await;
            client.send(&request).await;
            let answered = client.expect_until(b'Z').await;
            assert!(!kinds(&answered).contains('E'), "{sql}: {answered:?}");
            until(sql, async || scene.pinned(&client).await == reason).await;
            client.terminate().await;
        }
    }
}

#[tokio::test]
async fn a_lock_taken_by_a_statement_that_fails_pins_all_the_same() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let answered =
        client.query("SELECT 1 / (2 - i), pg_advisory_lock(i) FROM generate_series(1, 2) i").await;
    assert!(kinds(&answered).contains('E'));
    assert_eq!(
        client
            .value(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            .await,
        "1"
    );
    assert_eq!(scene.pinned(&client).await, "advisory lock");
}

#[tokio::test]
async fn a_lock_taken_by_a_portal_that_is_never_finished_pins_all_the_same() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let sql = "SELECT pg_advisory_lock(i) FROM generate_series(1, 5) i";
    client.send(&[parse("", sql), bind("", "", &[]), execute("", 2), sync()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "12DDsZ");
    assert_eq!(scene.pinned(&client).await, "advisory lock");
}

#[tokio::test]
async fn a_cursor_with_hold_keeps_its_rows() {
    let scene = Scene::with_pool_of(2).await;
    let [mut client, mut other] = scene.clients().await;
    client.rows("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 4); COMMIT").await;
    assert_eq!(scene.pinned(&client).await, "cursor WITH HOLD");
    for expected in ["1", "2", "3", "4"] {
        other.rows("SELECT 1").await;
        assert_eq!(client.value("FETCH c").await, expected);
    }
}

#[tokio::test]
async fn a_pinned_client_keeps_its_server_connection_when_it_is_old() {
    let scene =
        Scene::open(["--set", "server_lifetime=100ms", "--set", "server_idle_timeout=100ms"]).await;
    let mut client = scene.client().await;
    client.rows("CREATE TEMP TABLE t AS SELECT 7 AS a").await;
    let old = "SELECT clock_timestamp() - backend_start > interval '300 ms'
        FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    until("it is old", async || client.value(old).await == "t").await;
    assert_eq!(client.value("SELECT a FROM t").await, "7");
}

#[tokio::test]
async fn what_functions_leave_is_learned_from_the_server() {
    let scene = Scene::with_pool_of(1)
        .await
        .with_schema(
            "CREATE FUNCTION set_tenant(name text) RETURNS void LANGUAGE plpgsql AS $$
                BEGIN PERFORM set_config('shop.tenant', name, false); END $$;
             CREATE FUNCTION by_way_of(name text) RETURNS void LANGUAGE sql
                AS 'SELECT set_tenant(name)';
             CREATE FUNCTION keep(name text) RETURNS void LANGUAGE plpgsql AS $$
                BEGIN EXECUTE 'CREATE TEMP TABLE ' || name || ' (a int)'; END $$;
             CREATE FUNCTION plain(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1'",
        )
        .await;
    let [mut one, mut other] = scene.clients().await;
    let tenant = "SELECT current_setting('shop.tenant', true)";
    for (call, name) in [("set_tenant", "a"), ("by_way_of", "b"), ("\"set_tenant\"", "c")] {
        one.rows(&format!("SELECT {call}('{name}')")).await;
        for _ in 0..2 {
            assert_ne!(other.value(tenant).await, name, "{call}");
            assert_eq!(one.value(tenant).await, name, "{call}");
        }
    }
    assert_eq!(scene.pinned(&one).await, "");
    assert_eq!(one.value("SELECT plain(1)").await, "2");
    one.rows("SELECT keep('t')").await;
    until("it is pinned", async || scene.pinned(&one).await == "temporary table").await;
    assert_eq!(one.value("SELECT count(*) FROM t").await, "0");
    one.rows("DISCARD ALL").await;
    assert_eq!(other.value("SELECT to_regclass('t') IS NULL").await, "t");
}

/// What another client has drawn from a sequence is nobody else's business.
#[tokio::test]
async fn currval_and_lastval_never_tell_what_another_client_has_drawn() {
    let scene =
        Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (id serial, who text)").await;
    let [mut one, mut other] = scene.clients().await;
    let lastval = by_either_protocol("SELECT lastval()");
    for request in lastval.clone() {
        one.rows("INSERT INTO t (who) VALUES ('one')").await;
        other.rows("INSERT INTO t (who) VALUES ('other')").await;
        one.send(&request).await;
        let answered = one.expect_until(b'Z').await;
        assert_eq!(error(&answered).sqlstate(), "55000", "not the other's");
        one.rows("BEGIN").await;
        one.send(&request).await;
        assert_eq!(error(&one.expect_until(b'Z').await).sqlstate(), "55000", "nor in a block");
        one.rows("ROLLBACK").await;
    }
    for request in lastval {
        other.rows("INSERT INTO t (who) VALUES ('other')").await;
        let mut client = scene.client().await;
        client.rows("INSERT INTO t (who) VALUES ('mine')").await;
        client.send(&request).await;
        let told = values(&client.expect_until(b'Z').await);
        assert_eq!(told, [client.value("SELECT max(id) FROM t").await]);
        // From now on it is pinned.
        assert_eq!(scene.pinned(&client).await, "sequence state");
        client.terminate().await;
    }
    one.rows("BEGIN; INSERT INTO t (who) VALUES ('one')").await;
    assert_eq!(one.value("SELECT currval('t_id_seq')").await, one.value("SELECT lastval()").await);
    one.rows("COMMIT").await;
}

fn by_either_protocol(sql: &str) -> [Vec<u8>; 2] {
    let extended = [parse("", sql), bind("", "", &[]), execute("", 0), sync()].concat();
    [frames::query(sql), extended]
}

/// Twenty clients that pin, over two server connections: each gets its turn when another has put its
/// table away.
#[tokio::test]
async fn a_pool_of_two_serves_twenty_clients_with_temporary_tables() {
    let scene = Rc::new(Scene::with_pool_of(2).await);
    let (tasks, mut clients) = (LocalSet::new(), Vec::new());
    for number in 0..20 {
        let scene = Rc::clone(&scene);
        clients.push(tasks.spawn_local(async move {
            let mut client = scene.client().await;
            for (round, end) in
                ["DISCARD ALL", "DISCARD TEMP", "DROP TABLE mine"].iter().enumerate()
            {
                let value = number * 10 + round;
                client.rows(&format!("CREATE TEMP TABLE mine AS SELECT {value} AS a")).await;
                assert_eq!(client.value("SELECT a FROM mine").await, value.to_string());
                until("it is pinned", async || scene.pinned(&client).await == "temporary table")
                    .await;
                client.rows(end).await;
            }
            until("the pin is gone", async || scene.pinned(&client).await.is_empty()).await;
        }));
    }
    tasks.await;
    for client in clients {
        client.await.unwrap();
    }
    let idle = "SELECT count(*) FROM pg_class WHERE relname = 'mine' AND relpersistence = 't'";
    assert_eq!(scene.client().await.value(idle).await, "0");
}
