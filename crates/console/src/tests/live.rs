//! A process to show.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use model::{
    Address, ClientId, ClientState, ClientStatus, Command, CommandError, Confidence,
    DatabaseStatus, Finding, FingerprintId, Fix, HostState, HostStatus, LabelRegistry, Labels,
    Mark, MarkKind, Minute, PeerStatus, PoolKey, PoolMode, PoolStatus, PoolerState, Published,
    QueryStats, Replication, RowKey, ServerId, ServerState, ServerStatus, SettingStatus, Severity,
    ShapeId, ShapeInfo, Snapshot, SqlState, TransactionStats, UserStatus,
};

use crate::live::{BoxFuture, Live};
use crate::sql::SqlTurns;

/// 2026-11-23 20:48:57 UTC.
const NOW: i64 = 1_795_466_937;

fn at(seconds_before_now: i64) -> Timestamp {
    Timestamp::from_second(NOW - seconds_before_now).unwrap()
}

fn key(database: &str, user: &str) -> PoolKey {
    PoolKey { database: database.into(), user: user.into() }
}

fn address(text: &str) -> Address {
    Address::Tcp(text.parse().unwrap())
}

/// A process with two pools, three clients and two server connections.
#[derive(Default)]
pub(super) struct FakeLive {
    pub(super) commands: Mutex<Vec<Command>>,
    /// Whether commands that may wait do so for ever.
    pub(super) waits: bool,
    /// What the next command gives.
    pub(super) refuses: Mutex<Option<CommandError>>,
    /// Client connections to show besides the three.
    pub(super) crowd: u64,
    /// How long a query may run; none is twenty seconds.
    pub(super) query_timeout: Option<Duration>,
    pub(super) turns: SqlTurns,
    /// From when to when the history was asked for.
    pub(super) asked: Mutex<Vec<(Timestamp, Timestamp)>>,
}

impl Live for FakeLive {
    fn pools(&self) -> Vec<PoolStatus> {
        let pool = |database, user| PoolStatus {
            key: key(database, user),
            mode: PoolMode::Transaction,
            clients_active: 7,
            clients_waiting: 2,
            clients_pinned: 1,
            cancels_active: 1,
            servers_active: 4,
            servers_idle: 3,
            servers_tested: 1,
            servers_login: 2,
            size: 10,
            longest_wait: Duration::from_micros(3_000_250),
            wait_p95: Duration::from_micros(1_500_000),
            transactions: 900,
            pinned_transactions: 30,
            load_balance_hosts: None,
            rejected: model::Rejections::default(),
            paused: false,
            last_failure: None,
        };
        vec![pool("shop", "web"), pool("quiet", "web")]
    }

    fn clients(&self) -> Vec<ClientStatus> {
        let client = |id, state| ClientStatus {
            id: ClientId(id),
            pool: key("shop", "web"),
            replication: Replication::None,
            application: "checkout".into(),
            state,
            since: at(2),
            address: address("10.0.0.7:40001"),
            local_address: address("10.0.0.1:6432"),
            tls: "TLSv1.3/TLS_AES_256_GCM_SHA384",
            connected: at(600),
            requested: at(3),
            waiting: Duration::from_micros(1_500_000),
            server: Some(ServerId(3)),
            pinned: Some("temporary table"),
            process_id: None,
            prepared_statements: 5,
            statement: ShapeId(77),
        };
        let idle = ClientStatus {
            server: None,
            pinned: None,
            waiting: Duration::ZERO,
            statement: ShapeId::OTHERS,
            ..client(2, ClientState::Idle)
        };
        let crowd = (0..self.crowd).map(|more| client(100 + more, ClientState::Waiting));
        [client(1, ClientState::IdleInTransaction), idle, client(9, ClientState::Login)]
            .into_iter()
            .chain(crowd)
            .collect()
    }

    fn servers(&self) -> Vec<ServerStatus> {
        let server = |id, state, client| ServerStatus {
            id: ServerId(id),
            pool: key("shop", "web"),
            replication: Replication::None,
            state,
            address: address("10.0.0.2:5432"),
            local_address: address("10.0.0.1:50001"),
            tls: "",
            connected: at(900),
            requested: at(3),
            client,
            remote_pid: 4711,
            prepared_statements: 8,
            host: "db.example:5432".to_owned(),
            close_needed: id == 4,
        };
        vec![server(3, ServerState::Active, Some(ClientId(1))), server(4, ServerState::Idle, None)]
    }

    fn databases(&self) -> Vec<DatabaseStatus> {
        vec![DatabaseStatus {
            name: "shop".to_owned(),
            host: "10.0.0.2".to_owned(),
            port: 5432,
            load_balance_hosts: Some("round-robin"),
            target_session_attrs: "read-write",
            database: "shop_production".to_owned(),
            force_user: Some("web".to_owned()),
            pool_size: 10,
            min_pool_size: 1,
            reserve_pool_size: 2,
            max_connections: Some(30),
            max_client_connections: None,
            mode: PoolMode::Transaction,
            server_lifetime: Duration::from_secs(3600),
            servers: 2,
            clients: 3,
            paused: true,
            disabled: true,
        }]
    }

    fn hosts(&self) -> Vec<HostStatus> {
        vec![HostStatus {
            host: "db.example".to_owned(),
            port: 5432,
            address: "10.0.0.2".to_owned(),
            role: Some("standby"),
            read_only: Some(false),
            state: HostState::Up,
            lag: Some(Duration::from_millis(1500)),
            timeline: None,
            checked: Some(at(3)),
            last_error: Some("timed out: host_check_timeout".to_owned()),
            failures: 0,
            failovers: 0,
            databases: vec!["shop".to_owned(), "stock".to_owned()],
            connections: 2,
        }]
    }

    fn settings(&self) -> Vec<SettingStatus> {
        let setting = |key: &str, value: &str, changeable| SettingStatus {
            key: key.to_owned(),
            value: value.to_owned(),
            default: "100".to_owned(),
            changeable,
        };
        vec![setting("max_client_conn", "500", true), setting("listen_port", "6432", false)]
    }

    fn users(&self) -> Vec<UserStatus> {
        let web = UserStatus {
            name: "web".to_owned(),
            pool_size: Some(5),
            pool_mode: Some(PoolMode::Session),
            max_client_connections: Some(50),
            ..UserStatus::default()
        };
        vec![web, UserStatus { name: "batch".to_owned(), ..UserStatus::default() }]
    }

    fn peers(&self) -> Vec<PeerStatus> {
        vec![PeerStatus {
            id: 2,
            host: "10.0.0.9".to_owned(),
            port: 6432,
            pool_size: 20,
            cancels_waiting: 1,
            cancels_active: 20,
            connecting: 3,
        }]
    }

    fn published(&self) -> BoxFuture<'_, Arc<Published>> {
        Box::pin(async { Arc::new(published()) })
    }

    fn marks(&self) -> Vec<Mark> {
        let mark =
            |seconds, kind, text: &str| Mark { at: at(seconds), kind, text: text.to_owned() };
        vec![mark(3600, MarkKind::Start, "pgweir 0.1.0"), mark(60, MarkKind::Note, "deployed 4.2")]
    }

    fn past(
        &self,
        from: Timestamp,
        until: Timestamp,
        _: Vec<Timestamp>,
    ) -> BoxFuture<'_, Arc<Snapshot>> {
        self.asked.lock().unwrap().push((from, until));
        Box::pin(async { Arc::clone(&published().snapshot) })
    }

    fn fleet(&self, _: Timestamp, _: Timestamp) -> BoxFuture<'_, Result<Arc<Snapshot>, String>> {
        Box::pin(async { Ok(Arc::clone(&published().snapshot)) })
    }

    fn state(&self) -> Vec<(&'static str, String)> {
        vec![("history", "in memory".to_owned())]
    }

    fn query_timeout(&self) -> Duration {
        self.query_timeout.unwrap_or(Duration::from_secs(20))
    }

    fn sql_turns(&self) -> &SqlTurns {
        &self.turns
    }

    fn pooler(&self) -> PoolerState {
        PoolerState::Suspended
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Vec<String>, CommandError>> {
        self.commands.lock().unwrap().push(command.clone());
        let refused = self.refuses.lock().unwrap().take();
        let waits = self.waits && command.waits();
        Box::pin(async move {
            if waits {
                std::future::pending::<()>().await;
            }
            match command {
                Command::Set { .. } => Ok(vec!["mind it".to_owned()]),
                _ => refused.map_or(Ok(Vec::new()), Err),
            }
        })
    }

    fn fingerprint(&self, shape: ShapeId) -> Option<FingerprintId> {
        (shape == ShapeId(77)).then_some(FingerprintId(0xABC))
    }

    fn version(&self) -> &str {
        "0.1.0"
    }

    fn started_at(&self) -> Timestamp {
        at(3600)
    }
}

fn published() -> Published {
    let labels = LabelRegistry::new(10);
    let shop = Labels::new("shop", "web", "cart");
    let shop_id = labels.intern(shop);
    let minute_now = NOW.div_euclid(60);
    let minute = |minute, factor: u32| {
        let mut slow = QueryStats { calls: 2, rows: 20, ..QueryStats::default() };
        slow.errors.insert(SqlState::from_bytes(b"40001"), 1);
        (slow.bytes_received, slow.bytes_sent) = (100, 900);
        slow.total.record(Duration::from_millis(300));
        slow.total.record(Duration::from_millis(100));
        slow.wait.record(Duration::from_millis(50));
        let mut fast = QueryStats { calls: 1, rows: 1, ..QueryStats::default() };
        fast.total.record(Duration::from_micros(1_500));
        let row = |fingerprint| RowKey { fingerprint: FingerprintId(fingerprint), labels: shop_id };
        Arc::new(Minute {
            minute,
            queries: [(row(0xABC), slow), (row(0xDEF), fast)].into_iter().collect(),
            transactions: [(shop_id, transactions(factor))].into_iter().collect(),
            ..Minute::default()
        })
    };
    let shape = |text: &str| ShapeInfo { text: text.into(), ..ShapeInfo::default() };
    let snapshot = Snapshot {
        taken_at: at(0),
        started_at: at(3600),
        minutes: VecDeque::from([minute(minute_now - 1, 60), minute(minute_now, 1_000)]),
        shapes: HashMap::from([
            (FingerprintId(0xABC), shape("select * from orders where customer_id = $1")),
            (FingerprintId(0xDEF), shape("select 1")),
        ]),
        labels: HashMap::from([(shop_id, labels.get(shop_id))]),
        database_totals: BTreeMap::from([(Arc::from("shop"), transactions(100))]),
        last_minute: BTreeMap::from([(Arc::from("shop"), transactions(60))]),
        ..Snapshot::default()
    };
    Published {
        snapshot: Arc::new(snapshot),
        catalog: Arc::default(),
        findings: vec![finding("error_rate", 1.0), finding("missing_index", 900.0)],
        checked: vec!["missing_index".to_owned()],
        not_checked: Vec::new(),
        results: Vec::new(),
    }
}

fn transactions(factor: u32) -> TransactionStats {
    let count = u64::from(factor);
    TransactionStats {
        transactions: 2 * count,
        duration: Duration::from_micros(1_000) * factor,
        wait: Duration::from_micros(200) * factor,
        idle: Duration::from_micros(500) * factor,
        statements: 3 * count,
        client_parses: 4 * count,
        server_parses: 5 * count,
        binds: 6 * count,
        bytes_received: 7 * count,
        bytes_sent: 8 * count,
        ..TransactionStats::default()
    }
}

fn finding(detector: &str, harm_ms: f64) -> Finding {
    Finding {
        detector: detector.to_owned(),
        severity: Severity::Warning,
        title: format!("{detector} in orders"),
        why: "it hurts".to_owned(),
        evidence: BTreeMap::new(),
        fingerprints: vec![FingerprintId(0xABC), FingerprintId(0xDEF)],
        tables: vec!["public.orders".to_owned()],
        database: Some("shop".to_owned()),
        fix: Fix {
            sql: (detector == "missing_index").then(|| "CREATE INDEX x ON orders (a);".to_owned()),
            undo: None,
            advice: Some("Look.\nThink.".to_owned()),
        },
        estimate: BTreeMap::new(),
        confidence: Confidence::High,
        runbook: String::new(),
        harm_ms,
    }
}
