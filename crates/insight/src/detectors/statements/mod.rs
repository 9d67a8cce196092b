//! Statements: how they are written, and how they are sent.

mod bind_type_mismatch;
mod count_polling;
mod deep_offset;
mod history;
mod leading_wildcard;
mod load_step;
mod not_in_nullable;
mod notify_misuse;
mod plan_regression;
mod prepared_churn;
mod repeated_read;
mod unparameterised_literals;

use super::{Detector, Inputs, catalogue, finding, plans};

pub use bind_type_mismatch::{BindTypeMismatch, BindTypeMismatchThresholds};
pub use count_polling::{CountPolling, CountPollingThresholds};
pub use deep_offset::{DeepOffset, DeepOffsetThresholds};
pub use leading_wildcard::{LeadingWildcard, LeadingWildcardThresholds};
pub use load_step::{LoadStep, LoadStepThresholds};
pub use not_in_nullable::{NotInNullable, NotInNullableThresholds};
pub use notify_misuse::{NotifyMisuse, NotifyMisuseThresholds};
pub use plan_regression::{PlanRegression, PlanRegressionThresholds};
pub use prepared_churn::{PreparedChurn, PreparedChurnThresholds};
pub use repeated_read::{RepeatedRead, RepeatedReadThresholds};
pub use unparameterised_literals::{UnparameterisedLiterals, UnparameterisedLiteralsThresholds};

/// The detectors of this folder.
pub(super) fn all() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(BindTypeMismatch),
        Box::new(CountPolling),
        Box::new(DeepOffset),
        Box::new(LeadingWildcard),
        Box::new(LoadStep),
        Box::new(NotInNullable),
        Box::new(NotifyMisuse),
        Box::new(PlanRegression),
        Box::new(PreparedChurn),
        Box::new(RepeatedRead),
        Box::new(UnparameterisedLiterals),
    ]
}
