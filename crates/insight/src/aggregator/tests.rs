use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ConnectionEvent, FingerprintId, PoolKey, SqlState};
use proptest::prelude::*;

use super::*;
use crate::scene::Scene;

mod kinds;
mod totals;

const SELECT: &str = "SELECT * FROM orders WHERE id = $1";

fn calls(snapshot: &Snapshot) -> u64 {
    snapshot.minutes.iter().flat_map(|minute| minute.queries.values()).map(|row| row.calls).sum()
}

#[test]
fn counts_calls_rows_errors_and_times() {
    let mut scene = Scene::new();
    for value in 0..100 {
        scene.statement(SELECT).values(value).rows(3).wait_ms(2).work_ms(5).run();
    }
    scene.statement(SELECT).fails("57014").rows(0).run();
    scene.statement(SELECT).lost().rows(0).run();
    let snapshot = scene.snapshot();
    let window = snapshot.window(Duration::from_secs(900));
    assert_eq!(window.queries.len(), 1);
    let row = window.queries.values().next().expect("one row");
    assert_eq!((row.calls, row.failed(), row.lost, row.rows), (101, 1, 1, 300));
    assert_eq!((row.bytes_received, row.bytes_sent), (102 * 60, 102 * 500));
    assert!((row.total.sum_ms() - 700.2).abs() < 0.01, "{}", row.total.sum_ms());
    assert!((row.wait.sum_ms() - 200.0).abs() < 0.01, "{}", row.wait.sum_ms());
    assert_eq!(snapshot.coverage.statements, 102);
    let pool = window.pools.values().next().expect("one pool");
    assert_eq!(pool.wait.count(), 102);
    assert!((pool.held.max_ms() - 5.0).abs() < 0.01, "{}", pool.held.max_ms());
    let totals = &snapshot.database_totals["shop"];
    assert_eq!((totals.transactions, totals.blocks), (102, 0));
}

#[test]
fn a_new_minute_leaves_the_old_ones_as_they_were() {
    let mut scene = Scene::new();
    scene.statement(SELECT).run();
    scene.pause(60_000);
    scene.statement(SELECT).run();
    let first = scene.snapshot();
    scene.statement(SELECT).run();
    let second = scene.snapshot();
    assert_eq!((first.minutes.len(), second.minutes.len()), (2, 2));
    assert!(Arc::ptr_eq(&first.minutes[0], &second.minutes[0]), "complete minutes are shared");
    assert_eq!((calls(&first), calls(&second)), (2, 3));
    assert_eq!(second.minutes[1].minute - second.minutes[0].minute, 1);
}

#[test]
fn minutes_and_fingerprints_are_forgotten_in_time() {
    let settings = AggregatorSettings { minutes_kept: 3, ..AggregatorSettings::default() };
    let mut scene = Scene::with(settings);
    scene.statement("SELECT old FROM a").run();
    for _ in 0..3 {
        scene.pause(60_000);
        scene.statement(SELECT).run();
    }
    let snapshot = scene.snapshot();
    assert_eq!(snapshot.minutes.len(), 3);
    let texts: Vec<_> = snapshot.shapes.values().map(|shape| &*shape.text).collect();
    assert_eq!(texts, [SELECT]);
    assert_eq!(snapshot.coverage.statements, 4, "totals since the start stay");
}

#[test]
fn fingerprints_beyond_the_limit_are_counted_in_the_others_row() {
    let settings = AggregatorSettings { fingerprint_limit: 10, ..AggregatorSettings::default() };
    let mut scene = Scene::with(settings);
    for number in 0..50 {
        scene.statement(&format!("SELECT a{number} FROM b")).run();
    }
    let snapshot = scene.snapshot();
    assert_eq!(snapshot.shapes.len(), 10);
    assert_eq!(snapshot.coverage.others, 40);
    let others: u64 = snapshot.minutes[0]
        .queries
        .iter()
        .filter(|(key, _)| key.fingerprint == FingerprintId::OTHERS)
        .map(|(_, row)| row.calls)
        .sum();
    assert_eq!((others, calls(&snapshot)), (40, 50));
}

#[test]
fn rows_beyond_the_limit_lose_their_client_first_and_their_fingerprint_next() {
    let settings =
        AggregatorSettings { fingerprint_limit: 2, row_limit: 4, ..AggregatorSettings::default() };
    let mut scene = Scene::with(settings);
    for application in 0..20 {
        scene.application(&format!("worker {application}"));
        for text in ["SELECT 1 FROM a", "SELECT b FROM c", "SELECT d FROM e"] {
            scene.statement(text).run();
        }
    }
    let snapshot = scene.snapshot();
    let rows = &snapshot.minutes[0].queries;
    assert!(rows.len() <= 4 + 2 + 2, "{}", rows.len());
    assert_eq!(calls(&snapshot), 60);
    let first = snapshot.shapes.keys().copied().collect::<Vec<_>>();
    for fingerprint in first {
        let all: u64 =
            rows.iter().filter(|(k, _)| k.fingerprint == fingerprint).map(|(_, r)| r.calls).sum();
        assert_eq!(all, 20, "folding clients loses no call of the fingerprint");
    }
}

#[test]
fn complete_minutes_keep_the_largest_rows_and_every_call() {
    let settings = AggregatorSettings {
        rows_kept: 3,
        old_rows_kept: 1,
        recent_minutes: 1,
        ..AggregatorSettings::default()
    };
    let mut scene = Scene::with(settings);
    for number in 0..10 {
        scene.statement(&format!("SELECT a{number} FROM b")).work_ms(number + 1).run();
    }
    scene.pause(60_000);
    let recent = scene.snapshot();
    assert_eq!(recent.minutes[0].queries.len(), 4);
    assert_eq!(calls(&recent), 10);
    scene.statement(SELECT).run();
    scene.pause(60_000);
    let old = scene.snapshot();
    assert_eq!(old.minutes[0].queries.len(), 2);
    assert_eq!(calls(&old), 11);
    let longest = |row: &model::QueryStats| row.total.max_ms();
    assert!(old.minutes[0].queries.values().any(|row| (longest(row) - 10.0).abs() < 0.01));
}

#[test]
fn keeps_the_slowest_sample_of_late_and_asks_for_another_each_minute() {
    let mut scene = Scene::new();
    scene.statement(SELECT).run();
    scene.statement(SELECT).work_ms(50).run();
    scene.statement(SELECT).work_ms(90).run();
    let shape = scene.shapes.observe_one(SELECT.as_bytes()).shape;
    let snapshot = scene.snapshot();
    let info = &snapshot.shapes[&shape.fingerprint()];
    assert!(info.sample.is_some(), "the second execution was asked for");
    assert_eq!(info.sample_database.as_deref(), Some("shop"));
    assert!(!shape.take_sample_request(), "and no other within the minute");
    scene.pause(60_000);
    let _next_minute = scene.snapshot();
    assert!(shape.take_sample_request());
}

#[test]
fn connections_pools_and_losses_are_counted() {
    let mut scene = Scene::new();
    let key = PoolKey { database: "shop".into(), user: "web".into() };
    let code = SqlState::from_bytes(b"53300");
    let now = scene.now();
    for event in [
        ConnectionEvent::Refused { pool: None, sqlstate: code },
        ConnectionEvent::ServerFailed { pool: key.clone(), sqlstate: code },
    ] {
        scene.aggregator.apply(&mut Event::Connection(event), now, &scene.shapes, &scene.labels);
    }
    scene.aggregator.note_dropped(7);
    scene.aggregator.note_clients(12);
    scene.pool_look(10, 3);
    scene.pool_look(10, 0);
    let snapshot = scene.snapshot();
    let minute = &snapshot.minutes[0];
    assert_eq!(minute.connections.refused[&code], 1);
    let pool = &minute.pools[&key];
    assert_eq!(pool.connect_failures[&code], 1);
    assert_eq!((pool.samples, pool.samples_waiting, pool.most_waiting, pool.size), (2, 1, 3, 10));
    assert_eq!((minute.dropped, snapshot.coverage.dropped, snapshot.clients), (7, 7, 12));
}

#[test]
fn codes_and_pools_that_clients_make_up_are_bounded() {
    let mut scene = Scene::new();
    let now = scene.now();
    for number in 0..5_000 {
        let code = format!("{number:05}");
        scene.statement(SELECT).fails(&code).run();
        let event = ConnectionEvent::ServerFailed {
            pool: PoolKey { database: code.into(), user: "web".into() },
            sqlstate: SqlState::from_bytes(b"3D000"),
        };
        scene.aggregator.apply(&mut Event::Connection(event), now, &scene.shapes, &scene.labels);
    }
    let snapshot = scene.snapshot();
    let row = snapshot.minutes[0].queries.values().next().expect("one row");
    assert!(row.errors.len() <= 33, "{}", row.errors.len());
    assert_eq!(row.failed(), 5_000);
    assert!(snapshot.minutes[0].pools.len() <= 1_002);
}

#[test]
fn a_clock_that_is_set_back_loses_nothing() {
    let mut scene = Scene::new();
    scene.pause(120_000);
    scene.statement(SELECT).run();
    let back = scene.now() - Duration::from_secs(90);
    scene.aggregator.note_clients(1);
    let snapshot = scene.aggregator.snapshot(back, &scene.labels);
    assert_eq!(calls(&snapshot), 1);
}

proptest! {
    /// Whatever is folded where, no call is lost or counted twice.
    #[test]
    fn every_call_is_counted_once(
        steps in prop::collection::vec((0u64..40, 0u64..8, 0u64..20_000), 1..200),
        fingerprint_limit in 1usize..50,
        row_limit in 1usize..50,
        rows_kept in 1usize..50,
    ) {
        let settings = AggregatorSettings {
            fingerprint_limit, row_limit, rows_kept,
            ..AggregatorSettings::default()
        };
        let mut scene = Scene::with(settings);
        let count = steps.len() as u64;
        let mut taken = 0;
        for (number, application, pause) in steps {
            scene.application(&format!("worker {application}"));
            scene.statement(&format!("SELECT a{number} FROM b")).run();
            scene.pause(pause);
            taken += 1;
            if taken % 17 == 0 {
                let _tick = scene.snapshot();
            }
        }
        let snapshot = scene.snapshot();
        // Two hundred pauses of 20 s are longer than the minutes that are kept.
        if snapshot.minutes.front().is_some_and(|m| m.minute == minute_of(snapshot.started_at)) {
            prop_assert_eq!(calls(&snapshot), count);
        }
        prop_assert_eq!(snapshot.coverage.statements, count);
        prop_assert!(snapshot.shapes.len() <= fingerprint_limit);
    }
}
