//! Two instances, one store.

use crate::scene::{Scene, report, report_of, statements};

#[tokio::test(flavor = "multi_thread")]
async fn the_fleets_report_is_the_sum_of_both() {
    let scene = Scene::new().await;
    let store = scene.postgres.database().await;
    let url = scene.postgres.url("postgres", &store.name);
    let settings = |name: &str| format!("store = \"{url}\"\ninstance_name = \"{name}\"\n");
    for (instance, calls) in [("one", 40), ("two", 25)] {
        let proxy = scene.start(instance, &settings(instance)).await;
        scene.run(&proxy, calls).await;
        assert_eq!(proxy.stop().await, 0);
        assert_eq!(statements(&report_of(&scene.file(instance))), calls);
    }
    // What is of minutes that were not over is sent by the next process.
    let one = scene.start("one", &settings("one")).await;
    let two = scene.start("two", &settings("two")).await;
    let fleet = scene
        .until("sum of both", || {
            let fleet = report(&["--store", &url]).ok()?;
            (statements(&fleet) == 65).then_some(fleet)
        })
        .await;
    let query = &fleet["queries"][0];
    assert_eq!((query["text"].as_str(), query["calls"].as_u64()), (Some("SELECT $1"), Some(65)));
    let longest = ["one", "two"].map(|instance| {
        report_of(&scene.file(instance))["queries"][0]["max_ms"].as_f64().expect("a number")
    });
    assert_eq!(query["max_ms"].as_f64(), longest.into_iter().reduce(f64::max));
    // The store's own tables can be asked too.
    let client = store.connect().await;
    let sql = "SELECT instance, sum(calls)::bigint FROM pgweir.query_rollups
               JOIN pgweir.runs USING (run) WHERE grain_s = 60 GROUP BY instance ORDER BY instance";
    let rows = client.query(sql, &[]).await.expect("rows");
    let by_instance: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(by_instance, [("one".to_owned(), 40), ("two".to_owned(), 25)]);
    // So can any of the consoles.
    let console = one.connect("postgres", "pgweir").await;
    let sql = "SELECT sum(calls)::bigint FROM fleet_minutes WHERE text = 'SELECT $1'";
    let row = console.query_one(sql, &[]).await.expect("a row");
    assert_eq!(row.get::<_, i64>(0), 65);
    assert!(!one.log().contains("rows for"), "the store was never away: {}", one.log());
    drop((one, two));
}
