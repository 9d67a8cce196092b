use model::{Confidence, Fix, IndexFacts, Severity};

use super::*;
use crate::scene::{Scene, index, shop, table};

const SLOW: &str = "SELECT total FROM orders WHERE customer_id = $1";
const WRITE: &str = "INSERT INTO orders (id, customer_id) VALUES ($1, $2)";

/// A shop, its findings, and the proof.
struct Case {
    scene: Scene,
    proof: Proof,
    finding: Finding,
    found: bool,
}

impl Case {
    fn new() -> Self {
        let mut scene = Scene::new();
        let orders = table("orders", 1e6, &[("id", -1.0), ("customer_id", 5_000.0)]);
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![orders]));
        let shape = scene.shapes.observe_one(SLOW.as_bytes()).shape;
        let sql =
            "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id);";
        let finding = Finding {
            detector: "missing_index".to_owned(),
            severity: Severity::Warning,
            title: "public.orders has no index on (customer_id)".to_owned(),
            why: String::new(),
            evidence: BTreeMap::new(),
            fingerprints: vec![shape.fingerprint()],
            tables: vec!["public.orders".to_owned()],
            database: Some("shop".to_owned()),
            fix: Fix { sql: Some(sql.to_owned()), undo: None, advice: None },
            estimate: BTreeMap::new(),
            confidence: Confidence::Medium,
            runbook: String::new(),
            harm_ms: 1.0,
        };
        Self { scene, proof: Proof::default(), finding, found: true }
    }

    fn traffic(&mut self, calls: u64, slow_ms: u64, write_ms: u64) {
        for call in 0..calls {
            self.scene.statement(SLOW).values(call).work_ms(slow_ms).run();
            self.scene.statement(WRITE).values(call).work_ms(write_ms).run();
        }
    }

    /// The catalogue is read anew.
    fn read(&mut self, change: impl FnOnce(&mut Vec<IndexFacts>)) {
        self.scene.catalog.read_at = Some(self.scene.now());
        let shop = self.scene.catalog.databases.get_mut("shop").expect("the shop");
        change(&mut shop.tables[0].indexes);
    }

    fn tick(&mut self) -> Vec<FixResult> {
        self.scene.pause(5_000);
        let tick = Published {
            snapshot: Arc::new(self.scene.snapshot()),
            catalog: Arc::new(self.scene.catalog.clone()),
            findings: if self.found { vec![self.finding.clone()] } else { Vec::new() },
            checked: Vec::new(),
            not_checked: Vec::new(),
            results: Vec::new(),
        };
        self.proof.observe(&tick, &self.scene.shapes, self.scene.aggregator.watches())
    }

    /// Slow for a minute, then the index appears.
    fn until_the_index(&mut self, slow_ms: u64, write_ms: u64) -> Vec<FixResult> {
        self.traffic(100, slow_ms, write_ms);
        self.read(|_| {});
        assert_eq!(self.tick(), []);
        self.read(|indexes| indexes.push(named("orders_customer_id_idx", &["customer_id"])));
        self.found = false;
        self.tick()
    }
}

fn named(name: &str, columns: &[&str]) -> IndexFacts {
    IndexFacts { name: name.to_owned(), ..index(columns) }
}

#[test]
fn an_index_that_appears_is_measured_before_and_after() {
    let mut case = Case::new();
    let results = case.until_the_index(200, 2);
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].effect, Effect::Measuring);
    assert_eq!(results[0].change, "index orders_customer_id_idx was created on public.orders");
    assert!(results[0].unchanged_at < Some(results[0].changed_at));

    case.traffic(9, 1, 2);
    assert_eq!(case.tick()[0].effect, Effect::Measuring, "nine calls say nothing");
    case.traffic(91, 1, 2);
    let result = &case.tick()[0];
    assert_eq!(result.effect, Effect::Better);
    assert_eq!((result.before.calls, result.after.calls), (100, 100));
    assert_eq!((result.before.mean_ms, result.after.mean_ms), (200.0, 1.0));
    assert!(result.before.share_of_time > 0.95 && result.after.share_of_time < 0.4);
    assert_eq!(result.slower, []);
}

#[test]
fn what_made_it_worse_is_said() {
    let mut case = Case::new();
    case.until_the_index(20, 2);
    case.traffic(50, 90, 2);
    assert_eq!(case.tick()[0].effect, Effect::Worse);
}

#[test]
fn what_made_no_difference_is_said() {
    let mut case = Case::new();
    case.until_the_index(20, 2);
    case.traffic(50, 19, 2);
    assert_eq!(case.tick()[0].effect, Effect::Same);
}

#[test]
fn writes_that_pay_for_the_index_are_named() {
    let mut case = Case::new();
    case.until_the_index(200, 2);
    case.traffic(50, 1, 4);
    let result = &case.tick()[0];
    assert_eq!((result.effect, result.slower.len()), (Effect::Better, 1));
    assert!(result.slower[0].text.starts_with("INSERT INTO orders"), "{result:?}");
    assert_eq!((result.slower[0].before_ms, result.slower[0].after_ms), (2.0, 4.0));
}

#[test]
fn another_index_on_the_table_proves_nothing() {
    let mut case = Case::new();
    case.traffic(100, 200, 2);
    case.read(|_| {});
    case.tick();
    case.read(|indexes| indexes.push(named("orders_total_idx", &["total"])));
    assert_eq!(case.tick(), []);
}

#[test]
fn the_time_that_an_index_is_being_built_is_not_before() {
    let mut case = Case::new();
    case.traffic(100, 200, 2);
    case.read(|_| {});
    case.tick();
    let building = IndexFacts { valid: false, ..named("orders_customer_id_idx", &["customer_id"]) };
    case.read(|indexes| indexes.push(building));
    case.traffic(100, 900, 2);
    assert_eq!(case.tick(), []);
    case.read(|indexes| indexes.last_mut().expect("the index").valid = true);
    let results = case.tick();
    assert_eq!(results[0].before.mean_ms, 200.0);
}

#[test]
fn an_index_that_was_dropped_is_measured_by_its_tables_statements() {
    let mut case = Case::new();
    let sql = "DROP INDEX CONCURRENTLY public.orders_customer_id_idx;";
    case.finding.fix.sql = Some(sql.to_owned());
    case.finding.fingerprints.clear();
    case.read(|indexes| indexes.push(named("orders_customer_id_idx", &["customer_id"])));
    case.traffic(100, 1, 2);
    case.tick();
    case.read(|indexes| indexes.truncate(1));
    case.found = false;
    let results = case.tick();
    assert_eq!(results[0].change, "index orders_customer_id_idx was dropped from public.orders");
    case.traffic(100, 30, 2);
    let result = &case.tick()[0];
    assert_eq!((result.effect, result.before.calls), (Effect::Worse, 200));
}

#[test]
fn measuring_ends_after_a_quarter_of_an_hour() {
    let mut case = Case::new();
    case.until_the_index(200, 2);
    case.traffic(50, 1, 2);
    case.scene.pause(16 * 60 * 1_000);
    assert_eq!(case.tick()[0].after.calls, 50);
    case.traffic(50, 500, 2);
    let result = &case.tick()[0];
    assert_eq!((result.after.calls, result.effect), (50, Effect::Better));
    case.scene.pause(12 * 3_600 * 1_000);
    assert_eq!(case.tick(), [], "and after half a day it is history");
}

#[test]
fn statements_that_stepped_down_end_their_finding() {
    let mut case = Case::new();
    case.finding.fix.sql = None;
    for _ in 0..3 {
        case.traffic(25, 200, 2);
        case.scene.pause(60_000);
        case.tick();
    }
    case.found = false;
    for _ in 0..3 {
        case.traffic(25, 5, 2);
        case.scene.pause(60_000);
    }
    let result = &case.tick()[0];
    assert_eq!(result.effect, Effect::Better);
    assert_eq!(result.judged_by, model::Basis::Latency);
    assert!(result.before.mean_ms > 100.0 && result.after.mean_ms < 10.0, "{result:?}");
}

#[test]
fn a_finding_that_only_faded_with_its_traffic_is_no_result() {
    let mut case = Case::new();
    case.finding.fix.sql = None;
    for _ in 0..3 {
        case.traffic(25, 200, 2);
        case.scene.pause(60_000);
        case.tick();
    }
    case.found = false;
    for _ in 0..4 {
        case.scene.pause(60_000);
        assert_eq!(case.tick(), []);
    }
}

#[test]
fn a_table_that_was_analysed_is_measured_before_and_after() {
    let mut case = Case::new();
    case.finding.detector = "stale_statistics".to_owned();
    case.finding.fix.sql = Some("ANALYZE public.orders;".to_owned());
    case.traffic(100, 20, 2);
    case.read(|_| {});
    assert_eq!(case.tick(), []);
    let now = case.scene.now();
    let shop = case.scene.catalog.databases.get_mut("shop").expect("the shop");
    shop.tables[0].upkeep.last_analyze = Some(now);
    case.read(|_| {});
    assert_eq!(case.tick()[0].change, "public.orders was analysed");
    case.traffic(100, 90, 2);
    assert_eq!(case.tick()[0].effect, Effect::Worse, "what made it worse is said of any fix");
}

#[test]
fn analysing_is_no_fix_where_more_is_asked_for() {
    let mut case = Case::new();
    let sql = "ALTER TABLE public.orders ALTER COLUMN state SET STATISTICS 1000;\n\
               ANALYZE public.orders;";
    case.finding.fix.sql = Some(sql.to_owned());
    case.traffic(100, 20, 2);
    case.read(|_| {});
    case.tick();
    let now = case.scene.now();
    let shop = case.scene.catalog.databases.get_mut("shop").expect("the shop");
    shop.tables[0].upkeep.last_analyze = Some(now);
    case.read(|_| {});
    assert_eq!(case.tick(), []);
}

impl Case {
    /// Minutes of traffic, each with so many calls of so many ms.
    fn minutes(&mut self, count: usize, calls: u64, slow_ms: u64) {
        for _ in 0..count {
            self.traffic(calls, slow_ms, 2);
            self.scene.pause(60_000);
        }
    }
}

#[test]
fn statements_that_got_slower_when_their_finding_went_are_said_to_be_worse() {
    let mut case = Case::new();
    case.finding.fix.sql = None;
    for _ in 0..3 {
        case.minutes(1, 25, 5);
        case.tick();
    }
    case.found = false;
    case.minutes(3, 25, 200);
    let result = &case.tick()[0];
    assert_eq!((result.effect, result.judged_by), (Effect::Worse, model::Basis::Latency));
}

#[test]
fn faster_statements_do_not_shorten_the_silence_between_them() {
    let mut case = Case::new();
    case.finding.fix.sql = None;
    case.finding.detector = "idle_in_transaction".to_owned();
    for _ in 0..3 {
        case.minutes(1, 25, 200);
        case.tick();
    }
    case.found = false;
    case.minutes(3, 25, 5);
    assert_eq!(case.tick(), []);
}

#[test]
fn a_step_from_before_the_finding_is_none_of_its_fix() {
    let mut case = Case::new();
    case.finding.fix.sql = None;
    case.found = false;
    case.minutes(3, 25, 200);
    case.minutes(3, 25, 5);
    case.found = true;
    case.tick();
    case.found = false;
    case.minutes(3, 25, 5);
    assert_eq!(case.tick(), []);
}

#[test]
fn fewer_calls_are_a_fix_only_where_calls_were_what_was_wrong() {
    let mut case = Case::new();
    let run = |case: &mut Case| {
        case.found = true;
        for _ in 0..3 {
            case.minutes(1, 50, 5);
            case.tick();
        }
        case.found = false;
        for _ in 0..3 {
            for call in 0..50 {
                case.scene.statement(WRITE).values(call).work_ms(2).run();
            }
            case.scene.pause(60_000);
        }
        case.tick()
    };
    assert_eq!(run(&mut case), [], "the batch job has come to its end");
    let mut case = Case::new();
    case.finding.fix.sql = None;
    case.finding.detector = "n_plus_one".to_owned();
    assert_eq!(run(&mut case)[0].judged_by, model::Basis::Calls);
}
