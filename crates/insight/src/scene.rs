//! For tests: one client's traffic on a clock of its own, and what the detectors would see of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{
    CatalogFacts, ClientId, ColumnFacts, ConnectionEvent, DatabaseFacts, Event, IndexFacts,
    LabelId, LabelRegistry, Labels, Outcome, ParameterFormat, PlannerSetting, PoolKey, PoolMode,
    PoolStatus, QueryEvent, Sample, SampleParameter, ShapeId, Snapshot, SqlState, TableFacts,
    TransactionEvent,
};
use sql::ShapeRegistry;

use crate::detectors::Inputs;
use crate::{Aggregator, AggregatorSettings, DetectionSettings, Workload};

pub(crate) struct Scene {
    pub(crate) aggregator: Aggregator,
    pub(crate) shapes: ShapeRegistry,
    pub(crate) labels: LabelRegistry,
    pub(crate) catalog: CatalogFacts,
    pub(crate) settings: DetectionSettings,
    /// Who sends the next statement.
    pub(crate) client: u64,
    /// Why it is pinned.
    pub(crate) pinned: Option<&'static str>,
    /// Parse and Bind messages of each transaction.
    pub(crate) messages: (u32, u32),
    label: LabelId,
    started_at: Timestamp,
    started: Instant,
    clock: Duration,
    transaction: u32,
    block: Option<Block>,
}

/// An open transaction.
#[derive(Clone, Copy)]
struct Block {
    began: Duration,
    wait: Duration,
    idle: Duration,
    longest_idle: Duration,
    idle_after: ShapeId,
    last: ShapeId,
    statements: u32,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(AggregatorSettings::default())
    }

    pub(crate) fn with(settings: AggregatorSettings) -> Self {
        let labels = LabelRegistry::new(100);
        let started = Instant::now();
        // 2026-11-23 20:15:00 UTC.
        let started_at = Timestamp::from_second(1_795_464_900).expect("a valid second");
        Self {
            aggregator: Aggregator::new(settings, started_at, started),
            shapes: ShapeRegistry::new(10_000),
            label: labels.intern(named("shop", "web", "storefront")),
            labels,
            catalog: CatalogFacts { read_at: Some(started_at), ..CatalogFacts::default() },
            settings: DetectionSettings::default(),
            client: 1,
            pinned: None,
            messages: (0, 0),
            started_at,
            started,
            clock: Duration::ZERO,
            transaction: 0,
            block: None,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.started_at + self.clock
    }

    pub(crate) fn application(&mut self, name: &str) {
        self.label = self.labels.intern(named("shop", "web", name));
    }

    pub(crate) fn statement<'a>(&'a mut self, text: &'a str) -> Statement<'a> {
        Statement {
            scene: self,
            text,
            values: 0,
            rows: 1,
            wait: Duration::ZERO,
            work: Duration::from_micros(200),
            outcome: Outcome::Done,
            prepared_literals: None,
            stalled: Duration::ZERO,
            sent: 500,
            types: &[],
            bound: Vec::new(),
            settings: Vec::new(),
        }
    }

    pub(crate) fn pause(&mut self, milliseconds: u64) {
        self.clock += Duration::from_millis(milliseconds);
    }

    pub(crate) fn begin(&mut self) {
        self.transaction += 1;
        self.block = Some(Block {
            began: self.clock,
            wait: Duration::ZERO,
            idle: Duration::ZERO,
            longest_idle: Duration::ZERO,
            idle_after: ShapeId::OTHERS,
            last: ShapeId::OTHERS,
            statements: 0,
        });
        self.statement("BEGIN").rows(0).run();
    }

    /// Back in time: what others did meanwhile comes next.
    pub(crate) fn back(&mut self, milliseconds: u64) {
        self.clock -= Duration::from_millis(milliseconds);
    }

    /// The next client comes.
    pub(crate) fn connect(&mut self) {
        self.client += 1;
        let event = ConnectionEvent::Opened { client: ClientId(self.client), labels: self.label };
        self.aggregator.apply(
            &mut Event::Connection(event),
            self.now(),
            &self.shapes,
            &self.labels,
        );
    }

    /// No server connection can be opened for a database.
    pub(crate) fn connect_fails(&mut self, database: &str) {
        let pool = PoolKey { database: database.into(), user: "web".into() };
        let event =
            ConnectionEvent::ServerFailed { pool, sqlstate: SqlState::from_bytes(b"3D000") };
        self.aggregator.apply(
            &mut Event::Connection(event),
            self.now(),
            &self.shapes,
            &self.labels,
        );
    }

    /// The client goes.
    pub(crate) fn disconnect(&mut self, lifetime_ms: u64) {
        let event = ConnectionEvent::Closed {
            client: ClientId(self.client),
            labels: self.label,
            lifetime: Duration::from_millis(lifetime_ms),
        };
        self.aggregator.apply(
            &mut Event::Connection(event),
            self.now(),
            &self.shapes,
            &self.labels,
        );
    }

    /// The client is silent inside its transaction.
    pub(crate) fn idle(&mut self, milliseconds: u64) {
        let silence = Duration::from_millis(milliseconds);
        self.clock += silence;
        if let Some(block) = &mut self.block {
            block.idle += silence;
            if silence > block.longest_idle {
                block.longest_idle = silence;
                block.idle_after = block.last;
            }
        }
    }

    pub(crate) fn commit(&mut self) {
        self.statement("COMMIT").rows(0).run();
        if let Some(block) = self.block.take() {
            self.end_transaction(block);
        }
    }

    fn end_transaction(&mut self, block: Block) {
        let event = self.transaction_event(block, true);
        self.apply(Event::Transaction(event));
    }

    fn apply(&mut self, mut event: Event) {
        self.aggregator.apply(&mut event, self.now(), &self.shapes, &self.labels);
    }

    fn transaction_event(&self, block: Block, explicit: bool) -> TransactionEvent {
        TransactionEvent {
            client: ClientId(self.client),
            transaction: self.transaction,
            labels: self.label,
            block: explicit,
            pinned: self.pinned,
            finished: self.started + self.clock,
            duration: self.clock - block.began,
            wait: block.wait,
            idle: block.idle,
            longest_idle: block.longest_idle,
            idle_after: block.idle_after,
            statements: block.statements,
            client_parses: self.messages.0,
            server_parses: self.messages.0,
            binds: self.messages.1,
            bytes_received: 60,
            bytes_sent: 500,
        }
    }

    /// A tick's look at the only pool.
    pub(crate) fn pool_look(&mut self, size: u32, waiting: u32) {
        self.pool(size, waiting, 0);
    }

    /// The same, with so many pinned clients.
    pub(crate) fn pool_pinned(&mut self, size: u32, pinned: u32) {
        self.pool(size, 0, pinned);
    }

    fn pool(&mut self, size: u32, waiting: u32, pinned: u32) {
        self.aggregator.note_pools(&[PoolStatus {
            key: PoolKey { database: "shop".into(), user: "web".into() },
            mode: PoolMode::Transaction,
            clients_active: 1,
            clients_waiting: waiting,
            clients_pinned: pinned,
            cancels_active: 0,
            servers_active: size,
            servers_idle: 0,
            servers_tested: 0,
            servers_login: 0,
            size,
            longest_wait: Duration::ZERO,
            wait_p95: Duration::ZERO,
            transactions: 900,
            pinned_transactions: 30,
            load_balance_hosts: None,
            rejected: model::Rejections::default(),
            paused: false,
            last_failure: None,
        }]);
    }

    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let now = self.now();
        self.aggregator.snapshot(now, &self.labels)
    }

    /// Shows what was measured, with the default window.
    pub(crate) fn look<R>(mut self, detect: impl FnOnce(&Inputs<'_>) -> R) -> R {
        let snapshot = self.snapshot();
        let window = snapshot.window(self.settings.window);
        let workload = Workload::new(&snapshot, &window);
        detect(&Inputs {
            snapshot: &snapshot,
            window: &window,
            workload: &workload,
            catalog: &self.catalog,
            shapes: &self.shapes,
            settings: &self.settings,
        })
    }
}

fn named(database: &str, user: &str, application: &str) -> Labels {
    Labels::new(database, user, application)
}

/// A statement to run.
pub(crate) struct Statement<'a> {
    scene: &'a mut Scene,
    text: &'a str,
    values: u64,
    rows: u64,
    wait: Duration,
    work: Duration,
    outcome: Outcome,
    prepared_literals: Option<u64>,
    stalled: Duration,
    sent: u64,
    types: &'a [u32],
    bound: Vec<SampleParameter>,
    settings: Vec<PlannerSetting>,
}

impl<'a> Statement<'a> {
    /// Its client had set this.
    pub(crate) fn with_setting(mut self, name: &str, source: &str) -> Self {
        self.settings.push(PlannerSetting { name: name.into(), source: source.into() });
        self
    }

    /// It was prepared, with literals of this hash in its text.
    pub(crate) fn prepared(self, literals: u64) -> Self {
        Self { prepared_literals: Some(literals), ..self }
    }

    /// It was prepared with parameters of these types, and bound to these values, as text.
    pub(crate) fn bound(self, types: &'a [u32], values: &[&str]) -> Self {
        let bound = values.iter().map(|value| SampleParameter {
            format: ParameterFormat::Text,
            value: Some(value.as_bytes().into()),
        });
        Self { types, bound: bound.collect(), prepared_literals: Some(0), ..self }
    }

    pub(crate) fn stalled_ms(self, milliseconds: u64) -> Self {
        Self { stalled: Duration::from_millis(milliseconds), ..self }
    }

    pub(crate) fn bytes(self, sent: u64) -> Self {
        Self { sent, ..self }
    }

    pub(crate) fn values(self, values: u64) -> Self {
        Self { values, ..self }
    }

    pub(crate) fn rows(self, rows: u64) -> Self {
        Self { rows, ..self }
    }

    pub(crate) fn wait_ms(self, milliseconds: u64) -> Self {
        Self { wait: Duration::from_millis(milliseconds), ..self }
    }

    pub(crate) fn work_ms(self, milliseconds: u64) -> Self {
        Self { work: Duration::from_millis(milliseconds), ..self }
    }

    pub(crate) fn fails(self, code: &str) -> Self {
        Self { outcome: Outcome::Failed(SqlState::from_bytes(code.as_bytes())), ..self }
    }

    pub(crate) fn lost(self) -> Self {
        Self { outcome: Outcome::Lost, ..self }
    }

    pub(crate) fn run(self) {
        let scene = self.scene;
        let shape = scene.shapes.observe_one(self.text.as_bytes()).shape;
        if shape.parsed().is_none() {
            shape.set_facts(sql::facts(self.text));
        }
        let began = scene.clock;
        scene.clock += self.wait + self.work;
        if scene.block.is_none() {
            scene.transaction += 1;
        }
        let sample = shape.take_sample_request().then(|| {
            Box::new(Sample {
                text: self.text.into(),
                parameter_types: Arc::from(self.types),
                parameters: self.bound.clone(),
                settings: self.settings.clone().into(),
            })
        });
        let mut event = QueryEvent {
            client: ClientId(scene.client),
            transaction: scene.transaction,
            in_block: scene.block.is_some(),
            shape: shape.id,
            labels: scene.label,
            values: self.values,
            prepared_literals: self.prepared_literals,
            finished: scene.started + scene.clock,
            wait: self.wait,
            first_byte: self.work,
            total: self.wait + self.work,
            stalled: self.stalled,
            rows: self.rows,
            bytes_received: 60,
            bytes_sent: self.sent,
            outcome: self.outcome,
            sample,
            tags: None,
            trace: None,
            alone: None,
        };
        if let Some(block) = &mut scene.block {
            block.wait += self.wait;
            block.last = shape.id;
            block.statements += 1;
            return scene.apply(Event::Query(event));
        }
        let single = Block {
            began,
            wait: self.wait,
            idle: Duration::ZERO,
            longest_idle: Duration::ZERO,
            idle_after: ShapeId::OTHERS,
            last: shape.id,
            statements: 1,
        };
        let whole = scene.transaction_event(single, false);
        let absorbed = event.absorb(&whole);
        scene.apply(Event::Query(event));
        if !absorbed {
            scene.apply(Event::Transaction(whole));
        }
    }
}

/// A table with `columns`, each with its number of distinct values, and a primary key on the first.
pub(crate) fn table(name: &str, rows: f64, columns: &[(&str, f64)]) -> TableFacts {
    let key = columns.first().map_or("id", |(name, _)| *name);
    TableFacts {
        schema: "public".to_owned(),
        name: name.to_owned(),
        rows,
        bytes: (rows * 100.0) as u64,
        columns: columns
            .iter()
            .map(|(name, distinct)| ColumnFacts {
                name: (*name).to_owned(),
                type_name: "bigint".to_owned(),
                distinct: Some(*distinct),
                width: Some(8.0),
                ..ColumnFacts::default()
            })
            .collect(),
        indexes: vec![IndexFacts { primary: true, unique: true, ..index(&[key]) }],
        ..TableFacts::default()
    }
}

/// A plain, valid B-tree.
pub(crate) fn index(columns: &[&str]) -> IndexFacts {
    IndexFacts {
        name: format!("on_{}", columns.join("_")),
        method: "btree".to_owned(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        valid: true,
        ..IndexFacts::default()
    }
}

/// A shop with these tables, and without HypoPG.
pub(crate) fn shop(tables: Vec<TableFacts>) -> DatabaseFacts {
    DatabaseFacts { search_path: vec!["public".to_owned()], tables, ..DatabaseFacts::default() }
}
