//! The thresholds of all detectors, in one place, each with its reason.

use std::time::Duration;

/// When detectors speak. The defaults are meant to be quiet on a healthy database.
#[derive(Clone, Debug)]
pub struct DetectionSettings {
    /// How far back detectors look: long enough for a percentile, short enough that a fixed fault
    /// is gone from the report after a coffee.
    pub window: Duration,

    /// `missing_index`: the least share of all database time, 0 to 1. Below a hundredth nobody
    /// notices the gain, but every write pays for the index.
    pub index_least_share: f64,
    /// `missing_index`: the least time to be won in the window, ms. On an idle server a single
    /// statement is all of the database time.
    pub index_least_saving_ms: f64,
    /// `missing_index`: the planner's cost with the index, as a share of the cost without, must be
    /// below this. Estimates are coarse; half is a gain that survives that.
    pub index_most_cost_ratio: f64,
    /// `missing_index`: tables with fewer rows are read whole faster than through an index.
    pub index_least_rows: f64,
    /// `missing_index`: without a plan, from statistics alone, only tables this large.
    pub index_least_rows_unplanned: f64,
    /// `missing_index`: a condition that keeps more than this share of the rows is no use to an
    /// index: at random access the table is read whole anyway.
    pub index_most_kept: f64,
    /// `missing_index`: the least share of the plan's cost that the table's sequential scans must
    /// have.
    pub scan_least_share: f64,
    /// Plans asked for at one tick.
    pub plans_each_tick: usize,
    /// A statement is not planned again before.
    pub plan_again_after: Duration,
    /// A statement whose plan failed is not planned again before.
    pub plan_again_after_failure: Duration,

    /// `n_plus_one`: runs seen in the window. A script that runs once is nobody's page.
    pub repeats_least: u64,
    /// `n_plus_one`: the least mean length of a run for a warning.
    pub repeats_warning: f64,
    /// `n_plus_one`: the least mean length of a run for a critical finding.
    pub repeats_critical: f64,

    /// `pool_saturation`: the least 95th percentile of the wait, ms. Below it nobody feels the
    /// queue.
    pub wait_least_ms: f64,
    /// `pool_saturation`: the least wait p95, as a share of the p95 of the time a connection is
    /// held.
    pub wait_least_ratio: f64,
    /// `pool_saturation`: the least share of looks at the pool that found a queue. A burst that is
    /// over in a second is what a pool is for.
    pub waiting_least_share: f64,
    /// `pool_saturation`: transactions in the window, so that percentiles mean something.
    pub pool_least_transactions: u64,

    /// `idle_in_transaction`: one stretch of silence this long is a warning: locks were held and
    /// dead rows could not be vacuumed for so long.
    pub idle_warning: Duration,
    /// `idle_in_transaction`: and this long is critical.
    pub idle_critical: Duration,
    /// `idle_in_transaction`: share of a pool's capacity that is lost to silent transactions and
    /// makes a warning.
    pub idle_pool_share: f64,

    /// `error_rate`: the least share of a statement's calls.
    pub errors_least_share: f64,
    /// `error_rate`: the least calls, so that one error in three calls is no rate.
    pub errors_least_calls: u64,
}

impl Default for DetectionSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(15 * 60),
            index_least_share: 0.01,
            index_least_saving_ms: 50.0,
            index_most_cost_ratio: 0.5,
            index_least_rows: 1_000.0,
            index_least_rows_unplanned: 10_000.0,
            index_most_kept: 0.1,
            scan_least_share: 0.3,
            plans_each_tick: 10,
            plan_again_after: Duration::from_secs(60),
            plan_again_after_failure: Duration::from_secs(600),
            repeats_least: 3,
            repeats_warning: 10.0,
            repeats_critical: 100.0,
            wait_least_ms: 10.0,
            wait_least_ratio: 0.5,
            waiting_least_share: 0.1,
            pool_least_transactions: 20,
            idle_warning: Duration::from_secs(10),
            idle_critical: Duration::from_secs(300),
            idle_pool_share: 0.1,
            errors_least_share: 0.05,
            errors_least_calls: 20,
        }
    }
}
