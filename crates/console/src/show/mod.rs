//! The tables that SHOW prints: one file each, its columns as data.
//!
//! Names, order and types of the columns are PgBouncer's (its manual, "Admin console"), since
//! exporters and agents read them; what pgweir adds stands after them.

pub(crate) mod clients;
mod config;
mod connection;
mod databases;
mod findings;
mod help;
mod hosts;
mod lists;
mod nothing;
mod peers;
pub(crate) mod pools;
pub(crate) mod queries;
mod report;
pub(crate) mod servers;
mod sockets;
mod state;
mod stats;
mod stats_averages;
mod stats_totals;
mod totals;
mod traffic;
mod users;
mod version;

use jiff::Timestamp;
use model::Published;

pub(crate) use help::help;

use crate::live::{Live, Role};
use crate::refusal::Refusal;
use crate::statement::{Accepts, Arguments};
use crate::table::{Column, Row, Table};

/// All tables, in the order of SHOW HELP.
pub(crate) static ALL: [&Show; 24] = [
    &queries::QUERIES,
    &findings::FINDINGS,
    &report::REPORT,
    &pools::POOLS,
    &clients::CLIENTS,
    &servers::SERVERS,
    &databases::DATABASES,
    &hosts::HOSTS,
    &users::USERS,
    &peers::PEERS,
    &peers::PEER_POOLS,
    &stats::STATS,
    &stats_totals::STATS_TOTALS,
    &stats_averages::STATS_AVERAGES,
    &totals::TOTALS,
    &lists::LISTS,
    &config::CONFIG,
    &state::STATE,
    &version::VERSION,
    &sockets::SOCKETS,
    &sockets::ACTIVE_SOCKETS,
    &nothing::DNS_HOSTS,
    &nothing::DNS_ZONES,
    &nothing::MEM,
];

/// A table that SHOW prints.
#[derive(Debug)]
pub(crate) struct Show {
    /// Its name in SHOW, in lower case.
    pub(crate) name: &'static str,
    /// What may follow the name.
    pub(crate) accepts: Accepts,
    /// Its columns, in groups that tables share.
    pub(crate) columns: &'static [&'static [Column]],
    /// Makes its rows.
    pub(crate) rows: Rows,
}

/// Where rows come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rows {
    /// The process as it is now.
    Now(fn(&dyn Live) -> Vec<Row>),
    /// The statistics of a fresh tick.
    Tick(fn(&Tick<'_>) -> Result<Vec<Row>, Refusal>),
}

/// What tables of statistics are made of.
pub(crate) struct Tick<'a> {
    pub(crate) live: &'a dyn Live,
    pub(crate) published: &'a Published,
    pub(crate) arguments: &'a Arguments,
    /// What whoever asks may do.
    pub(crate) role: Role,
}

/// The table called `name`, which is in lower case.
pub(crate) fn find(name: &str) -> Option<&'static Show> {
    ALL.into_iter().find(|show| show.name == name)
}

impl Show {
    /// Its columns in order.
    pub(crate) fn columns(&self) -> Vec<Column> {
        self.columns.concat()
    }

    /// The table as it is now, or at a fresh tick.
    ///
    /// Cancel-safe: it reads only.
    pub(crate) async fn table(
        &self,
        live: &dyn Live,
        arguments: &Arguments,
        role: Role,
    ) -> Result<Table, Refusal> {
        let rows = match self.rows {
            Rows::Now(rows) => rows(live),
            Rows::Tick(rows) => {
                let mut published = live.published().await;
                if let Some(options) = &arguments.report {
                    published = report::reach_back(published, live, options).await;
                }
                rows(&Tick { live, published: &published, arguments, role })?
            }
        };
        Ok(Table { columns: self.columns(), rows })
    }
}

/// PgBouncer's way to write a time.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
