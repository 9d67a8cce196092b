//! The fingerprints told apart, what they mean, and a sample of each.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use model::{
    ById, FingerprintId, LabelId, LabelRegistry, Labels, Minute, Sample, ShapeId, ShapeInfo,
    StrictId,
};
use sql::Shape;

use super::minute_of;
use crate::wording::contains_ignoring_case;

/// Shapes remembered of one fingerprint; a list of any length makes a shape of its own.
const SHAPES_LIMIT: usize = 16;
/// Samples kept of each fingerprint, so that one of twenty can be the slowest.
const SAMPLES_KEPT: usize = 20;
/// Their texts and values together, bytes: few enough to keep for thousands of fingerprints.
const SAMPLES_BYTES: usize = 32 * 1024;
/// A sample this old, s, gives way to any newer one: the slowest execution *of late* is kept.
const SAMPLE_FRESH_S: i64 = 300;

/// The fingerprints told apart.
#[derive(Debug)]
pub(super) struct KnownShapes {
    limit: usize,
    by_fingerprint: ById<FingerprintId, Known>,
}

#[derive(Debug)]
struct Known {
    /// The shape met last: where a sample is asked for, and what tells whether it was parsed.
    shape: Arc<Shape>,
    text: Arc<str>,
    /// Made once the parser has tried.
    summary: OnceLock<Arc<str>>,
    /// It has an OFFSET, or a LIKE.
    values_matter: bool,
    shapes: Vec<ShapeId>,
    strict_ids: Vec<StrictId>,
    first_seen: Timestamp,
    last_seen: Timestamp,
    sample: Option<KeptSample>,
    /// The last few, with their time in the database, ms.
    samples: Vec<(f64, Arc<Sample>)>,
}

#[derive(Debug)]
struct KeptSample {
    sample: Arc<Sample>,
    labels: LabelId,
    took: Duration,
    at: Timestamp,
}

impl KnownShapes {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, by_fingerprint: ById::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_fingerprint.len()
    }

    /// The fingerprint that `shape` is counted under; the others row where there is no room, or
    /// where the registry had none. The first execution of a shape asks for a sample of the next.
    pub(super) fn meet(&mut self, shape: Option<&Arc<Shape>>, now: Timestamp) -> FingerprintId {
        let Some(shape) = shape else {
            return FingerprintId::OTHERS;
        };
        let fingerprint = shape.fingerprint();
        if fingerprint == FingerprintId::OTHERS {
            return fingerprint;
        }
        let full = self.by_fingerprint.len() >= self.limit;
        match self.by_fingerprint.get_mut(&fingerprint) {
            Some(known) => known.seen(shape, now),
            None if full => return FingerprintId::OTHERS,
            None => {
                shape.request_sample();
                let known = Known {
                    values_matter: [" offset ", "like "]
                        .iter()
                        .any(|words| contains_ignoring_case(shape.text(), words)),
                    text: Arc::clone(shape.text()),
                    summary: OnceLock::new(),
                    shapes: vec![shape.id],
                    strict_ids: vec![shape.strict()],
                    first_seen: now,
                    last_seen: now,
                    sample: None,
                    samples: Vec::new(),
                    shape: Arc::clone(shape),
                };
                self.by_fingerprint.insert(fingerprint, known);
            }
        }
        fingerprint
    }

    /// Keeps `sample` where it is slower than the one at hand, or that one is old.
    pub(super) fn keep_sample(
        &mut self,
        fingerprint: FingerprintId,
        sample: Sample,
        labels: LabelId,
        took: Duration,
        now: Timestamp,
    ) {
        let Some(known) = self.by_fingerprint.get_mut(&fingerprint) else {
            return;
        };
        let stays = known.sample.as_ref().is_some_and(|kept| {
            kept.took > took && now.as_second() - kept.at.as_second() < SAMPLE_FRESH_S
        });
        let sample = Arc::new(sample);
        known.samples.push((took.as_secs_f64() * 1e3, Arc::clone(&sample)));
        let bytes = |samples: &[(f64, Arc<Sample>)]| {
            samples.iter().map(|(_, sample)| sample.bytes()).sum::<usize>()
        };
        while known.samples.len() > SAMPLES_KEPT
            || known.samples.len() > 1 && bytes(&known.samples) > SAMPLES_BYTES
        {
            known.samples.remove(0);
        }
        if !stays {
            known.sample = Some(KeptSample { sample, labels, took, at: now });
        }
    }

    /// Asks for new samples of the `most` fingerprints that took the most time in `minute`, and of
    /// those in it that have none.
    pub(super) fn ask_for_samples(&self, minute: &Minute, most: usize) {
        let mut times: HashMap<FingerprintId, f64> = HashMap::new();
        for (key, stats) in &minute.queries {
            *times.entry(key.fingerprint).or_default() +=
                stats.total.sum_ms() - stats.wait.sum_ms();
        }
        let mut order: Vec<_> = times.into_iter().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for (rank, (fingerprint, _)) in order.iter().enumerate() {
            if let Some(known) = self.by_fingerprint.get(fingerprint)
                && (rank < most || known.sample.is_none())
            {
                known.shape.request_sample();
            }
        }
    }

    /// Asks for a sample of the statements whose values decide about their plan, more often than of
    /// the others.
    pub(super) fn ask_for_values(&self) {
        for known in self.by_fingerprint.values().filter(|known| known.values_matter) {
            known.shape.request_sample();
        }
    }

    /// Forgets what was last seen before `minute` (minutes since the epoch).
    pub(super) fn forget_before(&mut self, minute: i64) {
        self.by_fingerprint.retain(|_, known| minute_of(known.last_seen) >= minute);
    }

    /// The kinds of clients whose samples are kept.
    pub(super) fn labels(&self) -> impl Iterator<Item = LabelId> {
        let samples = self.by_fingerprint.values().filter_map(|known| known.sample.as_ref());
        samples.map(|kept| kept.labels)
    }

    /// What each fingerprint means, for a snapshot.
    pub(super) fn describe(
        &self,
        labels: &HashMap<LabelId, Arc<Labels>>,
        registry: &LabelRegistry,
    ) -> HashMap<FingerprintId, ShapeInfo> {
        let database = |id: LabelId| match labels.get(&id) {
            Some(labels) => Arc::clone(&labels.database),
            None => Arc::clone(&registry.get(id).database),
        };
        self.by_fingerprint
            .iter()
            .map(|(fingerprint, known)| {
                let sample = known.sample.as_ref();
                let info = ShapeInfo {
                    shapes: known.shapes.clone(),
                    strict_ids: known.strict_ids.clone(),
                    text: Arc::clone(&known.text),
                    summary: known.summary(),
                    class: known.shape.keyword.into(),
                    parsed: known.shape.parsed(),
                    first_seen: known.first_seen,
                    last_seen: known.last_seen,
                    sample: sample.map(|kept| Arc::clone(&kept.sample)),
                    sample_took: sample.map(|kept| kept.took).unwrap_or_default(),
                    sample_at: sample.map(|kept| kept.at),
                    samples: by_time(&known.samples),
                    sample_database: sample.map(|kept| database(kept.labels)),
                };
                (*fingerprint, info)
            })
            .collect()
    }
}

/// The fastest first.
fn by_time(samples: &[(f64, Arc<Sample>)]) -> Vec<(f64, Arc<Sample>)> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    sorted
}

impl Known {
    /// What the statement does and to which tables; empty until the parser has tried.
    fn summary(&self) -> Arc<str> {
        if self.shape.parsed().is_none() {
            return Arc::default();
        }
        Arc::clone(self.summary.get_or_init(|| sql::summary(&self.shape).into()))
    }

    fn seen(&mut self, shape: &Arc<Shape>, now: Timestamp) {
        self.last_seen = self.last_seen.max(now);
        // The registry may have forgotten the shape and met it anew; only the new one hears a
        // request for a sample.
        if !Arc::ptr_eq(&self.shape, shape) {
            if !self.shapes.contains(&shape.id) && self.shapes.len() < SHAPES_LIMIT {
                self.shapes.push(shape.id);
                let strict = shape.strict();
                if !self.strict_ids.contains(&strict) {
                    self.strict_ids.push(strict);
                }
            }
            self.shape = Arc::clone(shape);
        }
    }
}
