//! What to ask of the upstream's planner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    CatalogFacts, DatabaseFacts, FingerprintId, PlanAnswer, PlanQuestion, RankedSample, Sample,
    SampleRank, Snapshot,
};
use sql::ShapeRegistry;

use super::{candidates, facts_of};
use crate::DetectionSettings;
use crate::workload::database_ms;

/// An answer that still fits is asked for again after so many times
/// [`super::PlanThresholds::again_after`]: data grows, and plans change with it.
const STALE_AFTER: u32 = 10;

/// Statements whose plan is worth knowing even where no index would help.
const READING: [&str; 5] = ["SELECT", "UPDATE", "DELETE", "MERGE", "WITH"];

/// Statements to plan, those with the most database time first.
///
/// Only statements with a sample that were not planned of late. The caller asks them one at a time.
#[must_use]
pub fn questions(
    snapshot: &Snapshot,
    catalog: &CatalogFacts,
    shapes: &ShapeRegistry,
    settings: &DetectionSettings,
) -> Vec<PlanQuestion> {
    let times = database_times(snapshot, settings.window);
    let all: f64 = times.values().sum();
    let mut order: Vec<_> = times.into_iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order
        .into_iter()
        .take_while(|(_, ms)| *ms > 0.0 && *ms >= all * settings.of.missing_index.least_ratio / 2.0)
        .filter_map(|(fingerprint, _)| question(fingerprint, snapshot, catalog, shapes, settings))
        .take(settings.of.plans.each_tick as usize)
        .collect()
}

fn question(
    fingerprint: FingerprintId,
    snapshot: &Snapshot,
    catalog: &CatalogFacts,
    shapes: &ShapeRegistry,
    settings: &DetectionSettings,
) -> Option<PlanQuestion> {
    let info = snapshot.shapes.get(&fingerprint)?;
    let sample = info.sample.as_ref()?;
    let name = info.sample_database.as_ref()?;
    let database = catalog.databases.get(&**name)?;
    let wanted = facts_of(fingerprint, snapshot, catalog, shapes)
        .map(|facts| candidates(&facts, database, settings))
        .unwrap_or_default();
    let answer = database.plans.get(&fingerprint);
    if (wanted.is_empty() && !READING.contains(&&*info.class))
        || answer
            .is_some_and(|answer| !is_due(answer, database, &wanted, snapshot.taken_at, settings))
    {
        return None;
    }
    Some(PlanQuestion {
        database: name.to_string(),
        fingerprint,
        sample: Arc::unwrap_or_clone(Arc::clone(sample)),
        candidates: wanted,
        ranked: ranked(&info.samples).into_iter().chain(earlier(database, fingerprint)).collect(),
    })
}

/// The usual execution and a slow one, where there are enough to tell.
fn ranked(samples: &[(f64, Arc<Sample>)]) -> Vec<RankedSample> {
    let count = samples.len();
    if count < 3 {
        return Vec::new();
    }
    let slow = (count * 95).div_ceil(100).saturating_sub(1);
    [(SampleRank::Median, count / 2), (SampleRank::P95, slow)]
        .into_iter()
        .filter_map(|(rank, place)| {
            let (took_ms, sample) = samples.get(place)?;
            Some(RankedSample { rank, took_ms: *took_ms, sample: Sample::clone(sample) })
        })
        .collect()
}

/// The execution whose plan was noted last, so that a change of the plan can be told from one of the
/// values.
fn earlier(database: &DatabaseFacts, fingerprint: FingerprintId) -> Option<RankedSample> {
    let last = database.plan_history.get(&fingerprint)?.last()?;
    let sample = last.sample.clone();
    Some(RankedSample { rank: SampleRank::Earlier, took_ms: 0.0, sample })
}

fn is_due(
    answer: &PlanAnswer,
    database: &DatabaseFacts,
    wanted: &[model::IndexCandidate],
    now: Timestamp,
    settings: &DetectionSettings,
) -> bool {
    let Some(asked_at) = answer.asked_at else {
        return true;
    };
    let age = Duration::try_from(now.duration_since(asked_at)).unwrap_or_default();
    if answer.problem.is_some() {
        return age >= settings.of.plans.again_after_failure;
    }
    let tried = |candidate: &model::IndexCandidate| {
        answer.what_if.iter().any(|what_if| what_if.candidate == *candidate)
    };
    let complete = !database.hypopg || wanted.iter().all(tried);
    let rest = settings.of.plans.again_after * if complete { STALE_AFTER } else { 1 };
    age >= rest
}

/// Database time by fingerprint, ms, without merging histograms: this is done at every tick.
fn database_times(snapshot: &Snapshot, since: Duration) -> HashMap<FingerprintId, f64> {
    let oldest = snapshot.taken_at.as_second() - i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let mut times = HashMap::new();
    for minute in snapshot.minutes.iter().filter(|m| m.minute >= oldest.div_euclid(60)) {
        for (key, stats) in &minute.queries {
            *times.entry(key.fingerprint).or_insert(0.0) += database_ms(stats);
        }
    }
    times
}
