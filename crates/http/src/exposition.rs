//! The metrics of one moment, before they are written in one of the forms.

use std::sync::Arc;

use model::Buckets;

use crate::families::{Family, Kind};

/// A family's samples.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(crate) family: &'static Family,
    pub(crate) samples: Vec<Sample>,
}

/// One label set and its value.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The labels' values, in the order of the family's labels.
    pub(crate) labels: Vec<Arc<str>>,
    pub(crate) value: Value,
}

/// A sample's value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A count or a sum.
    Whole(u64),
    /// A measure.
    Number(f64),
    /// Durations.
    Durations(Box<Buckets>),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}
impl From<std::time::Duration> for Value {
    fn from(value: std::time::Duration) -> Self {
        Self::Number(value.as_secs_f64())
    }
}
impl From<Buckets> for Value {
    fn from(value: Buckets) -> Self {
        Self::Durations(Box::new(value))
    }
}

/// The metrics of one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) metrics: Vec<Metric>,
}

impl Exposition {
    /// Adds a sample. Samples of one family are kept together, however they come.
    pub(crate) fn add<const LABELS: usize>(
        &mut self,
        family: &'static Family,
        labels: [&Arc<str>; LABELS],
        value: impl Into<Value>,
    ) {
        let value = value.into();
        debug_assert_eq!(labels.len(), family.labels.len(), "{}", family.name);
        debug_assert_eq!(
            family.kind == Kind::Histogram,
            matches!(value, Value::Durations(_)),
            "{}",
            family.name
        );
        let sample = Sample { labels: labels.map(Arc::clone).into(), value };
        // Most often it is the family added last.
        match self.metrics.iter_mut().rev().find(|metric| metric.family.name == family.name) {
            Some(metric) => metric.samples.push(sample),
            None => self.metrics.push(Metric { family, samples: vec![sample] }),
        }
    }
}
