//! An immutable picture of the statistics at a tick: minutes of rows, and what the rows mean.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::{
    ClientId, Distinct, FingerprintId, Histogram, LabelId, Labels, Minute, PoolKey, PoolStatus,
    Sample, ShapeId, SqlState, StrictId,
};

/// What a row of statistics is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The statement.
    pub fingerprint: FingerprintId,
    /// Database, user, application.
    pub labels: LabelId,
}

/// What was measured of one statement by one kind of client in one minute, or in a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Statements done, failed ones included.
    pub calls: u64,
    /// Failed ones by code.
    pub errors: BTreeMap<SqlState, u64>,
    /// Cut off by a disconnect.
    pub lost: u64,
    /// Rows returned or affected.
    pub rows: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Time waiting for a server connection.
    pub wait: Histogram,
    /// Time to the first byte of the answer, `wait` left out.
    pub first_byte: Histogram,
    /// Time from arrival to the end of the answer, `wait` included.
    pub total: Histogram,
    /// Runs of five or more of this statement in one transaction or burst with differing values.
    pub repeats: u64,
    /// Statements within those runs.
    pub repeated_calls: u64,
    /// The longest such run.
    pub longest_repeat: u64,
    /// How many different values it was run with.
    pub values: Distinct,
    /// Calls that were prepared (Parse), rather than sent as text (Query).
    pub prepared_calls: u64,
    /// Of these, how many different texts: those that differ in their literals.
    pub prepared_texts: Distinct,
    /// The most rows of one call.
    pub most_rows: u64,
    /// Calls whose answer had begun when they were cancelled or the client went away.
    pub abandoned: u64,
    /// Bytes of these answers.
    pub abandoned_bytes: u64,
    /// Time in which the server had to wait until clients took what they were sent.
    pub stalled: Duration,
    /// The longest such time of one call.
    pub longest_stall: Duration,
    /// Durations of the calls that were cancelled (57014).
    pub cancelled: Spread,
    /// Calls with the very values that had failed a moment before.
    pub retries: u64,
    /// Slow changes of rows while another client ran the same with the same values.
    pub contended: u64,
    /// How long they ran at the same time.
    pub contended_time: Duration,
    /// What the values looked at were like.
    pub sampled: SampledValues,
}

/// Durations by their number, sum and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Sum.
    pub total: Duration,
    /// The shortest; meaningless if there is none.
    pub shortest: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Spread {
    /// Adds one duration.
    pub fn record(&mut self, duration: Duration) {
        self.merge(&Self { count: 1, total: duration, shortest: duration, longest: duration });
    }

    /// Adds all that `other` has.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let none = self.count == 0;
        self.shortest = if none { other.shortest } else { self.shortest.min(other.shortest) };
        self.longest = self.longest.max(other.longest);
        self.count += other.count;
        self.total += other.total;
    }
}

/// What is kept of the values in samples: no value, only what it means for the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampledValues {
    /// Samples with an OFFSET.
    pub offsets: u64,
    /// Sum of the offsets.
    pub offset_sum: u64,
    /// The largest.
    pub most_offset: u64,
    /// Samples with a pattern of LIKE.
    pub patterns: u64,
    /// Of these, with a pattern that begins with a wildcard.
    pub leading_wildcards: u64,
}

impl SampledValues {
    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        self.offsets += other.offsets;
        self.offset_sum = self.offset_sum.saturating_add(other.offset_sum);
        self.most_offset = self.most_offset.max(other.most_offset);
        self.patterns += other.patterns;
        self.leading_wildcards += other.leading_wildcards;
    }
}

impl QueryStats {
    /// Failed calls.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Adds another minute, or another kind of client.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        for (code, count) in &other.errors {
            *self.errors.entry(*code).or_default() += count;
        }
        self.lost += other.lost;
        self.rows += other.rows;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.wait.merge(&other.wait);
        self.first_byte.merge(&other.first_byte);
        self.total.merge(&other.total);
        self.repeats += other.repeats;
        self.repeated_calls += other.repeated_calls;
        self.longest_repeat = self.longest_repeat.max(other.longest_repeat);
        self.values.merge(&other.values);
        self.prepared_calls += other.prepared_calls;
        self.prepared_texts.merge(&other.prepared_texts);
        self.most_rows = self.most_rows.max(other.most_rows);
        self.abandoned += other.abandoned;
        self.abandoned_bytes += other.abandoned_bytes;
        self.stalled += other.stalled;
        self.longest_stall = self.longest_stall.max(other.longest_stall);
        self.cancelled.merge(&other.cancelled);
        self.retries += other.retries;
        self.contended += other.contended;
        self.contended_time += other.contended_time;
        self.sampled.merge(&other.sampled);
    }
}

/// Transactions of one kind of client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionStats {
    /// Transactions over, single statements included.
    pub transactions: u64,
    /// Of these, explicit blocks.
    pub blocks: u64,
    /// Of these, run by clients that were pinned before.
    pub pinned: u64,
    /// Durations of the blocks.
    pub block_duration: Histogram,
    /// Duration of all, summed.
    pub duration: Duration,
    /// Time waiting for a server connection, summed.
    pub wait: Duration,
    /// Time in which blocks were open and the server had nothing to do, summed.
    pub idle: Duration,
    /// The longest stretch of it.
    pub longest_idle: Duration,
    /// The statement before that stretch.
    pub idle_after: ShapeId,
    /// Statements.
    pub statements: u64,
    /// Of these, in blocks.
    pub block_statements: u64,
    /// Transactions of pinned clients by reason.
    pub pin_reasons: BTreeMap<Cow<'static, str>, u64>,
    /// Parse messages from clients.
    pub client_parses: u64,
    /// Parse messages to the server.
    pub server_parses: u64,
    /// Bind messages.
    pub binds: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
}

impl TransactionStats {
    /// Adds another minute.
    pub fn merge(&mut self, other: &Self) {
        self.transactions += other.transactions;
        self.blocks += other.blocks;
        self.pinned += other.pinned;
        self.block_duration.merge(&other.block_duration);
        self.duration += other.duration;
        self.wait += other.wait;
        self.idle += other.idle;
        if other.longest_idle > self.longest_idle {
            self.longest_idle = other.longest_idle;
            self.idle_after = other.idle_after;
        }
        self.statements += other.statements;
        self.block_statements += other.block_statements;
        for (reason, count) in &other.pin_reasons {
            *self.pin_reasons.entry(reason.clone()).or_default() += count;
        }
        self.client_parses += other.client_parses;
        self.server_parses += other.server_parses;
        self.binds += other.binds;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
    }
}

/// What a pool went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolMinute {
    /// Time that transactions waited for a server connection, each transaction once.
    pub wait: Histogram,
    /// Time that transactions held one.
    pub held: Histogram,
    /// Ticks at which the pool was looked at.
    pub samples: u64,
    /// Of these, with clients in the queue.
    pub samples_waiting: u64,
    /// The longest queue seen.
    pub most_waiting: u32,
    /// Pinned clients, summed over the ticks.
    pub pinned: u64,
    /// The most server connections in use.
    pub most_active: u32,
    /// Server connections allowed.
    pub size: u32,
    /// Attempts to open a server connection that failed, by code.
    pub connect_failures: BTreeMap<SqlState, u64>,
}

impl PoolMinute {
    /// Adds another minute.
    pub fn merge(&mut self, other: &Self) {
        self.wait.merge(&other.wait);
        self.held.merge(&other.held);
        self.samples += other.samples;
        self.samples_waiting += other.samples_waiting;
        self.most_waiting = self.most_waiting.max(other.most_waiting);
        self.pinned += other.pinned;
        self.most_active = self.most_active.max(other.most_active);
        self.size = self.size.max(other.size);
        for (code, count) in &other.connect_failures {
            *self.connect_failures.entry(*code).or_default() += count;
        }
    }
}

/// Client connections that came and went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Logged in.
    pub opened: u64,
    /// Gone.
    pub closed: u64,
    /// Refused, by code.
    pub refused: BTreeMap<SqlState, u64>,
    /// How long those that are gone were logged in.
    pub lifetime: Histogram,
}

impl ConnectionStats {
    /// Adds another minute.
    pub fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        for (code, count) in &other.refused {
            *self.refused.entry(*code).or_default() += count;
        }
        self.lifetime.merge(&other.lifetime);
    }
}

/// A statement that took long, or one that takes strong locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStatement {
    /// The statement.
    pub fingerprint: FingerprintId,
    /// Who.
    pub labels: LabelId,
    /// The very client.
    pub client: ClientId,
    /// Its transaction, as in [`crate::QueryEvent::transaction`].
    pub transaction: u32,
    /// When it was sent, or had its server connection.
    pub began: Timestamp,
    /// When it ended; of one that keeps its locks, when its transaction did.
    pub ended: Timestamp,
}

/// A transaction that is open now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Whose.
    pub client: ClientId,
    /// Database and user.
    pub pool: PoolKey,
    /// `application_name`.
    pub application: Arc<str>,
    /// When it began.
    pub began: Timestamp,
    /// Since when its client has been silent; none while a statement runs.
    pub silent_since: Option<Timestamp>,
    /// The statement that runs, or ran last.
    pub statement: ShapeId,
}

/// What is known of a fingerprint.
#[derive(Clone, Debug, Default)]
pub struct ShapeInfo {
    /// Its shapes, those seen so far.
    pub shapes: Vec<ShapeId>,
    /// Its strict ids, those seen so far.
    pub strict_ids: Vec<StrictId>,
    /// The normalised text, for reading.
    pub text: Arc<str>,
    /// What it does and to which tables, such as `SELECT orders customers`; empty of the past.
    pub summary: Arc<str>,
    /// Statement class, such as `SELECT`.
    pub class: Cow<'static, str>,
    /// Whether sqlparser could read it; none while it has not been tried.
    pub parsed: Option<bool>,
    /// First seen.
    pub first_seen: Timestamp,
    /// Last seen.
    pub last_seen: Timestamp,
    /// The slowest execution of late, values and all. Never shown as it is.
    pub sample: Option<Arc<Sample>>,
    /// How long that execution took, waiting left out.
    pub sample_took: Duration,
    /// When it ended.
    pub sample_at: Option<Timestamp>,
    /// Executions of late with their time in the database, ms, the fastest first. Never shown.
    pub samples: Vec<(f64, Arc<Sample>)>,
    /// The database that the sample was run in.
    pub sample_database: Option<Arc<str>>,
}

/// How complete the picture is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coverage {
    /// Statements measured since the start.
    pub statements: u64,
    /// Of these, counted in the others row.
    pub others: u64,
    /// Events dropped since the start.
    pub dropped: u64,
    /// Fingerprints known.
    pub fingerprints: u64,
    /// The most that are kept.
    pub fingerprint_limit: u64,
    /// Fingerprints that sqlparser could read.
    pub parsed: u64,
}

/// An immutable picture of the statistics at a tick.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub taken_at: Timestamp,
    /// When measuring began.
    pub started_at: Timestamp,
    /// Since when what was measured is looked at by detectors; what is from before a restart is not.
    pub examined_since: Timestamp,
    /// Minutes kept, the oldest first; the last is the current one, incomplete.
    pub minutes: VecDeque<Arc<Minute>>,
    /// What the fingerprints mean.
    pub shapes: HashMap<FingerprintId, ShapeInfo>,
    /// What the label ids mean.
    pub labels: HashMap<LabelId, Arc<Labels>>,
    /// Pools now.
    pub pools: Vec<PoolStatus>,
    /// Client connections now.
    pub clients: u64,
    /// Transactions open now, the oldest first; not all of them.
    pub open_transactions: Vec<OpenTransaction>,
    /// How complete all this is.
    pub coverage: Coverage,
    /// Since the start, by database: what SHOW STATS counts.
    pub database_totals: BTreeMap<Arc<str>, TransactionStats>,
    /// Of these, those of the last minute that is over: none is folded into the others row, as kinds of
    /// clients are in [`Self::minutes`].
    pub last_minute: BTreeMap<Arc<str>, TransactionStats>,
}

/// Minutes merged into one.
#[derive(Clone, Debug, Default)]
pub struct WindowStats {
    /// From when.
    pub since: Timestamp,
    /// To when.
    pub until: Timestamp,
    /// Statements.
    pub queries: HashMap<RowKey, QueryStats>,
    /// Transactions.
    pub transactions: HashMap<LabelId, TransactionStats>,
    /// Pools.
    pub pools: HashMap<PoolKey, PoolMinute>,
    /// Client connections.
    pub connections: ConnectionStats,
    /// Those that were logged in, by kind of client.
    pub arrivals: HashMap<LabelId, ConnectionStats>,
    /// Statements that took long.
    pub slow: Vec<SlowStatement>,
    /// Events dropped.
    pub dropped: u64,
}

impl Snapshot {
    /// Merges the minutes that overlap the last `since` before the snapshot was taken.
    ///
    /// Minutes are the grain: one that overlaps in part is taken whole, and `WindowStats::since`
    /// says from when on data was taken.
    #[must_use]
    pub fn window(&self, since: Duration) -> WindowStats {
        let span = jiff::SignedDuration::try_from(since).unwrap_or(jiff::SignedDuration::MAX);
        let from = self.taken_at.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH);
        self.between(from, self.taken_at)
    }

    /// Merges the minutes that overlap `from..=until`; see [`Self::window`].
    #[must_use]
    pub fn between(&self, from: Timestamp, until: Timestamp) -> WindowStats {
        let first = from.as_second().div_euclid(60);
        let last = until.as_second().div_euclid(60);
        // Minutes that are no longer kept must not seem to have been quiet.
        let kept = self.minutes.front().map_or(first, |oldest| oldest.minute);
        let overlapping = || self.minutes.iter().filter(|m| m.overlaps(first, last));
        // Hours and days are taken whole too.
        let begins = overlapping().map(|m| m.minute).min().map_or(first, |m| m.min(first));
        let ends = overlapping().map(|m| m.end()).max().map_or(last, |end| last.max(end - 1));
        let start = Timestamp::from_second(begins.max(kept).saturating_mul(60)).unwrap_or(from);
        let start = start.max(self.started_at);
        let end = Timestamp::from_second(ends.saturating_add(1).saturating_mul(60));
        let end = end.unwrap_or(until).min(self.taken_at);
        let mut window = WindowStats { since: start, until: end, ..WindowStats::default() };
        for minute in overlapping() {
            for (key, stats) in &minute.queries {
                window.queries.entry(*key).or_default().merge(stats);
            }
            for (labels, stats) in &minute.transactions {
                window.transactions.entry(*labels).or_default().merge(stats);
            }
            for (pool, stats) in &minute.pools {
                window.pools.entry(pool.clone()).or_default().merge(stats);
            }
            window.connections.merge(&minute.connections);
            for (labels, stats) in &minute.arrivals {
                window.arrivals.entry(*labels).or_default().merge(stats);
            }
            window.slow.extend(&minute.slow);
            window.dropped += minute.dropped;
        }
        window
    }
}
