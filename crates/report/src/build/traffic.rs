//! Transactions, connections, health.

use model::{Evidence, Snapshot, TransactionStats, WindowStats};

use crate::numbers::{by_code, rounded, share};
use crate::view::{ConnectionsReport, HealthReport, Report, TransactionsReport};

pub(super) fn transactions(stats: &TransactionStats, snapshot: &Snapshot) -> TransactionsReport {
    let idle_after =
        snapshot.shapes.iter().find(|(_, info)| info.shapes.contains(&stats.idle_after));
    let open_ms = stats.block_duration.sum_ms();
    let idle_ms = stats.idle.as_secs_f64() * 1e3;
    TransactionsReport {
        transactions: stats.transactions,
        blocks: stats.blocks,
        pinned: stats.pinned,
        statements: stats.statements,
        block_p95_ms: rounded(stats.block_duration.quantile_ms(0.95)),
        block_max_ms: rounded(stats.block_duration.max_ms()),
        idle_ratio: share(idle_ms, open_ms).min(1.0),
        longest_idle_ms: rounded(stats.longest_idle.as_secs_f64() * 1e3),
        idle_after: idle_after.map(|(fingerprint, _)| *fingerprint),
    }
}

pub(super) fn connections(window: &WindowStats) -> ConnectionsReport {
    let connections = &window.connections;
    ConnectionsReport {
        opened: connections.opened,
        closed: connections.closed,
        refused: by_code(&connections.refused),
        lifetime_p50_ms: rounded(connections.lifetime.quantile_ms(0.5)),
    }
}

/// Shares above which a number is not as it should be.
const FAILED_MOST: f64 = 0.01;
const WAITING_MOST: f64 = 0.1;
const IDLE_MOST: f64 = 0.5;
const PINNED_MOST: f64 = 0.2;

/// The numbers of health, from a report whose other parts are filled in.
pub(super) fn health(report: &Report) -> Vec<HealthReport> {
    let (totals, transactions) = (&report.totals, &report.transactions);
    let ratio = |name: &str, part: f64, whole: f64, most: f64, meaning: &str| HealthReport {
        name: name.to_owned(),
        value: Evidence::Float(share(part, whole)),
        good: share(part, whole) <= most,
        meaning: meaning.to_owned(),
    };
    let none = |name: &str, number: u64, meaning: &str| HealthReport {
        name: name.to_owned(),
        value: number.into(),
        good: number == 0,
        meaning: meaning.to_owned(),
    };
    let failures: u64 = report.pools.iter().flat_map(|pool| pool.connect_failures.values()).sum();
    let refused: u64 = report.connections.refused.values().sum();
    let idle = transactions.idle_ratio;
    vec![
        ratio(
            "failed_statements_ratio",
            totals.failed as f64,
            totals.calls as f64,
            FAILED_MOST,
            "statements that ended in an error",
        ),
        ratio(
            "waiting_ratio",
            totals.wait_ms,
            totals.total_ms,
            WAITING_MOST,
            "share of the clients' time spent waiting for a server connection",
        ),
        ratio(
            "idle_in_transaction_ratio",
            idle,
            1.0,
            IDLE_MOST,
            "share of the time of open transactions in which the server had nothing to do",
        ),
        ratio(
            "pinned_transactions_ratio",
            transactions.pinned as f64,
            transactions.transactions as f64,
            PINNED_MOST,
            "transactions of clients that keep a server connection to themselves",
        ),
        none("cut_off_statements", totals.lost, "statements cut off by a disconnect"),
        none("refused_clients", refused, "clients that were not let in"),
        none("failed_server_connections", failures, "server connections that could not be opened"),
    ]
}
