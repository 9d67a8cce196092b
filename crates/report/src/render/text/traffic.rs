//! Pools, transactions, connections, health.

use std::fmt::Write as _;

use crate::render::layout::{Paint, heading, painted, paragraph, shortened, table};
use crate::render::units::{count, duration_ms, percent};
use crate::render::{Style, wording};
use crate::view::{PoolReport, Report};

/// Room for a pool's name in the table.
const POOL_NAME_MOST: usize = 20;

pub(super) fn pools(out: &mut String, report: &Report, style: Style) {
    if report.pools.is_empty() {
        return;
    }
    heading(out, style, "POOLS");
    let header = [
        "<pool",
        "<mode",
        "size",
        "most used",
        "busy",
        "transactions",
        "held p95",
        "clients",
        "queue",
        "longest",
        "wait p95",
    ];
    let rows: Vec<_> = report.pools.iter().map(pool_row).collect();
    table(out, style, &header, &rows);
    for pool in report.pools.iter().filter(|pool| !pool.connect_failures.is_empty()) {
        let text = format!(
            "{}/{}: server connections could not be opened, by SQLSTATE: {}.",
            pool.database,
            pool.user,
            wording::by_code(&pool.connect_failures),
        );
        paragraph(out, style, "  ! ", &text);
    }
}

fn pool_row(pool: &PoolReport) -> Vec<String> {
    vec![
        shortened(&format!("{}/{}", pool.database, pool.user), POOL_NAME_MOST),
        pool.mode.map_or_else(|| "gone".to_owned(), |mode| mode.to_string()),
        count(u64::from(pool.size)),
        count(u64::from(pool.most_active)),
        percent(pool.busy_ratio),
        count(pool.transactions),
        duration_ms(pool.held_p95_ms),
        count(u64::from(pool.clients_active)),
        count(u64::from(pool.clients_waiting)),
        count(u64::from(pool.most_waiting)),
        duration_ms(pool.wait_p95_ms),
    ]
}

pub(super) fn transactions(out: &mut String, report: &Report, style: Style) {
    let Some(sentence) = wording::transactions(report) else { return };
    heading(out, style, "TRANSACTIONS AND CONNECTIONS");
    paragraph(out, style, "  ", &sentence);
    paragraph(out, style, "  ", &wording::connections(report));
}

pub(super) fn health(out: &mut String, report: &Report, style: Style) {
    if report.totals.calls == 0 {
        return;
    }
    heading(out, style, "HEALTH");
    for (good, line) in wording::health(report) {
        let mut lines = String::new();
        paragraph(&mut lines, style, if good { "  " } else { "  ! " }, &line);
        let lines = lines.trim_end();
        let lines = if good { lines.to_owned() } else { painted(style, Paint::Bad, lines) };
        let _ = writeln!(out, "{lines}");
    }
}
