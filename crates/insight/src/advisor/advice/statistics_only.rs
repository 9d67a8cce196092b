//! Without HypoPG: what plans as they are and statistics leave little doubt of.

use model::DatabaseFacts;

use super::writes::Writes;
use super::{AdviceSettings, Basis, Case, Pick};
use crate::DetectionSettings;
use crate::advisor::definition::makes_needless;
use crate::advisor::{WholeScan, build_and_undo, index_bytes, proposals, whole_scans};

/// What is expected to be left of a scan that an index takes the place of.
const SCAN_LEFT: f64 = 0.1;

/// At most one index for each table of a statement, those that gain most for their size first,
/// until the budget is used up.
pub(super) fn picks(
    cases: &[Case<'_>],
    database: &DatabaseFacts,
    settings: AdviceSettings,
    writes: &Writes,
    total: f64,
) -> Vec<Pick> {
    let mut found: Vec<Pick> = Vec::new();
    for case in cases {
        for pick in of_statement(case, database, total) {
            merge(&mut found, pick);
        }
    }
    found.iter_mut().for_each(|pick| writes.take_off(pick, database, total));
    affordable(found, settings, settings.budget)
}

/// Those that gain enough, the most for their size first, until the budget is used up; in the order of
/// their gain.
pub(super) fn affordable(mut found: Vec<Pick>, settings: AdviceSettings, budget: u64) -> Vec<Pick> {
    let worth = |pick: &Pick| pick.gain / pick.bytes.max(1) as f64;
    found.retain(|pick| pick.gain >= settings.least_gain);
    found.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then_with(|| a.index.cmp(&b.index)));
    let mut held = 0u64;
    found.retain(|pick| {
        let fits = held.saturating_add(pick.bytes) <= budget;
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
        let building = proposal.invalid.is_some_and(|index| index.building);
        if picks.iter().any(|pick| pick.index.table == table.name) || proposal.joins || building {
            continue;
        }
        let few = |scan: &WholeScan| {
            proposal.ordered
                || (scan.filtered && scan.keeps_at_most(settings.of.missing_index.most_kept_ratio))
        };
        let scans = whole_scans(&case.plan.scans, table, database);
        let cost: f64 = scans.iter().filter(|scan| few(scan)).map(|scan| scan.cost).sum();
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
