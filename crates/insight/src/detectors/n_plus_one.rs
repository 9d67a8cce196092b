use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{Confidence, Finding, FingerprintId, Fix, QueryStats, Severity};

use super::{Detector, Inputs, runbook};
use crate::settings::thresholds;
use crate::wording::count;
use crate::workload::database_ms;

/// # `n_plus_one`: one query for a list, then one more for each of its rows
///
/// **What it sees.** A client sends the same statement five times or more, each time with another
/// value, inside one transaction, or in a burst right behind the statement that returned the list.
/// It speaks when this happened at least three times in the window and the runs are ten statements
/// long on average (warning) or a hundred (critical). A worker or a benchmark that runs one
/// statement in an endless loop is not meant: nothing feeds it.
///
/// **Why it hurts.** Every statement costs a round trip. A hundred statements of 0.2 ms over a
/// network of 0.5 ms take 70 ms, where one statement takes two; and the page gets slower with every
/// row the list grows by.
///
/// **How to fix.** In the application: fetch all rows with one statement, by a join or by
/// `WHERE key = ANY ($1)`. Object mappers have a word for it: `includes` (Rails), `select_related`
/// and `prefetch_related` (Django), `joinedload` (SQLAlchemy), `JOIN FETCH` (Hibernate), `with`
/// (Laravel). For writes: one `INSERT` with many rows, or `COPY`.
///
/// **How sure.** High: the runs were counted on the wire.
///
/// **Example.** `SELECT id, name FROM products LIMIT 24`, then 24 times
/// `SELECT * FROM reviews WHERE product_id = $1`.
pub struct NPlusOne;

thresholds! {
    /// When `n_plus_one` speaks.
    NPlusOneThresholds {
        /// Runs seen in the window. A script that runs once is nobody's page.
        least_runs: Count = 3,
        /// The least mean length of a run for a warning: below it the round trips are hardly felt.
        warning_length: Number = 10.0,
        /// The least mean length of a run for a critical finding.
        critical_length: Number = 100.0,
    }
}

/// A statement in one database over all its users, where it was sent in runs.
#[derive(Default)]
struct Runs {
    stats: QueryStats,
    applications: BTreeSet<Arc<str>>,
}

impl Detector for NPlusOne {
    fn name(&self) -> &'static str {
        "n_plus_one"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let mut by_statement: HashMap<(FingerprintId, Arc<str>), Runs> = HashMap::new();
        for (key, stats) in &inputs.window.queries {
            let Some(labels) = inputs.snapshot.labels.get(&key.labels) else {
                continue;
            };
            // What is folded into the others row is no one statement.
            if key.fingerprint == FingerprintId::OTHERS || stats.repeats == 0 {
                continue;
            }
            let runs =
                by_statement.entry((key.fingerprint, Arc::clone(&labels.database))).or_default();
            runs.stats.merge(stats);
            runs.applications.insert(Arc::clone(&labels.application));
        }
        by_statement
            .iter()
            .filter_map(|((id, database), runs)| self.finding(*id, database, runs, inputs))
            .collect()
    }
}

impl NPlusOne {
    fn finding(
        &self,
        fingerprint: FingerprintId,
        database: &str,
        runs: &Runs,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let (stats, thresholds) = (&runs.stats, &inputs.settings.of.n_plus_one);
        let mean_length = stats.repeated_calls as f64 / stats.repeats.max(1) as f64;
        if stats.repeats < thresholds.least_runs || mean_length < thresholds.warning_length {
            return None;
        }
        let severity = if mean_length >= thresholds.critical_length {
            Severity::Critical
        } else {
            Severity::Warning
        };
        // A run that spans minutes counts where it ends, so that it may exceed the window's calls.
        let repeated = stats.repeated_calls.min(stats.calls.max(1));
        let share = repeated as f64 / stats.calls.max(1) as f64;
        // One statement of each run stays.
        let harm_ms = stats.total.sum_ms() * share * (1.0 - 1.0 / mean_length);
        let applications: Vec<_> =
            runs.applications.iter().filter(|name| !name.is_empty()).map(|name| &**name).collect();
        let mut evidence = BTreeMap::from([
            ("runs".to_owned(), stats.repeats.into()),
            ("calls".to_owned(), stats.calls.into()),
            ("calls_in_runs".to_owned(), stats.repeated_calls.into()),
            ("mean_run".to_owned(), mean_length.into()),
            ("longest_run".to_owned(), stats.longest_repeat.into()),
            ("mean_ms".to_owned(), stats.total.mean_ms().into()),
            ("share_of_time_ratio".to_owned(), inputs.workload.share(database_ms(stats)).into()),
        ]);
        if !applications.is_empty() {
            evidence.insert("applications".to_owned(), applications.join(", ").into());
        }
        let text = inputs.title_text(fingerprint);
        let class = inputs.snapshot.shapes.get(&fingerprint).map_or("", |shape| &*shape.class);
        Some(Finding {
            detector: self.name().to_owned(),
            severity,
            title: format!("the same statement is sent {mean_length:.0} times in a row: {text}"),
            why: format!(
                "{} times a client sent it again and again with another value each time, {:.0} \
                 statements on average and up to {}; every one of them costs a round trip, and \
                 there will be more as the data grows",
                count(stats.repeats as f64),
                mean_length,
                count(stats.longest_repeat as f64),
            ),
            evidence,
            fingerprints: vec![fingerprint],
            tables: Vec::new(),
            database: Some(database.to_owned()),
            fix: Fix { sql: None, undo: None, advice: Some(advice(class).to_owned()) },
            estimate: BTreeMap::from([
                ("round_trips_saved".to_owned(), (repeated - repeated.min(stats.repeats)).into()),
                ("saved_ms".to_owned(), harm_ms.into()),
            ]),
            confidence: Confidence::High,
            runbook: runbook(self.name()),
            harm_ms,
        })
    }
}

fn advice(class: &str) -> &'static str {
    match class {
        "INSERT" => {
            "Send the rows together. Use one INSERT with many rows, INSERT … SELECT FROM unnest(…), \
             or COPY."
        }
        "UPDATE" | "DELETE" | "MERGE" => {
            "Change the rows with one statement. Join with unnest($1::…[]) or VALUES, or use WHERE \
             key = ANY ($1)."
        }
        _ => {
            "Fetch the rows with one statement. Join them to the list, or use WHERE key = ANY ($1) \
             with all keys of the list; object mappers call it eager loading (includes, \
             select_related, joinedload, JOIN FETCH, with)."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    const LIST: &str = "SELECT id, name FROM products ORDER BY name LIMIT 20";
    const ENTRY: &str = "SELECT * FROM reviews WHERE product_id = $1";

    fn pages(scene: &mut Scene, pages: u64, entries: u64) {
        for page in 0..pages {
            scene.pause(1_000);
            scene.statement(LIST).rows(entries).run();
            for entry in 0..entries {
                scene.statement(ENTRY).values(page * 100 + entry).run();
            }
        }
        scene.pause(1_000);
    }

    #[test]
    fn pages_that_look_up_every_row_are_found() {
        let mut scene = Scene::new();
        pages(&mut scene, 3, 20);
        let findings = scene.look(|inputs| NPlusOne.detect(inputs));
        assert_eq!(findings.len(), 1);
        let finding = &findings[0];
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(finding.evidence["runs"], 3u64.into());
        assert_eq!(finding.evidence["calls_in_runs"], 60u64.into());
        assert_eq!(finding.estimate["round_trips_saved"], 57u64.into());
        assert!(finding.title.contains(ENTRY), "{}", finding.title);
    }

    #[test]
    fn a_hundred_in_a_row_are_critical() {
        let mut scene = Scene::new();
        pages(&mut scene, 3, 100);
        let findings = scene.look(|inputs| NPlusOne.detect(inputs));
        assert_eq!(findings[0].severity, Severity::Critical);
    }

    #[test]
    fn short_runs_and_few_runs_are_not_worth_a_finding() {
        for (count, entries) in [(50, 9), (2, 50)] {
            let mut scene = Scene::new();
            pages(&mut scene, count, entries);
            assert!(scene.look(|inputs| NPlusOne.detect(inputs)).is_empty());
        }
    }

    #[test]
    fn rows_inserted_one_by_one_are_told_to_go_together() {
        let mut scene = Scene::new();
        for transaction in 0..4 {
            scene.begin();
            for row in 0..12 {
                scene
                    .statement("INSERT INTO lines (order_id, sku) VALUES ($1, $2)")
                    .values(transaction * 100 + row)
                    .run();
            }
            scene.commit();
        }
        let findings = scene.look(|inputs| NPlusOne.detect(inputs));
        let advice = findings[0].fix.advice.as_deref();
        assert!(advice.is_some_and(|text| text.contains("COPY")), "{advice:?}");
    }

    #[test]
    fn pgbench_select_only_is_quiet() {
        let mut scene = Scene::new();
        for account in 0..20_000 {
            scene
                .statement("SELECT abalance FROM pgbench_accounts WHERE aid = $1")
                .values(account)
                .run();
        }
        assert!(scene.look(|inputs| NPlusOne.detect(inputs)).is_empty());
    }

    #[test]
    fn pgbench_tpc_b_is_quiet() {
        let mut scene = Scene::new();
        for turn in 0..2_000 {
            scene.begin();
            for text in [
                "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
                "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
                "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2",
                "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2",
                "INSERT INTO pgbench_history (tid, bid, aid) VALUES ($1, $2, $3)",
            ] {
                scene.statement(text).values(turn).run();
            }
            scene.commit();
        }
        assert!(scene.look(|inputs| NPlusOne.detect(inputs)).is_empty());
    }
}
