//! Published ticks for tests: one of trouble, one of health, one of silence.

mod findings;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    CatalogFacts, DatabaseFacts, Finding, FingerprintId, FixResult, LabelId, LabelRegistry, Labels,
    Minute, NotChecked, ParameterFormat, PlanAnswer, PlanShape, PlanText, PlanVersion, PoolKey,
    PoolMinute, PoolMode, PoolStatus, Published, QueryStats, RowKey, Sample, SampleParameter,
    ShapeId, ShapeInfo, Snapshot, SqlState, StrictId, TransactionStats,
};

use findings::{better, measuring, missing_index, saturation, worse};

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
        let labels = Labels::new("shop", "web", application);
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
            class: text
                .split(' ')
                .next()
                .map_or("", |word| match word {
                    "SELECT" => "SELECT",
                    "BEGIN" => "BEGIN",
                    _ => "OTHER",
                })
                .into(),
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
            ..Sample::default()
        }));
        shape.sample_took = Duration::from_millis(291);
        shape.sample_at = Some(at(-37));
        shape.sample_database = Some("shop".into());
    }

    /// A plan for it, and the one before.
    fn planned(published: &mut Published, id: u64) {
        let plan = |shape, cost, text: &str| PlanText {
            shape: PlanShape(shape),
            cost,
            rows: 10.0,
            text: text.to_owned(),
        };
        let now = "Limit  (cost=31000.00..31000.02 rows=10 width=24)\n  ->  Sort  \
                   (cost=31000.00..31000.25 rows=100 width=24)\n        Sort Key: created_at DESC\n        \
                   ->  Seq Scan on orders  (cost=0.00..30997.00 rows=100 width=24)\n              \
                   Filter: (customer_id = $)";
        let earlier =
            "Limit  (cost=0.43..8.45 rows=10 width=24)\n  ->  Index Scan using orders_old_idx";
        let database = DatabaseFacts {
            plans: HashMap::from([(
                FingerprintId(id),
                PlanAnswer {
                    asked_at: Some(at(10)),
                    plan: Some(plan(1, 31_000.02, now)),
                    ..PlanAnswer::default()
                },
            )]),
            plan_history: HashMap::from([(
                FingerprintId(id),
                vec![PlanVersion {
                    since: at(-800),
                    until: at(-600),
                    plan: plan(2, 8.45, earlier),
                    sample: Sample::default(),
                }],
            )]),
            ..DatabaseFacts::default()
        };
        Arc::make_mut(&mut published.catalog).databases.insert("shop".to_owned(), database);
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
            load_balance_hosts: None,
            rejected: model::Rejections::default(),
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
    let mut published = builder.published(vec![missing_index(), saturation()], not_checked);
    Builder::planned(&mut published, 0xa1);
    published
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

pub(crate) fn silent() -> Published {
    Builder::new().published(Vec::new(), Vec::new())
}
