//! When the detector speaks.

use std::time::Duration;

use crate::settings::thresholds;

thresholds! {
    /// When `missing_index` speaks.
    MissingIndexThresholds {
        /// The least share of all database time. Below a hundredth nobody notices the gain, but every
        /// write pays for the index.
        least_ratio: Ratio = 0.01,
        /// The least time to be won in the window. On an idle server a single statement is all of the
        /// database time.
        least_saving: Duration = Duration::from_millis(50),
        /// The planner's cost with the index, as a share of the cost without, must be below this.
        /// Estimates are coarse; half is a gain that survives that.
        most_cost_ratio: Ratio = 0.5,
        /// Tables with fewer rows are read whole faster than through an index.
        least_rows: Number = 1_000.0,
        /// Without a plan, from statistics alone, only tables this large.
        least_rows_unplanned: Number = 10_000.0,
        /// A condition that keeps more than this share of the rows is no use to an index: at random
        /// access the table is read whole anyway.
        most_kept_ratio: Ratio = 0.1,
        /// The least share of the plan's cost that the table's sequential scans must have.
        least_scan_ratio: Ratio = 0.3,
    }
}
