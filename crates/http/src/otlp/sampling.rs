//! Which statements become spans.

use std::time::Duration;

use model::{TraceContext, TraceId};

/// Which statements become spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The share of traces whose statements are all taken, 0 to 1.
    pub ratio: f64,
    /// Statements that took this long are taken besides; none: only the share.
    pub slow: Option<Duration>,
}

impl Sampling {
    /// Whether a statement that took `took` becomes a span; gives its trace. `fresh` makes the
    /// number of a new trace, for a statement that belongs to none.
    ///
    /// A statement of a trace that the application does not record is never taken: its span would
    /// have a parent that is nowhere. Whether a trace is in the share depends on its number alone,
    /// as OpenTelemetry's `TraceIdRatioBased` has it, so that a trace is taken whole or not at all.
    pub fn takes(
        &self,
        parent: Option<&TraceContext>,
        took: Duration,
        fresh: impl FnOnce() -> TraceId,
    ) -> Option<TraceId> {
        if parent.is_some_and(|parent| !parent.is_sampled()) {
            return None;
        }
        let slow = self.slow.is_some_and(|slow| took >= slow);
        if !slow && self.ratio <= 0.0 {
            return None;
        }
        let trace = parent.map_or_else(fresh, |parent| parent.trace);
        (slow || self.is_in_share(trace)).then_some(trace)
    }

    fn is_in_share(&self, trace: TraceId) -> bool {
        // The 63 bits that the SDKs of the applications compare, so that an application that takes
        // a smaller share takes a part of this one.
        if self.ratio >= 1.0 {
            return true;
        }
        let low = (trace.0 & u128::from(u64::MAX)) >> 1;
        (low as f64) < self.ratio * 2f64.powi(63)
    }
}

#[cfg(test)]
mod tests {
    use model::SpanId;
    use proptest::prelude::*;

    use super::*;

    const SLOW: Duration = Duration::from_secs(1);

    fn takes(ratio: f64, trace: u128, flags: u8, took: Duration) -> bool {
        let parent = TraceContext { trace: TraceId(trace), span: SpanId(1), flags };
        let sampling = Sampling { ratio, slow: Some(SLOW) };
        let fresh = || panic!("it has a trace");
        let taken = sampling.takes(Some(&parent), took, fresh);
        assert!(taken.is_none_or(|taken| taken == parent.trace));
        taken.is_some()
    }

    #[test]
    fn slow_statements_and_a_share_of_traces_are_taken() {
        assert!(takes(0.0, 7, 1, SLOW) && !takes(0.0, 0, 1, SLOW / 2));
        assert!(takes(1.0, u128::MAX, 1, Duration::ZERO));
        assert!(!takes(1.0, 7, 0, SLOW), "the application does not record this trace");
        let half = Sampling { ratio: 0.5, slow: None };
        assert_eq!(half.takes(None, SLOW, || TraceId(1 << 62)), Some(TraceId(1 << 62)));
        assert_eq!(half.takes(None, SLOW, || TraceId(1 << 63)), None);
        let none = Sampling { ratio: 0.0, slow: None };
        assert_eq!(none.takes(None, SLOW, || panic!("nobody needs a number")), None);
    }

    proptest! {
        #[test]
        fn a_trace_is_taken_whole_and_more_are_with_a_larger_share(
            trace in 1u128..,
            small in 0.0f64..1.0,
            large in 0.0f64..1.0,
            took in 0u64..1000,
        ) {
            let (small, large) = (small.min(large), small.max(large));
            let took = Duration::from_micros(took);
            prop_assert_eq!(takes(small, trace, 1, took), takes(small, trace, 3, Duration::ZERO));
            prop_assert!(!takes(small, trace, 1, took) || takes(large, trace, 1, took));
        }
    }
}
