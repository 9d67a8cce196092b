//! What statements cost with which indexes, asked of the planner as seldom as will do.

use std::collections::HashMap;

use model::IndexCandidate;

use super::set::{CAPACITY, Set};
use super::{Judged, Planner};

/// A candidate of the search.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) index: IndexCandidate,
    pub(super) bytes: u64,
    /// What writing to it costs the workload.
    pub(super) upkeep: f64,
}

/// Which indexes a statement may use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// Its tables with the columns that it names: an index that begins with one of them may help.
    pub tables: Vec<ReachTable>,
}

/// A table of a [`Reach`].
#[derive(Clone, Debug, Default)]
pub(crate) struct ReachTable {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// The columns that the statement names.
    pub columns: Vec<String>,
}

impl Reach {
    fn covers(&self, index: &IndexCandidate) -> bool {
        self.tables.iter().any(|one| {
            one.table == index.table
                && one.schema == index.schema
                && (index.expression.is_some()
                    || index.columns.first().is_some_and(|first| one.columns.contains(first))
                    || index.predicate.is_some())
        })
    }
}

/// One answer of the planner: with `offered`, it chose `used`. Then with anything between the two
/// the cost is the same.
struct Known {
    offered: Set,
    used: Set,
    cost: f64,
}

/// What a statement could gain at most, of the whole cost, for it not to be looked at closely.
const NEGLIGIBLE: f64 = 0.000_2;

struct Statement {
    /// What one unit of its cost is worth.
    scale: f64,
    base: f64,
    reach: Reach,
    /// The candidates that it may use.
    mask: Set,
    known: Vec<Known>,
    exact: HashMap<Set, f64>,
}

/// Candidates, statements and what the planner said of them so far.
pub(super) struct Costs<'p> {
    planner: &'p mut dyn Planner,
    go_on: &'p mut dyn FnMut() -> bool,
    pub(super) pool: Vec<Entry>,
    positions: HashMap<IndexCandidate, Option<usize>>,
    statements: Vec<Statement>,
    /// Cost of all without any index, scaled.
    pub(super) base: f64,
    pub(super) calls: u64,
    out_of_time: bool,
    upkeep: &'p dyn Fn(&IndexCandidate) -> f64,
}

impl<'p> Costs<'p> {
    /// `statements`: scale, cost without any index, and reach of each.
    pub(super) fn new(
        planner: &'p mut dyn Planner,
        statements: &[(f64, f64, Reach)],
        upkeep: &'p dyn Fn(&IndexCandidate) -> f64,
        go_on: &'p mut dyn FnMut() -> bool,
    ) -> Self {
        let statements: Vec<_> = statements
            .iter()
            .map(|(scale, base, reach)| Statement {
                scale: *scale,
                base: *base,
                reach: reach.clone(),
                mask: Set::default(),
                known: vec![Known { offered: Set::default(), used: Set::default(), cost: *base }],
                exact: HashMap::new(),
            })
            .collect();
        let base = statements.iter().map(|one| one.scale * one.base).sum();
        Self {
            planner,
            go_on,
            pool: Vec::new(),
            positions: HashMap::new(),
            statements,
            base,
            calls: 0,
            out_of_time: false,
            upkeep,
        }
    }

    /// Puts a candidate into the pool; its position, unless the server refuses it, the pool is full
    /// or it would not fit into the budget.
    pub(super) fn admit(&mut self, index: IndexCandidate, budget: u64) -> Option<usize> {
        if let Some(known) = self.positions.get(&index) {
            return *known;
        }
        let bytes = if self.pool.len() < CAPACITY { self.planner.bytes(&index) } else { None };
        let position = bytes.filter(|bytes| *bytes <= budget).map(|bytes| {
            let position = self.pool.len();
            for statement in &mut self.statements {
                if statement.reach.covers(&index) {
                    statement.mask = statement.mask.with(position);
                }
            }
            let upkeep = (self.upkeep)(&index);
            self.pool.push(Entry { index: index.clone(), bytes, upkeep });
            position
        });
        self.positions.insert(index, position);
        position
    }

    pub(super) fn statements(&self) -> std::ops::Range<usize> {
        0..self.statements.len()
    }

    pub(super) fn mask(&self, statement: usize) -> Set {
        self.statements[statement].mask
    }

    /// False once the time is up.
    pub(super) fn has_time(&mut self) -> bool {
        self.out_of_time = self.out_of_time || !(self.go_on)();
        !self.out_of_time
    }

    pub(super) fn bytes(&self, set: &Set) -> u64 {
        set.iter().map(|at| self.pool[at].bytes).sum()
    }

    fn upkeep(&self, set: &Set) -> f64 {
        set.iter().map(|at| self.pool[at].upkeep).sum()
    }

    /// The statement's cost with the set, and what the planner would use of it. Once the time is
    /// up, what is not known is taken for the least that is.
    pub(super) fn judge(&mut self, statement: usize, set: &Set) -> (f64, Set) {
        let one = &self.statements[statement];
        let offered = set.and(&one.mask);
        if let Some(known) = one.find(&offered) {
            return (known.cost, known.used);
        }
        if !self.has_time() {
            let one = &self.statements[statement];
            return (one.ceiling(&offered), Set::default());
        }
        // The whole set is imagined, not only what this statement may use: then it stays as it is
        // while one statement after the other is planned.
        let positions: Vec<usize> = set.iter().collect();
        let indexes: Vec<&IndexCandidate> =
            positions.iter().map(|at| &self.pool[*at].index).collect();
        self.calls += 1;
        let answer = self.planner.plan(statement, &indexes);
        let one = &mut self.statements[statement];
        let Judged { cost, used } = answer.unwrap_or(Judged { cost: one.base, used: Vec::new() });
        let used: Set = used.into_iter().filter_map(|at| positions.get(at).copied()).collect();
        one.mask = one.mask.or(&used);
        let offered = set.and(&one.mask);
        one.known.push(Known { offered, used, cost });
        one.exact.insert(offered, cost);
        (cost, used)
    }

    pub(super) fn statement_cost(&mut self, statement: usize, set: &Set) -> f64 {
        let one = &mut self.statements[statement];
        let offered = set.and(&one.mask);
        if let Some(cost) = one.exact.get(&offered) {
            return *cost;
        }
        if let Some(cost) = one.find(&offered).map(|known| known.cost) {
            one.exact.insert(offered, cost);
            return cost;
        }
        self.judge(statement, set).0
    }

    /// Finds out what could help besides `set`: each statement is planned with everything, and then
    /// again and again without what it used that is not in the set. Afterwards [`Self::optimistic`]
    /// is close to the truth for whatever is added to the set.
    pub(super) fn survey(&mut self, set: &Set, layers: usize) {
        for statement in self.statements() {
            let mut offered = self.mask(statement);
            let most = self.judge(statement, set).0 - self.judge(statement, &offered).0;
            if self.statements[statement].scale * most < self.base * NEGLIGIBLE {
                continue;
            }
            offered = offered.or(set);
            for _ in 0..layers {
                if !self.has_time() {
                    return;
                }
                let (_, used) = self.judge(statement, &offered);
                let fresh = used.minus(set);
                if fresh.is_empty() {
                    break;
                }
                offered = offered.minus(&fresh);
            }
        }
    }

    /// The least that the workload may cost with the set, by what is known.
    pub(super) fn optimistic(&self, set: &Set) -> f64 {
        let cost = |one: &Statement| {
            let offered = set.and(&one.mask);
            let exact = one.exact.get(&offered).copied();
            one.scale * exact.unwrap_or_else(|| one.floor(&offered))
        };
        self.upkeep(set) + self.statements.iter().map(cost).sum::<f64>()
    }

    /// The whole workload's cost, upkeep included.
    pub(super) fn total(&mut self, set: &Set) -> f64 {
        self.total_below(set, f64::INFINITY).unwrap_or(f64::INFINITY)
    }

    /// The same, or none as soon as it is sure to be no less than `limit`.
    pub(super) fn total_below(&mut self, set: &Set, limit: f64) -> Option<f64> {
        let mut sum = self.upkeep(set);
        let mut open: Vec<(f64, usize)> = Vec::new();
        for (position, one) in self.statements.iter_mut().enumerate() {
            let offered = set.and(&one.mask);
            let known = one.exact.get(&offered).copied().or_else(|| {
                let cost = one.find(&offered)?.cost;
                one.exact.insert(offered, cost);
                Some(cost)
            });
            match known {
                Some(cost) => sum += one.scale * cost,
                None => {
                    let floor = one.floor(&offered);
                    sum += one.scale * floor;
                    open.push((floor, position));
                }
            }
        }
        // Those of which the least is known first: they decide soonest.
        open.sort_by(|a, b| {
            let gap = |(floor, at): &(f64, usize)| {
                let one = &self.statements[*at];
                one.scale * (one.base - floor)
            };
            gap(b).total_cmp(&gap(a)).then(a.1.cmp(&b.1))
        });
        for (floor, position) in open {
            if sum >= limit {
                return None;
            }
            let cost = self.statement_cost(position, set);
            sum += self.statements[position].scale * (cost - floor);
        }
        (sum < limit).then_some(sum)
    }
}

impl Statement {
    fn find(&self, offered: &Set) -> Option<&Known> {
        self.known
            .iter()
            .find(|known| known.used.is_within(offered) && offered.is_within(&known.offered))
    }

    /// No more than this with fewer indexes than were ever offered at once.
    fn floor(&self, offered: &Set) -> f64 {
        self.known
            .iter()
            .filter(|known| offered.is_within(&known.offered))
            .map(|known| known.cost)
            .fold(0.0, f64::max)
            .min(self.base)
    }

    /// No more than with what is contained in the set.
    fn ceiling(&self, offered: &Set) -> f64 {
        self.known
            .iter()
            .filter(|known| known.used.is_within(offered))
            .map(|known| known.cost)
            .fold(self.base, f64::min)
    }
}
