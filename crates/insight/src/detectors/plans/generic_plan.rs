use std::collections::BTreeMap;

use model::{Confidence, Finding, Fix, NotChecked, PlanText, Severity};

use super::{Planned, planned, unplanned};
use crate::detectors::catalogue::{Needs, finding};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `generic_plan`: a prepared statement has one plan for all values, and it is wrong for some
///
/// **What it sees.** The plan of a statement with the values of its slow executions, and the plan that the
/// server makes for any values, which a prepared statement gets after five executions where it looks no
/// dearer. It speaks when the two differ, the server would choose the one for any values, and the
/// statement's slow executions take three times as long as its usual ones.
///
/// **Why it hurts.** For the few values that half of the table has, the plan made for rare ones takes many
/// times as long, and nobody sees why: typed into psql, the statement is fast.
///
/// **How to fix.** `plan_cache_mode = force_custom_plan` for the user, or for the transaction: each
/// execution is planned anew, which takes some tenths of a millisecond.
///
/// **How sure.** Low: the estimate says that it may happen, and the times agree; the plan that was used is
/// not seen.
///
/// **Privilege.** What EXPLAIN needs: the statement's own rights, such as SELECT on its tables.
///
/// **Example.** `WHERE status = $1`: 'open' is rare, 'done' is nearly all; the plan for any value goes
/// through the index.
pub struct GenericPlan;

thresholds! {
    /// When `generic_plan` speaks.
    GenericPlanThresholds {
        /// How many times the median the 95th percentile is.
        least_factor: Number = 3.0,
        /// The least share of all database time that the statement takes.
        least_ratio: Ratio = 0.01,
        /// Calls in the window: the server chooses after five on one connection.
        least_calls: Count = 50,
    }
}

/// The server adds the cost of planning to plans for one value (`cached_plan_cost`), so that it takes the
/// other where that looks a little dearer.
const PLANNING: f64 = 1.1;

impl Detector for GenericPlan {
    fn name(&self) -> &'static str {
        "generic_plan"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let least = inputs.settings.of.generic_plan.least_ratio;
        planned(inputs, least).filter_map(|one| self.finding(one, inputs)).collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unplanned(self.name(), &[Needs::Tables], inputs)
    }
}

impl GenericPlan {
    fn finding(&self, one: Planned<'_>, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.generic_plan;
        let (slow, generic) = (one.answer.plan.as_ref()?, one.answer.generic.as_ref()?);
        let stats = &one.statement.stats;
        let (p50, p95) = (stats.total.quantile_ms(0.5), stats.total.quantile_ms(0.95));
        let factor = p95 / p50.max(f64::MIN_POSITIVE);
        if slow.shape == generic.shape
            || generic.cost > usual_cost(one, slow) * PLANNING
            || stats.calls < thresholds.least_calls
            || factor < thresholds.least_factor
        {
            return None;
        }
        let text = inputs.title_text(one.statement.fingerprint);
        let title = format!("one plan for all values is wrong for some: {text}");
        let ms = one.statement.database_ms();
        let why = format!(
            "Slow executions take {} ({} usually); planned for their values they would go another \
             way than the plan that a prepared statement gets; {} calls took {} of all time in the \
             database",
            duration_ms(p95),
            duration_ms(p50),
            count(stats.calls as f64),
            percent(one.share)
        );
        let user = one.user(inputs);
        Some(Finding {
            evidence: BTreeMap::from([
                ("p50_ms".to_owned(), p50.into()),
                ("p95_ms".to_owned(), p95.into()),
                ("generic_cost_estimated".to_owned(), generic.cost.into()),
                ("custom_cost_estimated".to_owned(), slow.cost.into()),
                ("generic_plan".to_owned(), generic.shape.to_string().into()),
                ("custom_plan".to_owned(), slow.shape.to_string().into()),
            ]),
            fingerprints: vec![one.statement.fingerprint],
            tables: one.answer.scans.iter().map(|s| format!("{}.{}", s.schema, s.table)).collect(),
            database: Some(one.name.to_owned()),
            fix: Fix {
                sql: user.as_ref().map(|user| {
                    format!("ALTER ROLE {user} SET plan_cache_mode = force_custom_plan;")
                }),
                undo: user.map(|user| format!("ALTER ROLE {user} RESET plan_cache_mode;")),
                advice: Some(
                    "It holds for sessions that begin after it. To try it first: SET LOCAL \
                     plan_cache_mode = force_custom_plan in the transaction."
                        .to_owned(),
                ),
            },
            confidence: Confidence::Low,
            harm_ms: ms / 3.0,
            ..finding(self.name(), Severity::Warning, title, why)
        })
    }
}

/// What a plan for one value costs on average, as far as executions of several ranks were planned.
fn usual_cost(one: Planned<'_>, slow: &PlanText) -> f64 {
    let costs = one.answer.variants.iter().map(|variant| variant.plan.cost).chain([slow.cost]);
    costs.sum::<f64>() / (one.answer.variants.len() + 1) as f64
}
