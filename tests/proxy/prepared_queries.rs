//! Queries of the simple protocol that are served from named statements: what the client hears is what
//! it would hear without pgweir.

use testkit::frames::{kinds, query};
use testkit::{Frame, Postgres, ScriptedClient};

use crate::scene::{Scene, error};

/// A column of each of many types, and tables that other tests change.
const SCHEMA: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE TABLE typed (
        small smallint, whole int, big bigint, number numeric(10, 2), single real, double float8,
        yes boolean, word text, short varchar(5), fixed char(5), bytes bytea, mark \"char\",
        day date, moment timestamptz, clock time, span interval, key uuid, feeling mood,
        counted positive, list int[], words text[], document jsonb, address inet, bits bit(3),
        place point, period int4range, called name, type oid, class regclass, tree xml
    );
    INSERT INTO typed VALUES
        (1, 1, 1, 1.50, 1.5, 1.5, true, 'a', 'a', 'a', 'a', 'a', '2024-02-01', '2024-02-01 12:00Z',
         '12:00', '1 day', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'happy', 1, '{1,2}', '{a,b}',
         '{\"a\": 1}', '10.0.0.1', '101', '(1,2)', '[1,5)', 'a', 1, 'pg_class', '<a/>'),
        (2, 2, 3000000000, 2, 2, 2, false, 'it''s', 'b', 'b', '\\x00', 'b', '2024-01-02', 'infinity',
         '00:00', '1 mon', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'sad', 2, '{}', '{}', '[]',
         '::1', '000', '(0,0)', 'empty', 'b', 2, 'typed', '<b/>');
    CREATE TABLE changing (a int, b int);
    INSERT INTO changing VALUES (1, 1), (2, 2)";

const LITERALS: [&str; 26] = [
    "1",
    "2",
    "-1",
    "40000",
    "3000000000",
    "99999999999999999999",
    "1.5",
    "1.50",
    ".5",
    "''",
    "'1'",
    "'a'",
    "'a    '",
    "'it''s'",
    "'abcdefgh'",
    "'2024-01-02'",
    "'01/02/2024'",
    "'2024-02-01 12:00Z'",
    "'1 day'",
    "'happy'",
    "'{1,2}'",
    "'{a,b}'",
    "'{\"a\": 1}'",
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
    "'typed'",
    "'\u{e4}'",
];

/// A client of the server itself, and one of pgweir.
struct Pair {
    direct: ScriptedClient,
    pooled: ScriptedClient,
}

impl Pair {
    async fn open(scene: &Scene) -> Self {
        let server = Postgres::shared().await.address();
        let direct = ScriptedClient::login(server, "postgres", &scene.database.name).await;
        Self { direct, pooled: scene.client().await }
    }

    /// Both ask the same, and must hear the same.
    async fn ask(&mut self, sql: &str) -> Vec<Frame> {
        self.direct.send(&query(sql)).await;
        self.pooled.send(&query(sql)).await;
        let expected = self.direct.expect_until(b'Z').await;
        let answered = self.pooled.expect_until(b'Z').await;
        assert_eq!(answered, expected, "{sql}");
        answered
    }
}

/// The texts of the statements that the pool's servers have prepared. Not such a query itself.
async fn prepared(client: &mut ScriptedClient) -> Vec<String> {
    let sql = "SELECT statement FROM pg_prepared_statements ORDER BY statement";
    client.rows(sql).await.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

async fn scene() -> Scene {
    let arguments = ["--default-pool-size", "1", "--set", "prepare_simple_queries=true"];
    Scene::open(arguments).await.with_schema(SCHEMA).await
}

#[tokio::test]
async fn every_type_is_compared_as_it_would_be() {
    let scene = scene().await;
    let mut pair = Pair::open(&scene).await;
    let columns = pair
        .direct
        .rows("SELECT attname FROM pg_attribute WHERE attnum > 0 AND attrelid = 'typed'::regclass")
        .await;
    let (mut rows, mut errors, mut served) = (0, 0, 0);
    for column in columns.iter().map(|row| row[0].clone().unwrap()) {
        for operator in ["=", "<", "<>"] {
            for literal in LITERALS {
                let sql =
                    format!("SELECT *, 5 AS five FROM typed WHERE {column} {operator} {literal}");
                // Often enough for its statement to be prepared.
                for _ in 0..4 {
                    let answered = kinds(&pair.ask(&sql).await);
                    rows += answered.matches('D').count();
                    errors += answered.matches('E').count();
                }
            }
        }
        let all = prepared(&mut pair.pooled).await;
        served += all.iter().filter(|text| text.ends_with("$1")).count();
        pair.pooled.rows("DISCARD ALL").await;
    }
    // So that neither this nor that is all that there was.
    assert!(rows > 500 && errors > 500 && served > 100, "{rows} rows, {errors} errors, {served}");
}

#[tokio::test]
async fn where_values_may_not_be_bound_nothing_changes() {
    let scene = scene().await;
    let mut pair = Pair::open(&scene).await;
    for sql in [
        "SELECT a = 1 FROM changing WHERE b > 0 GROUP BY a = 1 ORDER BY a = 1",
        "SELECT DISTINCT a + 1 FROM changing WHERE a = 1 ORDER BY a + 1",
        "SELECT a FROM changing WHERE b = 1 UNION SELECT 7 FROM changing WHERE b = 2 ORDER BY 1",
        "SELECT a FROM changing WHERE EXISTS (SELECT b = 1 FROM typed GROUP BY b = 1) AND b = 2",
        "SELECT a FROM changing WHERE b = 1 LIMIT 1 OFFSET 0",
        "SELECT a FROM changing WHERE b = 1 FOR UPDATE",
        "SELECT count(*), (SELECT max(a) FROM changing WHERE b = 1) FROM changing WHERE b = 2",
        "SELECT FROM changing WHERE b = 1",
        "SELECT a FROM changing WHERE b = 1 AND 1 = 0",
        "SELECT 1/0 FROM changing WHERE b = 1",
        "SELECT 1/(a - 2) FROM changing WHERE b <> 7",
        "SELECT a FROM changing WHERE no_such_column = 1",
        "SELECT a FROM no_such_table WHERE b = 1",
        "SELECT a FROM changing WHERE b = 1 ORDER BY 2",
        "SELECT current_query() FROM changing WHERE b = 1",
        "SELECT a FROM changing WHERE b = 1; SELECT b FROM changing WHERE a = 1",
        "/* before */ SELECT a FROM changing WHERE b = 1 -- after",
    ] {
        for _ in 0..5 {
            pair.ask(sql).await;
        }
    }
}

#[tokio::test]
async fn a_table_that_changes_changes_its_answers_at_once() {
    let scene = scene().await;
    let mut pair = Pair::open(&scene).await;
    let admin = scene.direct().await;
    let sql = ["SELECT * FROM changing WHERE a = 1", "SELECT b FROM changing WHERE a = '1'"];
    for change in [
        "SELECT 1",
        "ALTER TABLE changing ADD c int DEFAULT 7",
        "ALTER TABLE changing ALTER a TYPE text",
        "ALTER TABLE changing ALTER a TYPE bigint USING a::bigint",
        "ALTER TABLE changing RENAME b TO d; ALTER TABLE changing ADD b text DEFAULT 'new'",
        "CREATE VIEW seen AS SELECT a, b FROM changing; ALTER TABLE changing RENAME TO other; \
         ALTER VIEW seen RENAME TO changing",
        "DROP VIEW changing",
        "CREATE TABLE changing (a int, b int); INSERT INTO changing VALUES (1, 9)",
    ] {
        admin.batch_execute(change).await.unwrap();
        for _ in 0..5 {
            for sql in sql {
                pair.ask(sql).await;
            }
        }
    }
    assert!(!prepared(&mut pair.pooled).await.is_empty());
}

#[tokio::test]
async fn settings_and_schemas_are_those_of_the_client_that_asks() {
    let scene = scene().await;
    let schemas = "CREATE SCHEMA one; CREATE SCHEMA two;
        CREATE TABLE one.own AS SELECT 1 AS a, 'one' AS b;
        CREATE TABLE two.own AS SELECT 'x'::text AS c, 1 AS a";
    let scene = scene.with_schema(schemas).await;
    let mut pairs = [Pair::open(&scene).await, Pair::open(&scene).await];
    for (pair, sets) in pairs.iter_mut().zip([
        ["SET search_path TO one", "SET datestyle TO 'SQL, DMY'"],
        ["SET search_path TO two, public", "SET datestyle TO 'SQL, MDY'"],
    ]) {
        for set in sets {
            pair.ask(set).await;
        }
    }
    for _ in 0..6 {
        for pair in &mut pairs {
            pair.ask("SELECT * FROM own WHERE a = 1").await;
            pair.ask("SELECT day FROM public.typed WHERE day = '01/02/2024'").await;
        }
    }
    let [first, _] = &mut pairs;
    first.ask("CREATE TEMP TABLE own (a int, temporary int)").await;
    first.ask("INSERT INTO own VALUES (1, 2)").await;
    let answered = first.ask("SELECT a + 0, temporary + 0 FROM own WHERE a = 1").await;
    assert_eq!(kinds(&answered), "TDCZ", "its own table hides the other");
    first.ask("BEGIN").await;
    first.ask("SELECT * FROM own WHERE a = 'x'").await;
    let answered = first.ask("SELECT * FROM own WHERE a = 1").await;
    assert_eq!(error(&answered).sqlstate(), "25P02");
    first.ask("ROLLBACK").await;
}

/// The types of what is bound are told when a statement is parsed. pgweir sees the changes that its
/// own clients make.
#[tokio::test]
async fn a_column_of_another_type_compares_as_that_type_does() {
    let scene = scene().await;
    let mut pair = Pair::open(&scene).await;
    let mut admin = scene.client().await;
    for (column, sql, change) in [
        ("d date", "d >= '2024-01-01 10:00'", "d TYPE timestamp"),
        ("d timestamp", "d = '2024-01-01 00:00+05'", "d TYPE timestamptz"),
        ("d real", "d = '0.1'", "d TYPE float8"),
        ("d char(5)", "d = 'y '", "d TYPE text"),
        ("d int", "d = 1", "d TYPE bool USING d = 1"),
    ] {
        let value = if column == "d int" {
            "1"
        } else if column == "d real" {
            "0.1"
        } else if column == "d char(5)" {
            "'y'"
        } else {
            "'2024-01-01'"
        };
        admin
            .rows(&format!("DROP TABLE IF EXISTS retyped; CREATE TABLE retyped (e int, {column})"))
            .await;
        admin.rows(&format!("INSERT INTO retyped VALUES (1, {value})")).await;
        let sql = format!("SELECT e FROM retyped WHERE {sql}");
        for _ in 0..5 {
            pair.ask(&sql).await;
        }
        admin.rows(&format!("ALTER TABLE retyped ALTER {change}")).await;
        for _ in 0..5 {
            pair.ask(&sql).await;
        }
    }
}

/// A plan for all values finds out later than one for a constant that a number is too large.
#[tokio::test]
async fn numbers_at_the_ends_of_their_types_are_what_they_are_without() {
    let scene = scene().await;
    let mut pair = Pair::open(&scene).await;
    for column in ["small", "whole", "big", "number", "single", "double", "counted", "type"] {
        for number in [
            "-2147483648",
            "2147483647",
            "2147483648",
            "4294967295",
            "4294967296",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "1.5",
            "-0.0",
        ] {
            // What an oid cannot hold, a plan for all values finds out while it runs.
            if column == "type" && number.len() > 9 {
                continue;
            }
            // Ten times: from the sixth on the server may have a plan for all values.
            for _ in 0..10 {
                pair.ask(&format!("SELECT word FROM typed WHERE {column} = {number}")).await;
            }
        }
    }
}

#[tokio::test]
async fn strings_that_are_read_in_another_way_stay_as_they_are() {
    let scene = scene().await;
    let mut pair = Pair::open(&scene).await;
    pair.ask("SET standard_conforming_strings TO off").await;
    pair.ask("SET escape_string_warning TO off").await;
    for _ in 0..5 {
        pair.ask("SELECT word FROM typed WHERE word = 'x\\' and whole = 5 --'").await;
        pair.ask("SELECT word FROM typed WHERE word = 'a' and short = 'a'").await;
    }
}

#[tokio::test]
async fn nobody_gets_it_unasked() {
    let scene = Scene::with_pool_of(1).await.with_schema(SCHEMA).await;
    let mut pair = Pair::open(&scene).await;
    for _ in 0..5 {
        pair.ask("SELECT b FROM changing WHERE a = 1").await;
    }
    assert_eq!(prepared(&mut pair.pooled).await, [""; 0]);
}
