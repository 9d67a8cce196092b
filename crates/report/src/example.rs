//! Published ticks for tests: one of trouble, one of health, one of silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    CatalogFacts, Confidence, Effect, Finding, FingerprintId, Fix, FixResult, LabelId,
    LabelRegistry, Labels, Measured, Minute, NotChecked, ParameterFormat, PoolKey, PoolMinute,
    PoolMode, PoolStatus, Published, QueryStats, RowKey, Sample, SampleParameter, Severity,
    ShapeId, ShapeInfo, SideEffect, Snapshot, SqlState, StrictId, TransactionStats,
};

use crate::{Moment, ProcessFacts, Report, ReportOptions};

fn at(second: i64) -> Timestamp {
    // 2026-11-23 20:15:00 UTC.
    Timestamp::from_second(1_795_464_900 + second).expect("a valid second")
}

pub(crate) fn process() -> ProcessFacts {
    ProcessFacts { version: "0.1.0".to_owned(), started_at: at(-900) }
}

fn key() -> PoolKey {
    PoolKey { database: "shop".into(), user: "web".into() }
}

fn stats(calls: u64, milliseconds: f64, wait_ms: f64) -> QueryStats {
    let mut stats = QueryStats {
        calls,
        rows: calls * 3,
        bytes_received: calls * 60,
        bytes_sent: calls * 500,
        ..QueryStats::default()
    };
    for call in 0..calls {
        // Spread evenly between half and one and a half of the mean.
        let spread = 0.5 + call as f64 / calls as f64;
        let (work, wait) = (milliseconds * spread / 1e3, wait_ms * spread / 1e3);
        stats.total.record(Duration::from_secs_f64(work + wait));
        stats.wait.record(Duration::from_secs_f64(wait));
        stats.first_byte.record(Duration::from_secs_f64(work * 0.9));
    }
    stats
}

/// The report on `published`.
pub(crate) fn report(published: &Published, options: &ReportOptions) -> Report {
    Report::build(published, options, &process()).expect("the options are right")
}

/// The last five minutes, and the ten before.
pub(crate) fn since_the_deploy() -> ReportOptions {
    ReportOptions {
        since: Moment::Ago(Duration::from_secs(4 * 60)),
        compare: Some(Duration::from_secs(10 * 60)),
        ..ReportOptions::default()
    }
}

struct Builder {
    /// A quarter of an hour, the oldest first.
    minutes: Vec<Minute>,
    snapshot: Snapshot,
    registry: LabelRegistry,
}

impl Builder {
    fn new() -> Self {
        let snapshot = Snapshot { taken_at: at(30), started_at: at(-900), ..Snapshot::default() };
        let now = at(0).as_second() / 60;
        let minutes = (now - 15..=now).map(|minute| Minute { minute, ..Minute::default() });
        Self { minutes: minutes.collect(), snapshot, registry: LabelRegistry::new(10) }
    }

    fn labels(&mut self, application: &str) -> LabelId {
        let labels =
            Labels { database: "shop".into(), user: "web".into(), application: application.into() };
        let id = self.registry.intern(labels);
        self.snapshot.labels.insert(id, self.registry.get(id));
        id
    }

    /// A statement that ran in the current minute.
    fn query(&mut self, id: u64, text: &str, application: &str, stats: QueryStats) {
        self.queries(id, text, application, |minute| (minute == 15).then(|| stats.clone()));
    }

    /// A statement, by minute, of which the last is number 15.
    fn queries(
        &mut self,
        id: u64,
        text: &str,
        application: &str,
        stats: impl Fn(usize) -> Option<QueryStats>,
    ) {
        let labels = self.labels(application);
        let fingerprint = FingerprintId(id);
        for (at, minute) in self.minutes.iter_mut().enumerate() {
            if let Some(stats) = stats(at) {
                minute.queries.insert(RowKey { fingerprint, labels }, stats);
            }
        }
        let info = ShapeInfo {
            shapes: vec![ShapeId(id + 1)],
            strict_ids: vec![StrictId(id + 1)],
            text: text.into(),
            class: text.split(' ').next().map_or("", |word| match word {
                "SELECT" => "SELECT",
                "BEGIN" => "BEGIN",
                _ => "OTHER",
            }),
            parsed: Some(true),
            first_seen: at(-800),
            last_seen: at(29),
            ..ShapeInfo::default()
        };
        self.snapshot.shapes.insert(fingerprint, info);
    }

    fn sample(&mut self, id: u64) {
        let value = |format, bytes: &[u8]| SampleParameter { format, value: Some(bytes.into()) };
        let shape = self.snapshot.shapes.entry(FingerprintId(id)).or_default();
        shape.sample = Some(Arc::new(Sample {
            text: format!("/* 4242424242 */ {}", shape.text).into(),
            parameter_types: Arc::from([20, 0]),
            parameters: vec![
                value(ParameterFormat::Binary, &4_242_424_242i64.to_be_bytes()),
                value(ParameterFormat::Text, b"10"),
            ],
        }));
        shape.sample_took = Duration::from_millis(291);
        shape.sample_at = Some(at(-37));
        shape.sample_database = Some("shop".into());
    }

    fn transactions(&mut self, application: &str) {
        let labels = self.labels(application);
        let mut transactions = TransactionStats {
            transactions: 100,
            blocks: 60,
            pinned: 30,
            statements: 320,
            idle: Duration::from_secs(9),
            longest_idle: Duration::from_millis(700),
            idle_after: ShapeId(0xa2),
            ..TransactionStats::default()
        };
        for _ in 0..60 {
            transactions.block_duration.record(Duration::from_millis(500));
        }
        if let Some(current) = self.minutes.last_mut() {
            current.transactions.insert(labels, transactions);
            (current.connections.opened, current.connections.closed) = (12, 3);
            current.connections.lifetime.record(Duration::from_secs(90));
            current.connections.refused.insert(SqlState::from_bytes(b"28P01"), 2);
        }
    }

    fn pool(&mut self, minute: PoolMinute, waiting: u32) {
        if let Some(current) = self.minutes.last_mut() {
            current.pools.insert(key(), minute);
        }
        self.snapshot.pools.push(PoolStatus {
            key: key(),
            mode: PoolMode::Transaction,
            clients_active: 190,
            clients_waiting: waiting,
            clients_pinned: 0,
            cancels_active: 0,
            servers_active: 10,
            servers_idle: 0,
            servers_tested: 0,
            servers_login: 0,
            size: 10,
            longest_wait: Duration::ZERO,
            wait_p95: Duration::ZERO,
            transactions: 900,
            pinned_transactions: 30,
            paused: false,
            last_failure: None,
        });
    }

    fn published(mut self, findings: Vec<Finding>, not_checked: Vec<NotChecked>) -> Published {
        self.snapshot.clients = 200;
        self.snapshot.coverage.fingerprint_limit = 5_000;
        self.snapshot.minutes.extend(self.minutes.into_iter().map(Arc::new));
        let catalog = CatalogFacts {
            read_at: Some(at(18)),
            server_version: 150_004,
            ..CatalogFacts::default()
        };
        let checked = ["error_rate", "idle_in_transaction", "missing_index", "n_plus_one"];
        Published {
            snapshot: Arc::new(self.snapshot),
            catalog: Arc::new(catalog),
            findings,
            checked: checked.map(str::to_owned).into(),
            not_checked,
            results: Vec::new(),
        }
    }
}

pub(crate) fn busy() -> Published {
    let mut builder = Builder::new();
    let orders = "SELECT id, state, created_at FROM orders WHERE customer_id = $1 \
                  ORDER BY created_at DESC LIMIT $2";
    builder.queries(0xa1, orders, "shop", |minute| {
        let mut failing = stats(20, 120.0 + 8.0 * minute as f64, 0.0);
        if minute > 13 {
            failing.errors.insert(SqlState::from_bytes(b"57014"), 1);
        }
        Some(failing)
    });
    builder
        .queries(0xa1, orders, "checkout", |minute| (minute > 10).then(|| stats(20, 200.0, 0.0)));
    builder.sample(0xa1);
    builder.queries(0xb2, "SELECT * FROM products WHERE id = $1", "shop", |_| {
        Some(stats(125, 0.3, 0.0))
    });
    builder
        .queries(0xc3, "BEGIN", "checkout", |minute| (minute > 10).then(|| stats(20, 0.05, 900.0)));
    builder.transactions("checkout");
    let mut pool = PoolMinute {
        samples: 30,
        samples_waiting: 24,
        most_waiting: 57,
        most_active: 10,
        size: 10,
        ..PoolMinute::default()
    };
    for _ in 0..100 {
        pool.wait.record(Duration::from_millis(900));
        pool.held.record(Duration::from_millis(200));
    }
    pool.connect_failures.insert(SqlState::from_bytes(b"53300"), 3);
    builder.pool(pool, 41);
    let not_checked = vec![NotChecked {
        check: "missing_index: what-if planning in shop".to_owned(),
        why: "HypoPG is not installed there; CREATE EXTENSION hypopg makes it possible".to_owned(),
    }];
    builder.published(vec![missing_index(), saturation()], not_checked)
}

pub(crate) fn healthy() -> Published {
    let mut builder = Builder::new();
    builder.query(0xb2, "SELECT * FROM products WHERE id = $1", "shop", stats(1_000, 0.3, 0.0));
    builder.published(Vec::new(), Vec::new())
}

/// A fix that helped, one that did harm, and a deploy four minutes ago.
pub(crate) fn deployed() -> Published {
    let mut builder = Builder::new();
    let late = |minute: usize| minute > 10;
    builder.queries(0xb2, "SELECT * FROM products WHERE id = $1", "shop", |minute| {
        Some(stats(120, if late(minute) { 4.0 } else { 0.3 }, 0.0))
    });
    builder.queries(0xe5, "UPDATE carts SET total = $1 WHERE id = $2", "shop", |minute| {
        let mut stats = stats(if late(minute) { 90 } else { 30 }, 2.0, 0.0);
        if late(minute) {
            stats.errors.insert(SqlState::from_bytes(b"40001"), 9);
        }
        Some(stats)
    });
    let new = "SELECT c.*, sum(l.price) FROM carts c JOIN cart_lines l ON l.cart_id = c.id \
               WHERE c.session = $1 GROUP BY c.id";
    builder.queries(0xd4, new, "shop", |minute| late(minute).then(|| stats(60, 35.0, 0.0)));
    builder.queries(0xf6, "SELECT count(*) FROM sessions", "shop", |minute| {
        (!late(minute)).then(|| stats(12, 8.0, 0.0))
    });
    let mut published = builder.published(Vec::new(), Vec::new());
    published.results = vec![worse(), better(), measuring()];
    published
}

/// Names and statements that would like to be something else.
pub(crate) fn hostile() -> Published {
    let mut builder = Builder::new();
    let script = "SELECT '</code></pre><script>alert(1)</script>', \"a``` | `b\"\0\x1b[31m";
    builder.query(0xbad, script, "<img src=x onerror=alert(2)>", stats(50, 5.0, 0.0));
    builder.query(
        0xbae,
        "``` <script>alert(3)</script>\n```\n<img src=y>",
        "@everyone | x",
        stats(50, 4.0, 0.0),
    );
    builder.sample(0xbad);
    let mut finding = missing_index();
    finding.title = "<script>alert(4)</script> is slow & `sad` [x](javascript:alert(5))".to_owned();
    finding.why = "\"><img src=z onerror=alert(6)>".to_owned();
    finding.fix.sql = Some("-- ```\n</pre><script>alert(7)</script>".to_owned());
    finding.fix.advice = Some("<b>no</b> advice".to_owned());
    finding.fingerprints = vec![FingerprintId(0xbad)];
    let not_checked =
        vec![NotChecked { check: "<i>x</i>".to_owned(), why: "</li><script>".to_owned() }];
    let mut published = builder.published(vec![finding], not_checked);
    let title = "</h3><script>alert(8)</script>".to_owned();
    published.results = vec![FixResult { title: title.clone(), change: title, ..worse() }];
    published
}

fn measured(calls: u64, per_s: f64, mean_ms: f64, p95_ms: f64, share: f64) -> Measured {
    Measured {
        since: at(-800),
        until: at(-400),
        calls,
        calls_per_s: per_s,
        mean_ms,
        database_mean_ms: mean_ms,
        p95_ms,
        share_of_time: share,
    }
}

fn better() -> FixResult {
    let finding = missing_index();
    FixResult {
        detector: finding.detector,
        severity: finding.severity,
        title: finding.title,
        database: finding.database,
        fingerprints: finding.fingerprints,
        tables: finding.tables,
        change: "index orders_customer_id_created_at_idx on public.orders is there".to_owned(),
        changed_at: at(-330),
        unchanged_at: Some(at(-345)),
        effect: Effect::Better,
        before: measured(400, 1.0, 185.0, 287.5, 0.99),
        after: measured(610, 1.85, 0.91, 1.4, 0.21),
        estimate: finding.estimate,
        undo: finding.fix.undo,
        slower: vec![SideEffect {
            fingerprint: FingerprintId(0xab),
            text: "INSERT INTO orders (customer_id, state) VALUES ($1, $2)".to_owned(),
            before_ms: 0.4,
            after_ms: 0.9,
        }],
    }
}

fn worse() -> FixResult {
    FixResult {
        detector: "unused_index".to_owned(),
        title: "index public.products_sku_idx is not used".to_owned(),
        change: "index products_sku_idx on public.products is gone".to_owned(),
        changed_at: at(-120),
        unchanged_at: Some(at(-135)),
        effect: Effect::Worse,
        before: measured(4_000, 10.0, 0.3, 0.5, 0.2),
        after: measured(1_200, 10.0, 6.2, 11.0, 0.81),
        undo: Some(
            "CREATE INDEX CONCURRENTLY products_sku_idx ON public.products (sku);".to_owned(),
        ),
        slower: Vec::new(),
        ..better()
    }
}

fn measuring() -> FixResult {
    FixResult {
        effect: Effect::Measuring,
        after: measured(3, 0.2, 0.9, 1.0, 0.0),
        slower: Vec::new(),
        ..better()
    }
}

pub(crate) fn silent() -> Published {
    Builder::new().published(Vec::new(), Vec::new())
}

fn missing_index() -> Finding {
    let sql = "CREATE INDEX CONCURRENTLY orders_customer_id_created_at_idx \
               ON public.orders (customer_id, created_at);";
    let undo = "DROP INDEX CONCURRENTLY public.orders_customer_id_created_at_idx;";
    Finding {
        detector: "missing_index".to_owned(),
        severity: Severity::Warning,
        title: "public.orders has no index on (customer_id, created_at)".to_owned(),
        why: "400 executions read the whole table of 1,500,000 rows for a few of them; that is \
              99 % of all time spent in the database"
            .to_owned(),
        evidence: BTreeMap::from([
            ("calls".to_owned(), 400u64.into()),
            ("mean_ms".to_owned(), 185.0.into()),
            ("p95_ms".to_owned(), 287.5.into()),
            ("share_of_time_ratio".to_owned(), 0.99.into()),
            ("table_rows".to_owned(), 1_500_000u64.into()),
        ]),
        fingerprints: vec![FingerprintId(0xa1)],
        tables: vec!["public.orders".to_owned()],
        database: Some("shop".to_owned()),
        fix: Fix { sql: Some(sql.to_owned()), undo: Some(undo.to_owned()), advice: None },
        estimate: BTreeMap::from([
            ("cost_ratio".to_owned(), 0.0004.into()),
            ("index_bytes".to_owned(), 47_185_920u64.into()),
        ]),
        confidence: Confidence::Medium,
        runbook: "detectors/missing_index.md".to_owned(),
        harm_ms: 73_000.0,
    }
}

fn saturation() -> Finding {
    Finding {
        detector: "pool_saturation".to_owned(),
        severity: Severity::Critical,
        title: "pool shop/web is too busy: clients wait longer than they work".to_owned(),
        why: "95 % of transactions waited up to 900 ms for one of 10 server connections".to_owned(),
        evidence: BTreeMap::from([("wait_p95_ms".to_owned(), 900.0.into())]),
        fingerprints: Vec::new(),
        tables: Vec::new(),
        database: Some("shop".to_owned()),
        fix: Fix {
            sql: None,
            undo: None,
            advice: Some("Make the top statements faster first. Then raise pool_size.".to_owned()),
        },
        estimate: BTreeMap::new(),
        confidence: Confidence::High,
        runbook: "detectors/pool_saturation.md".to_owned(),
        harm_ms: 90_000.0,
    }
}
