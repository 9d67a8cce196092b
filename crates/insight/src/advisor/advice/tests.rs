use model::IndexFacts;

use super::*;
use crate::scene::{index, shop, table};

fn orders() -> model::TableFacts {
    let columns = [("id", -1.0), ("customer_id", 50_000.0), ("shop_id", 200.0), ("note", -1.0)];
    let mut orders = table("orders", 1_000_000.0, &columns);
    orders.columns[3].type_name = "text".to_owned();
    orders.index_scans = 10_000;
    orders.writes = 10_000;
    orders
}

/// A statement that reads all orders to find a few.
fn statement(name: &str, text: &str, calls: f64) -> WorkloadStatement {
    let scan = ScanFacts {
        node: "Seq Scan".to_owned(),
        schema: "public".to_owned(),
        table: "orders".to_owned(),
        rows: 20.0,
        cost: 20_000.0,
        filtered: true,
        filter_columns: Vec::new(),
        index: None,
    };
    WorkloadStatement {
        name: name.to_owned(),
        text: text.to_owned(),
        calls,
        measured_ms: None,
        rows_written: 1.0,
        facts: sql::facts(text).map_err(|error| error.reason),
        plan: Ok(PlanNow { cost: 20_010.0, scans: vec![scan], indexes: Vec::new() }),
    }
}

/// Whatever index begins with customer_id makes its statement cheap.
struct ByCustomer;

impl Planner for ByCustomer {
    fn plan(&mut self, _: usize, indexes: &[&IndexCandidate]) -> Option<Judged> {
        let at = indexes.iter().position(|index| index.columns == ["customer_id"]);
        Some(match at {
            Some(at) => Judged { cost: 80.0, used: vec![at] },
            None => Judged { cost: 20_010.0, used: Vec::new() },
        })
    }

    fn bytes(&mut self, _: &IndexCandidate) -> Option<u64> {
        Some(40 << 20)
    }
}

const BY_CUSTOMER: &str = "SELECT * FROM orders WHERE customer_id = $1";
const INSERT: &str = "INSERT INTO orders VALUES ($1)";

fn advice(workload: &[WorkloadStatement], database: &DatabaseFacts) -> Advice {
    let settings = AdviceSettings::default();
    advise(workload, reading(database), settings, Some(&mut ByCustomer), &mut || true)
}

/// As it was read two days after the server began to count.
fn reading(database: &DatabaseFacts) -> DatabaseReading<'_> {
    let at = Timestamp::from_second(2 * 86_400).expect("a moment");
    DatabaseReading { database, server: None, at }
}

fn built(advice: &Advice) -> Vec<&str> {
    advice.picks.iter().map(|pick| pick.sql.as_str()).collect()
}

#[test]
fn what_the_planner_would_use() {
    let database = shop(vec![orders()]);
    let advice = advice(&[statement("a", BY_CUSTOMER, 5.0)], &database);
    assert_eq!(
        built(&advice),
        ["CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id);"]
    );
    let pick = &advice.picks[0];
    assert_eq!((pick.basis, &*pick.statements), (Basis::Planner, &[0][..]));
    assert!(pick.bytes < 30 << 20, "HypoPG's size is put right: {}", pick.bytes);
    assert!(advice.relative_cost < 0.01 && pick.gain > 0.99);
}

#[test]
fn writes_are_weighed_against_reads() {
    let database = shop(vec![orders()]);
    let mut insert = statement("b", INSERT, 1.0e6);
    insert.plan = Ok(PlanNow { cost: 0.01, ..PlanNow::default() });
    let workload = [statement("a", BY_CUSTOMER, 1.0), insert.clone()];
    assert!(advice(&workload, &database).picks.is_empty());
    insert.calls = 100.0;
    let workload = [statement("a", BY_CUSTOMER, 1.0), insert];
    let advice = advice(&workload, &database);
    assert_eq!(advice.picks.len(), 1);
    assert!(advice.picks[0].upkeep > 0.0);
}

#[test]
fn without_a_planner_the_statistics_speak() {
    let database = shop(vec![orders()]);
    let workload = [statement("a", BY_CUSTOMER, 5.0), statement("b", BY_CUSTOMER, 5.0)];
    let advice =
        advise(&workload, reading(&database), AdviceSettings::default(), None, &mut || true);
    assert_eq!(advice.picks.len(), 1);
    assert_eq!((advice.picks[0].basis, advice.picks[0].statements.len()), (Basis::Statistics, 2));
    assert!(!advice.planner);
    let tight = AdviceSettings { budget: 1 << 20, ..AdviceSettings::default() };
    assert!(advise(&workload, reading(&database), tight, None, &mut || true).picks.is_empty());
}

#[test]
fn patterns_without_a_beginning_want_trigrams() {
    let database = shop(vec![orders()]);
    let like = "SELECT * FROM orders WHERE note LIKE '%gift%'";
    let found = advice(&[statement("a", like, 1.0)], &database);
    let sql = "CREATE EXTENSION IF NOT EXISTS pg_trgm;\nCREATE INDEX CONCURRENTLY orders_note_idx \
               ON public.orders USING gin (note gin_trgm_ops);";
    assert_eq!(built(&found), [sql]);
    assert_eq!(found.picks[0].basis, Basis::Statistics);
    let mut many = statement("a", like, 1.0);
    if let Ok(plan) = &mut many.plan {
        plan.scans[0].rows = 200_000.0;
    }
    assert!(advice(&[many], &database).picks.is_empty(), "a fifth of the table");
}

#[test]
fn expressions_are_indexed_where_the_server_takes_them() {
    let database = shop(vec![orders()]);
    let sql = |condition: &str| {
        let text = format!("SELECT * FROM orders WHERE {condition}");
        let found = advice(&[statement("a", &text, 1.0)], &database);
        found.picks.first().map(|pick| super::super::target(&pick.index))
    };
    assert_eq!(
        sql("to_tsvector('english', note) @@ to_tsquery($1)").as_deref(),
        Some("public.orders USING gin ((to_tsvector('english', note)))")
    );
    assert_eq!(
        sql("lower(note) LIKE '%gift%'").as_deref(),
        Some("public.orders USING gin ((lower(note)) gin_trgm_ops)")
    );
    assert_eq!(sql("to_tsvector(note) @@ to_tsquery($1)"), None, "depends on a setting");
    assert_eq!(sql("(note || $1) LIKE '%gift%'"), None, "its value is not known");
}

/// A database whose scans are counted since 1970 began.
fn counted(table: model::TableFacts) -> DatabaseFacts {
    let mut database = shop(vec![table]);
    database.upkeep.counted_since = Some(Timestamp::UNIX_EPOCH);
    database
}

#[test]
fn what_to_drop() {
    let sized = |index: IndexFacts| IndexFacts { bytes: 8 << 20, ..index };
    let with = |indexes: Vec<IndexFacts>| {
        let mut orders = orders();
        orders.indexes.extend(indexes.into_iter().map(sized));
        counted(orders)
    };
    let dropped = |database: &DatabaseFacts, workload: &[WorkloadStatement]| -> Vec<String> {
        advice(workload, database).drops.into_iter().map(|drop| drop.index).collect()
    };
    let scanned = |index: IndexFacts| IndexFacts { scans: 5, ..index };
    let short = scanned(index(&["shop_id"]));
    let long = scanned(index(&["shop_id", "note"]));
    assert_eq!(dropped(&with(vec![short.clone(), long]), &[]), ["on_shop_id"]);
    assert_eq!(dropped(&with(vec![index(&["shop_id"])]), &[]), ["on_shop_id"], "never scanned");
    assert!(dropped(&with(vec![short.clone()]), &[]).is_empty());
    for kept in [
        IndexFacts { unique: true, ..index(&["shop_id"]) },
        IndexFacts { relied_on: true, ..index(&["shop_id"]) },
    ] {
        assert!(dropped(&with(vec![kept]), &[]).is_empty());
    }
    let mut using = statement("a", BY_CUSTOMER, 1.0);
    if let Ok(plan) = &mut using.plan {
        plan.indexes.push("on_shop_id".to_owned());
    }
    assert!(dropped(&with(vec![index(&["shop_id"])]), &[using]).is_empty(), "a plan uses it");
    let twin = IndexFacts { name: "z_twin".to_owned(), ..short.clone() };
    assert_eq!(dropped(&with(vec![short, twin]), &[]), ["z_twin"], "one of the two stays");
}

#[test]
fn what_cannot_be_judged_is_said() {
    let mut broken = statement("x", BY_CUSTOMER, 1.0);
    broken.plan = Err("42P01: no such table".to_owned());
    let mut unread = statement("y", "SELECT 1", 1.0);
    unread.facts = Err("the SQL parser cannot read it".to_owned());
    let advice = advice(&[broken, unread], &shop(vec![orders()]));
    let names: Vec<_> = advice.not_judged.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x", "y", "indexes that nothing reads"]);
    assert_eq!(advice.costs[0], None);
}

/// Orders with an index of 8 MB, of which the server counts scans long enough.
fn with_index(change: impl FnOnce(&mut model::TableFacts, &mut IndexFacts)) -> DatabaseFacts {
    let mut orders = orders();
    let mut index = IndexFacts { bytes: 8 << 20, ..index(&["shop_id"]) };
    change(&mut orders, &mut index);
    orders.indexes.push(index);
    counted(orders)
}

#[test]
fn an_index_that_is_being_built_is_left_alone() {
    let invalid = with_index(|_, index| index.valid = false);
    assert_eq!(advice(&[], &invalid).drops.len(), 1);
    let building = with_index(|_, index| {
        *index = IndexFacts { valid: false, building: true, ..index.clone() };
        index.columns = vec!["customer_id".to_owned()];
    });
    let found = advice(&[statement("a", BY_CUSTOMER, 1.0)], &building);
    assert_eq!((found.drops, found.picks), (vec![], vec![]));
    assert_eq!(found.not_judged[0].0, "index on_shop_id of public.orders");
}

#[test]
fn what_is_not_scanned_goes_only_where_scans_were_counted_and_nothing_else_wants_it() {
    let unused = with_index(|_, _| {});
    assert_eq!(advice(&[], &unused).drops.len(), 1);
    let mut young = unused.clone();
    young.upkeep.counted_since = Timestamp::from_second(86_401).ok();
    let found = advice(&[], &young);
    assert!(found.drops.is_empty());
    assert_eq!(found.not_judged[0].0, "indexes that nothing reads");
    let server = ServerFacts { in_recovery: true, ..ServerFacts::default() };
    let standby = DatabaseReading { server: Some(&server), ..reading(&unused) };
    let of_standby = advise(&[], standby, AdviceSettings::default(), None, &mut || true);
    assert!(of_standby.drops.is_empty());
    let wanted = with_index(|orders, _| {
        orders.foreign_keys.push(model::ForeignKeyFacts {
            columns: vec!["shop_id".to_owned()],
            ..model::ForeignKeyFacts::default()
        });
    });
    assert!(advice(&[], &wanted).drops.is_empty(), "a foreign key needs it");
    let quiet = with_index(|orders, _| orders.writes = 10);
    assert!(advice(&[], &quiet).drops.is_empty(), "nothing is written");
    let wide = with_index(|orders, index| {
        index.scans = 7;
        let bytes = 25 << 20;
        orders.indexes.push(IndexFacts { bytes, ..crate::scene::index(&["shop_id", "note"]) });
        orders.indexes[1].scans = 1;
    });
    assert!(advice(&[], &wide).drops.is_empty(), "the wide one is too large to take its place");
}

#[test]
fn a_new_index_takes_the_place_of_those_alone_that_compare_and_sort_as_it_does() {
    let dropped = |clause: &str, bytes: u64| {
        let database = with_index(|_, index| {
            index.columns = vec!["customer_id".to_owned()];
            index.key_clauses = vec![clause.to_owned()];
            (index.scans, index.bytes) = (9, bytes);
            index.predicate = None;
        });
        let pick = Pick {
            index: IndexCandidate {
                schema: "public".to_owned(),
                table: "orders".to_owned(),
                columns: vec!["customer_id".to_owned(), "note".to_owned()],
                ..IndexCandidate::default()
            },
            sql: String::new(),
            undo: String::new(),
            bytes: 20 << 20,
            gain: 0.5,
            upkeep: 0.0,
            statements: Vec::new(),
            basis: Basis::Planner,
        };
        drops::drops(reading(&database), &[pick], &[]).len()
    };
    assert_eq!(dropped("", 8 << 20), 1);
    assert_eq!(dropped("", 4 << 20), 0, "the new one is five times as large");
    for clause in ["text_pattern_ops", "DESC", "COLLATE \"C\""] {
        assert_eq!(dropped(clause, 8 << 20), 0, "{clause}");
    }
}

#[test]
fn an_index_of_a_partitioned_table_is_never_dropped_concurrently() {
    let partitioned = |orders: &mut model::TableFacts| {
        orders.upkeep.kind = model::TableKind::Partitioned;
    };
    let unused = with_index(|orders, index| {
        partitioned(orders);
        index.definition = Some("CREATE INDEX on_shop_id ON ONLY public.orders (shop_id)".into());
    });
    let drops = advice(&[], &unused).drops;
    assert_eq!(drops[0].sql, "DROP INDEX public.on_shop_id;");
    let undo = "CREATE INDEX on_shop_id ON public.orders (shop_id);";
    assert_eq!(drops[0].undo.as_deref(), Some(undo));
    let lacking = with_index(|orders, index| {
        partitioned(orders);
        index.valid = false;
    });
    assert!(advice(&[], &lacking).drops.is_empty(), "a partition's index may be on its way");
}

#[test]
fn a_partitioned_table_is_advised_by_its_partitions_scans() {
    let mut orders = orders();
    orders.upkeep.kind = model::TableKind::Partitioned;
    let part = model::TableFacts {
        root: Some(("public".to_owned(), "orders".to_owned())),
        ..table("orders_2026", 900_000.0, &[("id", -1.0)])
    };
    let database = shop(vec![orders, part]);
    let mut read = statement("a", BY_CUSTOMER, 1.0);
    if let Ok(plan) = &mut read.plan {
        plan.scans[0].table = "orders_2026".to_owned();
    }
    let settings = AdviceSettings::default();
    let found = advise(&[read], reading(&database), settings, None, &mut || true);
    let sql = "CREATE INDEX orders_customer_id_idx ON ONLY public.orders (customer_id);\n-- ";
    assert!(built(&found)[0].starts_with(sql), "{:?}", built(&found));
}

#[test]
fn what_is_not_tried_is_within_the_budget_and_pays_for_its_writes() {
    let database = shop(vec![orders()]);
    let like = "SELECT * FROM orders WHERE note LIKE '%gift%'";
    let read = statement("a", like, 1.0);
    let bytes = advice(std::slice::from_ref(&read), &database).picks[0].bytes;
    let of = |workload: &[WorkloadStatement], budget| {
        let settings = AdviceSettings { budget, ..AdviceSettings::default() };
        advise(workload, reading(&database), settings, Some(&mut ByCustomer), &mut || true).picks
    };
    assert_eq!(of(std::slice::from_ref(&read), bytes).len(), 1);
    assert!(of(std::slice::from_ref(&read), bytes - 1).is_empty());
    let by_customer = statement("b", BY_CUSTOMER, 1.0);
    let both = of(&[read.clone(), by_customer], bytes + (1 << 20));
    assert_eq!(both.len(), 1, "together they are more than the budget");
    let mut insert = statement("c", INSERT, 100.0);
    insert.plan = Ok(PlanNow { cost: 0.01, ..PlanNow::default() });
    let written = of(&[read.clone(), insert.clone()], u64::MAX);
    assert!(written[0].upkeep > 0.0);
    insert.calls = 1.0e5;
    assert!(of(&[read, insert.clone()], u64::MAX).is_empty(), "writes cost more than it saves");
    let alone = [statement("b", BY_CUSTOMER, 1.0), WorkloadStatement { calls: 1.0e6, ..insert }];
    let settings = AdviceSettings::default();
    let from_statistics = advise(&alone, reading(&database), settings, None, &mut || true);
    assert!(from_statistics.picks.is_empty(), "writes cost more than it saves");
}
