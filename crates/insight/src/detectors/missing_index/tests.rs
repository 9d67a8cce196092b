use model::{IndexCandidate, IndexFacts, PlanAnswer, ScanFacts, TableFacts, WhatIf};

use super::*;
use crate::advisor::questions;
use crate::scene::{Scene, index, shop, table};

const BY_CUSTOMER: &str = "SELECT * FROM orders WHERE customer_id = $1";

fn orders() -> TableFacts {
    table(
        "orders",
        1_000_000.0,
        &[("id", -1.0), ("customer_id", 50_000.0), ("shop_id", 200.0), ("created_at", -0.9)],
    )
}

/// A hundred slow executions of `text`, over `table`.
fn scene(text: &str, table: TableFacts) -> Scene {
    let mut scene = Scene::new();
    for value in 0..100 {
        scene.statement(text).values(value).work_ms(80).run();
    }
    scene.pause(120_000);
    scene.catalog.databases.insert("shop".to_owned(), shop(vec![table]));
    scene
}

fn plan(scene: &mut Scene, text: &str, answer: PlanAnswer) {
    let fingerprint = scene.shapes.observe_one(text.as_bytes()).shape.fingerprint();
    let database = scene.catalog.databases.get_mut("shop").expect("the only database");
    database.hypopg = !answer.what_if.is_empty();
    database.plans.insert(fingerprint, answer);
}

fn sequential(rows: f64) -> ScanFacts {
    ScanFacts {
        node: "Seq Scan".to_owned(),
        schema: "public".to_owned(),
        table: "orders".to_owned(),
        rows,
        cost: 20_000.0,
        filtered: true,
        ..ScanFacts::default()
    }
}

fn planned(rows: f64) -> PlanAnswer {
    PlanAnswer { cost: Some(20_010.0), scans: vec![sequential(rows)], ..PlanAnswer::default() }
}

fn imagined(columns: &[&str], cost: f64) -> WhatIf {
    WhatIf {
        candidate: IndexCandidate {
            schema: "public".to_owned(),
            table: "orders".to_owned(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            ..IndexCandidate::default()
        },
        cost,
        used: true,
        bytes: 22_000_000,
    }
}

fn detect(scene: Scene) -> Vec<Finding> {
    scene.look(|inputs| MissingIndex.detect(inputs))
}

#[test]
fn sure_where_the_planner_would_use_it() {
    let mut scene = scene(BY_CUSTOMER, orders());
    let what_if = vec![imagined(&["customer_id"], 80.0)];
    plan(&mut scene, BY_CUSTOMER, PlanAnswer { what_if, ..planned(20.0) });
    let findings = detect(scene);
    assert_eq!(findings.len(), 1);
    let finding = &findings[0];
    assert_eq!(finding.confidence, Confidence::High);
    assert_eq!(finding.title, "public.orders has no index on (customer_id)");
    assert_eq!(finding.tables, ["public.orders"]);
    assert_eq!(
        finding.fix.sql.as_deref(),
        Some("CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id);")
    );
    assert_eq!(
        finding.fix.undo.as_deref(),
        Some("DROP INDEX CONCURRENTLY public.orders_customer_id_idx;")
    );
    assert_eq!(finding.evidence["calls"], 100u64.into());
    assert_eq!(finding.estimate["index_bytes"], 22_000_000u64.into());
    assert!(finding.harm_ms > 7_900.0 && finding.harm_ms < 8_000.0, "{}", finding.harm_ms);
}

#[test]
fn silent_where_the_planner_would_not_gain_by_half() {
    for (cost, used) in [(10_500.0, true), (80.0, false)] {
        let mut scene = scene(BY_CUSTOMER, orders());
        let what_if = vec![WhatIf { used, ..imagined(&["customer_id"], cost) }];
        plan(&mut scene, BY_CUSTOMER, PlanAnswer { what_if, ..planned(20.0) });
        assert!(detect(scene).is_empty(), "cost {cost}, used {used}");
    }
}

#[test]
fn the_narrower_index_where_the_wider_gains_little() {
    let text = "SELECT * FROM orders WHERE shop_id = $1 ORDER BY created_at LIMIT 10";
    for (wide, columns) in [(100.0, "(shop_id, created_at)"), (950.0, "(shop_id)")] {
        let mut scene = scene(text, orders());
        let what_if =
            vec![imagined(&["shop_id", "created_at"], wide), imagined(&["shop_id"], 1_000.0)];
        plan(&mut scene, text, PlanAnswer { what_if, ..planned(5_000.0) });
        let findings = detect(scene);
        assert!(findings[0].title.ends_with(columns), "{}", findings[0].title);
    }
}

#[test]
fn less_sure_with_a_plan_alone() {
    let mut scene = scene(BY_CUSTOMER, orders());
    plan(&mut scene, BY_CUSTOMER, planned(20.0));
    let findings = detect(scene);
    assert_eq!(findings[0].confidence, Confidence::Medium);
    assert!(!findings[0].estimate.contains_key("cost_ratio"));
}

#[test]
fn silent_where_the_plan_reads_much_or_something_else_costs_more() {
    let mut much = scene(BY_CUSTOMER, orders());
    plan(&mut much, BY_CUSTOMER, planned(300_000.0));
    assert!(detect(much).is_empty(), "a third of the table");
    let mut small = scene(BY_CUSTOMER, orders());
    plan(&mut small, BY_CUSTOMER, PlanAnswer { cost: Some(90_000.0), ..planned(20.0) });
    assert!(detect(small).is_empty(), "the scan is not what costs");
    let mut indexed = scene(BY_CUSTOMER, orders());
    let scans = vec![ScanFacts { node: "Index Scan".to_owned(), ..sequential(20.0) }];
    plan(&mut indexed, BY_CUSTOMER, PlanAnswer { scans, ..planned(20.0) });
    assert!(detect(indexed).is_empty(), "the plan reads no table whole");
}

#[test]
fn least_sure_from_statistics_and_only_where_they_leave_no_doubt() {
    let findings = detect(scene(BY_CUSTOMER, orders()));
    assert_eq!(findings[0].confidence, Confidence::Low);
    let small = TableFacts { rows: 9_000.0, ..orders() };
    assert!(detect(scene(BY_CUSTOMER, small)).is_empty(), "a table of 9,000 rows");
    let mut unknown = orders();
    unknown.columns[1].distinct = None;
    assert!(detect(scene(BY_CUSTOMER, unknown)).is_empty(), "no statistics");
    let mut fast = Scene::new();
    (0..1_000).for_each(|value| fast.statement(BY_CUSTOMER).values(value).run());
    fast.pause(120_000);
    fast.catalog.databases.insert("shop".to_owned(), shop(vec![orders()]));
    assert!(detect(fast).is_empty(), "nothing fast reads a large table whole");
}

#[test]
fn waits_for_the_plan_of_a_new_statement() {
    let mut scene = Scene::new();
    for value in 0..10 {
        scene.statement(BY_CUSTOMER).values(value).work_ms(80).run();
    }
    scene.catalog.databases.insert("shop".to_owned(), shop(vec![orders()]));
    assert!(detect(scene).is_empty());
}

#[test]
fn gone_when_the_index_is_there_whatever_old_plans_say() {
    let mut table = orders();
    table.indexes.push(index(&["customer_id"]));
    let mut scene = scene(BY_CUSTOMER, table);
    let what_if = vec![imagined(&["customer_id"], 80.0)];
    plan(&mut scene, BY_CUSTOMER, PlanAnswer { what_if, ..planned(20.0) });
    assert!(detect(scene).is_empty());
}

#[test]
fn an_index_that_is_not_valid_is_named_and_built_again() {
    let mut table = orders();
    table.indexes.push(IndexFacts { valid: false, ..index(&["customer_id"]) });
    let mut scene = scene(BY_CUSTOMER, table);
    plan(&mut scene, BY_CUSTOMER, planned(20.0));
    let findings = detect(scene);
    assert!(findings[0].title.ends_with("on_customer_id is not valid"), "{}", findings[0].title);
    assert_eq!(
        findings[0].fix.sql.as_deref(),
        Some("REINDEX INDEX CONCURRENTLY public.on_customer_id;")
    );
}

#[test]
fn an_index_that_is_being_built_is_waited_for() {
    let mut table = orders();
    let building = IndexFacts { valid: false, building: true, ..index(&["customer_id"]) };
    table.indexes.push(building);
    let mut scene = scene(BY_CUSTOMER, table);
    plan(&mut scene, BY_CUSTOMER, planned(20.0));
    let finding = &detect(scene)[0];
    assert!(finding.title.ends_with("on_customer_id is being built"), "{}", finding.title);
    assert_eq!((&finding.fix.sql, finding.severity), (&None, Severity::Info));
}

#[test]
fn a_partitioned_table_is_seen_by_the_scans_of_its_partitions() {
    let parent = || {
        let mut table = orders();
        table.upkeep.kind = model::TableKind::Partitioned;
        table
    };
    let part = |rows| TableFacts {
        name: "orders_2026".to_owned(),
        root: Some(("public".to_owned(), "orders".to_owned())),
        ..TableFacts { rows, ..orders() }
    };
    let with = |part: TableFacts, rows: f64| {
        let mut scene = scene(BY_CUSTOMER, parent());
        let database = scene.catalog.databases.get_mut("shop").expect("the only database");
        database.tables.push(part);
        let scans = vec![ScanFacts { table: "orders_2026".to_owned(), ..sequential(rows) }];
        plan(&mut scene, BY_CUSTOMER, PlanAnswer { scans, ..planned(rows) });
        detect(scene)
    };
    let found = with(part(400_000.0), 20.0);
    let sql = found[0].fix.sql.as_deref().unwrap_or_default();
    let only = "CREATE INDEX orders_customer_id_idx ON ONLY public.orders (customer_id);\n--";
    assert!(sql.starts_with(only), "{sql}");
    assert_eq!(found[0].fix.undo.as_deref(), Some("DROP INDEX public.orders_customer_id_idx;"));
    assert_eq!(found[0].title, "public.orders has no index on (customer_id)");
    assert!(with(part(100_000.0), 90_000.0).is_empty(), "most of the partition is wanted");
}

#[test]
fn writes_are_weighed_against_what_is_saved() {
    let mut quiet = scene(BY_CUSTOMER, orders());
    plan(&mut quiet, BY_CUSTOMER, planned(20.0));
    let insert = "INSERT INTO orders SELECT * FROM basket";
    let mut busy = scene(BY_CUSTOMER, orders());
    plan(&mut busy, BY_CUSTOMER, planned(20.0));
    busy.statement(insert).rows(100_000).run();
    let (quiet, busy) = (detect(quiet), detect(busy));
    let saved = quiet[0].harm_ms - busy[0].harm_ms;
    assert!((saved - 2_000.0).abs() < 1.0, "100,000 rows of 0.02 ms: {saved}");
    assert!(busy[0].evidence.contains_key("estimated_upkeep_ms"));
    let mut drowned = scene(BY_CUSTOMER, orders());
    plan(&mut drowned, BY_CUSTOMER, planned(20.0));
    drowned.statement(insert).rows(500_000).run();
    assert!(detect(drowned).is_empty(), "the index would cost more than it saves");
}

#[test]
fn silent_below_a_hundredth_of_the_time() {
    let mut scene = scene(BY_CUSTOMER, orders());
    plan(&mut scene, BY_CUSTOMER, planned(20.0));
    // Statements of the last two minutes, beside 8 s of the one that wants an index.
    (0..100).for_each(|_| scene.statement("SELECT pg_sleep(10)").work_ms(8_100).run());
    assert!(detect(scene).is_empty());
}

#[test]
fn one_index_for_all_statements_that_want_a_part_of_it() {
    let ordered = "SELECT * FROM orders WHERE shop_id = $1 ORDER BY created_at LIMIT 10";
    let plain = "SELECT count(*) FROM orders WHERE shop_id = $1";
    let mut scene = scene(ordered, orders());
    (0..50).for_each(|value| scene.statement(plain).values(value).work_ms(80).run());
    let wide = vec![imagined(&["shop_id", "created_at"], 50.0), imagined(&["shop_id"], 900.0)];
    plan(&mut scene, ordered, PlanAnswer { what_if: wide, ..planned(5_000.0) });
    let narrow = vec![imagined(&["shop_id"], 900.0)];
    plan(&mut scene, plain, PlanAnswer { what_if: narrow, ..planned(5_000.0) });
    let findings = detect(scene);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].title.ends_with("(shop_id, created_at)"), "{}", findings[0].title);
    assert_eq!(findings[0].fingerprints.len(), 2);
    assert_eq!(findings[0].evidence["calls"], 150u64.into());
}

#[test]
fn says_what_it_could_not_look_at() {
    let mut unread = scene(BY_CUSTOMER, orders());
    unread.catalog.read_at = None;
    let list = unread.look(|inputs| MissingIndex.not_checked(inputs));
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].check, "missing_index");

    let mut failed = scene(BY_CUSTOMER, orders());
    let problem = Some("42501 permission denied for table orders".to_owned());
    plan(&mut failed, BY_CUSTOMER, PlanAnswer { problem, ..PlanAnswer::default() });
    let list = failed.look(|inputs| MissingIndex.not_checked(inputs));
    let checks: Vec<_> = list.iter().map(|one| one.check.as_str()).collect();
    assert_eq!(checks.len(), 2);
    assert_eq!(checks[0], "missing_index: what-if planning in shop");
    assert!(list[1].why.contains("42501"), "{}", list[1].why);
}

#[test]
fn the_planner_is_asked_about_the_worst_and_not_again_at_once() {
    let mut scene = scene(BY_CUSTOMER, orders());
    let by_shop = "SELECT * FROM orders WHERE shop_id = $1";
    (0..100).for_each(|value| scene.statement(by_shop).values(value).work_ms(90).run());
    let snapshot = scene.snapshot();
    let ask = |scene: &Scene| {
        questions(&snapshot, &scene.catalog, &scene.shapes, &scene.settings)
            .iter()
            .map(|one| (one.sample.text.to_string(), one.candidates[0].columns.join(",")))
            .collect::<Vec<_>>()
    };
    let both = [(by_shop, "shop_id"), (BY_CUSTOMER, "customer_id")]
        .map(|(text, columns)| (text.to_owned(), columns.to_owned()));
    assert_eq!(ask(&scene), both);
    let answered = |seconds: i64| PlanAnswer {
        asked_at: jiff::Timestamp::from_second(snapshot.taken_at.as_second() - seconds).ok(),
        ..planned(20.0)
    };
    plan(&mut scene, by_shop, answered(500));
    assert_eq!(ask(&scene), both[1..]);
    plan(&mut scene, by_shop, answered(601));
    assert_eq!(ask(&scene), both);
    // With HypoPG an answer that lacks a candidate is asked for again after a minute.
    let other = vec![imagined(&["id"], 1.0)];
    plan(&mut scene, by_shop, PlanAnswer { what_if: other.clone(), ..answered(59) });
    assert_eq!(ask(&scene), both[1..]);
    plan(&mut scene, by_shop, PlanAnswer { what_if: other, ..answered(61) });
    assert_eq!(ask(&scene), both);
}
