//! Runs: one client sending the same statement again and again with other values.
//!
//! Inside an explicit transaction a run is all executions of one fingerprint, whatever stands
//! between them. A transaction has a beginning and an end, so that a loop in it is one piece of
//! work.
//!
//! Outside of one, an endless loop over one statement (a worker, a benchmark) must be told from the
//! page that reads a list and then one row for each entry. What tells them apart is the statement
//! that *fed* the run. So executions count as a run only when
//! - less than [`PAUSE`] lies between the end of one statement and the arrival of the next;
//! - before the run, in the same stretch, another statement returned about as many rows as the run
//!   is long: a quarter (several rows may share a value, and the application remembers it) to
//!   twice as many (two look-ups for each row);
//! - the run ends where a statement comes again that last ran before the run began: the next page.
//!   Statements that take turns with it (two look-ups for each row) do not end it.
//!
//! In both cases at least [`SHORTEST`] different values are needed.

use std::time::{Duration, Instant};

use model::{ById, ClientId, LabelId, QueryEvent, RowKey};
use sql::Class;

/// Silence that ends a burst.
const PAUSE: Duration = Duration::from_millis(100);
/// The shortest run that counts, and how many different values it needs.
const SHORTEST: usize = 5;
/// Statements followed for one client; the one not seen for longest gives way.
const STATEMENTS_LIMIT: usize = 32;
/// A client silent for so long inside a transaction is no longer followed.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// A run that is over and counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndedRun {
    pub(super) key: RowKey,
    pub(super) calls: u64,
}

/// Follows every client's runs.
#[derive(Debug)]
pub(super) struct RunTracker {
    limit: usize,
    clients: ById<ClientId, Stretch>,
}

/// What one client did in its transaction, or since its last pause.
#[derive(Debug)]
struct Stretch {
    /// The explicit transaction, if it is in one.
    block: Option<u32>,
    last_finished: Instant,
    /// Counts the statements.
    sequence: u64,
    statements: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    key: RowKey,
    calls: u64,
    /// The first few different values, and how many of them there are.
    values: [u64; SHORTEST],
    different: usize,
    first: u64,
    last: u64,
    last_rows: u64,
    /// The most rows that another statement had returned when this one began.
    fed_rows: u64,
}

impl RunTracker {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, clients: ById::default() }
    }

    /// Takes a statement. Runs that it ends are appended to `ended`.
    pub(super) fn observe(
        &mut self,
        event: &QueryEvent,
        key: RowKey,
        class: Class,
        ended: &mut Vec<EndedRun>,
    ) {
        if self.clients.len() >= self.limit && !self.clients.contains_key(&event.client) {
            return;
        }
        let stretch = self.clients.entry(event.client).or_insert_with(|| Stretch {
            block: None,
            last_finished: event.finished,
            sequence: 0,
            statements: Vec::new(),
        });
        let block = event.in_block.then_some(event.transaction);
        let arrived = event.finished.checked_sub(event.total).unwrap_or(event.finished);
        let paused = arrived.saturating_duration_since(stretch.last_finished) >= PAUSE;
        if block != stretch.block || (block.is_none() && paused) {
            stretch.end_all(ended);
            stretch.block = block;
        }
        stretch.last_finished = event.finished;
        if moves_data(class) {
            stretch.statement(key, event, ended);
        }
    }

    /// The client's explicit transaction is over.
    pub(super) fn end_block(
        &mut self,
        client: ClientId,
        transaction: u32,
        ended: &mut Vec<EndedRun>,
    ) {
        if let Some(stretch) = self.clients.get_mut(&client)
            && stretch.block == Some(transaction)
        {
            stretch.end_all(ended);
            stretch.block = None;
        }
    }

    /// The client is gone.
    pub(super) fn forget(&mut self, client: ClientId, ended: &mut Vec<EndedRun>) {
        if let Some(mut stretch) = self.clients.remove(&client) {
            stretch.end_all(ended);
        }
    }

    /// The kinds of clients whose runs are followed.
    pub(super) fn labels(&self) -> impl Iterator<Item = LabelId> {
        let runs = self.clients.values().flat_map(|stretch| &stretch.statements);
        runs.map(|run| run.key.labels)
    }

    /// Ends the runs of clients that have paused, so that they count without waiting for the
    /// client's next statement.
    pub(super) fn sweep(&mut self, now: Instant, ended: &mut Vec<EndedRun>) {
        self.clients.retain(|_, stretch| {
            let silent = now.saturating_duration_since(stretch.last_finished);
            let over = if stretch.block.is_some() { FORGOTTEN_AFTER } else { PAUSE };
            if silent < over {
                return true;
            }
            stretch.end_all(ended);
            false
        });
    }
}

impl Stretch {
    fn statement(&mut self, key: RowKey, event: &QueryEvent, ended: &mut Vec<EndedRun>) {
        self.sequence += 1;
        // Of one kind of statement alone none can end another's run.
        if self.block.is_none()
            && self.statements.len() > 1
            && let Some(before) = self.position(key).map(|at| self.statements[at].last)
        {
            self.end_where(ended, |run| run.key != key && run.calls > 1 && before < run.first);
        }
        let at = self.position(key).unwrap_or_else(|| self.begin(key, ended));
        let run = &mut self.statements[at];
        run.calls += 1;
        run.last = self.sequence;
        run.last_rows = event.rows;
        let (known, room) = run.values.split_at_mut(run.different);
        if let Some(free) = room.first_mut()
            && !known.contains(&event.values)
        {
            *free = event.values;
            run.different += 1;
        }
    }

    fn position(&self, key: RowKey) -> Option<usize> {
        self.statements.iter().position(|run| run.key == key)
    }

    fn begin(&mut self, key: RowKey, ended: &mut Vec<EndedRun>) -> usize {
        if self.statements.len() >= STATEMENTS_LIMIT
            && let Some(oldest) = self.statements.iter().map(|run| run.last).min()
        {
            self.end_where(ended, |run| run.last == oldest);
        }
        let fed_rows = self.statements.iter().map(|run| run.last_rows).max().unwrap_or(0);
        if self.statements.capacity() == 0 {
            // Of many clients only one is ever seen before they pause.
            self.statements.reserve_exact(1);
        }
        self.statements.push(Run {
            key,
            calls: 0,
            values: [0; SHORTEST],
            different: 0,
            first: self.sequence,
            last: self.sequence,
            last_rows: 0,
            fed_rows,
        });
        self.statements.len() - 1
    }

    fn end_where(&mut self, ended: &mut Vec<EndedRun>, over: impl Fn(&Run) -> bool) {
        let in_block = self.block.is_some();
        self.statements.retain(|run| {
            let over = over(run);
            if over && run.counts(in_block) {
                ended.push(EndedRun { key: run.key, calls: run.calls });
            }
            !over
        });
    }

    fn end_all(&mut self, ended: &mut Vec<EndedRun>) {
        self.end_where(ended, |_| true);
    }
}

impl Run {
    fn counts(&self, in_block: bool) -> bool {
        let fed = self.fed_rows <= self.calls.saturating_mul(4)
            && self.calls <= self.fed_rows.saturating_mul(2);
        self.different >= SHORTEST && (in_block || fed)
    }
}

/// Whether statements of this class read or change rows; the others frame them.
fn moves_data(class: Class) -> bool {
    matches!(
        class,
        Class::Select
            | Class::Insert
            | Class::Update
            | Class::Delete
            | Class::Merge
            | Class::Values
            | Class::With
            | Class::Execute
            | Class::Call
    )
}

#[cfg(test)]
mod tests;
