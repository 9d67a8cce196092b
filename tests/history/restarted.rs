//! Stopped in good order, and started again.

use crate::scene::{Scene, report, report_of, statements};

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_leaves_all_of_it_and_the_next_one_shows_it() {
    let scene = Scene::new().await;
    let first = scene.start("one", "").await;
    scene.run(&first, 30).await;
    // Read while it is being written.
    scene
        .until("file", || {
            report(&["--admin", &first.url("postgres", "pgweir")]).ok()?;
            let file = scene.file("one").display().to_string();
            let report = report(&["--store", &file]).ok()?;
            (statements(&report) == 30).then_some(())
        })
        .await;
    scene.run(&first, 12).await;
    assert_eq!(first.stop().await, 0);
    let left = report_of(&scene.file("one"));
    assert_eq!(statements(&left), 42, "{left:#}");
    let query = &left["queries"][0];
    assert_eq!(
        (query["text"].as_str(), query["class"].as_str()),
        (Some("SELECT $1"), Some("SELECT"))
    );
    assert_eq!(query["calls"], 42);
    assert_eq!(query["databases"][0], scene.database.name.as_str());
    assert!(query["p95_ms"].as_f64() > Some(0.0), "{query:#}");
    assert_eq!(left["connections"]["opened"], 2);

    let second = scene.start("one", "").await;
    scene.run(&second, 5).await;
    let both = report(&["--admin", &second.url("postgres", "pgweir")]).expect("a report");
    assert_eq!(statements(&both), 47, "{both:#}");
    assert_eq!(both["connections"]["opened"], 3);
    assert_eq!(second.stop().await, 0);
    assert_eq!(statements(&report_of(&scene.file("one"))), 47);
}
