use super::*;

fn totals(scene: &mut Scene) -> Totals {
    let now = scene.now();
    scene.aggregator.totals(now)
}

/// Summary and count of each fingerprint counted apart, and of the others.
fn counted(scene: &mut Scene) -> Vec<(String, u64)> {
    let of = |one: &model::FingerprintTotals| (one.summary.to_string(), one.statements.count());
    totals(scene).fingerprints.iter().map(of).collect()
}

fn only_pool(totals: &Totals) -> &model::PoolTotals {
    assert_eq!(totals.pools.len(), 1);
    totals.pools.values().next().expect("one pool")
}

#[test]
fn kinds_of_clients_of_one_pool_are_one_pool_and_nothing_is_forgotten() {
    let mut scene = Scene::new();
    scene.connect();
    for application in ["storefront", "worker"] {
        scene.application(application);
        for _ in 0..10 {
            scene.statement(SELECT).wait_ms(2).work_ms(5).rows(3).run();
        }
        scene.statement(SELECT).fails("57014").rows(0).run();
        scene.statement(SELECT).lost().rows(0).run();
        scene.pause(2 * 3_600_000);
        scene.snapshot();
    }
    scene.disconnect(5);
    let totals = totals(&mut scene);
    let pool = only_pool(&totals);
    assert_eq!((pool.statements.count(), pool.lost, pool.rows), (22, 2, 60));
    assert_eq!(pool.errors.values().sum::<u64>(), 2);
    assert_eq!((pool.waits.count(), pool.waits.sum()), (24, Duration::from_millis(40)));
    assert_eq!((pool.clients_opened, pool.clients_closed), (1, 1));
    assert_eq!(totals.statements, 24);
}

#[test]
fn the_busiest_fingerprints_are_counted_apart_and_each_statement_once() {
    let mut scene = Scene::with(AggregatorSettings { busiest: 2, ..Default::default() });
    for (text, ms) in [("SELECT 1 FROM a", 30), ("SELECT 1 FROM b", 20), ("SELECT 1 FROM c", 10)] {
        scene.statement(text).work_ms(ms).run();
    }
    let expected = [("SELECT a", 1), ("SELECT b", 1), ("(others)", 1)];
    assert_eq!(counted(&mut scene), expected.map(|(name, count)| (name.to_owned(), count)));
}

#[test]
fn one_that_becomes_busy_takes_the_place_of_the_idlest() {
    let mut scene = Scene::with(AggregatorSettings { busiest: 2, ..Default::default() });
    scene.statement("SELECT 1 FROM a").work_ms(50).run();
    scene.statement("SELECT 1 FROM idle").work_ms(1).run();
    for _ in 0..3 {
        scene.statement("SELECT 1 FROM busy").work_ms(100).run();
    }
    scene.pause(60_000);
    // Whoever comes first after the change does not get the place that was made for another.
    scene.statement("SELECT 1 FROM chance").work_ms(1).run();
    scene.statement("SELECT 1 FROM busy").work_ms(100).run();
    let expected = [("SELECT busy", 1), ("SELECT a", 1), ("(others)", 4)];
    assert_eq!(counted(&mut scene), expected.map(|(name, count)| (name.to_owned(), count)));
}

#[test]
fn two_that_are_about_as_busy_do_not_take_turns() {
    let mut scene = Scene::with(AggregatorSettings { busiest: 1, ..Default::default() });
    for _ in 0..5 {
        scene.statement("SELECT 1 FROM a").work_ms(100).run();
        scene.statement("SELECT 1 FROM b").work_ms(110).run();
        scene.pause(60_000);
    }
    let expected = [("SELECT a", 5), ("(others)", 5)];
    assert_eq!(counted(&mut scene), expected.map(|(name, count)| (name.to_owned(), count)));
}

#[test]
fn pools_beyond_the_bound_share_one_row() {
    let mut scene = Scene::new();
    for number in 0..1_100 {
        let database = format!("made up {number}");
        scene.connect_fails(&database);
    }
    let totals = totals(&mut scene);
    assert_eq!(totals.pools.len(), 1_001);
    let failures = totals.pools.values().flat_map(|pool| pool.connect_failures.values());
    assert_eq!(failures.sum::<u64>(), 1_100);
}
