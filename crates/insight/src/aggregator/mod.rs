//! Events in, snapshots out.

mod busiest;
mod cumulative;
mod keys;
mod kinds;
mod known;
mod minute;
mod places;
mod row;
mod runs;
mod slow;
mod transactions;
mod watches;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{
    Binned, ConnectionEvent, Coverage, Event, FingerprintId, HeldLabels, HostStatus, LabelRegistry,
    Minute, OpenTransaction, PoolMode, PoolStatus, QueryEvent, RowKey, Snapshot, Totals,
    TransactionEvent, TransactionStats,
};
use sql::{Class, ShapeRegistry};

use busiest::Busiest;
use cumulative::Cumulative;
use keys::KeyTracker;
use kinds::Kinds;
use known::KnownShapes;
use minute::OpenMinute;
use places::{Place, Places};
use row::Times;
use runs::{EndedRun, RunTracker};
use slow::SlowTracker;
pub use watches::{Watch, Watched, Watches};

/// The bounds of an [`Aggregator`]. What lies beyond them is counted in others rows.
#[derive(Clone, Debug)]
pub struct AggregatorSettings {
    /// Fingerprints told apart.
    pub fingerprint_limit: usize,
    /// Minutes kept, the current one included.
    pub minutes_kept: usize,
    /// Rows (fingerprint and kind of client) of the current minute. Beyond it the kinds of clients
    /// are no longer told apart, then the fingerprints.
    pub row_limit: usize,
    /// Kinds of clients of the current minute, of transactions and of connections.
    pub kind_limit: usize,
    /// Rows of a complete minute; the rest, those with the least time, go to the others row. So it is
    /// with its kinds of clients.
    pub rows_kept: usize,
    /// Rows of a minute older than [`Self::recent_minutes`].
    pub old_rows_kept: usize,
    /// Minutes that keep [`Self::rows_kept`] rows: the window that the detectors look at.
    pub recent_minutes: usize,
    /// Clients whose bursts and transactions are followed at one time.
    pub client_limit: usize,
    /// Fingerprints whose next execution is asked for as a sample each minute, by time.
    pub samples_each_minute: usize,
    /// Fingerprints that are counted apart since the start, those with the most time.
    pub busiest: usize,
}

impl Default for AggregatorSettings {
    /// Some 400 MB under the worst traffic there is, a few MB under usual traffic: a row is 1 to
    /// 4 kB.
    fn default() -> Self {
        Self {
            fingerprint_limit: 5_000,
            minutes_kept: 60,
            row_limit: 6_000,
            kind_limit: 10_000,
            rows_kept: 2_000,
            old_rows_kept: 500,
            recent_minutes: 15,
            client_limit: 20_000,
            samples_each_minute: 50,
            busiest: 50,
        }
    }
}

/// Sums up what the data path says, minute by minute.
#[derive(Debug)]
pub struct Aggregator {
    settings: AggregatorSettings,
    started_at: Timestamp,
    /// The instant of `started_at`: events carry instants, ticks carry timestamps.
    started: Instant,
    current: OpenMinute,
    /// Complete, but not yet shown to a label registry, which names their pools.
    closing: Vec<OpenMinute>,
    kept: VecDeque<Arc<Minute>>,
    /// The minute that was completed last, and its transactions by database.
    last_minute: (i64, BTreeMap<Arc<str>, TransactionStats>),
    known: KnownShapes,
    runs: RunTracker,
    watches: Watches,
    ended: Vec<EndedRun>,
    keys: KeyTracker,
    slow: SlowTracker,
    open_transactions: Vec<OpenTransaction>,
    kinds: Kinds,
    places: Places,
    /// Transactions at the places of databases.
    of_databases: Vec<TransactionStats>,
    cumulative: Cumulative,
    busiest: Busiest,
    pools: Vec<PoolStatus>,
    hosts: Vec<HostStatus>,
    clients: u64,
    statements: u64,
    others: u64,
    dropped: u64,
}

impl Aggregator {
    /// An empty aggregator. `now` is the instant of `started_at`.
    #[must_use]
    pub fn new(settings: AggregatorSettings, started_at: Timestamp, now: Instant) -> Self {
        Self {
            current: OpenMinute::new(minute_of(started_at)),
            closing: Vec::new(),
            kept: VecDeque::new(),
            last_minute: Default::default(),
            known: KnownShapes::new(settings.fingerprint_limit),
            runs: RunTracker::new(settings.client_limit),
            watches: Watches::default(),
            ended: Vec::new(),
            keys: KeyTracker::default(),
            slow: SlowTracker::default(),
            open_transactions: Vec::new(),
            kinds: Kinds::default(),
            places: Places::default(),
            of_databases: Vec::new(),
            cumulative: Cumulative::default(),
            busiest: Busiest::new(settings.busiest),
            pools: Vec::new(),
            hosts: Vec::new(),
            clients: 0,
            statements: 0,
            others: 0,
            dropped: 0,
            settings,
            started_at,
            started: now,
        }
    }

    /// Forgets what was measured. What is counted since the start goes on: counters do not go back.
    /// `now` is the instant of `started_at`.
    pub fn reset(&mut self, started_at: Timestamp, now: Instant) {
        let anew = Self::new(self.settings.clone(), started_at, now);
        let before = std::mem::replace(self, anew);
        self.places = before.places;
        self.places.begin_anew();
        self.cumulative = before.cumulative;
        self.busiest = before.busiest;
        self.dropped = before.dropped;
    }

    /// Takes one event; of a statement, the sample. `now` decides the minute it counts in.
    pub fn apply(
        &mut self,
        event: &mut Event,
        now: Timestamp,
        shapes: &ShapeRegistry,
        labels: &LabelRegistry,
    ) {
        self.roll(now);
        match event {
            Event::Query(query) => {
                let place = self.places.of(query.labels, labels);
                let times = Times::of(query);
                self.query(query, place, &times, now, shapes);
                if let Some(whole) = query.transaction() {
                    self.transaction(&whole, place, &times.total, &times.wait);
                }
            }
            Event::Transaction(whole) => {
                let place = self.places.of(whole.labels, labels);
                let (duration, wait) = (Binned::new(whole.duration), Binned::new(whole.wait));
                self.transaction(whole, place, &duration, &wait);
            }
            Event::Connection(connection) => {
                self.cumulative.connection(connection, &mut self.places, labels);
                self.connection(connection);
            }
        }
        if !self.ended.is_empty() {
            self.count_runs();
        }
    }

    /// Notes that the registry has forgotten these kinds of clients, and that all events of theirs have
    /// been taken. What was measured of them stays.
    pub fn forget_kinds(&mut self, forgotten: &[HeldLabels]) {
        for kind in forgotten {
            self.kinds.forget(kind);
            self.places.forget(kind);
        }
    }

    /// Takes a tick's look at the pools.
    pub fn note_pools(&mut self, pools: &[PoolStatus]) {
        for pool in pools {
            let minute = self.current.pool(&pool.key);
            minute.samples += 1;
            minute.samples_waiting += u64::from(pool.clients_waiting > 0);
            // In session mode every client keeps its server connection.
            if pool.mode == PoolMode::Transaction {
                minute.pinned += u64::from(pool.clients_pinned);
            }
            minute.most_waiting = minute.most_waiting.max(pool.clients_waiting);
            minute.most_active = minute.most_active.max(pool.servers_active);
            minute.size = pool.size;
        }
        self.pools = pools.to_vec();
    }

    /// Takes a tick's look at the hosts that pools go to.
    pub fn note_hosts(&mut self, hosts: Vec<HostStatus>) {
        self.hosts = hosts;
    }

    /// Notes that `events` more events were dropped because this side fell behind.
    pub fn note_dropped(&mut self, events: u64) {
        self.dropped += events;
        self.current.minute.dropped += events;
    }

    /// Notes how many clients are connected now.
    pub fn note_clients(&mut self, clients: u64) {
        self.clients = clients;
    }

    /// Notes the transactions that are open now, the oldest first.
    pub fn note_open_transactions(&mut self, open: Vec<OpenTransaction>) {
        self.open_transactions = open;
    }

    /// What is measured beside the minutes.
    pub fn watches(&mut self) -> &mut Watches {
        &mut self.watches
    }

    /// The picture at `now`. Complete minutes are shared with the snapshots before and after; only
    /// the current one is copied.
    pub fn snapshot(&mut self, now: Timestamp, labels: &LabelRegistry) -> Snapshot {
        self.roll(now);
        let since_start = Duration::try_from(now.duration_since(self.started_at));
        let instant = self.started + since_start.unwrap_or_default();
        self.runs.sweep(instant, &mut self.ended);
        self.keys.sweep(instant);
        self.known.ask_for_values();
        self.count_runs();
        self.kinds.learn(self.places.kinds(), labels);
        for minute in std::mem::take(&mut self.closing) {
            // Before kinds of clients are folded, whose database is then known no more.
            let transactions = &minute.minute.transactions;
            let by_database =
                transactions::by_database(transactions, self.kinds.labels(), &mut self.places);
            self.last_minute = (minute.minute.minute, by_database);
            let complete = minute.finish(self.kinds.labels(), self.settings.rows_kept);
            self.kept.push_back(Arc::new(complete));
        }
        self.shrink_old_minutes();
        self.give_up_forgotten_kinds();
        let current = self.current.clone();
        let mut minutes = self.kept.clone();
        minutes.push_back(Arc::new(current.finish(self.kinds.labels(), usize::MAX)));
        let shapes = self.known.describe(self.kinds.labels(), labels);
        let (last, by_database) = &self.last_minute;
        let is_last = *last == minute_of(now) - 1;
        Snapshot {
            taken_at: now,
            started_at: self.started_at,
            examined_since: self.started_at,
            minutes,
            labels: self.kinds.labels().clone(),
            pools: self.pools.clone(),
            clients: self.clients,
            open_transactions: self.open_transactions.clone(),
            coverage: Coverage {
                statements: self.statements,
                others: self.others,
                dropped: self.dropped,
                fingerprints: self.known.len() as u64,
                fingerprint_limit: self.settings.fingerprint_limit as u64,
                parsed: shapes.values().filter(|shape| shape.parsed == Some(true)).count() as u64,
            },
            shapes,
            database_totals: transactions::named(&self.places, &self.of_databases),
            last_minute: if is_last { by_database.clone() } else { BTreeMap::new() },
        }
    }

    /// What was counted since the start; without the detectors' view it costs little.
    #[must_use]
    pub fn totals(&self, now: Timestamp) -> Totals {
        Totals {
            taken_at: now,
            started_at: self.started_at,
            pools: self.cumulative.pools(&self.places),
            fingerprints: self.busiest.totals(),
            refused: self.cumulative.refused.clone(),
            statements: self.statements,
            statements_in_others: self.others,
            dropped: self.dropped,
            fingerprints_known: self.known.len() as u64,
            fingerprint_limit: self.settings.fingerprint_limit as u64,
            pool_status: self.pools.clone(),
            host_status: self.hosts.clone(),
        }
    }

    fn query(
        &mut self,
        event: &mut QueryEvent,
        place: Place,
        times: &Times,
        now: Timestamp,
        shapes: &ShapeRegistry,
    ) {
        let shape = shapes.get(event.shape);
        let class = shape.as_ref().map_or(Class::Other, |shape| shape.class);
        let fingerprint = self.known.meet(shape.as_ref(), now);
        self.cumulative.query(place.pool, event, &times.total);
        self.busiest.observe(event, &times.total, fingerprint, shape.as_ref());
        let (key, row) = self.current.row(
            RowKey { fingerprint, labels: event.labels },
            self.settings.row_limit,
            self.settings.fingerprint_limit,
        );
        self.statements += 1;
        self.others += u64::from(key.fingerprint == FingerprintId::OTHERS);
        row::add(row, event, times);
        if let Some(sample) = &event.sample {
            row::add_sample(row, sample);
        }
        self.keys.observe(event, key.fingerprint, shape.as_deref(), row);
        let (started, started_at) = (self.started, self.started_at);
        let time_of = |at| time_of(at, started, started_at);
        let slow = &mut self.current.minute.slow;
        self.slow.observe(event, key, shape.as_deref(), time_of, slow);
        self.watches.observe(key, event);
        self.runs.observe(event, key, class, &mut self.ended);
        if let Some(sample) = event.sample.take() {
            let took = event.total.saturating_sub(event.wait);
            self.known.keep_sample(fingerprint, *sample, event.labels, took, now);
        }
    }

    fn transaction(
        &mut self,
        event: &TransactionEvent,
        place: Place,
        duration: &Binned,
        wait: &Binned,
    ) {
        self.cumulative.transaction(place.pool, event, duration, wait);
        let transactions = &mut self.current.minute.transactions;
        let kind = minute::kind(transactions, event.labels, self.settings.kind_limit);
        let of_kind = transactions.entry(kind).or_default();
        for stats in [of_kind, places::at(&mut self.of_databases, place.database)] {
            transactions::add(stats, event);
        }
        let without_wait =
            (!wait.is_zero()).then(|| Binned::new(event.duration.saturating_sub(event.wait)));
        self.current.held(kind, wait, without_wait.as_ref().unwrap_or(duration));
        let (started, started_at) = (self.started, self.started_at);
        let time_of = |at| time_of(at, started, started_at);
        self.slow.ended(event, time_of, &mut self.current.minute.slow);
        if event.block {
            self.runs.end_block(event.client, event.transaction, &mut self.ended);
        }
    }

    fn connection(&mut self, event: &ConnectionEvent) {
        let minute = &mut self.current.minute;
        let connections = &mut minute.connections;
        match event {
            ConnectionEvent::Opened { labels, .. } => {
                connections.opened += 1;
                let kind = minute::kind(&minute.arrivals, *labels, self.settings.kind_limit);
                minute.arrivals.entry(kind).or_default().opened += 1;
            }
            ConnectionEvent::Closed { client, labels, lifetime } => {
                connections.closed += 1;
                connections.lifetime.record(*lifetime);
                let kind = minute::kind(&minute.arrivals, *labels, self.settings.kind_limit);
                let arrivals = minute.arrivals.entry(kind).or_default();
                arrivals.closed += 1;
                arrivals.lifetime.record(*lifetime);
                self.slow.forget(*client);
                self.runs.forget(*client, &mut self.ended);
            }
            ConnectionEvent::Refused { sqlstate, .. } => {
                minute::count_code(&mut connections.refused, *sqlstate);
            }
            ConnectionEvent::ServerFailed { pool, sqlstate } => {
                minute::count_code(&mut self.current.pool(pool).connect_failures, *sqlstate);
            }
        }
    }

    fn count_runs(&mut self) {
        for run in self.ended.drain(..) {
            let (_, row) =
                self.current.row(run.key, self.settings.row_limit, self.settings.fingerprint_limit);
            row.repeats += 1;
            row.repeated_calls += run.calls;
            row.longest_repeat = row.longest_repeat.max(run.calls);
        }
    }

    /// Begins a new minute when `now` lies in one. A clock that was set back does not reopen one.
    fn roll(&mut self, now: Timestamp) {
        // For every event: dividing is saved where it is no other minute.
        if now.as_second() < (self.current.minute.minute + 1).saturating_mul(60) {
            return;
        }
        let minute = minute_of(now);
        let oldest = minute.saturating_sub(self.settings.minutes_kept as i64 - 1);
        let complete = std::mem::replace(&mut self.current, OpenMinute::new(minute));
        self.known.ask_for_samples(&complete.minute, self.settings.samples_each_minute);
        self.busiest.end_minute(&complete.minute);
        self.closing.push(complete);
        self.closing.retain(|open| open.minute.minute >= oldest);
        self.kept.retain(|kept| kept.minute >= oldest);
        self.known.forget_before(oldest);
    }

    /// Minutes of which only the largest rows are kept, since few look so far back.
    fn shrink_old_minutes(&mut self) {
        let old = self.kept.len().saturating_sub(self.settings.recent_minutes);
        for minute in self.kept.iter_mut().take(old) {
            if minute::is_larger(minute, self.settings.old_rows_kept) {
                let mut smaller = Minute::clone(minute);
                minute::keep_largest(&mut smaller, self.settings.old_rows_kept);
                *minute = Arc::new(smaller);
            }
        }
    }

    fn give_up_forgotten_kinds(&mut self) {
        self.kinds.give_up(self.current.minute.minute, || {
            let mut named = self.current.labels();
            self.kept.iter().for_each(|minute| minute::labels(minute, &mut named));
            named.extend(self.known.labels());
            named.extend(self.runs.labels());
            named.extend(self.slow.labels());
            named.extend(self.watches.labels());
            named
        });
    }
}

fn time_of(at: Instant, started: Instant, started_at: Timestamp) -> Timestamp {
    let since = at.saturating_duration_since(started);
    started_at.checked_add(since).unwrap_or(Timestamp::MAX)
}

fn minute_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(60)
}

#[cfg(test)]
mod tests;
