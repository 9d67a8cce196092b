//! What is read of a database.

use std::time::{Duration, Instant};

use model::{CatalogFacts, IndexFacts, PlanAnswer};
use pgweir_catalog::{Catalog, CatalogSettings};
use testkit::Postgres;

use crate::shop::{Shop, table, upstream};

#[tokio::test]
async fn columns_come_with_types_and_statistics() {
    let shop = Shop::open().await;
    let all = shop.read(&CatalogFacts::default()).await;
    assert!(all.server_version >= 130_000, "{}", all.server_version);
    assert!(all.read_at.is_some());
    let facts = &all.databases[&shop.database.name];
    assert_eq!(facts.search_path, ["public"]);
    assert!(!facts.hypopg);

    let orders = table(facts, "orders");
    assert_eq!((orders.schema.as_str(), orders.rows), ("public", 5000.0));
    assert!(orders.bytes >= 5000 * 40, "{}", orders.bytes);
    // pg_stats has single precision.
    let rounded = |share: f64| (share * 1000.0).round() / 1000.0;
    let columns: Vec<_> = orders
        .columns
        .iter()
        .map(|column| {
            (column.name.as_str(), column.type_name.as_str(), column.distinct.map(rounded))
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("id", "bigint", Some(-1.0)),
            ("customer_id", "bigint", Some(-0.2)),
            ("status", "text", Some(2.0)),
            ("channel", "channel", Some(2.0)),
            ("Placed At", "timestamp with time zone", Some(0.0)),
            // json has no equality, so nothing is known of it but NULLs and width.
            ("details", "json", Some(0.0)),
        ]
    );
    assert_eq!(orders.columns[0].correlation, Some(1.0));
    let commonest = orders.columns[2].commonest_share.unwrap();
    assert!((commonest - 0.99).abs() < 0.001, "{commonest}");
    assert_eq!(orders.columns[4].null_share, Some(1.0));
}

#[tokio::test]
async fn a_table_never_analysed_has_no_statistics() {
    let shop = Shop::open().await;
    shop.client.batch_execute("CREATE TABLE fresh (a int)").await.unwrap();
    let facts = shop.facts().await;
    let fresh = table(&facts, "fresh");
    assert!(fresh.rows < 0.0);
    assert_eq!(fresh.columns[0].distinct, None);
    assert_eq!(fresh.columns[0].width, None);
}

#[tokio::test]
async fn indexes_come_with_what_they_cover() {
    let shop = Shop::open().await;
    let define = "
        CREATE INDEX open_orders ON orders (status, customer_id DESC) INCLUDE (\"Placed At\")
            WHERE status <> 'done';
        CREATE INDEX by_expression ON orders (lower(status), (id + customer_id), \"Placed At\");
        CREATE INDEX by_hash ON orders USING hash (customer_id);";
    shop.client.batch_execute(define).await.unwrap();
    // Fails on the duplicates, and leaves the invalid index behind.
    let fail = "CREATE UNIQUE INDEX CONCURRENTLY one_each ON orders (customer_id)";
    shop.client.batch_execute(fail).await.unwrap_err();

    let facts = shop.facts().await;
    let indexes: Vec<IndexFacts> = table(&facts, "orders")
        .indexes
        .iter()
        .map(|index| {
            assert!(index.bytes > 0 || !index.valid, "{index:?}");
            assert_eq!(index.first_seen.is_some(), index.valid, "{index:?}");
            IndexFacts {
                bytes: 0,
                key_options: Vec::new(),
                relied_on: false,
                definition: None,
                first_seen: None,
                ..index.clone()
            }
        })
        .collect();
    let plain = |name: &str, columns: &[&str]| IndexFacts {
        name: name.to_owned(),
        method: "btree".to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        valid: true,
        key_clauses: columns.iter().map(|_| String::new()).collect(),
        ..IndexFacts::default()
    };
    let clauses = |list: &[&str]| list.iter().map(|clause| (*clause).to_owned()).collect();
    assert_eq!(
        indexes,
        [
            plain("by_expression", &["(lower(status))", "(id + customer_id)", "Placed At"]),
            IndexFacts { method: "hash".to_owned(), ..plain("by_hash", &["customer_id"]) },
            IndexFacts { unique: true, valid: false, ..plain("one_each", &["customer_id"]) },
            IndexFacts {
                include: vec!["Placed At".to_owned()],
                predicate: Some("status <> 'done'::text".to_owned()),
                key_clauses: clauses(&["", "DESC"]),
                ..plain("open_orders", &["status", "customer_id"])
            },
            IndexFacts { unique: true, primary: true, ..plain("orders_pkey", &["id"]) },
        ]
    );
}

#[tokio::test]
async fn what_a_key_says_beyond_its_column_is_read() {
    let shop = Shop::open().await;
    let define = "
        CREATE TABLE names (short varchar(20), plain text, sorted text COLLATE \"C\");
        CREATE INDEX a ON names (short, plain, sorted);
        CREATE INDEX b ON names (short varchar_pattern_ops, plain text_pattern_ops DESC);
        CREATE INDEX c ON names (plain COLLATE \"C\" NULLS FIRST, lower(plain) DESC NULLS LAST);";
    shop.client.batch_execute(define).await.unwrap();
    let facts = shop.facts().await;
    let clauses: Vec<_> =
        table(&facts, "names").indexes.iter().map(|index| index.key_clauses.join("; ")).collect();
    assert_eq!(
        clauses,
        [
            "; ; ",
            "varchar_pattern_ops; text_pattern_ops DESC",
            "COLLATE \"C\" NULLS FIRST; DESC NULLS LAST"
        ]
    );
}

#[tokio::test]
async fn a_partitioned_table_is_the_sum_of_its_partitions() {
    let shop = Shop::open().await;
    let define = "
        CREATE TABLE events (id int, kind int) PARTITION BY RANGE (id);
        CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (0) TO (1000)
            PARTITION BY RANGE (id);
        CREATE TABLE events_lowest PARTITION OF events_low FOR VALUES FROM (0) TO (1000);
        CREATE TABLE events_high PARTITION OF events FOR VALUES FROM (1000) TO (9000);
        CREATE INDEX events_kind ON events (kind);
        INSERT INTO events SELECT i, i % 10 FROM generate_series(1, 3000) AS i;
        ANALYZE events;";
    shop.client.batch_execute(define).await.unwrap();
    let facts = shop.facts().await;
    let [events, lowest, high] =
        ["events", "events_lowest", "events_high"].map(|name| table(&facts, name));
    assert_eq!((events.rows, lowest.rows, high.rows), (3000.0, 999.0, 2001.0));
    assert_eq!(events.bytes, lowest.bytes + high.bytes);
    let root = Some(("public".to_owned(), "events".to_owned()));
    assert_eq!((&events.root, &lowest.root, &high.root), (&None, &root, &root));
    assert_eq!(events.columns[1].distinct, Some(10.0));
    assert_eq!(events.indexes[0].columns, ["kind"]);
    assert_eq!(events.indexes[0].bytes, lowest.indexes[0].bytes + high.indexes[0].bytes);
    assert!(events.indexes[0].bytes > 0);
}

#[tokio::test]
async fn scans_and_writes_are_counted() {
    let shop = Shop::open().await;
    shop.client.query("SELECT FROM orders WHERE status = 'open'", &[]).await.unwrap();
    shop.client.query("SELECT FROM orders WHERE id = 7", &[]).await.unwrap();
    // A session tells its counters at the end of a transaction, at most once a second.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        shop.client.batch_execute("SELECT 1").await.unwrap();
        let facts = shop.facts().await;
        let orders = table(&facts, "orders");
        // Building the primary key is a scan too, of no rows.
        let seen = (orders.sequential_rows, orders.index_scans, orders.writes);
        if seen == (5000, 1, 5000) && orders.indexes[0].scans == 1 {
            assert!((1..=2).contains(&orders.sequential_scans), "{orders:?}");
            break;
        }
        assert!(Instant::now() < deadline, "{orders:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_locked_table_does_not_hold_the_reading_up() {
    let shop = Shop::open().await;
    shop.client.batch_execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let started = Instant::now();
    let facts = shop.facts().await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let orders = table(&facts, "orders");
    assert_eq!(orders.rows, 5000.0);
    assert!(orders.bytes >= 5000 * 40, "the estimate: {}", orders.bytes);
}

#[tokio::test]
async fn beyond_the_limit_the_largest_tables_are_read_and_it_is_said() {
    let shop = Shop::open().await;
    shop.client.batch_execute("CREATE TABLE a (a int); CREATE TABLE z (a int)").await.unwrap();
    let settings = CatalogSettings { max_tables: 1, ..CatalogSettings::default() };
    let catalog = Catalog::new(upstream(Postgres::shared().await, "postgres"), settings);
    let name = &shop.database.name;
    let facts = catalog.read(std::slice::from_ref(name), &CatalogFacts::default()).await;
    let tables: Vec<_> =
        facts.databases[name].tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(tables, ["orders"]);
    assert_eq!(facts.unavailable[0].what, format!("the smaller tables of {name}"));
}

#[tokio::test]
async fn plans_are_carried_over_until_an_index_appears() {
    let shop = Shop::open().await;
    let question = shop.question("SELECT * FROM orders WHERE customer_id = 7");
    let plan = shop.catalog.plan(&question).await;
    let mut first = shop.read(&CatalogFacts::default()).await;
    let known = first.databases.get_mut(&shop.database.name).unwrap();
    known.plans.insert(question.fingerprint, plan.clone());

    let second = shop.read(&first).await;
    let plans = &second.databases[&shop.database.name].plans;
    assert_eq!(plans.get(&question.fingerprint), Some(&plan));

    let index = "CREATE INDEX CONCURRENTLY by_customer ON orders (customer_id)";
    shop.catalog.execute(&shop.database.name, index).await.unwrap();
    let third = shop.read(&second).await;
    let facts = &third.databases[&shop.database.name];
    assert!(facts.plans.is_empty());
    assert_eq!(table(facts, "orders").indexes[0].name, "by_customer");
    let better: PlanAnswer = shop.catalog.plan(&question).await;
    assert!(better.cost.unwrap() < plan.cost.unwrap() / 2.0, "{better:?}");
}

#[tokio::test]
async fn the_columns_of_many_tables_are_read_in_several_statements() {
    let shop = Shop::open().await;
    let define = "
        DO $$ BEGIN
            FOR i IN 1..300 LOOP
                EXECUTE format('CREATE TABLE many_%s AS SELECT g AS a, g %% 10 AS b
                                FROM generate_series(1, 20) AS g', i);
                EXECUTE format('ANALYZE many_%s', i);
            END LOOP;
        END $$;";
    shop.client.batch_execute(define).await.unwrap();
    let facts = shop.facts().await;
    let many: Vec<_> = facts.tables.iter().filter(|t| t.name.starts_with("many_")).collect();
    assert_eq!(many.len(), 300);
    for table in many {
        let columns: Vec<_> =
            table.columns.iter().map(|one| (one.name.as_str(), one.distinct)).collect();
        assert_eq!(columns, [("a", Some(-1.0)), ("b", Some(-0.5))], "{}", table.name);
    }
}
