//! EXPLAIN with a client's own values.

use std::sync::Arc;
use std::time::Duration;

use model::ParameterFormat::{Binary, Text};
use model::{CatalogFacts, FingerprintId, PlanAnswer, PlannerSetting};

use crate::shop::{Shop, plain_question};

/// `INT8OID`, `TEXTOID` and so on of pg_type.dat; 0 leaves the type to the server.
const INT8: u32 = 20;
const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const NUMERIC: u32 = 1700;
const INFER: u32 = 0;

const BY_CUSTOMER: &str = "SELECT * FROM orders WHERE customer_id = $1";
const BY_STATUS: &str = "SELECT * FROM orders WHERE status = $1";

/// The node, table and expected rows of the only scan.
fn only_scan(answer: &PlanAnswer) -> (&str, String, f64) {
    assert_eq!(answer.problem, None);
    let [scan] = answer.scans.as_slice() else { panic!("{answer:?}") };
    assert!(scan.filtered && answer.cost >= Some(scan.cost), "{answer:?}");
    (&scan.node, format!("{}.{}", scan.schema, scan.table), scan.rows)
}

#[tokio::test]
async fn text_and_binary_values_give_the_same_plan() {
    let shop = Shop::open().await;
    let binary = 42_i64.to_be_bytes();
    let expected = ("Seq Scan", "public.orders".to_owned(), 5.0);
    for (oid, format, value) in [
        (INFER, Text, b"42".as_slice()),
        (INT8, Text, b"42"),
        (INFER, Binary, &binary),
        (INT8, Binary, &binary),
    ] {
        let answer = shop.plan_with(BY_CUSTOMER, oid, format, Some(value)).await;
        assert_eq!(only_scan(&answer), expected, "{oid} {format:?}");
        assert!(answer.asked_at.is_some());
        assert_eq!(answer.what_if, []);
    }
}

#[tokio::test]
async fn the_plan_is_that_of_the_value() {
    let shop = Shop::open().await;
    let open = shop.plan_with(BY_STATUS, TEXT, Text, Some(b"open")).await;
    let done = shop.plan_with(BY_STATUS, TEXT, Binary, Some(b"done")).await;
    assert_eq!((only_scan(&open).2, only_scan(&done).2), (50.0, 4950.0));
}

/// What the detector `bind_type_mismatch` relies on.
#[tokio::test]
async fn a_varchar_is_made_a_char_and_a_text_makes_the_column_text() {
    let shop = Shop::open().await;
    let define = "
        CREATE TABLE parts (code char(8) PRIMARY KEY, number bigint UNIQUE);
        INSERT INTO parts SELECT lpad(i::text, 8, '0'), i FROM generate_series(1, 20000) AS i;
        ANALYZE parts;";
    shop.client.batch_execute(define).await.unwrap();
    let node = async |column: &str, oid| {
        let text = format!("SELECT * FROM parts WHERE {column} = $1");
        let answer = shop.plan_with(&text, oid, Text, Some(b"77")).await;
        let [scan] = answer.scans.as_slice() else { panic!("{answer:?}") };
        scan.node.clone()
    };
    assert_eq!(node("code", VARCHAR).await, "Index Scan");
    assert_eq!(node("code", TEXT).await, "Seq Scan");
    assert_eq!(node("number", INT8).await, "Index Scan");
    assert_eq!(node("number", NUMERIC).await, "Seq Scan");
}

#[tokio::test]
async fn a_type_of_the_users_own_goes_by_its_oid() {
    let shop = Shop::open().await;
    let row = shop.client.query_one("SELECT 'channel'::regtype::oid", &[]).await.unwrap();
    let oid: u32 = row.get(0);
    let text = "SELECT * FROM orders WHERE channel = $1";
    for format in [Text, Binary] {
        let answer = shop.plan_with(text, oid, format, Some(b"phone")).await;
        assert_eq!(only_scan(&answer).2, 100.0);
    }
}

#[tokio::test]
async fn null_is_a_value() {
    let shop = Shop::open().await;
    let answer = shop.plan_with(BY_CUSTOMER, INT8, Binary, None).await;
    assert_eq!(answer.problem, None);
    // The planner sees that no row can match.
    assert_eq!(answer.scans, []);
}

#[tokio::test]
async fn literals_are_planned_as_they_are() {
    let shop = Shop::open().await;
    let text = "/* trace=1 */ SELECT * FROM orders WHERE status = 'open' -- the end";
    let answer = shop.catalog.plan(&shop.question(text)).await;
    assert_eq!(only_scan(&answer).2, 50.0);
}

#[tokio::test]
async fn writes_are_planned_and_not_done() {
    let shop = Shop::open().await;
    let update = "UPDATE orders SET status = $1 WHERE customer_id = 7";
    let answer = shop.plan_with(update, TEXT, Text, Some(b"stolen")).await;
    assert_eq!(only_scan(&answer).2, 5.0);
    for text in [
        "DELETE FROM orders WHERE customer_id = 7",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
        "INSERT INTO orders SELECT id + 9000, 1, 'x', 'web' FROM orders WHERE customer_id = 7",
        "SELECT * INTO copies FROM orders WHERE customer_id = 7",
        "SELECT * FROM orders WHERE customer_id = 7 FOR UPDATE",
    ] {
        let answer = shop.catalog.plan(&shop.question(text)).await;
        assert_eq!(answer.problem, None, "{text}");
        assert!(answer.scans.iter().any(|scan| scan.table == "orders"), "{text}");
    }
    let query = "SELECT count(*), count(*) FILTER (WHERE status = 'stolen'), to_regclass('copies')
                 IS NULL FROM orders";
    let row = shop.client.query_one(query, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (5000, 0));
    assert!(row.get::<_, bool>(2));
}

#[tokio::test]
async fn several_statements_are_refused() {
    let shop = Shop::open().await;
    let text = "SELECT 1; COMMIT; DROP TABLE orders";
    let answer = shop.catalog.plan(&shop.question(text)).await;
    assert_eq!(answer.problem.as_deref(), Some("42601: several statements in one text"));
    shop.client.query_one("SELECT count(*) FROM orders", &[]).await.unwrap();
}

#[tokio::test]
async fn what_would_be_executed_is_not_asked() {
    let shop = Shop::open().await;
    for text in ["ANALYZE DELETE FROM orders", "(ANALYZE) DELETE FROM orders", "CALL x()", ""] {
        let answer = shop.catalog.plan(&shop.question(text)).await;
        assert!(answer.problem.unwrap().starts_with("only SELECT"), "{text}");
    }
    let row = shop.client.query_one("SELECT count(*) FROM orders", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 5000);
}

#[tokio::test]
async fn a_problem_holds_no_value() {
    let shop = Shop::open().await;
    let answer = shop.plan_with(BY_CUSTOMER, INT8, Text, Some(b"secret-4111")).await;
    assert_eq!(answer.problem.as_deref(), Some("22P02: a value does not fit its type"));
    assert_eq!((answer.cost, answer.scans), (None, vec![]));
}

#[tokio::test]
async fn a_parameter_without_a_value_is_a_problem() {
    let shop = Shop::open().await;
    let answer = shop.catalog.plan(&shop.question(BY_CUSTOMER)).await;
    assert_eq!(answer.problem.as_deref(), Some("08P01: the values do not match the parameters"));
}

#[tokio::test]
async fn after_two_failures_a_statement_is_left_alone() {
    let shop = Shop::open().await;
    let mut question = shop.question("SELECT * FROM later");
    for _ in 0..2 {
        let problem = shop.catalog.plan(&question).await.problem.unwrap();
        assert!(problem.starts_with("42P01: "), "{problem}");
    }
    shop.client.batch_execute("CREATE TABLE later (a int)").await.unwrap();
    let problem = shop.catalog.plan(&question).await.problem;
    assert!(problem.unwrap().starts_with("42P01: "));
    question.fingerprint = FingerprintId(2);
    assert_eq!(shop.catalog.plan(&question).await.problem, None);
}

#[tokio::test]
async fn a_lock_is_not_waited_for_and_not_held_against_the_statement() {
    let shop = Shop::open().await;
    let question = shop.question("SELECT * FROM orders");
    shop.client.batch_execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for _ in 0..3 {
        let asking = shop.catalog.plan(&question);
        let answer = tokio::time::timeout(Duration::from_secs(2), asking).await.unwrap();
        assert!(answer.problem.unwrap().starts_with("55P03: "));
    }
    shop.client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(shop.catalog.plan(&question).await.problem, None);
}

#[tokio::test]
async fn a_question_dropped_half_way_leaves_nothing_behind() {
    let shop = Shop::open().await;
    let question = shop.question("SELECT * FROM orders");
    assert_eq!(shop.catalog.plan(&question).await.problem, None);
    shop.client.batch_execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let asking = shop.catalog.plan(&question);
    // The lock is waited for 100 ms.
    tokio::time::timeout(Duration::from_millis(30), asking).await.unwrap_err();
    shop.client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(shop.catalog.plan(&question).await.problem, None);

    let query = "SELECT state FROM pg_stat_activity
                 WHERE application_name = 'pgweir-catalog' AND datname = current_database()";
    let rows = shop.client.query(query, &[]).await.unwrap();
    let states: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(states, ["idle"], "one connection, in no transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_questions_at_once_need_two_connections() {
    let Shop { database, client, catalog } = Shop::open().await;
    let catalog = Arc::new(catalog);
    let mut questions = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let question = plain_question(&database.name, "SELECT * FROM orders WHERE status = 'open'");
        let planner = Arc::clone(&catalog);
        questions.spawn(async move { planner.plan(&question).await.problem.is_none() });
        let (reader, names) = (Arc::clone(&catalog), [database.name.clone()]);
        questions.spawn(async move {
            reader.read(&names, &CatalogFacts::default()).await.unavailable.is_empty()
        });
    }
    assert_eq!(questions.join_all().await, [true; 20]);
    let query = "SELECT count(*) FROM pg_stat_activity
                 WHERE application_name = 'pgweir-catalog' AND datname = current_database()";
    let row = client.query_one(query, &[]).await.unwrap();
    assert!((1..=2).contains(&row.get::<_, i64>(0)), "{row:?}");
}

#[tokio::test]
async fn the_plan_is_that_of_the_clients_search_path_and_settings() {
    let shop = Shop::open().await;
    shop.client
        .batch_execute(
            "CREATE SCHEMA tenant_7; CREATE TABLE tenant_7.orders (customer_id bigint, status text);
             CREATE INDEX tenant_7_orders ON tenant_7.orders (customer_id)",
        )
        .await
        .expect("a tenant comes");
    let set =
        |name: &str, source: &str| PlannerSetting { name: name.into(), source: source.into() };
    let mut question =
        plain_question(&shop.database.name, "SELECT * FROM orders WHERE customer_id = 7");
    question.sample.settings = [
        set("search_path", "'tenant_7', 'public'"),
        set("enable_seqscan", "off"),
        set("enable_bitmapscan", "off"),
        // Not there, and so not ours to take: the plan is made all the same.
        set("role", "'nobody_of_that_name'"),
    ]
    .into();
    let answer = shop.catalog.plan(&question).await;
    assert_eq!(answer.problem, None);
    let scan = &answer.scans[0];
    assert_eq!((&*scan.schema, &*scan.node), ("tenant_7", "Index Scan"), "{answer:?}");
    // The next one's session has none of it.
    let plain = plain_question(&shop.database.name, "SELECT * FROM orders");
    assert_eq!(shop.catalog.plan(&plain).await.scans[0].schema, "public");
}
