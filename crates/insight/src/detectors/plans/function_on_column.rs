use model::{Confidence, Finding, Fix, IndexCandidate, NotChecked, Severity};
use sql::{ComputedPredicate, Operator};

use super::conditions::{Parsed, Read, parsed};
use super::unplanned;
use crate::advisor::{is_immutable, is_indexed};
use crate::detectors::catalogue::{Needs, Place};
use crate::detectors::finding::{about, change, evidence};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `function_on_column`: a condition on what is computed from a column
///
/// **What it sees.** `lower(mail) = $1`, `date(created_at) = $1`, `price * 2 > $1` on a table of more
/// than ten thousand rows, where no index is on that expression and no other condition can be looked
/// up. A plan that reads the whole table makes it a warning; a plan that does not, silence.
///
/// **Why it hurts.** An index on the column knows its values, not what a function makes of them: every
/// row is read and computed.
///
/// **How to fix.** Turn the condition around, so that the column stands alone: `created_at >= $1 AND
/// created_at < $1 + interval '1 day'`. Or an index on the expression, if it gives the same for the
/// same value for ever (IMMUTABLE): `CREATE INDEX … ON users (lower(mail))`. The SQL is given where the
/// server is sure to take it: `at::date` of a timestamptz depends on the time zone, and a constant in
/// the expression is not known here.
///
/// **How sure.** Medium with a plan, low without.
///
/// **Privilege.** None beyond CONNECT; what EXPLAIN needs, such as SELECT on its tables, to see the plan.
///
/// **Example.** `SELECT … FROM users WHERE lower(mail) = $1` on 900,000 users.
pub struct FunctionOnColumn;

thresholds! {
    /// When `function_on_column` speaks.
    FunctionOnColumnThresholds {
        /// Rows of the table. Fewer are read in a moment.
        least_rows: Count = 10_000,
        /// Calls in the window. A report that runs once may read whatever it wants.
        least_calls: Count = 10,
        /// The least share of all database time that the statement takes.
        least_ratio: Ratio = 0.01,
    }
}

impl Detector for FunctionOnColumn {
    fn name(&self) -> &'static str {
        "function_on_column"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.function_on_column;
        parsed(inputs, thresholds.least_calls, thresholds.least_ratio)
            .iter()
            .filter_map(|one| {
                one.facts.computed.iter().find_map(|found| self.finding(one, found, inputs))
            })
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unplanned(self.name(), &[Needs::Tables], inputs)
    }
}

impl FunctionOnColumn {
    fn finding<'a>(
        &self,
        one: &Parsed<'a>,
        found: &ComputedPredicate,
        inputs: &Inputs<'a>,
    ) -> Option<Finding> {
        let looks_up = matches!(found.operator, Operator::Equal | Operator::In | Operator::Range);
        let place = one.table(found.table, inputs)?;
        let candidate = IndexCandidate {
            schema: place.table.schema.clone(),
            table: place.table.name.clone(),
            expression: Some(found.expression.clone()),
            ..IndexCandidate::default()
        };
        let read = one.reads(place.table);
        if !looks_up
            || read == Read::ByIndex
            || place.table.rows < inputs.settings.of.function_on_column.least_rows as f64
            || is_indexed(place.table, &found.expression)
            || one.is_narrowed(place.table, inputs)
        {
            return None;
        }
        let ms = one.statement.database_ms();
        let share = inputs.workload.share(ms);
        let (severity, confidence, how) = match read {
            Read::Whole => (Severity::Warning, Confidence::Medium, "reads and computes"),
            _ => {
                (Severity::Info, Confidence::Low, "has to read and compute, for all that is known,")
            }
        };
        Some(Finding {
            evidence: evidence([
                ("expression", found.expression.as_str().into()),
                ("table_rows", (place.table.rows as u64).into()),
                ("calls", one.statement.stats.calls.into()),
                ("share_of_time_ratio", share.into()),
            ]),
            tables: vec![place.table_name()],
            fix: fix(found, &candidate, place),
            confidence,
            ..about(
                one.statement,
                self.name(),
                severity,
                format!(
                    "{} is computed for every row of {}: {}",
                    found.expression,
                    place.table_name(),
                    inputs.title_text(one.statement.fingerprint)
                ),
                format!(
                    "No index is on {}, so that each call {how} {} rows; {} calls took {}, {} of all \
                     time in the database",
                    found.expression,
                    count(place.table.rows),
                    count(one.statement.stats.calls as f64),
                    duration_ms(ms),
                    percent(share)
                ),
            )
        })
    }
}

fn fix(found: &ComputedPredicate, candidate: &IndexCandidate, place: Place<'_>) -> Fix {
    if is_immutable(found, place.table) {
        return place.build_index(candidate);
    }
    let advice = "Write the condition so that the column stands alone (a range of times instead of \
                  their day); or an index on the expression, where it is IMMUTABLE";
    change(match found.expression.contains('$') {
        true => format!(
            "{advice}, with the constant that the statement has in the place of each parameter; a \
             constant that is bound as a parameter, or differs from call to call, makes that useless."
        ),
        false => format!("{advice}."),
    })
}
