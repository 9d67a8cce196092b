use std::collections::BTreeMap;

use model::{
    Confidence, Finding, Fix, IndexCandidate, IndexFacts, NotChecked, ScanFacts, Severity,
};

use super::{Planned, planned, unplanned};
use crate::advisor::index_bytes;
use crate::detectors::catalogue::{Needs, Place};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `inefficient_index`: an index finds many rows, of which a filter keeps few
///
/// **What it sees.** Statements on one table whose plan goes through an index and then filters; how
/// many entries a scan of that index reads on average, as the server counted
/// (`idx_tup_read / idx_scan`); and how many rows the statement gives, as pgweir counted.
///
/// **Why it hurts.** Each entry costs a visit to the table, only to throw the row away.
///
/// **How to fix.** An index with the filter's columns behind those of the present one, which it replaces
/// for this statement.
///
/// **How sure.** Low: other statements may use the index, and read more entries than this one does.
///
/// **Privilege.** What EXPLAIN needs: the statement's own rights, such as SELECT on its tables.
///
/// **Example.** `WHERE shop_id = $1 AND state = 'open'` reads 40,000 orders of the shop by
/// `orders (shop_id)` to give 12.
pub struct InefficientIndex;

thresholds! {
    /// When `inefficient_index` speaks.
    InefficientIndexThresholds {
        /// How many times as many entries as rows are read.
        least_factor: Number = 10.0,
        /// Entries that a scan reads. A hundred cost nothing.
        least_entries: Number = 500.0,
        /// Scans of the index so far, so that a mean means something.
        least_scans: Count = 20,
        /// The least share of all database time that the statement takes.
        least_ratio: Ratio = 0.01,
    }
}

impl Detector for InefficientIndex {
    fn name(&self) -> &'static str {
        "inefficient_index"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let least = inputs.settings.of.inefficient_index.least_ratio;
        planned(inputs, least).filter_map(|one| self.finding(one, inputs)).collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unplanned(self.name(), &[Needs::Tables], inputs)
    }
}

impl InefficientIndex {
    fn finding(&self, one: Planned<'_>, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.inefficient_index;
        // With several scans nobody knows whose rows the statement gives.
        let [scan] = one.answer.scans.as_slice() else { return None };
        let place = one.table(scan)?;
        let name = scan.index.as_ref().filter(|_| scan.filtered)?;
        let index = place.table.indexes.iter().find(|index| index.name == *name)?;
        let entries = index.entries_read as f64 / index.scans.max(1) as f64;
        let kept = scan.rows.max(one.rows_a_call()).max(1.0);
        if index.scans < thresholds.least_scans
            || entries < thresholds.least_entries
            || entries < kept * thresholds.least_factor
        {
            return None;
        }
        let text = inputs.title_text(one.statement.fingerprint);
        let title = format!("index {} finds far more rows than are kept: {text}", index.name);
        let ms = one.statement.database_ms();
        let why = format!(
            "A scan of it reads {} entries on average, and about {} rows are kept; the statement's {} \
             calls took {}, {} of all time in the database",
            count(entries),
            count(kept),
            count(one.statement.stats.calls as f64),
            duration_ms(ms),
            percent(one.share)
        );
        Some(Finding {
            evidence: BTreeMap::from([
                ("index".to_owned(), index.name.as_str().into()),
                ("entries_per_scan".to_owned(), entries.into()),
                ("rows_kept".to_owned(), kept.into()),
                ("calls".to_owned(), one.statement.stats.calls.into()),
                ("share_of_time_ratio".to_owned(), one.share.into()),
            ]),
            fingerprints: vec![one.statement.fingerprint],
            fix: fix(place, index, scan),
            confidence: Confidence::Low,
            harm_ms: ms * (1.0 - kept / entries).max(0.0),
            ..place.finding(self.name(), Severity::Warning, title, why)
        })
    }
}

fn fix(place: Place<'_>, index: &IndexFacts, scan: &ScanFacts) -> Fix {
    let mut columns = index.columns.clone();
    let plain = |name: &String| place.table.columns.iter().any(|column| column.name == *name);
    columns
        .extend(scan.filter_columns.iter().filter(|name| !index.columns.contains(name)).cloned());
    if columns.len() == index.columns.len() || !columns.iter().all(plain) {
        return Fix {
            advice: Some(format!(
                "Put what the statement filters by into the index beside {}, or make a partial index \
                 for the condition.",
                index.columns.join(", ")
            )),
            ..Fix::default()
        };
    }
    let candidate = IndexCandidate {
        schema: place.table.schema.clone(),
        table: place.table.name.clone(),
        columns,
        ..IndexCandidate::default()
    };
    Fix {
        advice: Some(format!(
            "It takes about {}. Where the filter is a range, put its column last; see with EXPLAIN \
             that it is used.",
            crate::wording::bytes(index_bytes(place.table, &candidate))
        )),
        ..place.build_index(&candidate)
    }
}
