//! What is served and exported, of a process made up by the test.

mod answers;
mod collector;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    Buckets, ClientId, Confidence, Finding, FingerprintId, FingerprintTotals, Fix, HostState,
    HostStatus, PoolKey, PoolMode, PoolStatus, PoolTotals, Published, Severity, Snapshot, SpanId,
    SqlState, Totals, TraceId,
};

use crate::health::Readiness;
use crate::live::{BoxFuture, Filled, Live, ProcessStatus, Resources};
use crate::otlp::{Failure, StatementSpan};
use crate::scrape::Scraper;

/// A process with one pool, in which everything there is a metric for has happened.
pub(crate) struct Example {
    pub(crate) readiness: Readiness,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_464_900 + second).unwrap()
}

fn key() -> PoolKey {
    PoolKey { database: "shop".into(), user: "web".into() }
}

fn durations(ms: &[u64]) -> Buckets {
    let mut buckets = Buckets::default();
    ms.iter().for_each(|ms| buckets.record(Duration::from_millis(*ms)));
    buckets
}

fn codes(code: &[u8], count: u64) -> BTreeMap<SqlState, u64> {
    BTreeMap::from([(SqlState::from_bytes(code), count)])
}

pub(crate) fn pool_status() -> PoolStatus {
    PoolStatus {
        key: key(),
        mode: PoolMode::Transaction,
        clients_active: 3,
        clients_waiting: 2,
        clients_pinned: 1,
        cancels_active: 0,
        servers_active: 4,
        servers_idle: 5,
        servers_tested: 6,
        servers_login: 7,
        size: 20,
        longest_wait: Duration::from_millis(1500),
        wait_p95: Duration::ZERO,
        transactions: 9,
        pinned_transactions: 0,
        load_balance_hosts: None,
        rejected: model::Rejections::default(),
        paused: false,
        last_failure: Some("refused".to_owned()),
    }
}

pub(crate) fn host_status() -> HostStatus {
    HostStatus {
        host: "db.internal".to_owned(),
        port: 5432,
        address: "192.0.2.7".to_owned(),
        role: Some("standby"),
        read_only: Some(false),
        state: HostState::Up,
        lag: Some(Duration::from_millis(250)),
        timeline: None,
        checked: Some(at(69)),
        last_error: None,
        failures: 3,
        failovers: 1,
        databases: vec!["shop".to_owned()],
        connections: 2,
    }
}

fn pool_totals() -> PoolTotals {
    PoolTotals {
        statements: durations(&[1, 3, 700_000]),
        errors: codes(b"57014", 1),
        transactions: durations(&[5]),
        waits: durations(&[0, 20]),
        idle_in_transaction: Duration::from_millis(2500),
        rows: 12,
        connect_failures: codes(b"08006", 4),
        ..PoolTotals::default()
    }
}

fn fingerprint(id: u64, summary: &str) -> FingerprintTotals {
    FingerprintTotals {
        fingerprint: FingerprintId(id),
        operation: summary.split(' ').next().unwrap().into(),
        summary: summary.into(),
        statements: durations(&[3]),
        failed: 1,
        rows: 2,
    }
}

fn finding() -> Finding {
    Finding {
        detector: "missing_index".to_owned(),
        severity: Severity::Critical,
        title: String::new(),
        why: String::new(),
        evidence: BTreeMap::new(),
        fingerprints: Vec::new(),
        tables: Vec::new(),
        fix: Fix::default(),
        estimate: BTreeMap::new(),
        confidence: Confidence::High,
        runbook: String::new(),
        database: None,
        harm_ms: 0.0,
    }
}

impl Live for Example {
    fn totals(&self) -> BoxFuture<'_, Arc<Totals>> {
        let totals = Totals {
            taken_at: at(70),
            started_at: at(0),
            pools: BTreeMap::from([(key(), pool_totals())]),
            fingerprints: vec![fingerprint(0xabc, "SELECT orders"), fingerprint(0, "(others)")],
            refused: codes(b"28P01", 2),
            statements: 4,
            statements_in_others: 1,
            dropped: 0,
            fingerprints_known: 2,
            fingerprint_limit: 5000,
            pool_status: vec![pool_status()],
            host_status: vec![host_status()],
        };
        Box::pin(std::future::ready(Arc::new(totals)))
    }

    fn published(&self) -> Arc<Published> {
        Arc::new(Published {
            snapshot: Arc::new(Snapshot { taken_at: at(67), ..Snapshot::default() }),
            catalog: Arc::default(),
            findings: vec![finding()],
            checked: vec!["error_rate".to_owned()],
            not_checked: Vec::new(),
            results: Vec::new(),
        })
    }

    fn process(&self) -> ProcessStatus {
        ProcessStatus {
            clients: 5,
            clients_limit: 10_000,
            cancel_keys: 6,
            tasks: 20,
            shapes: Filled { known: 12, limit: 20_000 },
            labels: Filled { known: 4, limit: 10_000 },
            loop_lag: durations(&[0]),
            store_lag: Some(Duration::from_secs(1)),
            log_lines_suppressed: 0,
            resources: Resources {
                cpu: Some(Duration::from_millis(250)),
                resident_memory_bytes: Some(9_000_000),
                open_files: Some(20),
                open_files_limit: Some(1024),
            },
        }
    }

    fn is_draining(&self) -> bool {
        self.readiness == Readiness::Draining
    }

    fn pools(&self) -> Vec<PoolStatus> {
        let mut status = pool_status();
        if self.readiness == Readiness::NoServer {
            (status.servers_active, status.servers_idle, status.servers_tested) = (0, 0, 0);
        }
        vec![status]
    }

    fn version(&self) -> &str {
        "0.1.0"
    }

    fn started_at(&self) -> Timestamp {
        at(0)
    }
}

fn scraper(readiness: Readiness) -> Scraper {
    Scraper::new(Arc::new(Example { readiness }), None)
}

fn span() -> StatementSpan {
    StatementSpan {
        trace: TraceId(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c),
        span: SpanId(7),
        parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok(),
        began: at(1),
        ended: at(3),
        wait: Duration::from_millis(500),
        operation: Some("SELECT".into()),
        summary: Some("SELECT orders".into()),
        table: Some("orders".into()),
        text: Some("select * from orders where id = $1".into()),
        fingerprint: FingerprintId(0xabc),
        client: ClientId(42),
        user: "web".into(),
        application: "storefront".into(),
        namespace: "shop".into(),
        server: Some(("db.internal".into(), 5432)),
        rows: 2,
        failure: Some(Failure::Code(SqlState::from_bytes(b"57014"))),
    }
}
