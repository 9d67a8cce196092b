//! Extend: step by step what gains most for its size.

use model::IndexCandidate;

use super::Task;
use super::costs::Costs;
use super::set::Set;
use crate::advisor::definition::makes_needless;

/// Columns that an index may grow to, keys and carried ones.
const WIDEST: usize = 6;

/// How often a statement is planned to learn what else may help it.
const LAYERS: usize = 4;

/// What bounds a step.
pub(super) struct Step<'s> {
    /// The cost to come below.
    pub(super) current: f64,
    /// By how much, at least.
    pub(super) least: f64,
    /// How much size counts: a step's worth is its gain divided by its size to that power.
    pub(super) exponent: f64,
    /// What each candidate gained when it was last looked at, where that is taken for the most that
    /// it can gain; and only narrow candidates are looked at, and what grows out of the set.
    pub(super) gains: Option<&'s mut Vec<f64>>,
}

/// Adds to `start`, within the budget, until nothing gains enough.
pub(super) fn extend(costs: &mut Costs<'_>, task: &mut Task, start: Set, exponent: f64) -> Set {
    let mut set = start;
    let mut current = costs.total(&set);
    let mut gains: Vec<f64> = Vec::new();
    loop {
        for at in set.iter() {
            grow(costs, task, at);
        }
        let gains = Some(&mut gains);
        let bounds = Step { current, least: task.least_gain, exponent, gains };
        let Some((next, cost)) = step(costs, task, &set, bounds) else {
            return set;
        };
        set = next;
        current = cost;
    }
}

/// The best set that has one candidate more, and its cost.
pub(super) fn step(
    costs: &mut Costs<'_>,
    task: &Task,
    set: &Set,
    bounds: Step<'_>,
) -> Option<(Set, f64)> {
    costs.survey(set, LAYERS);
    let Step { current, least, exponent, mut gains } = bounds;
    let held = costs.bytes(set);
    if let Some(gains) = &mut gains {
        gains.resize(costs.pool.len(), f64::INFINITY);
    }
    let mut open: Vec<(f64, f64, usize, Set)> = Vec::new();
    for at in (0..costs.pool.len()).filter(|at| !set.has(*at)) {
        if gains.is_some() && !is_next(costs, set, at) {
            continue;
        }
        let Some(next) = added(costs, set, at) else { continue };
        let bytes = costs.bytes(&next);
        let before = gains.as_ref().map_or(f64::INFINITY, |gains| gains[at]);
        let gain = before.min(current - costs.optimistic(&next));
        if bytes <= task.budget && gain > least {
            let size = (bytes.saturating_sub(held).max(1) as f64).powf(exponent);
            open.push((gain / size, size, at, next));
        }
    }
    // The most that each can be worth: what comes behind the best found so far cannot be better.
    open.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
    let mut best: Option<(Set, f64, f64)> = None;
    for (most, size, at, next) in open {
        let best_worth = best.as_ref().map_or(0.0, |(_, _, worth)| *worth);
        if most <= best_worth || !costs.has_time() {
            break;
        }
        let needed = least.max(best_worth * size);
        let found = costs.total_below(&next, current - needed);
        if let Some(gains) = &mut gains {
            gains[at] = found.map_or(needed, |cost| current - cost);
        }
        if let Some(cost) = found {
            best = Some((next, cost, (current - cost) / size));
        }
    }
    best.map(|(next, cost, _)| (next, cost))
}

/// Whether Extend looks at the candidate: it has a single key and carries nothing, or an index of
/// the set begins as it does.
fn is_next(costs: &Costs<'_>, set: &Set, at: usize) -> bool {
    let index = &costs.pool[at].index;
    let keys = index.columns.len() + usize::from(index.expression.is_some());
    keys + index.include.len() <= 1
        || set.iter().any(|held| {
            let held = &costs.pool[held].index;
            held.table == index.table
                && held.schema == index.schema
                && held.expression == index.expression
                && held.columns.first() == index.columns.first()
        })
}

/// The set with a candidate, and without those that it makes needless; none if one of the set makes
/// the candidate needless.
pub(super) fn added(costs: &Costs<'_>, set: &Set, at: usize) -> Option<Set> {
    let new = &costs.pool[at].index;
    let mut next = set.with(at);
    for held in set.iter() {
        if makes_needless(&costs.pool[held].index, new) {
            return None;
        }
        if makes_needless(new, &costs.pool[held].index) {
            next = next.without(held);
        }
    }
    Some(next)
}

/// Puts the wider forms of a candidate into the pool: one more key, or what other candidates that
/// begin alike carry along.
pub(super) fn grow(costs: &mut Costs<'_>, task: &mut Task, at: usize) {
    if task.grown.contains(&at) {
        return;
    }
    task.grown.push(at);
    let narrow = costs.pool[at].index.clone();
    let mut wider: Vec<IndexCandidate> = Vec::new();
    for entry in &costs.pool {
        let other = &entry.index;
        let same = other.table == narrow.table
            && other.schema == narrow.schema
            && other.method == narrow.method
            && other.predicate == narrow.predicate
            && other.expression == narrow.expression
            && other.operator_class == narrow.operator_class;
        if !same {
            continue;
        }
        // The narrow one's keys, then the other's: one index in the place of two.
        wider.extend(merged(&narrow, other));
        if let [only] = other.columns.as_slice()
            && !narrow.columns.contains(only)
            && narrow.columns.len() + narrow.include.len() < WIDEST
        {
            let mut longer = narrow.clone();
            longer.columns.push(only.clone());
            longer.include.retain(|column| column != only);
            wider.push(longer);
        }
    }
    wider.sort();
    wider.dedup();
    for index in wider {
        costs.admit(index, task.budget);
    }
}

/// An index that does the work of both, where the second begins as the first does.
fn merged(first: &IndexCandidate, second: &IndexCandidate) -> Option<IndexCandidate> {
    if first.columns.first() != second.columns.first() {
        return None;
    }
    let mut both = first.clone();
    let shares_all = second.columns.starts_with(&first.columns);
    if shares_all {
        both.columns.clone_from(&second.columns);
    }
    for column in first.include.iter().chain(&second.columns).chain(&second.include) {
        if !both.columns.contains(column) && !both.include.contains(column) {
            both.include.push(column.clone());
        }
    }
    both.include.retain(|column| !both.columns.contains(column));
    both.include.sort();
    (both.columns.len() + both.include.len() <= WIDEST && both != *first).then_some(both)
}
