//! What is read of the upkeep of tables, of keys and sequences, and of the server as a whole.

use model::{CatalogFacts, CatalogPart, DatabaseFacts, HorizonKind, ServerFacts, TableKind};
use pgweir_catalog::{Catalog, CatalogSettings};
use testkit::Postgres;

use crate::shop::{Shop, table, upstream};

async fn server_of(shop: &Shop) -> ServerFacts {
    let facts = shop.read(&CatalogFacts::default()).await;
    let name = &facts.databases[&shop.database.name].server;
    facts.servers[name].clone()
}

async fn with(shop: &Shop, sql: &str) -> DatabaseFacts {
    shop.client.batch_execute(sql).await.unwrap();
    shop.facts().await
}

#[tokio::test]
async fn tables_come_with_their_upkeep_and_keys() {
    let shop = Shop::open().await;
    let facts = with(
        &shop,
        "CREATE TABLE lines (
             order_id bigint NOT NULL REFERENCES orders,
             \"Line No\" int,
             of_order bigint, of_line int,
             PRIMARY KEY (order_id, \"Line No\"),
             CONSTRAINT part_of FOREIGN KEY (of_line, of_order)
                 REFERENCES lines (\"Line No\", order_id)
         ) WITH (fillfactor = 70, autovacuum_enabled = off);
         CREATE MATERIALIZED VIEW late AS SELECT * FROM orders;
         CREATE TABLE days (day int) PARTITION BY RANGE (day);
         CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (10);
         CREATE TABLE loose (id int);",
    )
    .await;
    let lines = table(&facts, "lines");
    assert_eq!((lines.upkeep.fill_factor, lines.upkeep.autovacuum), (70, false));
    assert_eq!((lines.upkeep.kind, lines.upkeep.last_analyze), (TableKind::Ordinary, None));
    let keys: Vec<_> = lines
        .foreign_keys
        .iter()
        .map(|key| (key.name.as_str(), key.columns.join(","), key.parent_table.as_str()))
        .collect();
    let expected = [
        ("lines_order_id_fkey", "order_id".to_owned(), "orders"),
        ("part_of", "of_line,of_order".to_owned(), "lines"),
    ];
    assert_eq!(keys, expected);
    let nullable: Vec<_> = lines.columns.iter().map(|column| column.not_null).collect();
    assert_eq!(nullable, [true, true, false, false]);

    let orders = table(&facts, "orders");
    assert!(orders.upkeep.heap_bytes > 0 && orders.upkeep.last_analyze.is_some(), "{orders:?}");
    assert!(orders.indexes[0].relied_on, "a constraint stands on it");
    assert_eq!(table(&facts, "late").upkeep.kind, TableKind::Materialised);
    assert_eq!(table(&facts, "days").upkeep.kind, TableKind::Partitioned);
    assert!(table(&facts, "days_1").upkeep.partition);
    assert!(facts.upkeep.counted_since.is_some() && facts.upkeep.work_mem_bytes >= 1 << 20);
}

#[tokio::test]
async fn a_dropped_index_can_be_made_again() {
    let shop = Shop::open().await;
    let index = "CREATE INDEX by_customer ON orders (customer_id DESC) WHERE status = 'open'";
    let facts = with(&shop, &format!("{index}; CREATE INDEX plain ON orders (customer_id)")).await;
    let indexes = &table(&facts, "orders").indexes;
    let made = indexes[0].definition.as_deref().unwrap();
    assert!(made.starts_with("CREATE INDEX by_customer ON public.orders USING btree"), "{made}");
    assert!(made.contains("customer_id DESC") && made.contains("WHERE"), "{made}");
    assert_ne!(indexes[0].key_options, indexes[2].key_options, "the order differs");
    assert_eq!(indexes[1].definition, None, "nobody drops a primary key");
}

#[tokio::test]
async fn sequences_come_with_their_value_and_column() {
    let shop = Shop::open().await;
    let facts = with(
        &shop,
        "CREATE TABLE visits (id serial, other int);
         SELECT setval('visits_id_seq', 2000000000);
         CREATE SEQUENCE alone INCREMENT BY -2 MINVALUE -100 CYCLE;",
    )
    .await;
    let [visits, alone] = facts.sequences.as_slice() else { panic!("{:?}", facts.sequences) };
    assert_eq!((alone.increment, alone.least, alone.cycles), (-2, -100, true));
    assert_eq!((alone.last, alone.readable, &alone.column), (None, true, &None));
    assert_eq!((visits.last, visits.most), (Some(2_000_000_000), 2_147_483_647));
    let column = visits.column.as_ref().unwrap();
    assert_eq!((column.table.as_str(), column.name.as_str()), ("visits", "id"));
    assert_eq!(column.type_name, "integer");
}

#[tokio::test]
async fn what_is_refused_is_said_to_be_unread_and_the_rest_is_there() {
    let shop = Shop::open_as("limited").await;
    shop.client
        .batch_execute(
            "CREATE SEQUENCE seen; GRANT SELECT ON SEQUENCE seen TO PUBLIC;
             REVOKE EXECUTE ON FUNCTION pg_stat_get_dead_tuples, pg_sequence_last_value FROM PUBLIC",
        )
        .await
        .unwrap();
    let facts = shop.read(&CatalogFacts::default()).await;
    let database = &facts.databases[&shop.database.name];
    assert_eq!(database.unread, [CatalogPart::Upkeep, CatalogPart::Sequences].into());
    assert_eq!(table(database, "orders").rows, 5000.0);
    let said = |what: &str| facts.unavailable.iter().any(|one| one.what.starts_with(what));
    assert!(said("upkeep of tables") && said("sequences of"), "{:?}", facts.unavailable);
}

#[tokio::test]
async fn what_a_limit_leaves_out_is_said_and_what_ends_soonest_is_read() {
    let shop = Shop::open().await;
    shop.client
        .batch_execute(
            "CREATE SEQUENCE a_wide; CREATE SEQUENCE b_round MAXVALUE 9 CYCLE;
             CREATE TABLE visits (id serial PRIMARY KEY, kind smallserial, alone bigserial,
                                  one int REFERENCES visits, two int REFERENCES visits);",
        )
        .await
        .unwrap();
    let name = shop.database.name.clone();
    let settings =
        CatalogSettings { max_sequences: 2, max_foreign_keys: 1, ..CatalogSettings::default() };
    let catalog = Catalog::new(upstream(Postgres::shared().await, "postgres"), settings);
    let facts = catalog.read(std::slice::from_ref(&name), &CatalogFacts::default()).await;
    let read = &facts.databases[&name];
    let names: Vec<_> = read.sequences.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["visits_kind_seq", "visits_id_seq"]);
    assert_eq!(table(read, "visits").foreign_keys.len(), 1);
    let notes: Vec<_> = facts.unavailable.iter().map(|one| (&*one.what, &*one.why)).collect();
    let (keys, sequences) =
        (format!("further foreign keys of {name}"), format!("further sequences of {name}"));
    assert_eq!(notes, [(&*keys, "only 1 are read"), (&*sequences, "only 2 are read")]);
    assert!(read.unread.is_empty());
}

#[tokio::test]
async fn the_oldest_tables_are_those_of_the_whole_database() {
    let shop = Shop::open().await;
    assert_eq!(shop.facts().await.upkeep.oldest_frozen, [], "it is young: nobody asks");
    let settings = CatalogSettings { oldest_from_age: 0, ..CatalogSettings::default() };
    let catalog = Catalog::new(upstream(Postgres::shared().await, "postgres"), settings);
    let name = shop.database.name.clone();
    let facts = catalog.read(std::slice::from_ref(&name), &CatalogFacts::default()).await;
    assert_eq!(facts.unavailable, []);
    let system = &facts.databases[&name].upkeep;
    assert_eq!(system.oldest_frozen[0].schema, "pg_catalog", "older than the shop's");
    // Others use up transaction ids between the two.
    assert!(system.oldest_frozen[0].age >= system.frozen_age, "{system:?}");
    assert!(!system.oldest_multixact.is_empty());
    let names: std::collections::BTreeSet<_> =
        system.oldest_frozen.iter().map(|one| (&one.schema, &one.name)).collect();
    assert_eq!(names.len(), system.oldest_frozen.len(), "a table and its TOAST table are one");
}

#[tokio::test]
async fn the_server_is_read_and_an_old_transaction_is_seen() {
    let shop = Shop::open().await;
    let mut other = shop.database.connect().await;
    let transaction = other.transaction().await.unwrap();
    transaction.batch_execute("CREATE TABLE mine (a int)").await.unwrap();
    let server = server_of(&shop).await;
    assert!(server.sees_sessions && !server.in_recovery && server.read_at.is_some());
    assert!(server.settings.freeze_max_age >= 100_000, "{:?}", server.settings);
    assert!(server.settings.checkpoint_timeout_s >= 30.0, "{:?}", server.settings);
    assert_eq!(server.checkpoints.len(), 1);
    let session = |one: &&model::HorizonHolder| one.kind == HorizonKind::Session && one.pid > 0;
    assert!(server.horizon.iter().any(|one| session(&one)), "{:?}", server.horizon);
}

#[tokio::test]
async fn a_role_that_may_only_connect_reads_what_it_may() {
    let shop = Shop::open_as("limited").await;
    shop.client.batch_execute("CREATE SEQUENCE hidden").await.unwrap();
    let facts = shop.read(&CatalogFacts::default()).await;
    let database = &facts.databases[&shop.database.name];
    assert!(!database.sequences[0].readable);
    assert!(table(database, "orders").upkeep.last_analyze.is_some());
    let server = &facts.servers[&database.server];
    assert_eq!((server.role.as_str(), server.sees_sessions), ("limited", false));
}

#[tokio::test]
async fn those_who_wait_for_a_lock_are_seen_with_those_they_wait_for() {
    for user in ["postgres", "limited"] {
        let shop = Shop::open_as(user).await;
        let name = shop.database.name.clone();
        let quiet = shop.catalog.lock_queue(&name, &str::to_owned).await.unwrap();
        let mine = |queue: &model::LockQueue| queue.sessions.iter().any(|s| s.database == name);
        assert!(!quiet.is_some_and(|queue| mine(&queue)), "nobody waits here yet");

        shop.client
            .batch_execute("BEGIN; UPDATE orders SET status = 'x' WHERE id = 7")
            .await
            .unwrap();
        let waiter = shop.database.connect().await;
        let waiting = tokio::spawn(async move {
            waiter.batch_execute("UPDATE orders SET status = 'y' WHERE id = 7").await
        });
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let queue = loop {
            let normalise = |text: &str| text.replace('7', "?");
            let queue = shop.catalog.lock_queue(&name, &normalise).await.unwrap();
            if let Some(queue) = queue.filter(&mine) {
                break queue;
            }
            assert!(std::time::Instant::now() < deadline, "nobody waits");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let holder = queue.sessions.iter().find(|s| {
            s.database == name && { queue.waits.iter().any(|wait| wait.blocked_by == [s.pid]) }
        });
        let holder = holder.unwrap_or_else(|| panic!("{queue:?}"));
        let wait = queue.waits.iter().find(|wait| wait.blocked_by == [holder.pid]).unwrap();
        assert_eq!((wait.lock.as_str(), wait.mode.as_str()), ("transactionid", "ShareLock"));
        assert_eq!(wait.table.as_deref(), Some("public.orders"));
        if user == "postgres" {
            assert_eq!(holder.state, "idle in transaction");
            assert!(holder.statement.ends_with("WHERE id = ?"), "{}", holder.statement);
        } else {
            assert_eq!((holder.state.as_str(), holder.statement.as_str()), ("", ""));
        }
        shop.client.batch_execute("ROLLBACK").await.unwrap();
        waiting.await.unwrap().unwrap();
    }
}
