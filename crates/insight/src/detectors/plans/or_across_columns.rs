use std::collections::BTreeSet;

use model::{Confidence, Finding, Fix, IndexCandidate, NotChecked, Severity};
use sql::Operator;

use super::conditions::{Parsed, Read, leads_an_index, parsed};
use super::unplanned;
use crate::advisor::build_and_undo;
use crate::detectors::catalogue::{Needs, Place};
use crate::detectors::finding::{about, change, evidence};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `or_across_columns`: OR between conditions on different columns
///
/// **What it sees.** `a = $1 OR b = $2` where a and b are of one table of more than ten thousand rows
/// and not each of them has an index, or are of two tables; and no other condition can be looked up. A
/// plan that reads the whole table makes it a warning; a plan that does not, silence.
///
/// **Why it hurts.** One index finds the rows for one side of the OR only. Unless each side has one
/// (then PostgreSQL combines them, in a BitmapOr), or where the sides are of different tables, every
/// row is read.
///
/// **How to fix.** An index for each side. Across tables: two SELECTs and UNION, or UNION ALL where no
/// row can come by both.
///
/// **How sure.** Medium with a plan, low without.
///
/// **Privilege.** None beyond CONNECT; what EXPLAIN needs, such as SELECT on its tables, to see the plan.
///
/// **Example.** `SELECT … FROM messages WHERE sender = $1 OR recipient = $1`, with an index on `sender`
/// only.
pub struct OrAcrossColumns;

thresholds! {
    /// When `or_across_columns` speaks.
    OrAcrossColumnsThresholds {
        /// Rows of the larger table. Fewer are read in a moment.
        least_rows: Count = 10_000,
        /// Calls in the window. A report that runs once may read whatever it wants.
        least_calls: Count = 10,
        /// The least share of all database time that the statement takes.
        least_ratio: Ratio = 0.01,
    }
}

impl Detector for OrAcrossColumns {
    fn name(&self) -> &'static str {
        "or_across_columns"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.or_across_columns;
        let all = parsed(inputs, thresholds.least_calls, thresholds.least_ratio);
        all.iter().filter_map(|one| self.finding(one, inputs)).collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unplanned(self.name(), &[Needs::Tables], inputs)
    }
}

/// The sides of an OR.
struct Sides<'a> {
    /// The largest table.
    place: Place<'a>,
    columns: Vec<String>,
    /// More than one table.
    across: bool,
}

impl OrAcrossColumns {
    fn finding<'a>(&self, one: &Parsed<'a>, inputs: &Inputs<'a>) -> Option<Finding> {
        let Sides { place, columns, across } = sides(one, inputs)?;
        let read = one.reads(place.table);
        let lacking: Vec<&String> =
            columns.iter().filter(|column| !leads_an_index(place.table, column)).collect();
        if read == Read::ByIndex
            || place.table.rows < inputs.settings.of.or_across_columns.least_rows as f64
            || (!across && lacking.is_empty())
            || one.is_narrowed(place.table, inputs)
        {
            return None;
        }
        let ms = one.statement.database_ms();
        let share = inputs.workload.share(ms);
        let (severity, confidence) = match read {
            Read::Whole => (Severity::Warning, Confidence::Medium),
            _ => (Severity::Info, Confidence::Low),
        };
        let listed = columns.join(", ");
        let cause = if across {
            "The sides of the OR are of different tables, so that no index finds the rows"
        } else {
            "Not every side of the OR has an index"
        };
        Some(Finding {
            evidence: evidence([
                ("columns", listed.as_str().into()),
                ("table_rows", (place.table.rows as u64).into()),
                ("calls", one.statement.stats.calls.into()),
                ("share_of_time_ratio", share.into()),
            ]),
            tables: vec![place.table_name()],
            fix: if across { rewrite() } else { fix(&lacking, place) },
            confidence,
            ..about(
                one.statement,
                self.name(),
                severity,
                format!(
                    "OR between {listed} reads {} whole: {}",
                    place.table_name(),
                    inputs.title_text(one.statement.fingerprint)
                ),
                format!(
                    "{cause}; {} calls on {} rows took {}, {} of all time in the database",
                    count(one.statement.stats.calls as f64),
                    count(place.table.rows),
                    duration_ms(ms),
                    percent(share)
                ),
            )
        })
    }
}

/// The sides of the statement's ORs, if they are on several columns that could be looked up.
fn sides<'a>(one: &Parsed<'a>, inputs: &Inputs<'a>) -> Option<Sides<'a>> {
    let mut columns = BTreeSet::new();
    let mut places: Vec<Place<'a>> = Vec::new();
    for side in &one.facts.alternatives {
        if !matches!(side.operator, Operator::Equal | Operator::In | Operator::Range) {
            return None;
        }
        let place = one.table(side.table, inputs)?;
        columns.insert(side.column.clone());
        let is_same = |other: &&Place<'a>| std::ptr::eq(other.table, place.table);
        if !places.iter().any(|other| is_same(&other)) {
            places.push(place);
        }
    }
    let across = places.len() > 1;
    let place = places.into_iter().max_by(|a, b| a.table.rows.total_cmp(&b.table.rows))?;
    let is_several = columns.len() > 1 || across;
    is_several.then(|| Sides { place, columns: columns.into_iter().collect(), across })
}

fn rewrite() -> Fix {
    change(
        "Write one SELECT for each side and combine them by UNION, or by UNION ALL where no row can \
         come by both.",
    )
}

fn fix(lacking: &[&String], place: Place<'_>) -> Fix {
    let pairs = lacking.iter().map(|column| {
        let candidate = IndexCandidate {
            schema: place.table.schema.clone(),
            table: place.table.name.clone(),
            columns: vec![(*column).clone()],
            ..IndexCandidate::default()
        };
        build_and_undo(&candidate, place.database)
    });
    let (build, undo): (Vec<_>, Vec<_>) = pairs.unzip();
    Fix {
        sql: Some(build.join("\n")),
        undo: Some(undo.join("\n")),
        advice: Some("With an index for each side PostgreSQL combines them (BitmapOr).".to_owned()),
    }
}
