//! `pgweir advise`: that what it prints can be run, and does no harm.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails says where")]

use std::time::{Duration, Instant};

use testkit::{Postgres, TestDatabase};

use crate::advise::{Workload, as_json, install_hypopg, sql};

/// How long something on the server may take to begin.
const PATIENCE: Duration = Duration::from_secs(20);

async fn with(schema: &str) -> TestDatabase {
    let database = Postgres::shared().await.database().await;
    database.connect().await.batch_execute(schema).await.unwrap();
    database
}

/// What is to be built for the statements.
fn built(database: &TestDatabase, statements: &str) -> Vec<String> {
    let workload = Workload::of(statements);
    let path = workload.path();
    sql(&as_json(database, &["--workload", path.to_str().unwrap()]), "build")
}

#[tokio::test]
async fn an_index_that_is_being_built_is_neither_dropped_nor_built_again() {
    let database = with(
        "CREATE TABLE orders AS SELECT i AS id, i % 6000 AS customer_id, repeat(md5(i::text), 4) AS note
             FROM generate_series(1, 60000) AS i;
         ANALYZE orders;",
    )
    .await;
    // CREATE INDEX CONCURRENTLY waits for whoever has written to the table.
    let mut writer = database.connect().await;
    let writing = writer.transaction().await.unwrap();
    writing.batch_execute("INSERT INTO orders VALUES (0, 0, '')").await.unwrap();
    let builder = database.connect().await;
    let building = tokio::spawn(async move {
        let create = "CREATE INDEX CONCURRENTLY by_customer ON orders (customer_id)";
        builder.batch_execute(create).await
    });
    let looker = database.connect().await;
    let begun = "SELECT FROM pg_index WHERE indexrelid = to_regclass('by_customer')";
    let deadline = Instant::now() + PATIENCE;
    while looker.query_opt(begun, &[]).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "the index is not being built");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let workload = Workload::of("SELECT * FROM orders WHERE customer_id = 4111;");
    let path = workload.path();
    let file = ["--workload", path.to_str().unwrap()];
    let advice = as_json(&database, &file);
    assert!(sql(&advice, "drop").is_empty() && sql(&advice, "build").is_empty(), "{advice:#}");
    assert_eq!(advice["not_judged"][0]["what"], "index by_customer of public.orders");
    writing.rollback().await.unwrap();
    building.await.unwrap().unwrap();
    assert!(sql(&as_json(&database, &file), "drop").is_empty());
}

#[tokio::test]
async fn the_index_of_a_partitioned_table_is_built_part_by_part() {
    let database = with(
        "CREATE TABLE orders (id int, region int, customer_id int) PARTITION BY LIST (region);
         CREATE TABLE orders_a PARTITION OF orders FOR VALUES IN (0);
         CREATE TABLE orders_b PARTITION OF orders FOR VALUES IN (1);
         INSERT INTO orders SELECT i, i % 2, i % 6000 FROM generate_series(1, 60000) AS i;
         ANALYZE orders;",
    )
    .await;
    let statement = "SELECT * FROM orders WHERE customer_id = 4111;";
    let without_hypopg = built(&database, statement);
    let first = "CREATE INDEX orders_customer_id_idx ON ONLY public.orders (customer_id);";
    assert!(without_hypopg[0].starts_with(first), "{without_hypopg:?}");
    if install_hypopg(&database).await {
        assert_eq!(built(&database, statement), without_hypopg);
    }
    let client = database.connect().await;
    client.batch_execute(&without_hypopg[0]).await.unwrap();
    let steps: Vec<&str> =
        without_hypopg[0].lines().filter_map(|line| line.strip_prefix("-- ")).skip(1).collect();
    for partition in ["orders_a", "orders_b"] {
        for step in &steps {
            let step = step
                .replace("partition_idx", &format!("{partition}_idx"))
                .replace(" ON partition ", &format!(" ON {partition} "));
            client.batch_execute(&step).await.unwrap();
        }
    }
    let valid =
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_customer_id_idx'::regclass";
    assert!(client.query_one(valid, &[]).await.unwrap().get::<_, bool>(0));
    assert!(built(&database, statement).is_empty());
}

#[tokio::test]
async fn a_pattern_that_a_plain_index_cannot_answer_gets_one_that_can() {
    let database = with("CREATE TABLE users (id int, name text)").await;
    let client = database.connect().await;
    let sorted = "ALTER TABLE users ALTER name TYPE text COLLATE \"en-x-icu\"";
    if client.batch_execute(sorted).await.is_err() || !install_hypopg(&database).await {
        eprintln!("this server lacks ICU or HypoPG");
        return;
    }
    client
        .batch_execute(
            "INSERT INTO users SELECT i, md5(i::text) FROM generate_series(1, 60000) AS i;
             CREATE INDEX users_by_name ON users (name);
             ANALYZE users;",
        )
        .await
        .unwrap();
    let statement = "SELECT * FROM users WHERE name LIKE 'c4ca4%';";
    let build = built(&database, statement);
    assert!(build[0].contains("ON public.users (name text_pattern_ops)"), "{build:?}");
    client.batch_execute(&build[0]).await.unwrap();
    client.batch_execute("ANALYZE users").await.unwrap();
    let workload = Workload::of(statement);
    let path = workload.path();
    let advice = as_json(&database, &["--workload", path.to_str().unwrap()]);
    assert!(sql(&advice, "build").is_empty() && sql(&advice, "drop").is_empty(), "{advice:#}");
}

#[tokio::test]
async fn every_index_on_an_expression_can_be_built() {
    let database = with(
        "CREATE TABLE events AS SELECT i AS id, to_jsonb(json_build_object('k', i::text)) AS doc,
                now() - i * interval '1 hour' AS at,
                now()::timestamp - i * interval '1 hour' AS local, md5(i::text) AS name
             FROM generate_series(1, 60000) AS i;
         ANALYZE events;",
    )
    .await;
    let conditions = [
        ("doc ->> 'k' = '77'", true),
        ("(doc ->> 'k')::int = 77", true),
        ("left(name, 5) = 'c4ca4'", true),
        ("id::text = '77'", true),
        ("local::date = '2026-01-01'", true),
        ("date_trunc('day', local) = '2026-01-01'", true),
        ("at::date = '2026-01-01'", false),
        ("date_trunc('day', at) = '2026-01-01'", false),
        ("extract(year from at) = 1999", false),
        ("id::text::date = '2026-01-01'", false),
    ];
    let hypopg = install_hypopg(&database).await;
    let client = database.connect().await;
    for (condition, indexable) in conditions {
        let statement = format!("SELECT id FROM events WHERE {condition};");
        let build = built(&database, &statement);
        if !indexable {
            assert!(build.is_empty(), "{condition}: {build:?}");
        } else if hypopg {
            client.batch_execute(&build[0]).await.unwrap();
            assert!(built(&database, &statement).is_empty(), "{condition} is there");
        }
    }
}
