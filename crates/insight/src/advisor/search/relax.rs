//! The other way round: all that the planner would use, and then less and less of it until it fits.

use super::Task;
use super::costs::Costs;
use super::extend::added;
use super::set::Set;
use crate::advisor::definition::makes_needless;

/// How often a statement is planned again without what it used before.
const LAYERS: usize = 5;
/// Smaller indexes that are tried in the place of one.
const MOST_SMALLER: usize = 12;

/// What the statements would use if everything were there, without what the rest of it can do too: where
/// the time is up soon, nothing later looks at that.
pub(super) fn ideal(costs: &mut Costs<'_>) -> Set {
    costs.survey(&Set::default(), LAYERS);
    let mut ideal = Set::default();
    for statement in costs.statements() {
        let all = costs.mask(statement);
        ideal = ideal.or(&costs.judge(statement, &all).1);
    }
    without_the_needless(costs, ideal)
}

fn without_the_needless(costs: &Costs<'_>, set: Set) -> Set {
    set.iter().fold(set, |kept, narrow| {
        let does_more = |wide: usize| {
            wide != narrow && makes_needless(&costs.pool[wide].index, &costs.pool[narrow].index)
        };
        if kept.iter().any(does_more) { kept.without(narrow) } else { kept }
    })
}

/// Drops, or makes smaller, what costs least for the bytes that it frees, until the budget holds.
pub(super) fn relax(costs: &mut Costs<'_>, task: &Task, ideal: Set) -> Set {
    let mut set = ideal;
    while costs.bytes(&set) > task.budget {
        let held = costs.bytes(&set);
        let current = costs.total(&set);
        let mut best: Option<(Set, f64)> = None;
        for at in set.iter() {
            for next in smaller(costs, &set, at) {
                let freed = held.saturating_sub(costs.bytes(&next));
                if freed == 0 {
                    continue;
                }
                let freed = freed as f64;
                let limit = best.map_or(f64::INFINITY, |(_, rate)| current + rate * freed);
                if let Some(cost) = costs.total_below(&next, limit) {
                    best = Some((next, (cost - current) / freed));
                }
            }
        }
        let Some((next, _)) = best else { return Set::default() };
        set = next;
    }
    set
}

/// The set without a candidate, and with a smaller one in its place.
fn smaller(costs: &Costs<'_>, set: &Set, at: usize) -> Vec<Set> {
    let without = set.without(at);
    let large = &costs.pool[at];
    let mut found = vec![without];
    let replacements = costs.pool.iter().enumerate().filter(|(other, entry)| {
        !set.has(*other)
            && entry.bytes < large.bytes
            && (makes_needless(&large.index, &entry.index)
                || (entry.index.table == large.index.table
                    && entry.index.schema == large.index.schema
                    && entry.index.expression == large.index.expression
                    && entry.index.predicate == large.index.predicate
                    && entry.index.columns.first() == large.index.columns.first()))
    });
    let small: Vec<usize> = replacements.take(MOST_SMALLER).map(|(other, _)| other).collect();
    found.extend(small.into_iter().filter_map(|other| added(costs, &without, other)));
    found
}
