//! Pools, transactions, connections, health.

use maud::{Markup, html as template};

use crate::render::layout::plain;
use crate::render::units::{count, duration_ms, percent};
use crate::render::wording;
use crate::view::{PoolReport, Report};

pub(super) fn pools(report: &Report) -> Markup {
    if report.pools.is_empty() {
        return Markup::default();
    }
    template! {
        section {
            h2 { "Pools" }
            div.card.scroll {
                table {
                    thead { tr {
                        th.left { "pool" } th.left { "mode" } th { "size" } th { "most used" } th { "busy" }
                        th { "transactions" } th { "held p95" } th { "clients" } th { "queue" }
                        th { "longest" } th { "wait p95" }
                    } }
                    tbody { @for pool in &report.pools { (row(pool)) } }
                }
                @for pool in report.pools.iter().filter(|pool| !pool.connect_failures.is_empty()) {
                    p.poor {
                        (plain(&pool.database)) "/" (plain(&pool.user))
                        ": server connections could not be opened, by SQLSTATE: "
                        (wording::by_code(&pool.connect_failures)) "."
                    }
                }
            }
        }
    }
}

fn row(pool: &PoolReport) -> Markup {
    template! {
        tr {
            td.left { (plain(&pool.database)) "/" (plain(&pool.user)) }
            td.left { (pool.mode.map_or_else(|| "gone".to_owned(), |mode| mode.to_string())) }
            td { (pool.size) }
            td { (pool.most_active) }
            td { (percent(pool.busy_ratio)) }
            td { (count(pool.transactions)) }
            td { (duration_ms(pool.held_p95_ms)) }
            td { (pool.clients_active) }
            td { (pool.clients_waiting) }
            td { (pool.most_waiting) }
            td { (duration_ms(pool.wait_p95_ms)) }
        }
    }
}

pub(super) fn transactions(report: &Report) -> Markup {
    let Some(sentence) = wording::transactions(report) else { return Markup::default() };
    template! {
        section {
            h2 { "Transactions and connections" }
            div.card { p { (sentence) } p { (wording::connections(report)) } }
        }
    }
}

pub(super) fn health(report: &Report) -> Markup {
    if report.totals.calls == 0 {
        return Markup::default();
    }
    template! {
        section {
            h2 { "Health" }
            div.card {
                @for (good, line) in wording::health(report) {
                    @if good { p { (line) } } @else { p.poor { (line) } }
                }
            }
        }
    }
}
