//! Exchanges indexes until no exchange gains.

use super::Task;
use super::costs::Costs;
use super::extend::{Step, extend, grow, step};
use super::set::Set;

/// What an exchange must gain, of the whole cost, to be worth another round.
const LEAST_STEP: f64 = 0.000_1;

/// Takes `found` for `best` if it is cheaper, after the simple exchanges.
pub(super) fn keep_better(
    costs: &mut Costs<'_>,
    task: &Task,
    found: Set,
    best: &mut Set,
    best_cost: &mut f64,
) {
    let found = exchanged(costs, task, found);
    let cost = costs.total(&found);
    if cost < *best_cost && costs.bytes(&found) <= task.budget {
        *best = found;
        *best_cost = cost;
    }
}

/// The best that can be reached from `start` by taking indexes out and filling the room anew.
pub(super) fn improve(costs: &mut Costs<'_>, task: &mut Task, start: Set) -> Set {
    let mut set = start;
    let mut current = costs.total(&set);
    while costs.has_time() {
        for at in set.iter() {
            grow(costs, task, at);
        }
        let Some((next, cost)) = refilled(costs, task, &set, current) else { break };
        set = exchanged(costs, task, next);
        current = costs.total(&set).min(cost);
    }
    set
}

/// One or two taken out, and Extend to fill the room.
fn refilled(costs: &mut Costs<'_>, task: &mut Task, set: &Set, current: f64) -> Option<(Set, f64)> {
    let held: Vec<usize> = set.iter().collect();
    let mut removals: Vec<Set> = held.iter().map(|at| set.without(*at)).collect();
    for (position, first) in held.iter().enumerate() {
        for second in &held[position + 1..] {
            removals.push(set.without(*first).without(*second));
        }
    }
    let least = costs.base * LEAST_STEP;
    for removal in removals {
        for exponent in [0.0, 1.0] {
            if !costs.has_time() {
                return None;
            }
            let next = extend(costs, task, removal, exponent);
            if let Some(cost) = costs.total_below(&next, current - least) {
                return Some((next, cost));
            }
        }
    }
    None
}

/// One index in the place of another, or one more, as long as that gains.
fn exchanged(costs: &mut Costs<'_>, task: &Task, start: Set) -> Set {
    let mut set = start;
    let mut current = costs.total(&set);
    let least = costs.base * LEAST_STEP;
    loop {
        let mut best: Option<(Set, f64)> = None;
        let without: Vec<Set> = set.iter().map(|at| set.without(at)).chain([set]).collect();
        for reduced in &without {
            if !costs.has_time() {
                return set;
            }
            // What it must come below: the exchange as a whole must gain.
            let limit = best.as_ref().map_or(current - least, |(_, cost)| *cost);
            let bounds = Step { current: limit, least: 0.0, exponent: 0.0, gains: None };
            if let Some((next, cost)) = step(costs, task, reduced, bounds) {
                best = Some((next, cost));
            }
        }
        let Some((next, cost)) = best else { return set };
        set = next;
        current = cost;
    }
}

/// Takes out, the least useful first, what does not gain enough.
pub(super) fn without_the_useless(costs: &mut Costs<'_>, task: &Task, start: Set) -> Set {
    let mut set = start;
    loop {
        let current = costs.total(&set);
        let gains = set.iter().map(|at| (costs.total(&set.without(at)) - current, at));
        let least = gains.min_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        match least {
            Some((gain, at)) if gain < task.least_gain => set = set.without(at),
            _ => return set,
        }
    }
}
