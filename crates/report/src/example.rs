//! Published ticks for tests: one of trouble, one of health, one of silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    CatalogFacts, Confidence, Finding, FingerprintId, Fix, LabelId, LabelRegistry, Labels, Minute,
    NotChecked, PoolKey, PoolMinute, PoolMode, PoolStatus, Published, QueryStats, RowKey, Severity,
    ShapeId, ShapeInfo, Snapshot, SqlState, StrictId,
};

use crate::ProcessFacts;

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

struct Builder {
    minute: Minute,
    snapshot: Snapshot,
    registry: LabelRegistry,
}

impl Builder {
    fn new() -> Self {
        let snapshot = Snapshot { taken_at: at(30), started_at: at(-900), ..Snapshot::default() };
        let minute = Minute { minute: at(0).as_second() / 60, ..Minute::default() };
        Self { minute, snapshot, registry: LabelRegistry::new(10) }
    }

    fn labels(&mut self, application: &str) -> LabelId {
        let labels =
            Labels { database: "shop".into(), user: "web".into(), application: application.into() };
        let id = self.registry.intern(labels);
        self.snapshot.labels.insert(id, self.registry.get(id));
        id
    }

    fn query(&mut self, id: u64, text: &str, application: &str, stats: QueryStats) {
        let labels = self.labels(application);
        let fingerprint = FingerprintId(id);
        self.minute.queries.insert(RowKey { fingerprint, labels }, stats);
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
            sample: None,
            sample_database: None,
        };
        self.snapshot.shapes.insert(fingerprint, info);
    }

    fn pool(&mut self, minute: PoolMinute, waiting: u32) {
        self.minute.pools.insert(key(), minute);
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
        self.snapshot.minutes.push_back(Arc::new(self.minute));
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
        }
    }
}

pub(crate) fn busy() -> Published {
    let mut builder = Builder::new();
    let orders = "SELECT id, state, created_at FROM orders WHERE customer_id = $1 \
                  ORDER BY created_at DESC LIMIT $2";
    let mut failing = stats(300, 180.0, 0.0);
    failing.errors.insert(SqlState::from_bytes(b"57014"), 2);
    builder.query(0xa1, orders, "shop", failing);
    builder.query(0xa1, orders, "checkout", stats(100, 200.0, 0.0));
    builder.query(0xb2, "SELECT * FROM products WHERE id = $1", "shop", stats(2_000, 0.3, 0.0));
    builder.query(0xc3, "BEGIN", "checkout", stats(100, 0.05, 900.0));
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
