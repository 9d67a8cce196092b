//! A statement's plans, each that differs once.

use std::collections::BTreeSet;

use model::{CatalogFacts, DatabaseFacts, FingerprintId, PlanText, SampleRank};

use crate::numbers::rounded;
use crate::view::PlanReport;

/// Plans of one statement that are shown.
const PLANS_MOST: usize = 6;

/// A statement's plans: the current one, those of other executions' values, the generic one, and
/// earlier ones; each that differs once.
#[must_use]
pub fn plans(id: FingerprintId, catalog: &CatalogFacts) -> Vec<PlanReport> {
    let mut plans = Vec::new();
    for (name, database) in &catalog.databases {
        of_database(id, name, database, &mut plans);
    }
    plans.truncate(PLANS_MOST);
    plans
}

fn of_database(
    id: FingerprintId,
    name: &str,
    database: &DatabaseFacts,
    plans: &mut Vec<PlanReport>,
) {
    let mut seen = BTreeSet::new();
    let mut add = |which: &str, plan: &PlanText, details: &dyn Fn(&mut PlanReport)| {
        if !seen.insert(plan.shape) {
            return;
        }
        let mut report = PlanReport {
            which: which.to_owned(),
            database: name.to_owned(),
            shape: plan.shape.to_string(),
            took_ms: None,
            since: None,
            until: None,
            cost: rounded(plan.cost),
            rows: rounded(plan.rows),
            text: plan.text.clone(),
        };
        details(&mut report);
        plans.push(report);
    };
    let history = database.plan_history.get(&id).map_or(&[][..], Vec::as_slice);
    if let Some(answer) = database.plans.get(&id) {
        if let Some(plan) = &answer.plan {
            let version = history.iter().rev().find(|version| version.plan.shape == plan.shape);
            add("current", plan, &|report| {
                report.since = version.map(|version| version.since);
                report.until = answer.asked_at;
            });
        }
        // What values of some time ago have now is only asked to compare.
        let now = answer.variants.iter().filter(|variant| variant.rank != SampleRank::Earlier);
        for variant in now {
            add(variant.rank.as_str(), &variant.plan, &|report| {
                report.took_ms = Some(rounded(variant.took_ms));
            });
        }
        if let Some(plan) = &answer.generic {
            add("generic", plan, &|_| {});
        }
    }
    for version in history.iter().rev() {
        add("earlier", &version.plan, &|report| {
            report.since = Some(version.since);
            report.until = Some(version.until);
        });
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::{PlanAnswer, PlanShape, PlanVariant, PlanVersion, Sample};

    use super::*;

    fn plan(shape: u64, text: &str) -> PlanText {
        PlanText { shape: PlanShape(shape), cost: 10.0, rows: 1.0, text: text.to_owned() }
    }

    #[test]
    fn each_plan_that_differs_is_there_once() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let id = FingerprintId(7);
        let version = |shape, since| PlanVersion {
            since: at(since),
            until: at(since + 60),
            plan: plan(shape, "…"),
            sample: Sample::default(),
        };
        let variant = |rank, shape| PlanVariant { rank, took_ms: 5.0, plan: plan(shape, "…") };
        let mut database = DatabaseFacts::default();
        database.plan_history.insert(id, vec![version(3, 0), version(1, 60)]);
        let answer = PlanAnswer {
            asked_at: Some(at(200)),
            plan: Some(plan(1, "Index Scan")),
            variants: vec![variant(SampleRank::Median, 1), variant(SampleRank::Slowest, 2)],
            generic: Some(plan(2, "Seq Scan")),
            ..PlanAnswer::default()
        };
        database.plans.insert(id, answer);
        let mut catalog = CatalogFacts::default();
        catalog.databases.insert("shop".to_owned(), database);
        let plans = plans(id, &catalog);
        let which: Vec<_> = plans.iter().map(|plan| plan.which.as_str()).collect();
        assert_eq!(which, ["current", "slowest", "earlier"]);
        assert_eq!((plans[0].since, plans[0].until), (Some(at(60)), Some(at(200))));
        assert_eq!(plans[1].took_ms, Some(5.0));
    }
}
