//! Without HypoPG: what plans as they are and statistics leave little doubt of.

use model::{DatabaseFacts, TableFacts};

use super::{AdviceSettings, Basis, Case, Pick};
use crate::DetectionSettings;
use crate::advisor::definition::makes_needless;
use crate::advisor::{build_and_undo, index_bytes, proposals};

/// What is expected to be left of a scan that an index takes the place of.
const SCAN_LEFT: f64 = 0.1;

/// At most one index for each table of a statement, those that gain most for their size first,
/// until the budget is used up.
pub(super) fn picks(
    cases: &[Case<'_>],
    database: &DatabaseFacts,
    settings: AdviceSettings,
    total: f64,
) -> Vec<Pick> {
    let mut found: Vec<Pick> = Vec::new();
    for case in cases {
        for pick in of_statement(case, database, total) {
            merge(&mut found, pick);
        }
    }
    let worth = |pick: &Pick| pick.gain / pick.bytes.max(1) as f64;
    found.retain(|pick| pick.gain >= settings.least_gain);
    found.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then_with(|| a.index.cmp(&b.index)));
    let mut held = 0u64;
    found.retain(|pick| {
        let fits = held.saturating_add(pick.bytes) <= settings.budget;
        held = if fits { held.saturating_add(pick.bytes) } else { held };
        fits
    });
    found.sort_by(|a, b| b.gain.total_cmp(&a.gain).then_with(|| a.index.cmp(&b.index)));
    found
}

fn of_statement(case: &Case<'_>, database: &DatabaseFacts, total: f64) -> Vec<Pick> {
    let Ok(facts) = &case.statement.facts else { return Vec::new() };
    let settings = DetectionSettings::default();
    let mut picks: Vec<Pick> = Vec::new();
    for proposal in proposals(facts, database, &settings) {
        let table = proposal.table;
        if picks.iter().any(|pick| pick.index.table == table.name) || proposal.joins {
            continue;
        }
        let scans = case.plan.scans.iter().filter(|scan| is_scan_of(scan, table));
        let few = |scan: &&model::ScanFacts| {
            proposal.ordered
                || (scan.filtered
                    && scan.rows <= table.rows * settings.of.missing_index.most_kept_ratio)
        };
        let cost: f64 = scans.filter(few).map(|scan| scan.cost).sum();
        if cost < case.cost * settings.of.missing_index.least_scan_ratio {
            continue;
        }
        let saved = case.scale * cost.min(case.cost) * (1.0 - SCAN_LEFT);
        let (sql, undo) = build_and_undo(&proposal.candidate, database);
        picks.push(Pick {
            bytes: index_bytes(table, &proposal.candidate) as u64,
            gain: saved / total.max(f64::MIN_POSITIVE),
            upkeep: 0.0,
            statements: vec![case.position],
            basis: Basis::Statistics,
            index: proposal.candidate,
            sql,
            undo,
        });
    }
    picks
}

/// Sequential, parallel ones included.
pub(super) fn is_scan_of(scan: &model::ScanFacts, table: &TableFacts) -> bool {
    scan.node.ends_with("Seq Scan")
        && scan.table == table.name
        && (scan.schema.is_empty() || scan.schema == table.schema)
}

/// One index for all that want it or a beginning of it.
fn merge(found: &mut Vec<Pick>, pick: Pick) {
    let same = found.iter_mut().find(|known| {
        makes_needless(&known.index, &pick.index) || makes_needless(&pick.index, &known.index)
    });
    match same {
        Some(known) => {
            let gain = known.gain + pick.gain;
            let mut statements = known.statements.clone();
            statements.extend(&pick.statements);
            if !makes_needless(&known.index, &pick.index) {
                *known = pick;
            }
            known.gain = gain;
            known.statements = statements;
        }
        None => found.push(pick),
    }
}
