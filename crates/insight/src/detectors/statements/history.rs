//! What statements did minute by minute.

use std::collections::HashMap;
use std::sync::Arc;

use model::FingerprintId;

use super::Inputs;
use crate::workload::database_ms;

/// One statement in one complete minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point {
    /// When it began: whole minutes since the Unix epoch.
    pub(super) minute: i64,
    pub(super) calls: u64,
    pub(super) database_ms: f64,
}

impl Point {
    /// Time of one call, ms; none without calls.
    pub(super) fn mean_ms(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.database_ms / self.calls as f64)
    }
}

/// Which statement, in which database.
pub(super) type Subject = (FingerprintId, Arc<str>);

/// Complete minutes, the oldest first, of some statements and of all together.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) all: Vec<Point>,
    pub(super) of: HashMap<Subject, Vec<Point>>,
}

impl History {
    /// The history of `subjects`. The first minute is left out, since pgweir may have begun in the
    /// middle of it, and the last, since it is not over.
    pub(super) fn new(inputs: &Inputs<'_>, subjects: impl IntoIterator<Item = Subject>) -> Self {
        let minutes = &inputs.snapshot.minutes;
        let count = minutes.len().saturating_sub(2);
        let complete = minutes.iter().skip(1).take(count);
        let nothing: Vec<Point> =
            complete.map(|minute| Point { minute: minute.minute, ..Point::default() }).collect();
        let mut history = Self {
            all: nothing.clone(),
            of: subjects.into_iter().map(|subject| (subject, nothing.clone())).collect(),
        };
        if history.of.is_empty() {
            return history;
        }
        let wanted: std::collections::HashSet<FingerprintId> =
            history.of.keys().map(|(id, _)| *id).collect();
        for (at, minute) in minutes.iter().skip(1).take(count).enumerate() {
            for (key, stats) in &minute.queries {
                let ms = database_ms(stats);
                if let Some(all) = history.all.get_mut(at) {
                    all.calls += stats.calls;
                    all.database_ms += ms;
                }
                if !wanted.contains(&key.fingerprint) {
                    continue;
                }
                let Some(labels) = inputs.snapshot.labels.get(&key.labels) else {
                    continue;
                };
                let subject = (key.fingerprint, Arc::clone(&labels.database));
                let point = history.of.get_mut(&subject).and_then(|points| points.get_mut(at));
                if let Some(point) = point {
                    point.calls += stats.calls;
                    point.database_ms += ms;
                }
            }
        }
        history
    }
}

/// Splits a series into what was before and the last `recent` minutes.
pub(super) fn split(points: &[Point], recent: usize) -> (&[Point], &[Point]) {
    points.split_at(points.len().saturating_sub(recent))
}

/// The middle one of `values`; none if there are none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    quarter(values, 2)
}

/// The one of `values` that three quarters of them do not exceed: what was reached now and then, and
/// is nothing new.
pub(super) fn usual_peak(values: impl Iterator<Item = f64>) -> Option<f64> {
    quarter(values, 3)
}

fn quarter(values: impl Iterator<Item = f64>, quarters: usize) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() * quarters / 4).copied()
}

/// Sums up points.
pub(super) fn sum(points: &[Point]) -> Point {
    let first = points.first().map_or(0, |point| point.minute);
    let nothing = Point { minute: first, ..Point::default() };
    points.iter().fold(nothing, |sum, point| Point {
        minute: sum.minute,
        calls: sum.calls + point.calls,
        database_ms: sum.database_ms + point.database_ms,
    })
}
