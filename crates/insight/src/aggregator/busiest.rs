//! The fingerprints that take the most time, each counted apart from the moment it is one of them.
//!
//! Every statement is counted in exactly one place when it comes, so that no count ever goes down:
//! one that joins the busiest begins at zero, and one that leaves them is gone.

use std::collections::HashSet;
use std::sync::Arc;

use model::{Binned, ById, FingerprintId, FingerprintTotals, Minute, Outcome, QueryEvent};
use sql::Shape;

/// What a minute ago counts of what counts now: half after a quarter of an hour.
const MEMORY: f64 = 0.955;
/// A fingerprint takes the place of one that takes less than this part of its time. Less than 1, so
/// that two that are about as busy do not take turns.
const CHALLENGE: f64 = 0.7;
/// Time below which a fingerprint is forgotten, ms.
const FORGOTTEN_MS: f64 = 0.01;
/// Fingerprints whose time of late is remembered: twice as many as a minute has at most.
const WEIGHTS_LIMIT: usize = 20_000;

/// The busiest fingerprints.
#[derive(Debug)]
pub(super) struct Busiest {
    limit: usize,
    kept: ById<FingerprintId, Counted>,
    others: FingerprintTotals,
    /// Those that may take the places that were made in this minute.
    invited: HashSet<FingerprintId>,
    /// Time of late, ms.
    weights: ById<FingerprintId, f64>,
}

#[derive(Debug)]
struct Counted {
    totals: FingerprintTotals,
    shape: Arc<Shape>,
}

impl Busiest {
    /// At most `limit` are counted apart.
    pub(super) fn new(limit: usize) -> Self {
        let name: Arc<str> = Arc::from("(others)");
        let others = FingerprintTotals {
            operation: Arc::clone(&name),
            summary: name,
            ..FingerprintTotals::default()
        };
        let (kept, invited, weights) = (ById::default(), HashSet::new(), ById::default());
        Self { limit, kept, others, invited, weights }
    }

    pub(super) fn observe(
        &mut self,
        event: &QueryEvent,
        total: &Binned,
        fingerprint: FingerprintId,
        shape: Option<&Arc<Shape>>,
    ) {
        let room = self.kept.len() < self.limit
            && (self.invited.is_empty() || self.invited.contains(&fingerprint));
        let totals = match (self.kept.get_mut(&fingerprint), shape) {
            (Some(counted), _) => &mut counted.totals,
            (None, Some(shape)) if room && fingerprint != FingerprintId::OTHERS => {
                let shape = Arc::clone(shape);
                let totals = FingerprintTotals { fingerprint, ..FingerprintTotals::default() };
                let counted = Counted { totals, shape };
                &mut self.kept.entry(fingerprint).or_insert(counted).totals
            }
            _ => &mut self.others,
        };
        totals.rows += event.rows;
        match event.outcome {
            Outcome::Lost => {}
            Outcome::Done => totals.statements.record_binned(total),
            Outcome::Failed(_) => {
                totals.statements.record_binned(total);
                totals.failed += 1;
            }
        }
    }

    /// A minute is complete: makes room for what has become busier than the least busy.
    pub(super) fn end_minute(&mut self, minute: &Minute) {
        self.weights.retain(|_, weight| {
            *weight *= MEMORY;
            *weight >= FORGOTTEN_MS
        });
        for (key, stats) in &minute.queries {
            *self.weights.entry(key.fingerprint).or_default() += stats.total.sum_ms();
        }
        self.weights.remove(&FingerprintId::OTHERS);
        self.forget_lightest();
        self.invited.clear();
        if self.kept.len() < self.limit {
            return;
        }
        let weight = |fingerprint: &FingerprintId| self.weights.get(fingerprint).copied();
        let mut least: Vec<_> =
            self.kept.keys().map(|kept| (weight(kept).unwrap_or(0.0), *kept)).collect();
        least.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut rivals: Vec<_> = self
            .weights
            .iter()
            .filter(|(fingerprint, _)| !self.kept.contains_key(fingerprint))
            .map(|(fingerprint, weight)| (*weight, *fingerprint))
            .collect();
        rivals.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for ((weight, fingerprint), (rival_weight, rival)) in least.into_iter().zip(rivals) {
            if weight >= rival_weight * CHALLENGE {
                break;
            }
            self.kept.remove(&fingerprint);
            self.invited.insert(rival);
        }
    }

    fn forget_lightest(&mut self) {
        if self.weights.len() <= WEIGHTS_LIMIT {
            return;
        }
        let mut weights: Vec<f64> = self.weights.values().copied().collect();
        let (_, bar, _) = weights.select_nth_unstable_by(WEIGHTS_LIMIT / 2, |a, b| b.total_cmp(a));
        let bar = *bar;
        self.weights.retain(|_, weight| *weight > bar);
    }

    /// Those counted apart, the busiest first, and all others as one.
    pub(super) fn totals(&self) -> Vec<FingerprintTotals> {
        let mut totals: Vec<_> = self
            .kept
            .values()
            .map(|counted| FingerprintTotals {
                operation: Arc::from(counted.shape.keyword),
                summary: Arc::from(sql::summary(&counted.shape)),
                ..counted.totals.clone()
            })
            .collect();
        totals.sort_by(|a, b| {
            let by_time = b.statements.sum().cmp(&a.statements.sum());
            by_time.then(a.fingerprint.cmp(&b.fingerprint))
        });
        totals.push(self.others.clone());
        totals
    }
}
