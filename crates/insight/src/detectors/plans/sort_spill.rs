use std::collections::BTreeMap;

use model::{Confidence, Finding, Fix, MemoryNode, NotChecked, Severity};

use super::{Planned, planned, unplanned};
use crate::detectors::catalogue::{Needs, finding};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, count, duration_ms, percent};

/// # `sort_spill`: a sort or a hash does not fit in memory and goes to disk
///
/// **What it sees.** Plans that sort, or hash, more than `work_mem` holds (of hashes
/// `work_mem * hash_mem_multiplier`), in a database that wrote temporary files meanwhile. A sort below
/// a LIMIT keeps only the first rows, and is left out.
///
/// **Why it hurts.** What does not fit is written to disk and read again, once or several times; several
/// at a time compete for the disk.
///
/// **How to fix.** An index that gives the rows in the order asked for, or fewer rows and columns. Else
/// more `work_mem` for the user that needs it; each sort of each connection may use that much.
///
/// **How sure.** Medium: sizes are the planner's estimates, temporary files are counted for the whole
/// database.
///
/// **Privilege.** What EXPLAIN needs: the statement's own rights, such as SELECT on its tables.
///
/// **Example.** A monthly list sorts 2,000,000 rows of 120 bytes with a `work_mem` of 4 MB.
pub struct SortSpill;

thresholds! {
    /// When `sort_spill` speaks.
    SortSpillThresholds {
        /// How many times as much as fits: estimates are coarse.
        least_factor: Number = 1.5,
        /// Bytes of temporary files written while pgweir looked.
        least_temporary_bytes: Count = 10 << 20,
        /// The least share of all database time that the statement takes.
        least_ratio: Ratio = 0.01,
        /// Calls in the window. A report that runs once may sort what it wants.
        least_calls: Count = 5,
    }
}

/// More memory than this, MB, is not given to every sort of a user.
const MOST_MB: f64 = 512.0;

impl Detector for SortSpill {
    fn name(&self) -> &'static str {
        "sort_spill"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let least = inputs.settings.of.sort_spill.least_ratio;
        planned(inputs, least).filter_map(|one| self.finding(one, inputs)).collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unplanned(self.name(), &[Needs::Upkeep], inputs)
    }
}

impl SortSpill {
    fn finding(&self, one: Planned<'_>, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.sort_spill;
        let upkeep = &one.database.upkeep;
        let (first, last) = (upkeep.counters.first()?, upkeep.counters.last()?);
        // None where the counters were reset meanwhile.
        let temporary = last.temp_bytes.checked_sub(first.temp_bytes)?;
        let room = |node: &MemoryNode| {
            let times = if node.node == "Hash" { upkeep.hash_mem_multiplier.max(1.0) } else { 1.0 };
            upkeep.work_mem_bytes as f64 * times
        };
        let nodes = one.answer.memory.iter();
        let node = nodes.max_by(|a, b| (a.bytes / room(a)).total_cmp(&(b.bytes / room(b))))?;
        let (calls, ms) = (one.statement.stats.calls, one.statement.database_ms());
        if upkeep.work_mem_bytes == 0
            || node.bytes < room(node) * thresholds.least_factor
            || temporary < thresholds.least_temporary_bytes
            || calls < thresholds.least_calls
        {
            return None;
        }
        let verb = if node.node == "Hash" { "hashes" } else { "sorts" };
        let text = inputs.title_text(one.statement.fingerprint);
        let title =
            format!("{verb} {} with {} of memory: {text}", bytes(node.bytes), bytes(room(node)));
        let why = format!(
            "{} rows do not fit and go through temporary files, of which {} wrote {} in the last \
             minutes; {} calls took {}, {} of all time in the database",
            count(node.rows),
            one.name,
            bytes(temporary as f64),
            count(calls as f64),
            duration_ms(ms),
            percent(one.share)
        );
        Some(Finding {
            evidence: BTreeMap::from([
                ("estimated_bytes".to_owned(), (node.bytes as u64).into()),
                ("work_mem_bytes".to_owned(), upkeep.work_mem_bytes.into()),
                ("temporary_bytes".to_owned(), temporary.into()),
                ("calls".to_owned(), calls.into()),
                ("share_of_time_ratio".to_owned(), one.share.into()),
            ]),
            fingerprints: vec![one.statement.fingerprint],
            tables: one.answer.scans.iter().map(|s| format!("{}.{}", s.schema, s.table)).collect(),
            database: Some(one.name.to_owned()),
            fix: fix(one, node, inputs),
            confidence: Confidence::Medium,
            harm_ms: ms / 3.0,
            ..finding(self.name(), Severity::Warning, title, why)
        })
    }
}

fn fix(one: Planned<'_>, node: &MemoryNode, inputs: &Inputs<'_>) -> Fix {
    let wanted_mb = (node.bytes * 1.3 / f64::from(1 << 20)).ceil();
    let index = if node.node == "Sort" {
        "An index in the order asked for would spare the sort. "
    } else {
        ""
    };
    let user = one.user(inputs).filter(|_| wanted_mb <= MOST_MB);
    match user {
        Some(user) => Fix {
            sql: Some(format!("ALTER ROLE {user} SET work_mem = '{wanted_mb:.0}MB';")),
            undo: Some(format!("ALTER ROLE {user} RESET work_mem;")),
            advice: Some(format!(
                "{index}Fewer columns and rows need less. The setting holds for sessions that begin \
                 after it, and each of their sorts may use that much: with many connections set it \
                 in the transaction instead (SET LOCAL work_mem)."
            )),
        },
        None => Fix {
            advice: Some(format!(
                "{index}It needs {wanted_mb:.0} MB, too much to give to each sort: fetch fewer rows \
                 and columns, or SET LOCAL work_mem in that transaction alone."
            )),
            ..Fix::default()
        },
    }
}
