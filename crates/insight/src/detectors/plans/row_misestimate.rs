use std::collections::BTreeMap;

use model::{Confidence, Finding, Fix, NotChecked, SampleRank, Severity};

use super::{Planned, planned, unplanned};
use crate::advisor::quoted;
use crate::detectors::catalogue::{Needs, Place, finding};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `row_misestimate`: the planner expects far fewer rows than there are
///
/// **What it sees.** The rows that the planner expects of a statement with the values of a client, and
/// the rows that it gave on average, as pgweir counted. Statements with a LIMIT are left out, and so are
/// those that give fewer rows than expected: clients may simply have stopped reading.
///
/// **Why it hurts.** For a few rows the planner chooses nested loops and index scans, which for many rows
/// take a hundred times as long as a hash join.
///
/// **How to fix.** ANALYZE the tables. Where two columns of one table depend on each other, tell the
/// planner with CREATE STATISTICS; where values are many and uneven, raise the column's statistics
/// target.
///
/// **How sure.** Medium: the estimate is for one client's values, the rows are a mean over all.
///
/// **Privilege.** What EXPLAIN needs: the statement's own rights, such as SELECT on its tables.
///
/// **Example.** `WHERE city = $1 AND zip = $2` is expected to give 3 rows, and gives 41,000.
pub struct RowMisestimate;

thresholds! {
    /// When `row_misestimate` speaks.
    RowMisestimateThresholds {
        /// How many times as many rows as expected, for a warning.
        warning_factor: Number = 10.0,
        /// How many times as many, for a critical finding.
        critical_factor: Number = 1000.0,
        /// Rows more than expected: below it no plan is wrong by much.
        least_difference: Number = 1_000.0,
        /// The least share of all database time that the statement takes.
        least_ratio: Ratio = 0.01,
        /// Calls in the window, so that a mean means something.
        least_calls: Count = 10,
    }
}

impl Detector for RowMisestimate {
    fn name(&self) -> &'static str {
        "row_misestimate"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let least = inputs.settings.of.row_misestimate.least_ratio;
        planned(inputs, least).filter_map(|one| self.finding(one, inputs)).collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unplanned(self.name(), &[Needs::Tables], inputs)
    }
}

impl RowMisestimate {
    fn finding(&self, one: Planned<'_>, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.row_misestimate;
        // None of the slowest either: a LIMIT decides.
        let slowest = one.answer.rows?;
        let usual = one.answer.variants.iter().find(|variant| variant.rank == SampleRank::Median);
        let expected = usual.map_or(slowest, |variant| variant.plan.rows).max(slowest).max(1.0);
        let seen = one.rows_a_call();
        let factor = seen / expected;
        if one.statement.stats.calls < thresholds.least_calls
            || factor < thresholds.warning_factor
            || seen - expected < thresholds.least_difference
        {
            return None;
        }
        let severity = if factor >= thresholds.critical_factor {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let text = inputs.title_text(one.statement.fingerprint);
        let title = format!("{} times as many rows as the planner expects: {text}", count(factor));
        let ms = one.statement.database_ms();
        let why = format!(
            "It expects {} rows and {} come, so that its plan is made for a small result; {} calls \
             took {}, {} of all time in the database",
            count(expected),
            count(seen),
            count(one.statement.stats.calls as f64),
            duration_ms(ms),
            percent(one.share)
        );
        let places: Vec<Place<'_>> =
            one.answer.scans.iter().filter_map(|scan| one.table(scan)).collect();
        let mut tables: Vec<String> = places.iter().map(Place::table_name).collect();
        tables.sort();
        tables.dedup();
        Some(Finding {
            evidence: BTreeMap::from([
                ("rows_expected".to_owned(), expected.into()),
                ("rows_seen".to_owned(), seen.into()),
                ("factor".to_owned(), factor.into()),
                ("share_of_time_ratio".to_owned(), one.share.into()),
            ]),
            fingerprints: vec![one.statement.fingerprint],
            tables,
            database: Some(one.name.to_owned()),
            fix: fix(one),
            confidence: Confidence::Medium,
            harm_ms: ms / 2.0,
            ..finding(self.name(), severity, title, why)
        })
    }
}

fn fix(one: Planned<'_>) -> Fix {
    let mut create = Vec::new();
    let mut drop = Vec::new();
    let mut analyse: Vec<String> = Vec::new();
    for scan in &one.answer.scans {
        let Some(place) = one.table(scan) else { continue };
        let statement = format!("ANALYZE {};", place.table_sql());
        if analyse.contains(&statement) {
            continue;
        }
        let dependent = scan.filter_columns.len().min(4);
        if dependent >= 2 {
            let columns: Vec<String> =
                scan.filter_columns[..dependent].iter().map(|column| quoted(column)).collect();
            let stem =
                format!("{}_{}_stat", scan.table, scan.filter_columns[..dependent].join("_"));
            let name = quoted(&stem.chars().take(60).collect::<String>());
            let schema = quoted(&place.table.schema);
            create.push(format!(
                "CREATE STATISTICS {schema}.{name} (dependencies, ndistinct, mcv) ON {} FROM {};",
                columns.join(", "),
                place.table_sql()
            ));
            drop.push(format!("DROP STATISTICS {schema}.{name};"));
        }
        analyse.push(statement);
    }
    create.append(&mut analyse);
    Fix {
        sql: (!create.is_empty()).then(|| create.join("\n")),
        undo: (!drop.is_empty()).then(|| drop.join("\n")),
        advice: Some(
            "If the estimate stays wrong, raise the statistics target of the columns that are \
             compared: ALTER TABLE … ALTER COLUMN … SET STATISTICS 1000, and ANALYZE again."
                .to_owned(),
        ),
    }
}
