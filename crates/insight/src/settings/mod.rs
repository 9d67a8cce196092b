//! When detectors speak. Each detector declares its own thresholds, with a reason each; here they
//! are gathered under their names.

mod thresholds;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::advisor::PlanThresholds;
use crate::detectors::*;

pub use thresholds::{ThresholdKind, ThresholdReference, ThresholdValue};
pub(crate) use thresholds::{Thresholds, thresholds};

/// When detectors speak. The defaults are meant to be quiet on a healthy database.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionSettings {
    /// How far back detectors look: long enough for a percentile, short enough that a fixed fault
    /// is gone from the report after a coffee.
    pub window: Duration,
    /// Detectors that are switched off, by name.
    pub disabled: BTreeSet<String>,
    /// The thresholds, by detector.
    pub of: DetectorThresholds,
}

impl Default for DetectionSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(15 * 60),
            disabled: BTreeSet::new(),
            of: DetectorThresholds::default(),
        }
    }
}

macro_rules! sections {
    ($( $(#[$doc:meta])+ $name:ident: $thresholds:ident, )+) => {
        /// The thresholds of every section `[detection.NAME]`.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct DetectorThresholds {
            $( $(#[$doc])+ pub $name: $thresholds, )+
        }

        impl DetectorThresholds {
            fn sections(&self) -> Vec<(&'static str, &dyn Thresholds)> {
                vec![ $( (stringify!($name), &self.$name), )+ ]
            }

            fn section(&mut self, name: &str) -> Option<&mut dyn Thresholds> {
                match name {
                    $( name if name == stringify!($name) => Some(&mut self.$name), )+
                    _ => None,
                }
            }
        }
    };
}

// One line for each detector that has thresholds, in alphabetical order.
sections! {
    /// Of `abandoned_result`.
    abandoned_result: AbandonedResultThresholds,
    /// Of `bind_type_mismatch`.
    bind_type_mismatch: BindTypeMismatchThresholds,
    /// Of `bloat`.
    bloat: BloatThresholds,
    /// Of `blocking_chain`.
    blocking_chain: BlockingChainThresholds,
    /// Of `cache_hit_ratio`.
    cache_hit_ratio: CacheHitRatioThresholds,
    /// Of `chatty_transaction`.
    chatty_transaction: ChattyTransactionThresholds,
    /// Of `connect_failures`.
    connect_failures: ConnectFailuresThresholds,
    /// Of `connection_churn`.
    connection_churn: ConnectionChurnThresholds,
    /// Of `count_polling`.
    count_polling: CountPollingThresholds,
    /// Of `ddl_lock_queue`.
    ddl_lock_queue: DdlLockQueueThresholds,
    /// Of `deadlocks`.
    deadlocks: DeadlocksThresholds,
    /// Of `deep_offset`.
    deep_offset: DeepOffsetThresholds,
    /// Of `duplicate_index`.
    duplicate_index: DuplicateIndexThresholds,
    /// Of `error_rate`.
    error_rate: ErrorRateThresholds,
    /// Of `function_on_column`.
    function_on_column: FunctionOnColumnThresholds,
    /// Of `generic_plan`.
    generic_plan: GenericPlanThresholds,
    /// Of `hot_row`.
    hot_row: HotRowThresholds,
    /// Of `idle_in_transaction`.
    idle_in_transaction: IdleInTransactionThresholds,
    /// Of `inefficient_index`.
    inefficient_index: InefficientIndexThresholds,
    /// Of `leading_wildcard`.
    leading_wildcard: LeadingWildcardThresholds,
    /// Of `load_step`.
    load_step: LoadStepThresholds,
    /// Of `long_transaction`.
    long_transaction: LongTransactionThresholds,
    /// Of `missing_index`.
    missing_index: MissingIndexThresholds,
    /// Of `missing_primary_key`.
    missing_primary_key: MissingPrimaryKeyThresholds,
    /// Of `n_plus_one`.
    n_plus_one: NPlusOneThresholds,
    /// Of `not_in_nullable`.
    not_in_nullable: NotInNullableThresholds,
    /// Of `notify_misuse`.
    notify_misuse: NotifyMisuseThresholds,
    /// Of `or_across_columns`.
    or_across_columns: OrAcrossColumnsThresholds,
    /// Of `pinned_sessions`.
    pinned_sessions: PinnedSessionsThresholds,
    /// Of `plan_regression`.
    plan_regression: PlanRegressionThresholds,
    /// Not a detector: how often the server's planner is asked.
    plans: PlanThresholds,
    /// Of `pool_saturation`.
    pool_saturation: PoolSaturationThresholds,
    /// Of `prepared_churn`.
    prepared_churn: PreparedChurnThresholds,
    /// Of `repeated_read`.
    repeated_read: RepeatedReadThresholds,
    /// Of `replication_lag`.
    replication_lag: ReplicationLagThresholds,
    /// Of `requested_checkpoints`.
    requested_checkpoints: RequestedCheckpointsThresholds,
    /// Of `retry_storm`.
    retry_storm: RetryStormThresholds,
    /// Of `row_misestimate`.
    row_misestimate: RowMisestimateThresholds,
    /// Of `select_star`.
    select_star: SelectStarThresholds,
    /// Of `sequence_exhaustion`.
    sequence_exhaustion: SequenceExhaustionThresholds,
    /// Of `sequential_scan`.
    sequential_scan: SequentialScanThresholds,
    /// Of `slow_client`.
    slow_client: SlowClientThresholds,
    /// Of `sort_spill`.
    sort_spill: SortSpillThresholds,
    /// Of `stale_statistics`.
    stale_statistics: StaleStatisticsThresholds,
    /// Of `statement_timeouts`.
    statement_timeouts: StatementTimeoutsThresholds,
    /// Of `unbounded_result`.
    unbounded_result: UnboundedResultThresholds,
    /// Of `unindexed_foreign_key`.
    unindexed_foreign_key: UnindexedForeignKeyThresholds,
    /// Of `unparameterised_literals`.
    unparameterised_literals: UnparameterisedLiteralsThresholds,
    /// Of `unused_index`.
    unused_index: UnusedIndexThresholds,
    /// Of `vacuum_lag`.
    vacuum_lag: VacuumLagThresholds,
    /// Of `wraparound`.
    wraparound: WraparoundThresholds,
}

impl DetectionSettings {
    /// Every section `[detection.NAME]` with its thresholds as they are set, in alphabetical order;
    /// detectors without thresholds too, since any can be switched off.
    #[must_use]
    pub fn reference(&self) -> Vec<(&'static str, Vec<ThresholdReference>)> {
        let mut sections: Vec<_> = self
            .of
            .sections()
            .into_iter()
            .map(|(name, thresholds)| (name, thresholds.reference()))
            .collect();
        for detector in all() {
            if !sections.iter().any(|(name, _)| *name == detector.name()) {
                sections.push((detector.name(), Vec::new()));
            }
        }
        sections.sort_by_key(|(name, _)| *name);
        sections
    }

    /// Sets a threshold; false where the section has none of this name and kind.
    #[must_use]
    pub fn set(&mut self, section: &str, key: &str, value: ThresholdValue) -> bool {
        self.of.section(section).is_some_and(|thresholds| thresholds.set(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_what_is_read_and_only_under_its_name_and_kind() {
        let mut settings = DetectionSettings::default();
        assert!(settings.set("error_rate", "least_calls", ThresholdValue::Count(7)));
        assert_eq!(settings.of.error_rate.least_calls, 7);
        assert!(!settings.set("error_rate", "least_calls", ThresholdValue::Ratio(0.5)));
        assert!(!settings.set("error_rate", "calls", ThresholdValue::Count(1)));
        assert!(!settings.set("errors", "least_calls", ThresholdValue::Count(1)));
        let reference = settings.reference();
        let (_, keys) = reference.iter().find(|(name, _)| *name == "error_rate").unwrap();
        let key = keys.iter().find(|key| key.key == "least_calls").unwrap();
        assert_eq!((key.kind, key.value.to_string()), (ThresholdKind::Count, "7".to_owned()));
        assert!(key.why.starts_with("Calls in the window"), "{}", key.why);
    }

    #[test]
    fn every_threshold_can_be_set_and_every_section_but_plans_is_a_detector() {
        let mut settings = DetectionSettings::default();
        let names: Vec<_> = all().iter().map(|detector| detector.name()).collect();
        for (section, keys) in settings.clone().reference() {
            assert!(section == "plans" || names.contains(&section), "{section}");
            for key in keys {
                assert!(settings.set(section, key.key, key.value), "{section}.{}", key.key);
                assert!(key.why.ends_with('.') && !key.why.contains('|'), "{section}.{}", key.key);
            }
        }
        assert_eq!(settings, DetectionSettings::default());
    }

    #[test]
    fn values_are_written_as_they_can_be_read() {
        let text = |ms| ThresholdValue::Duration(Duration::from_millis(ms)).to_string();
        assert_eq!([text(0), text(50), text(10_000), text(300_000)], ["0ms", "50ms", "10s", "5m"]);
        assert_eq!(ThresholdValue::Ratio(0.05).to_string(), "0.05");
    }
}
