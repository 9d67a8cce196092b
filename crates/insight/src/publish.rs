//! All that is published at a tick.

use std::sync::Arc;

use model::{CatalogFacts, NotChecked, Published, Snapshot};
use sql::ShapeRegistry;

use crate::detectors::{Inputs, all, run};
use crate::{DetectionSettings, Workload};

/// Shows the tick to every detector. Takes some milliseconds for a thousand statements; the caller
/// keeps it off the data path's threads.
#[must_use]
pub fn publish(
    snapshot: Arc<Snapshot>,
    catalog: Arc<CatalogFacts>,
    shapes: &ShapeRegistry,
    settings: &DetectionSettings,
) -> Published {
    let window = snapshot.window(settings.window);
    let workload = Workload::new(&snapshot, &window);
    let inputs = Inputs {
        snapshot: &snapshot,
        window: &window,
        workload: &workload,
        catalog: &catalog,
        shapes,
        settings,
    };
    let mut verdicts = run(&all(), &inputs);
    let unread = catalog
        .unavailable
        .iter()
        .map(|one| NotChecked { check: one.what.clone(), why: one.why.clone() });
    verdicts.not_checked.extend(unread);
    Published {
        snapshot,
        catalog,
        findings: verdicts.findings,
        checked: verdicts.checked,
        not_checked: verdicts.not_checked,
        results: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_healthy_workload_is_quiet_and_all_detectors_looked() {
        let mut scene = Scene::new();
        bench(&mut scene);
        let published = published(scene);
        assert_eq!(published.findings, []);
        let mut names: Vec<_> = all().iter().map(|one| one.name().to_owned()).collect();
        names.sort();
        assert_eq!(published.checked, names);
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
}
