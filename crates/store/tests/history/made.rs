//! Made-up measurements whose sums are known.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    FingerprintId, LabelId, LabelRegistry, Labels, Minute, PoolKey, PoolMinute, Published,
    QueryStats, RowKey, ShapeInfo, Snapshot, TransactionStats,
};
use pgweir_store::{Bounds, Fleet, History, HistorySettings, Run};

/// A whole day since the epoch, minutes.
pub(crate) const BEGIN: i64 = 20_000 * 24 * 60;
const LONG: Duration = Duration::from_secs(50 * 365 * 24 * 3_600);
/// Statements of every minute.
pub(crate) const STATEMENTS: u64 = 40;

pub(crate) fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap()
}

/// Calls of one statement in a whole minute.
pub(crate) fn calls_of(minute: i64, statement: u64) -> u64 {
    1 + (minute as u64 * 31 + statement * 17) % 9
}

/// Calls of all statements in a whole minute.
pub(crate) fn calls_in(minute: i64) -> u64 {
    (1..=STATEMENTS).map(|statement| calls_of(minute, statement)).sum()
}

/// A process that measures what is known.
pub(crate) struct Measured {
    registry: LabelRegistry,
    label: LabelId,
    /// Slower by so much, ms: so that percentiles of two differ.
    pub(crate) slower_ms: u64,
    pub(crate) began: i64,
}

impl Measured {
    pub(crate) fn new(application: &str, began: i64, slower_ms: u64) -> Self {
        let registry = LabelRegistry::new(10);
        let label = registry.intern(Labels::new("shop", "web", application));
        Self { registry, label, slower_ms, began }
    }

    /// A minute of which one `part`th was measured.
    fn minute(&self, minute: i64, part: u64) -> Minute {
        let mut made = Minute { minute, ..Minute::default() };
        for statement in 1..=STATEMENTS {
            let calls = calls_of(minute, statement) / part;
            let mut stats = QueryStats { calls, rows: calls * 3, ..QueryStats::default() };
            for call in 0..calls {
                let ms = self.slower_ms + statement + call;
                stats.total.record(Duration::from_micros(ms * 1_000 + 7));
                stats.first_byte.record(Duration::from_micros(ms * 900));
                stats.wait.record(Duration::ZERO);
            }
            let key = RowKey { fingerprint: FingerprintId(statement), labels: self.label };
            made.queries.insert(key, stats);
        }
        let transactions = TransactionStats { transactions: 5 / part, ..Default::default() };
        made.transactions.insert(self.label, transactions);
        let pool = PoolKey { database: "shop".into(), user: "web".into() };
        made.pools.insert(pool, PoolMinute { samples: 60 / part, ..PoolMinute::default() });
        made
    }

    /// A tick in `minute`, with the last few minutes before it.
    pub(crate) fn tick(&self, minute: i64, part: u64) -> Arc<Published> {
        let whole = ((minute - 5).max(self.began)..minute).map(|one| self.minute(one, 1));
        let minutes = whole.chain([self.minute(minute, part)]).map(Arc::new).collect();
        let shape = |statement: u64| ShapeInfo {
            text: format!("SELECT {statement} FROM goods WHERE id = $1").into(),
            class: "SELECT".into(),
            first_seen: at(self.began),
            ..ShapeInfo::default()
        };
        let snapshot = Snapshot {
            taken_at: at(minute) + Duration::from_secs(30),
            started_at: at(self.began),
            minutes,
            shapes: (1..=STATEMENTS).map(|one| (FingerprintId(one), shape(one))).collect(),
            labels: HashMap::from([(self.label, self.registry.get(self.label))]),
            ..Snapshot::default()
        };
        Arc::new(Published {
            snapshot: Arc::new(snapshot),
            catalog: Arc::default(),
            findings: Vec::new(),
            checked: vec!["missing_index".to_owned()],
            not_checked: Vec::new(),
            results: Vec::new(),
        })
    }
}

/// A history in `folder` of the run that began with `began`.
pub(crate) fn history(
    folder: &Path,
    instance: &str,
    began: i64,
    flush: Option<Duration>,
    fleet: Option<Fleet>,
) -> History {
    History::start(HistorySettings {
        data_dir: Some(folder.to_owned()),
        run: Run {
            instance: instance.to_owned(),
            started_at: at(began),
            version: "0.1.0".to_owned(),
        },
        // Minutes pass faster here than days, and lie far back.
        bounds: Bounds { minutes: LONG, hours: LONG, days: LONG, ..Bounds::default() },
        flush,
        fleet,
    })
    .unwrap()
}

/// Statistics by statement and application, over all minutes.
pub(crate) fn by_statement(snapshot: &Snapshot) -> BTreeMap<(FingerprintId, String), QueryStats> {
    let mut all: BTreeMap<_, QueryStats> = BTreeMap::new();
    for (key, stats) in snapshot.minutes.iter().flat_map(|minute| &minute.queries) {
        let application = snapshot.labels[&key.labels].application.to_string();
        all.entry((key.fingerprint, application)).or_default().merge(stats);
    }
    all
}

/// Calls by minute.
pub(crate) fn by_minute(snapshot: &Snapshot) -> BTreeMap<i64, u64> {
    let calls = |minute: &Minute| minute.queries.values().map(|stats| stats.calls).sum();
    snapshot.minutes.iter().map(|minute| (minute.minute, calls(minute))).collect()
}
