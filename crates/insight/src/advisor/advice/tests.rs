use model::IndexFacts;

use super::*;
use crate::scene::{index, shop, table};

fn orders() -> model::TableFacts {
    let columns = [("id", -1.0), ("customer_id", 50_000.0), ("shop_id", 200.0), ("note", -1.0)];
    let mut orders = table("orders", 1_000_000.0, &columns);
    orders.columns[3].type_name = "text".to_owned();
    orders.index_scans = 10_000;
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
    advise(workload, database, settings, Some(&mut ByCustomer), &mut || true)
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
    let advice = advise(&workload, &database, AdviceSettings::default(), None, &mut || true);
    assert_eq!(advice.picks.len(), 1);
    assert_eq!((advice.picks[0].basis, advice.picks[0].statements.len()), (Basis::Statistics, 2));
    assert!(!advice.planner);
    let tight = AdviceSettings { budget: 1 << 20, ..AdviceSettings::default() };
    assert!(advise(&workload, &database, tight, None, &mut || true).picks.is_empty());
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
}

#[test]
fn what_to_drop() {
    let sized = |index: IndexFacts| IndexFacts { bytes: 8 << 20, ..index };
    let with = |indexes: Vec<IndexFacts>| {
        let mut orders = orders();
        orders.indexes.extend(indexes.into_iter().map(sized));
        shop(vec![orders])
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
    assert_eq!(names, ["x", "y"]);
    assert_eq!(advice.costs[0], None);
}
