//! SQL over the live tables, by both protocols.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::client::Client;
use super::driver::connect;
use super::live::FakeLive;
use crate::live::Role;

/// The rows of a query by the simple protocol, fields with `|` between; or the error's line.
async fn rows(text: &str) -> Vec<String> {
    let mut client = Client::new(Role::Stats, Arc::new(FakeLive::default()));
    let lines = client.query(text).await;
    let rows = lines.iter().filter_map(|line| {
        line.strip_prefix("row ").or_else(|| line.starts_with("ERROR").then_some(line.as_str()))
    });
    rows.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_profile_by_application() {
    let text = "SELECT application, sum(total_ms) FROM queries GROUP BY 1 ORDER BY 2 DESC";
    assert_eq!(rows(text).await, ["cart|803"]);
    let text = "SELECT q.text, p95_ms > 100 AS slow FROM queries AS q WHERE calls >= 2 \
                AND q.text ILIKE '%ORDERS%' ORDER BY q.total_ms DESC LIMIT 3;";
    assert_eq!(rows(text).await, ["select * from orders where customer_id = $1|t"]);
}

#[tokio::test]
async fn clients_servers_and_queries_join() {
    let text = "SELECT c.id, c.user, s.remote_pid, q.text, q.max_ms FROM clients c \
                JOIN servers s ON s.client = c.id JOIN queries q ON q.fingerprint = c.fingerprint";
    assert_eq!(rows(text).await, ["1|web|4711|select * from orders where customer_id = $1|300"]);
    let text = "SELECT count(*), count(s.id) FROM clients c LEFT JOIN servers s ON s.client = c.id";
    assert_eq!(rows(text).await, ["3|1"]);
}

#[tokio::test]
async fn windows_filters_and_common_table_expressions_over_the_history() {
    let text = "SELECT minute, calls, sum(calls) OVER (ORDER BY minute), \
                lag(total_ms) OVER (ORDER BY minute) FROM query_minutes WHERE text LIKE '%orders%' \
                ORDER BY minute";
    let expected = ["2026-11-23 20:47:00+00|2|2|NULL", "2026-11-23 20:48:00+00|2|4|400"];
    assert_eq!(rows(text).await, expected);
    let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5), \
                m AS (SELECT count(*) FILTER (WHERE calls > 1) AS busy FROM query_minutes) \
                SELECT sum(i), max(m.busy) FROM n, m";
    assert_eq!(rows(text).await, ["15|2"]);
    let text = "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total_ms), \
                string_agg(DISTINCT database) FROM query_minutes";
    assert!(rows(text).await[0].contains("42883"), "string_agg needs its separator");
}

#[tokio::test]
async fn the_time_that_is_asked_for_is_what_is_read() {
    for (condition, count) in [
        ("minute >= '2026-11-23 20:48:00'", 2),
        ("minute > '2026-11-23T20:47:00Z'", 2),
        ("minute BETWEEN '2026-11-23 20:47' AND '2026-11-23 20:47:30+00'", 2),
        ("minute > timestamptz '2026-11-23 20:48:57' - interval '5 minutes'", 4),
        ("minute + interval '1 day' < now()", 4),
        ("minute = '2026-11-23 20:46'", 0),
    ] {
        let text = format!("SELECT count(*) FROM query_minutes WHERE {condition}");
        let expected = if condition.contains("now()") {
            // The made-up time may be before or after the real one.
            None
        } else {
            Some(count.to_string())
        };
        let found = rows(&text).await;
        assert!(expected.is_none_or(|expected| found == [expected]), "{condition}: {found:?}");
    }
}

#[tokio::test]
async fn only_the_time_that_is_named_is_asked_for() {
    let live = Arc::new(FakeLive::default());
    let mut client = Client::new(Role::Stats, live.clone());
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    for (condition, from, until) in [
        (
            "minute >= '2026-11-23 20:40' AND minute < '2026-11-23 20:45' AND calls > 0",
            time("2026-11-23T20:40:00Z"),
            time("2026-11-23T20:45:00Z"),
        ),
        ("minute = '2026-11-23 20:40'", time("2026-11-23T20:40:00Z"), time("2026-11-23T20:40:00Z")),
        ("calls > 0", jiff::Timestamp::MIN, jiff::Timestamp::MAX),
    ] {
        client.query(&format!("SELECT count(*) FROM query_minutes m WHERE {condition}")).await;
        assert_eq!(live.asked.lock().unwrap().pop(), Some((from, until)), "{condition}");
    }
}

#[tokio::test]
async fn what_people_write_for_postgres_works() {
    for (text, expected) in [
        ("SELECT 1 + 1, 7 / 2, 7 / 2.0, 7 % 4", "2|3|3.5|3"),
        ("SELECT 'a' || 1 || true, NULL || 'x'", "a1true|NULL"),
        ("SELECT '15 minutes'::interval, interval '1 day 2 hours' / 2", "00:15:00|13:00:00"),
        ("SELECT '2026-01-31'::timestamptz + interval '1 month'", "2026-02-28 00:00:00+00"),
        ("SELECT date_trunc('hour', timestamp '2026-11-30 10:44:57')", "2026-11-30 10:00:00+00"),
        ("SELECT extract(epoch FROM '2026-11-30 10:00+00'::timestamptz)", "1796032800"),
        (
            "SELECT '2026-11-30'::date, '2026-11-30 23:59'::timestamptz::date",
            "2026-11-30|2026-11-30",
        ),
        ("SELECT now() - now(), now() > '2020-01-01'", "00:00:00|t"),
        ("SELECT 1.5::int, '7'::int + 1, 'yes'::bool, 3::text || 'x'", "2|8|t|3x"),
        ("SELECT coalesce(NULL, 'x'), nullif(1, 1), greatest(1, NULL, 3)", "x|NULL|3"),
        ("SELECT CASE WHEN true THEN 1 ELSE 0.5 END / 2", "0.5"),
        ("SELECT 'abc' ~ '^a', 'ABC' ~* 'b', 'x' NOT LIKE 'X', 'a%' LIKE 'a\\%'", "t|t|t|t"),
        ("SELECT 3 IN (1, 2, 3), 'a' = ANY (ARRAY['a', 'b']), 2 BETWEEN 1 AND 3", "t|t|t"),
        ("SELECT round(2.5), round(1.2345, 2), floor(1.9), abs(-3)", "2|1.23|1|3"),
        ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(n, t) WHERE n = 2", "2|b"),
        ("SELECT n FROM generate_series(1, 3) AS n ORDER BY n DESC FETCH FIRST ROW ONLY", "3"),
        ("SELECT x FROM (SELECT 1 AS x UNION SELECT NULL) s ORDER BY x DESC OFFSET 1", "1"),
        (
            "SELECT current_user, user, current_database(), current_schema",
            "alice|alice|pgweir|public",
        ),
        ("SELECT to_char('2026-11-30 10:44'::timestamptz, 'DD.MM. HH24:MI')", "30.11. 10:44"),
        ("SELECT E'it\\'s; so', $$a;b$$, 'c;d'", "it's; so|a;b|c;d"),
        ("SELECT count(*) FROM clients NATURAL JOIN (SELECT 1 AS id) one", "1"),
        ("SELECT s.id FROM servers s JOIN clients c USING (id)", ""),
        ("VALUES (1, 'x')", "1|x"),
        ("SELECT x + 1 FROM (SELECT 1 AS x UNION ALL SELECT '2' LIMIT 1) s", "2"),
        ("SELECT 1 AS x UNION ALL SELECT '2' ORDER BY 1 DESC LIMIT 1", "2"),
    ] {
        let found = rows(text).await;
        let expected: Vec<_> = Some(expected).filter(|row| !row.is_empty()).into_iter().collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[tokio::test]
async fn every_table_can_be_read_whole_and_by_show() {
    for table in crate::sql::tables::ALL {
        let found = rows(&format!("SELECT * FROM {}", table.name)).await;
        assert!(!found.iter().any(|row| row.starts_with("ERROR")), "{}: {found:?}", table.name);
        // No plans in the made-up process.
        assert_eq!(found.is_empty(), table.name == "plans", "{}", table.name);
        let mut client = Client::admin();
        let lines = client.query(&format!("SHOW {}", table.name)).await;
        assert!(lines.contains(&"tag SHOW".to_owned()), "{}: {lines:?}", table.name);
    }
    let events = rows("SHOW EVENTS").await;
    let expected =
        ["2026-11-23 19:48:57+00|start|pgweir 0.1.0", "2026-11-23 20:47:57+00|note|deployed 4.2"];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn mistakes_are_told_as_postgres_tells_them() {
    for (text, sqlstate, part) in [
        ("SELECT * FROM nothing", "42P01", "relation \"nothing\" does not exist"),
        ("SELECT nothing FROM clients", "42703", "column \"nothing\" does not exist"),
        ("SELECT c.nothing FROM clients c", "42703", "column c.nothing does not exist"),
        ("SELECT x.id FROM clients c", "42P01", "missing FROM-clause entry for table \"x\""),
        ("SELECT id FROM clients, servers", "42702", "ambiguous"),
        ("SELECT (1", "42601", "syntax error"),
        ("SELECT nothing(1)", "42883", "function nothing does not exist"),
        ("SELECT id + text FROM clients, queries", "42883", "operator does not exist"),
        ("SELECT 1 = 'x'", "22P02", "invalid input syntax for type integer: \"x\""),
        ("SELECT 'soon'::timestamptz", "22007", "invalid input syntax"),
        ("SELECT text::int FROM queries", "22P02", "invalid input syntax for type bigint"),
        ("SELECT 2147483647 + 1", "22003", "integer out of range"),
        ("SELECT sum(calls) FROM queries WHERE sum(calls) > 1", "42803", "aggregate"),
        ("DELETE FROM clients", "42601", "unknown command"),
        ("WITH x AS (DELETE FROM clients RETURNING 1) SELECT 1", "", ""),
        ("SELECT 1 INTO t", "25006", "can only be read"),
        ("SELECT $1", "42P02", "there is no parameter $1"),
        ("SELECT 1 UNION SELECT 'a'::text", "42804", "cannot be matched"),
        ("SELECT 1 UNION SELECT 'x'", "22P02", "invalid input syntax for type integer"),
        ("SELECT to_char(1.5, '999')", "42883", "does not take double precision"),
        ("SELECT 1 FROM clients c FULL JOIN servers s USING (id)", "0A000", "write ON"),
        ("SELECT count(*) FROM clients WHERE 5", "42804", "must be type boolean"),
    ] {
        let found = rows(text).await;
        let line = found.first().cloned().unwrap_or_default();
        let told = line.starts_with(&format!("ERROR {sqlstate}")) && line.contains(part);
        assert!(told, "{text}: {found:?}");
    }
}

#[tokio::test]
async fn what_would_never_end_or_fill_memory_is_stopped() {
    for (text, sqlstate) in [
        (
            "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            "57014",
        ),
        (
            "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
            "53200",
        ),
        (
            "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, \
             generate_series(1, 100000) c",
            "57014",
        ),
        (
            "SELECT length(replace(replace(replace(replace('aaaaaaaaaa', 'a', 'bbbbbbbbbbbbbbbbbbbb'), 'b', \
          'cccccccccccccccccccccccccccccccccc'), 'c', 'dddddddddddddddddddddddddd'), 'd', \
          'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'))",
            "54000",
        ),
        ("SELECT zeroblob(1000000000)", "42883"),
        ("SELECT randomblob(1000000000)", "42883"),
        ("SELECT printf('%1000000000d', 1)", "42883"),
        ("SELECT load_extension('x')", "42883"),
        (
            "WITH RECURSIVE n AS (SELECT 1 AS i, replace('aaaaaaaaaa', 'a', $$0123456789012345678901234567890123456789\
             0123456789012345678901234567890123456789012345678901234567890123456789$$) AS t UNION ALL \
             SELECT i + 1, t FROM n) SELECT i, t || i FROM n ORDER BY 2",
            "53200",
        ),
    ] {
        let live = FakeLive { query_timeout: Some(Duration::from_secs(3)), ..FakeLive::default() };
        let mut client = Client::new(Role::Stats, Arc::new(live));
        let began = Instant::now();
        let lines = client.query(text).await;
        let line = lines.iter().find(|line| line.starts_with("ERROR")).cloned().unwrap_or_default();
        let limits = if sqlstate == "53200" { vec!["53200", "57014"] } else { vec![sqlstate] };
        let told = limits.iter().any(|code| line.starts_with(&format!("ERROR {code}")));
        assert!(told, "{text}: {lines:?}");
        assert!(began.elapsed() < Duration::from_secs(8), "{text}");
        assert!(client.query("SELECT count(*) FROM clients").await.contains(&"row 3".to_owned()));
    }
}

#[tokio::test]
async fn parameters_and_results_are_binary_and_typed_before_they_are_run() {
    let client = connect(Arc::new(FakeLive::default())).await;
    let text = "SELECT application, sum(total_ms) AS ms, sum(calls), count(*), max(last_seen), \
                bool_or(calls > $1) FROM queries WHERE text LIKE $2 AND calls > $1 GROUP BY 1";
    let statement = client.prepare(text).await.unwrap();
    assert_eq!(statement.params(), [Type::INT8, Type::TEXT]);
    let types: Vec<_> = statement.columns().iter().map(|column| column.type_().clone()).collect();
    let expected =
        [Type::TEXT, Type::FLOAT8, Type::INT8, Type::INT8, Type::TIMESTAMPTZ, Type::BOOL];
    assert_eq!(types, expected);
    let rows = client.query(&statement, &[&2i64, &"%orders%"]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, &str>(0), "cart");
    assert!((rows[0].get::<_, f64>(1) - 800.0).abs() < 1e-9);
    assert_eq!((rows[0].get::<_, i64>(2), rows[0].get::<_, bool>(5)), (4, true));
    assert!(client.query(&statement, &[&9i64, &"%"]).await.unwrap().is_empty());

    let since = std::time::UNIX_EPOCH + Duration::from_secs(1_795_466_880);
    let text =
        "SELECT minute, calls FROM query_minutes WHERE minute >= $1 ORDER BY 2 DESC LIMIT $2";
    let rows = client.query(text, &[&since, &1i64]).await.unwrap();
    assert_eq!((rows.len(), rows[0].get::<_, i64>(1)), (1, 2));
    assert_eq!(rows[0].get::<_, std::time::SystemTime>(0), since);
}

#[tokio::test]
async fn whoever_goes_away_ends_the_query() {
    let live = Arc::new(FakeLive::default());
    let never = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) \
                 SELECT count(*) FROM n";
    for _ in 0..2 {
        let mut client = Client::new(Role::Stats, live.clone());
        client.send(&super::client::query(never)).await;
        let began = Instant::now();
        let (lines, ended) = client.finish().await;
        assert!(lines[0].starts_with("ERROR 57014"), "{lines:?}");
        assert!(ended.is_ok() && began.elapsed() < Duration::from_secs(10));
    }
    // Both turns are free again.
    let mut client = Client::new(Role::Stats, live);
    assert!(client.query("SELECT count(*) FROM servers").await.contains(&"row 2".to_owned()));
}

#[tokio::test]
async fn psql_finds_tables_and_columns() {
    let tables = "SELECT n.nspname as \"Schema\", c.relname as \"Name\", CASE c.relkind WHEN 'r' \
        THEN 'table' WHEN 'v' THEN 'view' END as \"Type\", \
        pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\" FROM pg_catalog.pg_class c \
        LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam \
        WHERE c.relkind IN ('r','p','') AND n.nspname <> 'pg_catalog' \
        AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema' \
        AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2;";
    let found = rows(tables).await;
    assert_eq!(found.len(), crate::sql::tables::ALL.len(), "{found:?}");
    assert!(found.contains(&"public|queries|table|pgweir".to_owned()), "{found:?}");
    let lookup = "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c \
        LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relname OPERATOR(pg_catalog.~) '^(queries)$' COLLATE pg_catalog.default \
        AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3;";
    assert_eq!(rows(lookup).await, ["16384|public|queries"]);
    let columns = "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
        (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d \
        WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull, \
        (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t \
        WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) \
        AS attcollation, a.attidentity, a.attgenerated FROM pg_catalog.pg_attribute a \
        WHERE a.attrelid = '16384' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;";
    let found = rows(columns).await;
    assert_eq!(found[1], "fingerprint|text|NULL|f|NULL||");
    assert!(found.contains(&"total_ms|double precision|NULL|f|NULL||".to_owned()), "{found:?}");
}

#[tokio::test]
async fn a_fingerprint_is_explained() {
    let found = rows("EXPLAIN FINGERPRINT '0abc'").await;
    assert!(found[0].starts_with("ERROR 42704"), "{found:?}");
    let found = rows("EXPLAIN FINGERPRINT '0000000000000abc'").await;
    assert_eq!(found[1], "select * from orders where customer_id = $1");
    assert!(found.iter().any(|line| line.contains("missing_index")), "{found:?}");
}
