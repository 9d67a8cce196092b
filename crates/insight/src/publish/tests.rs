//! What is published of a healthy shop, of one where one thing is wrong, and of one half seen.

use model::{
    DatabaseFacts, IndexFacts, LockQueue, LockWait, PlanAnswer, PlanShape, PlanText, ServerFacts,
    TableFacts,
};

use super::*;
use crate::scene::{Scene, shop, table};

fn published(mut scene: Scene) -> Published {
    let snapshot = Arc::new(scene.snapshot());
    let catalog = Arc::new(std::mem::take(&mut scene.catalog));
    publish(snapshot, catalog, &scene.shapes, &scene.settings)
}

fn bench(scene: &mut Scene) {
    for turn in 0..2_000 {
        scene.begin();
        for text in [
            "UPDATE accounts SET balance = balance + $1 WHERE aid = $2",
            "SELECT balance FROM accounts WHERE aid = $1",
            "UPDATE tellers SET balance = balance + $1 WHERE tid = $2",
            "INSERT INTO history (tid, aid) VALUES ($1, $2)",
        ] {
            scene.statement(text).values(turn).prepared(0).run();
        }
        scene.commit();
    }
    scene.pool_look(10, 0);
    let tables = vec![
        table("accounts", 1e6, &[("aid", -1.0), ("balance", 5_000.0)]),
        table("tellers", 100.0, &[("tid", -1.0), ("balance", 90.0)]),
    ];
    scene.catalog.databases.insert("shop".to_owned(), shop(tables));
}

/// Something to be wrong in a catalogue.
type Spoil = fn(&mut CatalogFacts, &Snapshot);

fn shop_of(catalog: &mut CatalogFacts) -> &mut DatabaseFacts {
    catalog.databases.get_mut("shop").expect("it was filled in")
}

fn table_of<'a>(catalog: &'a mut CatalogFacts, name: &str) -> &'a mut TableFacts {
    let mut tables = shop_of(catalog).tables.iter_mut();
    tables.find(|table| table.name == name).expect("it was filled in")
}

fn plan_of<'a>(
    catalog: &'a mut CatalogFacts,
    snapshot: &Snapshot,
    text: &str,
) -> &'a mut PlanAnswer {
    let fingerprint = healthy::fingerprint(text, snapshot);
    shop_of(catalog).plans.get_mut(&fingerprint).expect("it was filled in")
}

/// The statement reads its table from end to end.
fn read_whole(catalog: &mut CatalogFacts, snapshot: &Snapshot, text: &str) {
    let plan = plan_of(catalog, snapshot, text);
    plan.cost = Some(20_000.0);
    plan.scans[0].node = "Seq Scan".to_owned();
    plan.scans[0].index = None;
    plan.scans[0].cost = 19_000.0;
}

fn server_of(catalog: &mut CatalogFacts) -> &mut ServerFacts {
    catalog.servers.get_mut("").expect("it was filled in")
}

/// What is to be wrong for a detector of the catalogue, the server or plans to speak.
const SPOILED: &[(&str, Spoil)] = &[
    ("unused_index", |catalog, _| table_of(catalog, "customers").indexes[1].scans = 0),
    ("duplicate_index", |catalog, _| {
        let lines = table_of(catalog, "lines");
        let twin = IndexFacts { name: "twin".to_owned(), ..lines.indexes[1].clone() };
        lines.indexes.push(twin);
    }),
    ("invalid_index", |catalog, _| table_of(catalog, "lines").indexes[1].valid = false),
    ("unindexed_foreign_key", |catalog, _| table_of(catalog, "lines").indexes.truncate(1)),
    ("missing_primary_key", |catalog, _| table_of(catalog, "lines").indexes[0].primary = false),
    ("bloat", |catalog, _| table_of(catalog, "lines").upkeep.heap_bytes *= 8),
    ("stale_statistics", |catalog, _| {
        table_of(catalog, "lines").upkeep.modified_since_analyze *= 25;
    }),
    ("vacuum_lag", |catalog, _| table_of(catalog, "lines").upkeep.dead_rows *= 40),
    ("wraparound", |catalog, _| shop_of(catalog).upkeep.frozen_age *= 15),
    ("sequence_exhaustion", |catalog, _| {
        shop_of(catalog).sequences[0].last = Some(2_100_000_000);
    }),
    ("cache_hit_ratio", |catalog, _| {
        shop_of(catalog).upkeep.counters[1].blocks_read += 3_000_000;
    }),
    ("requested_checkpoints", |catalog, _| server_of(catalog).checkpoints[1].requested += 20),
    ("replication_lag", |catalog, _| server_of(catalog).replicas[0].lag_ms = Some(900e3)),
    ("blocking_chain", |catalog, _| {
        let at = server_of(catalog).read_at.unwrap_or_default();
        let wait =
            LockWait { pid: 2, blocked_by: vec![1], waited_ms: 9_000, ..LockWait::default() };
        let queue = LockQueue { at, waits: vec![wait], sessions: Vec::new() };
        server_of(catalog).lock_queues.push(queue);
    }),
    ("sequential_scan", |catalog, snapshot| {
        read_whole(catalog, snapshot, healthy::OF_CUSTOMER);
    }),
    ("inefficient_index", |catalog, _| {
        table_of(catalog, "orders").indexes[1].entries_read *= 4_000;
    }),
    ("row_misestimate", |catalog, snapshot| {
        plan_of(catalog, snapshot, healthy::LINES).rows = Some(3.0);
    }),
    ("sort_spill", |catalog, snapshot| {
        plan_of(catalog, snapshot, healthy::LINES).memory[0].bytes = 20e6;
        shop_of(catalog).upkeep.counters[1].temp_bytes += 1 << 30;
    }),
    ("generic_plan", |catalog, snapshot| {
        let plan = plan_of(catalog, snapshot, healthy::OF_CUSTOMER);
        let other = PlanText { shape: PlanShape(2), cost: 18.0, ..PlanText::default() };
        plan.generic = Some(other);
    }),
    ("missing_index", |catalog, snapshot| {
        table_of(catalog, "orders").indexes.truncate(1);
        read_whole(catalog, snapshot, healthy::OF_CUSTOMER);
    }),
    ("function_on_column", |catalog, snapshot| {
        table_of(catalog, "customers").indexes.remove(2);
        read_whole(catalog, snapshot, healthy::BY_MAIL);
    }),
    ("or_across_columns", |catalog, snapshot| {
        table_of(catalog, "orders").indexes.truncate(1);
        read_whole(catalog, snapshot, healthy::EITHER);
    }),
    ("leading_wildcard", |catalog, snapshot| {
        table_of(catalog, "customers").indexes.truncate(3);
        read_whole(catalog, snapshot, healthy::BY_NAME);
    }),
    ("bind_type_mismatch", |catalog, _| {
        table_of(catalog, "customers").columns[1].type_name = "character(8)".to_owned();
    }),
    ("not_in_nullable", |catalog, _| table_of(catalog, "orders").columns[1].not_null = false),
    ("select_star", |catalog, _| {
        let settings = table_of(catalog, "settings");
        let one = settings.columns[1].clone();
        settings.columns.extend(std::iter::repeat_n(one, 30));
    }),
];

#[test]
fn a_healthy_hour_is_quiet_and_all_detectors_had_something_to_look_at() {
    let (scene, snapshot) = healthy::scene();
    let snapshot = Arc::new(snapshot);
    let look = |catalog: CatalogFacts| {
        publish(Arc::clone(&snapshot), Arc::new(catalog), &scene.shapes, &scene.settings)
    };
    let published = look(scene.catalog.clone());
    assert_eq!(published.findings, []);
    assert_eq!(published.not_checked, []);
    let mut names: Vec<_> = all().iter().map(|one| one.name().to_owned()).collect();
    names.sort();
    assert_eq!(published.checked, names);
    assert!(snapshot.minutes.len() >= 15, "{} minutes", snapshot.minutes.len());

    let silent = SPOILED.iter().filter(|(name, spoil)| {
        let mut catalog = scene.catalog.clone();
        spoil(&mut catalog, &snapshot);
        !look(catalog).findings.iter().any(|finding| finding.detector == *name)
    });
    let silent: Vec<_> = silent.map(|(name, _)| *name).collect();
    assert_eq!(silent, Vec::<&str>::new(), "nothing that they look at was spoiled");
}

#[test]
fn what_was_not_read_is_said_and_the_most_harmful_comes_first() {
    let mut scene = Scene::new();
    bench(&mut scene);
    scene.catalog.read_at = None;
    for value in 0..40 {
        scene.statement("SELECT 1 / $1").values(value).fails("22012").run();
    }
    scene.begin();
    scene.statement("UPDATE tellers SET balance = 0").run();
    scene.idle(20_000);
    scene.commit();
    let published = published(scene);
    let names: Vec<_> = published.findings.iter().map(|one| one.detector.as_str()).collect();
    // Nobody waited for the connection that was left idle.
    assert_eq!(names, ["error_rate", "idle_in_transaction"]);
    assert!(!published.checked.contains(&"missing_index".to_owned()));
    assert!(published.not_checked.iter().any(|one| one.check == "missing_index"));
}
