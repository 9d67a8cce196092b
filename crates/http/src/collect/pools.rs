//! Pools, their clients, transactions and statements.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{PoolKey, PoolStatus, PoolTotals, SqlState, Totals};

use crate::exposition::Exposition;
use crate::families::{self as f, Family};

/// Pools whose present state is served; their counts are bounded where they are counted.
const POOLS_LIMIT: usize = 1_000;

pub(super) fn add(to: &mut Exposition, totals: &Totals) {
    let states: BTreeMap<_, _> =
        totals.pool_status.iter().take(POOLS_LIMIT).map(|pool| (&pool.key, pool)).collect();
    for status in states.values() {
        now(to, status);
    }
    for (key, totals) in &totals.pools {
        counts(to, key, totals);
    }
    for (code, count) in &totals.refused {
        to.add(&f::CLIENTS_REFUSED, [&text(code)], *count);
    }
}

fn now(to: &mut Exposition, pool: &PoolStatus) {
    let PoolKey { database, user } = &pool.key;
    let labels = [database, user];
    for (state, count) in [("active", pool.clients_active), ("waiting", pool.clients_waiting)] {
        to.add(&f::POOL_CLIENTS, [database, user, &Arc::from(state)], count);
    }
    to.add(&f::POOL_PINNED_CLIENTS, labels, pool.clients_pinned);
    for (state, count) in [
        ("active", pool.servers_active),
        ("idle", pool.servers_idle),
        ("login", pool.servers_login),
        ("tested", pool.servers_tested),
    ] {
        to.add(&f::POOL_SERVER_CONNECTIONS, [database, user, &Arc::from(state)], count);
    }
    for (reason, count) in pool.rejected.by_reason() {
        to.add(&f::POOL_REJECTIONS, [database, user, &Arc::from(reason)], count);
    }
    to.add(&f::POOL_SIZE, labels, pool.size);
    to.add(&f::POOL_OLDEST_WAIT, labels, pool.longest_wait);
    to.add(&f::POOL_CANCELS, labels, pool.cancels_active);
    to.add(&f::POOL_PAUSED, labels, pool.paused);
    to.add(&f::POOL_FAILING, labels, pool.last_failure.is_some());
}

fn counts(to: &mut Exposition, key: &PoolKey, totals: &PoolTotals) {
    let labels = [&key.database, &key.user];
    by_code(to, &f::POOL_CONNECT_FAILURES, key, &totals.connect_failures);
    to.add(&f::POOL_WAIT, labels, totals.waits);
    to.add(&f::CLIENTS_OPENED, labels, totals.clients_opened);
    to.add(&f::CLIENTS_CLOSED, labels, totals.clients_closed);
    to.add(&f::CLIENT_RECEIVED, labels, totals.bytes_received);
    to.add(&f::CLIENT_SENT, labels, totals.bytes_sent);
    to.add(&f::TRANSACTION_DURATION, labels, totals.transactions);
    to.add(&f::PINNED_TRANSACTIONS, labels, totals.pinned_transactions);
    to.add(&f::IDLE_IN_TRANSACTION, labels, totals.idle_in_transaction);
    to.add(&f::CLIENT_PARSES, labels, totals.client_parses);
    to.add(&f::SERVER_PARSES, labels, totals.server_parses);
    to.add(&f::BINDS, labels, totals.binds);
    to.add(&f::QUERY_DURATION, labels, totals.statements);
    by_code(to, &f::QUERY_ERRORS, key, &totals.errors);
    to.add(&f::QUERIES_LOST, labels, totals.lost);
    to.add(&f::QUERY_ROWS, labels, totals.rows);
}

fn by_code(
    to: &mut Exposition,
    family: &'static Family,
    key: &PoolKey,
    codes: &BTreeMap<SqlState, u64>,
) {
    for (code, count) in codes {
        to.add(family, [&key.database, &key.user, &text(code)], *count);
    }
}

fn text(code: &SqlState) -> Arc<str> {
    Arc::from(code.as_str())
}
