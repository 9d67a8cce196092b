//! Plans of made-up statements, and what is said of them.

use jiff::SignedDuration;
use model::{
    DatabaseCounters, DatabaseUpkeep, Finding, IndexFacts, MemoryNode, PlanAnswer, PlanShape,
    PlanText, ScanFacts, Severity,
};

use super::*;
use crate::scene::{Scene, index, shop, table};

const LOOK_UP: &str = "SELECT id FROM orders WHERE state LIKE $1";
const BY_LOWER: &str = "SELECT id FROM orders WHERE lower(state) = $1";

/// What is said of a statement that was run `calls` times, giving `rows` each.
struct Case {
    calls: u64,
    rows: u64,
    /// Time of every tenth call, ms; the others take 10.
    slow_ms: u64,
    answer: PlanAnswer,
    temp_bytes: u64,
    index: Option<IndexFacts>,
}

impl Case {
    fn new(answer: PlanAnswer) -> Self {
        Self { calls: 100, rows: 3, slow_ms: 10, answer, temp_bytes: 0, index: None }
    }

    fn detect(self, detector: &dyn Detector) -> Vec<Finding> {
        let mut scene = Scene::new();
        for call in 0..self.calls {
            let ms = if call % 10 == 0 { self.slow_ms } else { 10 };
            scene.statement(LOOK_UP).values(call).rows(self.rows).work_ms(ms).run();
        }
        let mut orders = table("orders", 1e5, &[("id", -1.0), ("shop", 90.0), ("state", 4.0)]);
        orders.indexes.extend(self.index);
        let now = scene.now();
        let counters = |temp_bytes, ago| DatabaseCounters {
            at: now - SignedDuration::from_secs(ago),
            blocks_read: 0,
            blocks_hit: 0,
            temp_files: 0,
            temp_bytes,
        };
        let mut database = shop(vec![orders]);
        database.upkeep = DatabaseUpkeep {
            work_mem_bytes: 4 << 20,
            hash_mem_multiplier: 2.0,
            counters: vec![counters(0, 60), counters(self.temp_bytes, 0)],
            ..DatabaseUpkeep::default()
        };
        let snapshot = scene.snapshot();
        let fingerprint = *snapshot.shapes.keys().next().expect("one statement was run");
        database.plans.insert(fingerprint, self.answer);
        scene.catalog.databases.insert("shop".to_owned(), database);
        scene.look(|inputs| detector.detect(inputs))
    }
}

fn scan(node: &str, rows: f64) -> ScanFacts {
    ScanFacts {
        node: node.to_owned(),
        schema: "public".to_owned(),
        table: "orders".to_owned(),
        rows,
        cost: 2_000.0,
        filtered: true,
        filter_columns: vec!["shop".to_owned(), "state".to_owned()],
        ..ScanFacts::default()
    }
}

fn answer(scan: ScanFacts) -> PlanAnswer {
    PlanAnswer { cost: Some(2_100.0), scans: vec![scan], ..PlanAnswer::default() }
}

#[test]
fn a_large_table_read_whole_again_and_again_is_found() {
    let of = |rows, calls| {
        let case = Case { calls, ..Case::new(answer(scan("Parallel Seq Scan", rows))) };
        case.detect(&SequentialScan)
    };
    let findings = of(500.0, 100);
    assert_eq!((findings.len(), findings[0].severity), (1, Severity::Warning));
    assert!(findings[0].title.starts_with("public.orders is read whole by SELECT id"));
    assert!(of(50_000.0, 100).is_empty(), "half of the table is wanted");
    assert!(of(500.0, 9).is_empty(), "a report now and then");
    assert!(Case::new(answer(scan("Index Scan", 5.0))).detect(&SequentialScan).is_empty());
}

#[test]
fn an_index_that_reads_far_more_than_is_kept_is_found_and_widened() {
    let of = |entries_read| {
        let narrow = IndexFacts { scans: 100, entries_read, ..index(&["shop"]) };
        let by_index = ScanFacts { index: Some("on_shop".to_owned()), ..scan("Index Scan", 3.0) };
        let case = Case { index: Some(narrow), ..Case::new(answer(by_index)) };
        case.detect(&InefficientIndex)
    };
    let findings = of(400_000);
    let sql = "CREATE INDEX CONCURRENTLY orders_shop_state_idx ON public.orders (shop, state);";
    assert_eq!(findings[0].fix.sql.as_deref(), Some(sql));
    assert!(of(40_000).is_empty(), "400 entries are read in no time");
    assert!(of(2_000).is_empty());
}

#[test]
fn far_more_rows_than_expected_are_found() {
    let of = |expected, rows| {
        let estimate = PlanAnswer { rows: expected, ..answer(scan("Seq Scan", 3.0)) };
        Case { rows, ..Case::new(estimate) }.detect(&RowMisestimate)
    };
    let findings = of(Some(3.0), 2_900);
    assert_eq!(findings[0].severity, Severity::Warning);
    let sql = findings[0].fix.sql.as_deref().unwrap_or_default();
    assert!(sql.starts_with("CREATE STATISTICS public.orders_shop_state_stat"), "{sql}");
    assert!(sql.ends_with("ANALYZE public.orders;"), "{sql}");
    assert_eq!(of(Some(3.0), 90_000)[0].severity, Severity::Critical);
    assert!(of(Some(300.0), 2_900).is_empty(), "not tenfold");
    assert!(of(Some(3.0), 900).is_empty(), "too few to matter");
    assert!(of(None, 90_000).is_empty(), "a LIMIT decides");
}

#[test]
fn a_sort_that_does_not_fit_is_found_where_files_were_written() {
    let of = |bytes, temp_bytes, node: &str| {
        let sort = MemoryNode { node: node.to_owned(), rows: 1e5, bytes };
        let sorting = PlanAnswer { memory: vec![sort], ..answer(scan("Seq Scan", 1e5)) };
        Case { temp_bytes, ..Case::new(sorting) }.detect(&SortSpill)
    };
    let findings = of(10e6, 100 << 20, "Sort");
    assert_eq!(findings[0].fix.sql.as_deref(), Some("ALTER ROLE web SET work_mem = '13MB';"));
    assert_eq!(of(1e10, 100 << 20, "Sort")[0].fix.sql, None, "nobody gets that much");
    assert!(of(10e6, 1 << 20, "Sort").is_empty(), "nothing was written");
    assert!(of(5e6, 100 << 20, "Sort").is_empty(), "it may just fit");
    assert!(of(10e6, 100 << 20, "Hash").is_empty(), "hashes may use twice as much");
}

#[test]
fn a_plan_for_all_values_that_is_not_that_of_slow_ones_is_found() {
    let plan =
        |shape, cost| Some(PlanText { shape: PlanShape(shape), cost, ..PlanText::default() });
    let of = |generic, slow_ms| {
        let both = PlanAnswer { plan: plan(1, 900.0), generic, ..answer(scan("Seq Scan", 3.0)) };
        Case { slow_ms, ..Case::new(both) }.detect(&GenericPlan)
    };
    let findings = of(plan(2, 20.0), 200);
    let sql = "ALTER ROLE web SET plan_cache_mode = force_custom_plan;";
    assert_eq!(findings[0].fix.sql.as_deref(), Some(sql));
    assert!(of(plan(1, 20.0), 200).is_empty(), "the same plan");
    assert!(of(plan(2, 9_000.0), 200).is_empty(), "the server would not choose it");
    assert!(of(plan(2, 20.0), 20).is_empty(), "slow ones are hardly slower");
    assert!(of(None, 200).is_empty());
}

/// What is said of `text`, run often on tables whose plan is `node`.
fn said_of(text: &str, node: Option<&str>, detector: &dyn Detector) -> Vec<Finding> {
    let mut scene = Scene::new();
    for _ in 0..20 {
        scene.statement(text).work_ms(20).run();
    }
    let mut orders = table("orders", 1e5, &[("id", -1.0), ("shop", 90.0), ("state", 4.0)]);
    orders.indexes.push(index(&["shop"]));
    let lines = table("lines", 1e3, &[("id", -1.0), ("order_id", -0.3), ("note", -1.0)]);
    let mut database = shop(vec![orders, lines]);
    let snapshot = scene.snapshot();
    let fingerprint = *snapshot.shapes.keys().next().expect("one statement was run");
    if let Some(node) = node {
        database.plans.insert(fingerprint, answer(scan(node, 10.0)));
    }
    scene.catalog.databases.insert("shop".to_owned(), database);
    scene.look(|inputs| detector.detect(inputs))
}

#[test]
fn a_function_of_a_column_is_found_where_rows_are_read_for_it() {
    let of = |text, node| said_of(text, node, &FunctionOnColumn);
    let found = of(BY_LOWER, Some("Seq Scan"));
    assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
    let sql = "CREATE INDEX CONCURRENTLY orders_expr_idx ON public.orders ((lower(state)));";
    assert_eq!(found[0].fix.sql.as_deref(), Some(sql));
    assert_eq!(of(BY_LOWER, None)[0].severity, Severity::Info, "nobody has seen a plan");
    assert!(of(BY_LOWER, Some("Index Scan")).is_empty(), "the planner has a way");
    let narrowed = "SELECT id FROM orders WHERE shop = $1 AND lower(state) = $2";
    assert!(of(narrowed, Some("Seq Scan")).is_empty(), "few rows are left");
    assert!(of("SELECT id FROM orders WHERE state = lower($1)", Some("Seq Scan")).is_empty());
    assert!(of("SELECT id FROM lines WHERE lower(note) = $1", None).is_empty(), "a small table");
    let day = of("SELECT id FROM orders WHERE date(state) = $1", Some("Seq Scan"));
    assert_eq!(day[0].fix.sql, None, "it may depend on a setting");
    for text in [
        "SELECT id FROM orders WHERE left(state, $1) = $2",
        "SELECT id FROM orders WHERE coalesce(state, $1) = $2",
        "SELECT id FROM orders WHERE state ->> $1 = $2",
        "SELECT id FROM orders WHERE state::date = $1",
    ] {
        let found = of(text, Some("Seq Scan"));
        assert_eq!((found.len(), &found[0].fix.sql), (1, &None), "{text}");
        assert!(found[0].fix.advice.is_some());
    }
}

#[test]
fn an_or_across_columns_is_found_where_a_side_has_no_index() {
    let of = |text, node| said_of(text, node, &OrAcrossColumns);
    let text = "SELECT id FROM orders WHERE shop = $1 OR state = $2";
    let found = of(text, Some("Seq Scan"));
    assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
    let sql = "CREATE INDEX CONCURRENTLY orders_state_idx ON public.orders (state);";
    assert_eq!(found[0].fix.sql.as_deref(), Some(sql));
    assert_eq!(of(text, None)[0].severity, Severity::Info, "nobody has seen a plan");
    assert!(of(text, Some("Bitmap Heap Scan")).is_empty(), "the planner has a way");
    let both = "SELECT id FROM orders WHERE shop = $1 OR id = $2";
    assert!(of(both, None).is_empty(), "each side has an index");
    assert!(of("SELECT id FROM orders WHERE state = $1 OR state = $2", None).is_empty());
    let narrowed = "SELECT id FROM orders WHERE id = $3 AND (shop = $1 OR state = $2)";
    assert!(of(narrowed, Some("Seq Scan")).is_empty(), "few rows are left");
    let across = "SELECT o.id FROM orders o JOIN lines l ON l.order_id = o.id \
                  WHERE o.shop = $1 OR l.note = $2";
    let found = of(across, Some("Seq Scan"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].fix.sql, None, "it must be written otherwise");
}
