//! What was counted since the process started. Every number here only grows, as a scrape wants it:
//! snapshots forget after an hour.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::{Buckets, FingerprintId, HostStatus, PoolKey, PoolStatus, SqlState};

/// What was counted since the process started.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// When this was taken.
    pub taken_at: Timestamp,
    /// Since when it was counted.
    pub started_at: Timestamp,
    /// By pool; what is beyond the bound is counted under one key.
    pub pools: BTreeMap<PoolKey, PoolTotals>,
    /// The fingerprints that take the most time, the busiest first, and last all others as one.
    pub fingerprints: Vec<FingerprintTotals>,
    /// Clients refused before they were logged in, by code.
    pub refused: BTreeMap<SqlState, u64>,
    /// Statements measured.
    pub statements: u64,
    /// Of these, those that no fingerprint was kept for.
    pub statements_in_others: u64,
    /// Events dropped because the aggregator fell behind.
    pub dropped: u64,
    /// Fingerprints known now.
    pub fingerprints_known: u64,
    /// Fingerprints that may be.
    pub fingerprint_limit: u64,
    /// The pools as they were at the last look.
    pub pool_status: Vec<PoolStatus>,
    /// The hosts that they go to, then.
    pub host_status: Vec<HostStatus>,
}

/// A pool since the process started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolTotals {
    /// How long statements took, waiting for a server connection included.
    pub statements: Buckets,
    /// Failed statements, by code.
    pub errors: BTreeMap<SqlState, u64>,
    /// Statements cut off by a disconnect; not in `statements`.
    pub lost: u64,
    /// Rows returned or affected.
    pub rows: u64,
    /// How long transactions took, single statements included.
    pub transactions: Buckets,
    /// How long each transaction waited for a server connection.
    pub waits: Buckets,
    /// Transactions of clients that were pinned before.
    pub pinned_transactions: u64,
    /// Time in which a transaction block was open and the server had nothing to do.
    pub idle_in_transaction: Duration,
    /// Parse messages from clients.
    pub client_parses: u64,
    /// Parse messages to servers.
    pub server_parses: u64,
    /// Bind messages.
    pub binds: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Clients logged in.
    pub clients_opened: u64,
    /// Clients gone.
    pub clients_closed: u64,
    /// Attempts to open a server connection that failed, by code.
    pub connect_failures: BTreeMap<SqlState, u64>,
}

/// A fingerprint since it is among those that are counted apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FingerprintTotals {
    /// Which; [`FingerprintId::OTHERS`] stands for all that are not counted apart.
    pub fingerprint: FingerprintId,
    /// What it does, such as `SELECT`.
    pub operation: Arc<str>,
    /// That and to which tables, such as `SELECT orders`.
    pub summary: Arc<str>,
    /// How long statements took, waiting for a server connection included.
    pub statements: Buckets,
    /// Failed statements.
    pub failed: u64,
    /// Rows returned or affected.
    pub rows: u64,
}
