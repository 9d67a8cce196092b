//! Which candidates to build: Extend, and a search around what it finds.
//!
//! Extend (Schlosser, Kossmann, Boissier: Efficient Scalable Multi-Attribute Index Selection Using
//! Recursive Strategies, ICDE 2019) takes step by step what gains most for its size, a wider index in
//! the place of a narrower one included. Where indexes help only together, or the budget is nearly
//! used up, it is led astray; so it is begun in several ways, and what each finds is improved by
//! exchanging indexes until no exchange gains.
//!
//! Deterministic, unless the time is up before the end.

mod costs;
mod extend;
mod improve;
mod relax;
mod set;

use model::IndexCandidate;

use costs::Costs;
pub(crate) use costs::{Reach, ReachTable};
use set::{CAPACITY, Set};

/// What the planner says of a statement with imagined indexes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// Total cost, the planner's units.
    pub cost: f64,
    /// Positions of the indexes that the plan uses.
    pub used: Vec<usize>,
}

/// Somebody who plans statements with imagined indexes.
pub trait Planner {
    /// Plans a statement as if just these indexes existed besides those that do; none if it cannot.
    fn plan(&mut self, statement: usize, indexes: &[&IndexCandidate]) -> Option<Judged>;
    /// The size that the index would have, bytes; none if the server refuses it.
    fn bytes(&mut self, index: &IndexCandidate) -> Option<u64>;
}

/// What to search in.
pub(crate) struct Problem<'a> {
    /// What a unit of cost is worth, cost as things are, and what it may use, of each statement.
    pub statements: &'a [(f64, f64, Reach)],
    /// The candidates, those that are wanted most first.
    pub candidates: Vec<IndexCandidate>,
    /// The sizes of all that is chosen come to no more than this, bytes.
    pub budget: u64,
    /// An index must save this share of the whole cost.
    pub least_gain: f64,
    /// What writing to an index costs the workload.
    pub upkeep: &'a dyn Fn(&IndexCandidate) -> f64,
}

/// An index that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chosen {
    /// The index.
    pub index: IndexCandidate,
    /// Its size, bytes.
    pub bytes: u64,
    /// What writing to it costs.
    pub upkeep: f64,
    /// What the workload would cost more without it, upkeep taken off.
    pub gain: f64,
    /// The statements whose plans use it.
    pub statements: Vec<usize>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// The indexes, those that gain most first.
    pub chosen: Vec<Chosen>,
    /// Cost of each statement with all of them.
    pub costs: Vec<f64>,
    /// The workload's cost as things are.
    pub before: f64,
    /// The same with the indexes, upkeep included.
    pub after: f64,
    /// How often the planner was asked.
    pub calls: u64,
    /// Candidates that were looked at.
    pub candidates: usize,
    /// The search came to its end; otherwise the time was up.
    pub finished: bool,
}

/// Room that is left for indexes that grow out of the candidates.
const ROOM_TO_GROW: usize = CAPACITY / 4;

/// How Extend weighs size: by benefit per byte; by benefit alone; and between the two.
const SIZE_EXPONENTS: [f64; 3] = [1.0, 0.5, 0.0];

/// Searches until nothing gets better or `go_on` says that the time is up.
pub(crate) fn search(
    problem: Problem<'_>,
    planner: &mut dyn Planner,
    go_on: &mut dyn FnMut() -> bool,
) -> Outcome {
    let mut costs = Costs::new(planner, problem.statements, problem.upkeep, go_on);
    let mut task = Task {
        budget: problem.budget,
        least_gain: problem.least_gain * costs.base,
        grown: Vec::new(),
    };
    for index in problem.candidates.into_iter().take(CAPACITY - ROOM_TO_GROW) {
        if !costs.has_time() {
            break;
        }
        costs.admit(index, problem.budget);
    }
    let ideal = relax::ideal(&mut costs);
    let mut best = Set::default();
    let mut best_cost = costs.base;
    for exponent in SIZE_EXPONENTS {
        let start = extend::extend(&mut costs, &mut task, Set::default(), exponent);
        improve::keep_better(&mut costs, &task, start, &mut best, &mut best_cost);
    }
    let start = relax::relax(&mut costs, &task, ideal);
    improve::keep_better(&mut costs, &task, start, &mut best, &mut best_cost);
    let best = improve::improve(&mut costs, &mut task, best);
    let best = improve::without_the_useless(&mut costs, &task, best);
    outcome(&mut costs, &best)
}

/// What all parts of the search share.
struct Task {
    budget: u64,
    /// An index that gains less is not worth having; in the workload's unit.
    least_gain: f64,
    /// Candidates whose wider forms are in the pool already.
    grown: Vec<usize>,
}

fn outcome(costs: &mut Costs<'_>, best: &Set) -> Outcome {
    let after = costs.total(best);
    let judged: Vec<(f64, Set)> =
        costs.statements().map(|statement| costs.judge(statement, best)).collect();
    let mut chosen: Vec<Chosen> = best
        .iter()
        .map(|at| {
            let without = costs.total(&best.without(at));
            let entry = &costs.pool[at];
            let used_by =
                |(statement, (_, used)): (usize, &(f64, Set))| used.has(at).then_some(statement);
            Chosen {
                index: entry.index.clone(),
                bytes: entry.bytes,
                upkeep: entry.upkeep,
                gain: without - after,
                statements: judged.iter().enumerate().filter_map(used_by).collect(),
            }
        })
        .collect();
    chosen.sort_by(|a, b| b.gain.total_cmp(&a.gain).then_with(|| a.index.cmp(&b.index)));
    Outcome {
        chosen,
        costs: judged.iter().map(|(cost, _)| *cost).collect(),
        before: costs.base,
        after,
        calls: costs.calls,
        candidates: costs.pool.len(),
        finished: costs.has_time(),
    }
}

#[cfg(test)]
mod tests;
