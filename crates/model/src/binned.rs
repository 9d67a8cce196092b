//! A duration and the buckets that it falls into.

use std::time::Duration;

use crate::buckets::slot_of;
use crate::logarithm::bucket_of;

/// Durations up to this are too short for a histogram's bucket, ns.
const SMALLEST_NS: u64 = 500;

/// A duration with its places in histograms, worked out once for all that count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binned {
    /// Some five centuries at most.
    pub(crate) ns: u64,
    /// In a [`Histogram`](crate::Histogram); none where it is too short for one.
    pub(crate) bucket: Option<i16>,
    /// In [`Buckets`](crate::Buckets).
    pub(crate) slot: u8,
}

impl Binned {
    /// Finds the places.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        let ns = in_ns(duration);
        Self { ns, bucket: bucket_of_ns(ns), slot: slot_of(ns) }
    }

    /// Whether it is of no length.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.ns == 0
    }
}

/// A histogram's bucket, if it is long enough for one.
pub(crate) fn bucket_of_ns(ns: u64) -> Option<i16> {
    (ns > SMALLEST_NS).then(|| bucket_of(ns))
}

pub(crate) fn in_ns(duration: Duration) -> u64 {
    let ns = duration.as_secs().checked_mul(1_000_000_000);
    ns.and_then(|ns| ns.checked_add(duration.subsec_nanos().into())).unwrap_or(u64::MAX)
}
