//! Measures statements and transactions, from the client's side.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{
    ClientId, Event, LabelId, Outcome, QueryEvent, Sample, ShapeId, Tags, TraceContext,
    TransactionEvent,
};
use sql::Shape;
use wire::backend::TransactionStatus;

use super::effect::Effect;
use crate::plan_trial::Trial;

/// A statement that was sent and is not answered in full.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) shape: Arc<Shape>,
    pub(crate) values: u64,
    /// A hash of the literals in a prepared text.
    pub(crate) literals: Option<u64>,
    pub(crate) effect: Effect,
    pub(crate) arrived: Instant,
    pub(crate) received: u64,
    pub(crate) sample: Option<Box<Sample>>,
    pub(crate) tags: Option<Arc<Tags>>,
    pub(crate) trace: Option<Box<TraceContext>>,
    pub(crate) trial: Option<Trial>,
}

impl Running {
    /// A statement of which no more is known than this.
    pub(crate) fn new(shape: Arc<Shape>, effect: Effect, arrived: Instant) -> Self {
        Self {
            shape,
            values: 0,
            literals: None,
            effect,
            arrived,
            received: 0,
            sample: None,
            tags: None,
            trace: None,
            trial: None,
        }
    }
}

/// The measures of one client.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) client: ClientId,
    pub(crate) labels: LabelId,
    running: VecDeque<Running>,
    last_finish: Option<Instant>,
    first_byte: Option<Instant>,
    /// Bytes not yet charged to a statement.
    received: u64,
    sent: u64,
    /// Time, not yet charged, in which the client did not take what it was sent.
    stalled: Duration,
    status: TransactionStatus,
    number: u32,
    /// In a box: an idle client has none.
    transaction: Option<Box<Transaction>>,
    last_shape: ShapeId,
}

/// The transaction under way.
#[derive(Debug)]
struct Transaction {
    started: Instant,
    wait: Duration,
    /// Of `wait`, what no statement was charged with.
    wait_uncharged: Duration,
    idle: Duration,
    longest_idle: Duration,
    idle_after: ShapeId,
    idle_since: Option<Instant>,
    block: bool,
    /// Why the client was pinned before it began.
    pinned: Option<&'static str>,
    statements: u32,
    client_parses: u32,
    server_parses: u32,
    binds: u32,
    received: u64,
    sent: u64,
}

impl Transaction {
    fn new(started: Instant) -> Self {
        Self {
            started,
            wait: Duration::ZERO,
            wait_uncharged: Duration::ZERO,
            idle: Duration::ZERO,
            longest_idle: Duration::ZERO,
            idle_after: ShapeId::OTHERS,
            idle_since: None,
            block: false,
            pinned: None,
            statements: 0,
            client_parses: 0,
            server_parses: 0,
            binds: 0,
            received: 0,
            sent: 0,
        }
    }

    /// A stretch in which the server had nothing to do is over, if there was one.
    fn idled(&mut self, after: ShapeId, now: Instant) {
        let Some(since) = self.idle_since.take() else { return };
        let idle = now.saturating_duration_since(since);
        self.idle += idle;
        if idle > self.longest_idle {
            self.longest_idle = idle;
            self.idle_after = after;
        }
    }
}

impl Meter {
    pub(crate) fn new(client: ClientId, labels: LabelId) -> Self {
        Self {
            client,
            labels,
            running: VecDeque::new(),
            last_finish: None,
            first_byte: None,
            received: 0,
            sent: 0,
            stalled: Duration::ZERO,
            status: TransactionStatus::Idle,
            number: 0,
            transaction: None,
            last_shape: ShapeId::OTHERS,
        }
    }

    /// A message for the server came from the client, which is pinned for this reason.
    pub(crate) fn arrived(&mut self, bytes: usize, pinned: Option<&'static str>, now: Instant) {
        self.received += bytes as u64;
        let transaction = self
            .transaction
            .get_or_insert_with(|| Box::new(Transaction { pinned, ..Transaction::new(now) }));
        transaction.received += bytes as u64;
        transaction.idled(self.last_shape, now);
    }

    /// More of a streamed message came.
    pub(crate) fn received_more(&mut self, bytes: usize) {
        if let Some(transaction) = &mut self.transaction {
            transaction.received += bytes as u64;
        }
        match self.running.back_mut() {
            Some(running) => running.received += bytes as u64,
            None => self.received += bytes as u64,
        }
    }

    /// A server connection was had after `wait`.
    pub(crate) fn waited(&mut self, wait: Duration, arrived: Instant) {
        let transaction =
            self.transaction.get_or_insert_with(|| Box::new(Transaction::new(arrived)));
        transaction.wait += wait;
        transaction.wait_uncharged += wait;
    }

    pub(crate) fn client_parse(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.client_parses += 1;
        }
    }

    pub(crate) fn server_parse(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.server_parses += 1;
        }
    }

    pub(crate) fn bind(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.binds += 1;
        }
    }

    /// A statement was sent. It is charged with the bytes since the one before.
    pub(crate) fn begin(&mut self, mut running: Running) {
        running.received += std::mem::take(&mut self.received);
        if self.running.capacity() == 0 {
            // Most clients run one at a time.
            self.running.reserve_exact(1);
        }
        self.running.push_back(running);
    }

    /// A statement turns out to have been running before those that are.
    pub(crate) fn begin_first(&mut self, running: Running) {
        self.running.push_front(running);
    }

    /// Bytes for the client came from the server.
    pub(crate) fn sent(&mut self, bytes: usize, now: Instant) {
        self.sent += bytes as u64;
        if self.first_byte.is_none() {
            self.first_byte = Some(now);
        }
    }

    /// What the server has said so far is not the answer, which will come.
    pub(crate) fn answered_otherwise(&mut self) {
        self.sent = 0;
        self.first_byte = None;
        if let Some(running) = self.running.front_mut() {
            running.trial = None;
        }
    }

    /// The server had to wait for so long until the client took what it was sent.
    pub(crate) fn stalled(&mut self, time: Duration) {
        self.stalled += time;
    }

    /// The statement sent first is answered.
    pub(crate) fn finish(
        &mut self,
        outcome: Outcome,
        rows: u64,
        now: Instant,
        events: &mut Vec<Event>,
    ) -> Option<Running> {
        let mut running = self.running.pop_front()?;
        let transaction =
            self.transaction.get_or_insert_with(|| Box::new(Transaction::new(running.arrived)));
        let wait = std::mem::take(&mut transaction.wait_uncharged);
        // A pipelined statement's time begins when its predecessor's ended.
        let start = self.last_finish.map_or(running.arrived, |last| last.max(running.arrived));
        let total = now.saturating_duration_since(start);
        if outcome == Outcome::Done
            && let Some(trial) = running.trial.take()
        {
            trial.ended(total.saturating_sub(wait));
        }
        let first_byte = self.first_byte.take().unwrap_or(now).max(start);
        let sent = std::mem::take(&mut self.sent);
        transaction.sent += sent;
        transaction.statements += 1;
        self.last_finish = Some(now);
        self.last_shape = running.shape.id;
        events.push(Event::Query(QueryEvent {
            client: self.client,
            transaction: self.number,
            in_block: self.status != TransactionStatus::Idle,
            shape: running.shape.id,
            labels: self.labels,
            values: running.values,
            prepared_literals: running.literals,
            finished: now,
            wait,
            first_byte: first_byte.duration_since(start).saturating_sub(wait),
            total,
            stalled: std::mem::take(&mut self.stalled),
            rows,
            bytes_received: running.received,
            bytes_sent: sent,
            outcome,
            sample: running.sample.take(),
            tags: running.tags.take(),
            trace: running.trace.take(),
            alone: None,
        }));
        Some(running)
    }

    /// Statements that the server skipped after an error.
    pub(crate) fn abandon(&mut self, count: usize) {
        self.running.drain(..count.min(self.running.len()));
    }

    /// How many statements are running.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether a statement is running that leaves something behind in the session.
    pub(crate) fn may_leave_state(&self) -> bool {
        self.running.iter().any(|running| running.effect.may_leave_state())
    }

    /// When the last statement was answered.
    pub(crate) fn last_finish(&self) -> Option<Instant> {
        self.last_finish
    }

    /// The statement that runs, or ran last.
    pub(crate) fn statement(&self) -> ShapeId {
        self.running.front().map_or(self.last_shape, |running| running.shape.id)
    }

    /// ReadyForQuery came. `quiet`: nothing else is due.
    pub(crate) fn ready(
        &mut self,
        status: TransactionStatus,
        quiet: bool,
        now: Instant,
        events: &mut Vec<Event>,
    ) {
        self.status = status;
        self.first_byte = None;
        let sent = std::mem::take(&mut self.sent);
        if quiet {
            self.running.clear();
        }
        let Some(transaction) = &mut self.transaction else { return };
        transaction.sent += sent;
        if status != TransactionStatus::Idle {
            transaction.block = true;
            transaction.idle_since = quiet.then_some(now);
            return;
        }
        self.end(now, events);
    }

    /// The transaction is over, by itself or because a side went away.
    pub(crate) fn end(&mut self, now: Instant, events: &mut Vec<Event>) {
        let Some(mut transaction) = self.transaction.take() else { return };
        transaction.idled(self.last_shape, now);
        self.status = TransactionStatus::Idle;
        let event = TransactionEvent {
            client: self.client,
            transaction: self.number,
            labels: self.labels,
            block: transaction.block,
            pinned: transaction.pinned,
            finished: now,
            duration: now.saturating_duration_since(transaction.started),
            wait: transaction.wait,
            idle: transaction.idle,
            longest_idle: transaction.longest_idle,
            idle_after: transaction.idle_after,
            statements: transaction.statements,
            client_parses: transaction.client_parses,
            server_parses: transaction.server_parses,
            binds: transaction.binds,
            bytes_received: transaction.received,
            bytes_sent: transaction.sent,
        };
        let absorbed = match events.last_mut() {
            Some(Event::Query(last)) => last.absorb(&event),
            _ => false,
        };
        if !absorbed {
            events.push(Event::Transaction(event));
        }
        self.number = self.number.wrapping_add(1);
    }
}
