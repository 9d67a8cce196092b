//! Detectors: one file each, whose doc comment is its page in the manual.
//!
//! A detector looks at statistics and catalogue facts and says what is wrong, why it hurts, what
//! to do about it and how sure it is. What nobody can act on is not reported.

mod catalogue;
mod clients;
mod error_rate;
mod errors;
mod finding;
mod idle_in_transaction;
mod missing_index;
mod n_plus_one;
mod plans;
mod pool_saturation;
mod results;
mod schema;
mod server;
mod statements;
mod transactions;
mod upkeep;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use model::{
    CatalogFacts, Finding, FingerprintId, NotChecked, ShapeId, Snapshot, TableFacts, WindowStats,
};
use sql::{Facts, ShapeRegistry, TableRef};

use crate::advisor::facts_of;
use crate::wording::contains_ignoring_case;
use crate::{DetectionSettings, StatementTotals, Workload};

pub use clients::*;
pub use error_rate::{ErrorRate, ErrorRateThresholds};
pub use errors::*;
pub use idle_in_transaction::{IdleInTransaction, IdleInTransactionThresholds};
pub use missing_index::{MissingIndex, MissingIndexThresholds};
pub use n_plus_one::{NPlusOne, NPlusOneThresholds};
pub use plans::{
    FunctionOnColumn, FunctionOnColumnThresholds, GenericPlan, GenericPlanThresholds,
    InefficientIndex, InefficientIndexThresholds, OrAcrossColumns, OrAcrossColumnsThresholds,
    RowMisestimate, RowMisestimateThresholds, SequentialScan, SequentialScanThresholds, SortSpill,
    SortSpillThresholds,
};
pub use pool_saturation::{PoolSaturation, PoolSaturationThresholds};
pub use results::*;
pub(crate) use schema::{Counting, MOST_TIMES_LARGER, is_unused, redundant};
pub use schema::{
    DuplicateIndex, DuplicateIndexThresholds, InvalidIndex, MissingPrimaryKey,
    MissingPrimaryKeyThresholds, UnindexedForeignKey, UnindexedForeignKeyThresholds, UnusedIndex,
    UnusedIndexThresholds,
};
pub use server::{
    BlockingChain, BlockingChainThresholds, CacheHitRatio, CacheHitRatioThresholds, ReplicationLag,
    ReplicationLagThresholds, RequestedCheckpoints, RequestedCheckpointsThresholds,
};
pub use statements::*;
pub use transactions::*;
pub use upkeep::{
    Bloat, BloatThresholds, SequenceExhaustion, SequenceExhaustionThresholds, StaleStatistics,
    StaleStatisticsThresholds, VacuumLag, VacuumLagThresholds, Wraparound, WraparoundThresholds,
};

/// What a detector looks at.
pub struct Inputs<'a> {
    /// The statistics.
    pub snapshot: &'a Snapshot,
    /// The part of them that counts, merged.
    pub window: &'a WindowStats,
    /// The window's statements by fingerprint and database.
    pub workload: &'a Workload,
    /// The catalogue as last read.
    pub catalog: &'a CatalogFacts,
    /// Where the facts of statements are.
    pub shapes: &'a ShapeRegistry,
    /// The thresholds.
    pub settings: &'a DetectionSettings,
}

impl<'a> Inputs<'a> {
    /// The window's statements, those with the most database time first, the others row left out.
    fn statements(&self) -> impl Iterator<Item = &'a StatementTotals> + use<'a> {
        let statements = self.workload.statements.iter();
        statements.filter(|statement| statement.fingerprint != FingerprintId::OTHERS)
    }

    /// Those with this share of all database time and this much of it.
    fn costly(
        &self,
        least_share: f64,
        least_time: Duration,
    ) -> impl Iterator<Item = &'a StatementTotals> + use<'a> {
        let least_ms =
            (self.workload.database_ms * least_share).max(least_time.as_secs_f64() * 1e3);
        self.statements().take_while(move |statement| statement.database_ms() >= least_ms)
    }

    /// The statement's class, such as `SELECT`.
    fn class(&self, fingerprint: FingerprintId) -> &'a str {
        self.snapshot.shapes.get(&fingerprint).map_or("", |shape| &*shape.class)
    }

    /// The statement's normalised text.
    fn text(&self, fingerprint: FingerprintId) -> &'a str {
        self.snapshot.shapes.get(&fingerprint).map_or("", |shape| &*shape.text)
    }

    /// Whether the statement's text contains `words`, in capitals or not.
    fn says(&self, fingerprint: FingerprintId, words: &str) -> bool {
        contains_ignoring_case(self.text(fingerprint), words)
    }

    /// What the parser found in the statement.
    fn facts(&self, fingerprint: FingerprintId) -> Option<Arc<Facts>> {
        facts_of(fingerprint, self.snapshot, self.catalog, self.shapes)
    }

    /// The fingerprint of a shape that was run.
    fn fingerprint_of(&self, shape: ShapeId) -> Option<FingerprintId> {
        let mut shapes = self.snapshot.shapes.iter();
        shapes.find_map(|(id, info)| info.shapes.contains(&shape).then_some(*id))
    }

    /// The table that a statement of this database means.
    fn table(&self, database: &str, reference: &TableRef) -> Option<&'a TableFacts> {
        let database = self.catalog.databases.get(database)?;
        let named = |schema: &str| {
            let mut tables = database.tables.iter();
            tables.find(|table| table.name == reference.name && table.schema == schema)
        };
        match &reference.schema {
            Some(schema) => named(schema),
            None => database.search_path.iter().find_map(|schema| named(schema)),
        }
    }

    /// The statement's text, short enough for a title.
    fn title_text(&self, fingerprint: FingerprintId) -> String {
        const MOST: usize = 60;
        if fingerprint == FingerprintId::OTHERS {
            return "(others)".to_owned();
        }
        let text = self.snapshot.shapes.get(&fingerprint).map_or("", |shape| &*shape.text);
        if text.chars().count() <= MOST {
            return text.to_owned();
        }
        text.chars().take(MOST - 1).chain(['…']).collect()
    }

    /// The window's length, ms.
    fn window_ms(&self) -> f64 {
        self.window.until.duration_since(self.window.since).as_secs_f64().max(0.0) * 1e3
    }
}

/// A rule that looks at the statistics and says what is wrong.
pub trait Detector {
    /// Its name, the value of `detector` in the report.
    fn name(&self) -> &'static str;

    /// What it found, in any order.
    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding>;

    /// What it could not look at, and why. An entry whose `check` is the detector's name says that
    /// it could not look at anything.
    fn not_checked(&self, _inputs: &Inputs<'_>) -> Vec<NotChecked> {
        Vec::new()
    }
}

/// All detectors.
#[must_use]
pub fn all() -> Vec<Box<dyn Detector>> {
    let mut detectors: Vec<Box<dyn Detector>> = vec![
        Box::new(MissingIndex),
        Box::new(NPlusOne),
        Box::new(PoolSaturation),
        Box::new(IdleInTransaction),
        Box::new(ErrorRate),
    ];
    detectors.extend(clients::all());
    detectors.extend(errors::all());
    detectors.extend(plans::all());
    detectors.extend(results::all());
    detectors.extend(statements::all());
    detectors.extend(transactions::all());
    detectors.extend(schema::all());
    detectors.extend(server::all());
    detectors.extend(upkeep::all());
    detectors
}

/// What the detectors said.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// The findings: the most severe first, within that the most harmful.
    pub findings: Vec<Finding>,
    /// The names of the detectors that ran to their end.
    pub checked: Vec<String>,
    /// The checks that could not be made.
    pub not_checked: Vec<NotChecked>,
}

/// Runs `detectors`. One that panics is reported as not checked, and disturbs no other.
#[must_use]
pub fn run(detectors: &[Box<dyn Detector>], inputs: &Inputs<'_>) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for detector in detectors {
        let name = detector.name();
        if inputs.settings.disabled.contains(name) {
            verdicts.not_checked.push(NotChecked {
                check: name.to_owned(),
                why: format!("switched off: `enabled` in [detection.{name}]"),
            });
            continue;
        }
        // Detectors only read, so that nothing is left half-changed.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            (detector.detect(inputs), detector.not_checked(inputs))
        }));
        match outcome {
            Ok((findings, not_checked)) => {
                if !not_checked.iter().any(|check| check.check == name) {
                    verdicts.checked.push(name.to_owned());
                }
                verdicts.findings.extend(findings);
                verdicts.not_checked.extend(not_checked);
            }
            Err(_) => verdicts.not_checked.push(NotChecked {
                check: name.to_owned(),
                why: "the detector failed; this is a fault of pgweir".to_owned(),
            }),
        }
    }
    verdicts.findings.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| b.harm_ms.total_cmp(&a.harm_ms))
            .then_with(|| a.title.cmp(&b.title))
    });
    verdicts.checked.sort();
    verdicts
}

/// Where the manual explains the detector, relative to docs/.
fn runbook(name: &str) -> String {
    format!("detectors/{name}.md")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    struct Broken;

    impl Detector for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }
        fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
            assert!(inputs.window_ms() < 0.0, "on purpose");
            Vec::new()
        }
    }

    #[test]
    fn a_detector_that_panics_is_not_checked_and_disturbs_no_other() {
        let scene = Scene::new();
        let detectors: Vec<Box<dyn Detector>> = vec![Box::new(Broken), Box::new(ErrorRate)];
        let verdicts = scene.look(|inputs| run(&detectors, inputs));
        assert_eq!(verdicts.checked, ["error_rate"]);
        assert_eq!(verdicts.not_checked.len(), 1);
        assert_eq!(verdicts.not_checked[0].check, "broken");
    }

    #[test]
    fn a_detector_that_is_switched_off_is_silent_and_said_to_be() {
        let mut scene = Scene::new();
        for _ in 0..40 {
            scene.statement("SELECT 1 / $1").fails("22012").run();
        }
        scene.settings.disabled.insert("error_rate".to_owned());
        let verdicts = scene.look(|inputs| run(&all(), inputs));
        assert_eq!(verdicts.findings, []);
        assert!(verdicts.not_checked.iter().any(|one| one.why.contains("[detection.error_rate]")));
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<_> = all().iter().map(|detector| detector.name()).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
