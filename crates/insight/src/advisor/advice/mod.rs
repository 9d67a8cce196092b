//! Advice on a whole workload: what to build, what to drop, and what could not be judged.

mod drops;
mod statistics_only;
mod trigrams;
mod unsure;
mod writes;

use jiff::Timestamp;
use model::{DatabaseFacts, IndexCandidate, ScanFacts, ServerFacts};
use sql::Facts;

use super::build_and_undo;
use super::demand::{Demand, demands};
use super::search::{Judged, Outcome, Planner, Problem, Reach, ReachTable, search};
use super::statistics::{built_bytes, table_of};
use super::workload_candidates::Candidates;
use writes::Writes;

/// A statement of the workload.
#[derive(Clone, Debug)]
pub struct WorkloadStatement {
    /// How it is called: a name from the file, or the fingerprint.
    pub name: String,
    /// Its text as it may be shown.
    pub text: String,
    /// How often it runs; or its weight, where nothing was measured.
    pub calls: f64,
    /// Time that all calls took together, ms; none where nothing was measured.
    pub measured_ms: Option<f64>,
    /// Rows that a call writes, if it writes any.
    pub rows_written: f64,
    /// What the parser found in it.
    pub facts: Result<Facts, String>,
    /// Its plan as things are, or why there is none.
    pub plan: Result<PlanNow, String>,
}

/// A statement's plan as things are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanNow {
    /// Total cost.
    pub cost: f64,
    /// Its scans of tables.
    pub scans: Vec<ScanFacts>,
    /// The indexes that it uses.
    pub indexes: Vec<String>,
}

/// How to choose.
#[derive(Clone, Copy, Debug)]
pub struct AdviceSettings {
    /// All new indexes together, bytes.
    pub budget: u64,
    /// Take HypoPG's sizes as they are.
    pub hypopg_sizes: bool,
    /// An index must save this share of the workload's cost, or time where it was measured.
    pub least_gain: f64,
}

impl Default for AdviceSettings {
    fn default() -> Self {
        Self { budget: u64::MAX, hypopg_sizes: false, least_gain: 0.003 }
    }
}

/// Where the estimate of an index comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The planner was asked with the index imagined.
    Planner,
    /// Plans as they are, and statistics.
    Statistics,
}

/// An index to build.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    /// The index.
    pub index: IndexCandidate,
    /// The DDL that builds it.
    pub sql: String,
    /// The DDL that takes it back.
    pub undo: String,
    /// Its expected size, bytes.
    pub bytes: u64,
    /// Share of the workload's cost that would be back without it, 0 to 1.
    pub gain: f64,
    /// What keeping it up costs, as a share of the workload's cost.
    pub upkeep: f64,
    /// Positions of the statements that it helps.
    pub statements: Vec<usize>,
    /// Where the estimate comes from.
    pub basis: Basis,
}

/// An index to drop.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// The index.
    pub index: String,
    /// The DDL that drops it.
    pub sql: String,
    /// The DDL that builds it again, where its definition is known.
    pub undo: Option<String>,
    /// Its size, bytes.
    pub bytes: u64,
    /// Why it is not needed.
    pub why: String,
}

/// What to do, and what it would bring.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    /// Indexes to build, those that gain most first.
    pub picks: Vec<Pick>,
    /// Indexes to drop.
    pub drops: Vec<Drop>,
    /// Cost of each statement as things are and with all picks, in the workload's order; none where
    /// it could not be planned.
    pub costs: Vec<Option<(f64, f64)>>,
    /// The workload's cost with the picks as a share of that without, 0 to 1.
    pub relative_cost: f64,
    /// What could not be judged, and why.
    pub not_judged: Vec<(String, String)>,
    /// Whether the planner was asked with imagined indexes.
    pub planner: bool,
    /// How often it was asked.
    pub plans: u64,
    /// Candidates that were looked at.
    pub candidates: usize,
    /// The search came to its end; otherwise the time was up.
    pub finished: bool,
}

/// Candidates of a workload, before they grow.
const MOST_CANDIDATES: usize = 700;

/// A database as it was read.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseReading<'a> {
    /// Its facts.
    pub database: &'a DatabaseFacts,
    /// Those of its server, where they could be read.
    pub server: Option<&'a ServerFacts>,
    /// When.
    pub at: Timestamp,
}

/// Judges the workload. `planner` imagines indexes; without it only statistics speak.
pub fn advise(
    workload: &[WorkloadStatement],
    reading: DatabaseReading<'_>,
    settings: AdviceSettings,
    planner: Option<&mut dyn Planner>,
    go_on: &mut dyn FnMut() -> bool,
) -> Advice {
    let database = reading.database;
    let judged: Vec<Case<'_>> = workload
        .iter()
        .enumerate()
        .filter_map(|(position, statement)| Case::new(position, statement, database))
        .collect();
    let mut advice = Advice {
        relative_cost: 1.0,
        finished: true,
        costs: workload
            .iter()
            .map(|one| one.plan.as_ref().ok().map(|p| (p.cost, p.cost)))
            .collect(),
        not_judged: not_judged(workload),
        planner: planner.is_some(),
        ..Advice::default()
    };
    let total: f64 = judged.iter().map(|case| case.scale * case.cost).sum();
    let writes = Writes::new(&judged);
    match planner {
        Some(planner) => {
            let outcome = by_planner(&judged, database, settings, &writes, planner, go_on);
            advice.take(outcome, &judged, database);
        }
        None => {
            advice.picks = statistics_only::picks(&judged, database, settings, &writes, total);
            advice.relative_cost -= advice.picks.iter().map(|pick| pick.gain).sum::<f64>();
            advice.relative_cost = advice.relative_cost.max(0.0);
        }
    }
    let held: u64 = advice.picks.iter().map(|pick| pick.bytes).sum();
    let left = settings.budget.saturating_sub(held);
    advice.picks.extend(trigrams::picks(&judged, database, settings, left, &writes, total));
    advice.drops = drops::drops(reading, &advice.picks, workload);
    advice.not_judged.extend(unsure::indexes(reading));
    name_apart(&mut advice.picks, database);
    advice
}

/// A statement that has a plan.
pub(super) struct Case<'a> {
    /// In the workload.
    pub(super) position: usize,
    pub(super) statement: &'a WorkloadStatement,
    pub(super) plan: &'a PlanNow,
    pub(super) cost: f64,
    /// What a unit of its cost is worth over all calls: 1 a call, or ms where they were measured.
    pub(super) scale: f64,
    pub(super) demands: Vec<Demand<'a>>,
}

impl<'a> Case<'a> {
    fn new(
        position: usize,
        statement: &'a WorkloadStatement,
        database: &'a DatabaseFacts,
    ) -> Option<Self> {
        let plan = statement.plan.as_ref().ok()?;
        let cost = plan.cost.max(f64::MIN_POSITIVE);
        let scale = match statement.measured_ms {
            Some(ms) => ms / cost,
            None => statement.calls,
        };
        let facts = statement.facts.as_ref().ok();
        let demands = facts.map(|facts| demands(facts, database)).unwrap_or_default();
        Some(Self { position, statement, plan, cost, scale, demands })
    }

    fn reach(&self) -> Reach {
        let table = |demand: &Demand<'_>| ReachTable {
            schema: demand.table.schema.clone(),
            table: demand.table.name.clone(),
            columns: demand.columns.iter().cloned().collect(),
        };
        Reach { tables: self.demands.iter().map(table).collect() }
    }
}

fn by_planner(
    cases: &[Case<'_>],
    database: &DatabaseFacts,
    settings: AdviceSettings,
    writes: &Writes,
    planner: &mut dyn Planner,
    go_on: &mut dyn FnMut() -> bool,
) -> Outcome {
    let mut candidates = Candidates::default();
    cases.iter().for_each(|case| candidates.count_fixed(&case.demands));
    for case in cases {
        case.demands.iter().for_each(|demand| candidates.add(demand, case.scale * case.cost));
    }
    let statements: Vec<_> =
        cases.iter().map(|case| (case.scale, case.cost, case.reach())).collect();
    let mut sized = Sized { planner, database, as_they_are: settings.hypopg_sizes, cases };
    let problem = Problem {
        statements: &statements,
        candidates: candidates.finish(MOST_CANDIDATES),
        budget: settings.budget,
        least_gain: settings.least_gain,
        upkeep: &|index| writes.upkeep(index, database),
    };
    search(problem, &mut sized, go_on)
}

/// A planner whose sizes are put right: HypoPG overstates those of B-trees.
struct Sized<'p, 'a> {
    planner: &'p mut dyn Planner,
    database: &'p DatabaseFacts,
    as_they_are: bool,
    cases: &'p [Case<'a>],
}

impl Planner for Sized<'_, '_> {
    fn plan(&mut self, statement: usize, indexes: &[&IndexCandidate]) -> Option<Judged> {
        self.planner.plan(self.cases.get(statement)?.position, indexes)
    }

    fn bytes(&mut self, index: &IndexCandidate) -> Option<u64> {
        let stated = self.planner.bytes(index)?;
        if self.as_they_are {
            return Some(stated);
        }
        let table = table_of(self.database, index)?;
        Some(built_bytes(table, index, stated))
    }
}

impl Advice {
    fn take(&mut self, outcome: Outcome, cases: &[Case<'_>], database: &DatabaseFacts) {
        let before = outcome.before.max(f64::MIN_POSITIVE);
        for chosen in outcome.chosen {
            let (sql, undo) = build_and_undo(&chosen.index, database);
            self.picks.push(Pick {
                sql,
                undo,
                bytes: chosen.bytes,
                gain: chosen.gain / before,
                upkeep: chosen.upkeep / before,
                statements: chosen.statements.iter().map(|at| cases[*at].position).collect(),
                basis: Basis::Planner,
                index: chosen.index,
            });
        }
        for (case, cost) in cases.iter().zip(outcome.costs) {
            self.costs[case.position] = Some((case.cost, cost));
        }
        self.relative_cost = outcome.after / before;
        self.plans = outcome.calls;
        self.candidates = outcome.candidates;
        self.finished = outcome.finished;
    }
}

fn not_judged(workload: &[WorkloadStatement]) -> Vec<(String, String)> {
    workload
        .iter()
        .filter_map(|one| {
            let why = match (&one.plan, &one.facts) {
                (Err(why), _) => why.clone(),
                (_, Err(why)) => format!("{why}; it was weighed, but no index was sought for it"),
                _ => return None,
            };
            Some((one.name.clone(), why))
        })
        .collect()
}

/// Two picks may want the same name: the later ones are numbered.
fn name_apart(picks: &mut [Pick], database: &DatabaseFacts) {
    let mut known = database.clone();
    for pick in picks {
        let (sql, undo) = build_and_undo(&pick.index, &known);
        let name = super::index_name(&pick.index, &known);
        let table = known
            .tables
            .iter_mut()
            .find(|table| table.name == pick.index.table && table.schema == pick.index.schema);
        if let Some(table) = table {
            table.indexes.push(model::IndexFacts { name, ..model::IndexFacts::default() });
        }
        let prefix = pick.sql.find("CREATE INDEX").map_or("", |at| &pick.sql[..at]).to_owned();
        pick.sql = prefix + &sql;
        pick.undo = undo;
    }
}

#[cfg(test)]
mod tests;
