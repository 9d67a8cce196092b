//! From minutes to hours and from hours to days.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::dictionary::{NumberedLabels, all_fingerprints};
use super::write::write_rows;
use super::{Local, read};
use crate::codec;
use crate::error::StoreError;
use crate::grain::Grain;
use crate::rows::Rows;
use crate::span::Period;

/// Statements' rows of an hour or a day, and kinds of clients; the rest, those with the least time, go to
/// the others row.
const ROWS_KEPT: usize = 2_000;

impl Local {
    /// Rolls up what is over: hours and days that end before `minute`, from which on this run may
    /// still write. One transaction each, so that readers and kill -9 see an hour or its minutes.
    /// Says how many were made.
    pub(crate) fn roll_up(&mut self, minute: i64) -> Result<usize, StoreError> {
        let mut made = 0;
        for grain in [Grain::Hour, Grain::Day] {
            let due = due(&self.connection, grain, minute)?;
            for period in &due {
                self.in_transaction(|transaction, dictionary, _| {
                    let mut rows = sum(transaction, period)?;
                    rows.keep_largest(ROWS_KEPT);
                    write_rows(transaction, dictionary, period, &rows, &HashMap::new())
                })?;
            }
            made += due.len();
        }
        Ok(made)
    }
}

/// Those that are over, have finer rows, and are not rolled up.
fn due(connection: &Connection, grain: Grain, minute: i64) -> Result<Vec<Period>, StoreError> {
    let Some(finer) = grain.finer() else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT start - start % ?1 AS begins, run FROM periods AS fine
         WHERE grain_s = ?2 AND start < ?3 AND NOT EXISTS (
             SELECT 1 FROM periods AS coarse WHERE coarse.grain_s = ?1
             AND coarse.start = fine.start - fine.start % ?1 AND coarse.run = fine.run)
         ORDER BY begins, run",
    )?;
    let before = grain.floor(minute) * 60;
    let mut rows = statement.query(params![grain.seconds(), finer.seconds(), before])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let start_s: i64 = row.get(0)?;
        due.push(Period { grain, start: start_s / 60, run: row.get(1)? });
    }
    Ok(due)
}

/// The rows of a period from finer ones.
fn sum(connection: &Connection, period: &Period) -> Result<Rows, StoreError> {
    let mut sum = Rows::default();
    let Some(finer) = period.grain.finer() else { return Ok(sum) };
    let mut labels = NumberedLabels::new(connection);
    let fingerprints = all_fingerprints(connection)?;
    let (begin, end) = (period.start * 60, period.end() * 60);
    let tables = finer.tables();
    let sql = format!(
        "SELECT fingerprint, label, stats FROM query_{tables}
         WHERE start >= ?1 AND start < ?2 AND run = ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![begin, end, period.run])?;
    while let Some(row) = rows.next()? {
        let (Some(fingerprint), Some(labels)) =
            (fingerprints.get(&row.get(0)?), labels.get(row.get(1)?)?)
        else {
            continue;
        };
        let stats = match codec::decode_query(row.get_ref(2)?.as_blob().unwrap_or_default()) {
            Ok(stats) => stats,
            Err(damage) => {
                skipped(&damage);
                continue;
            }
        };
        let key = (*fingerprint, labels);
        sum.queries.entry(key).or_default().merge(&stats);
    }
    let sql = format!(
        "SELECT kind, label, stats FROM traffic_{tables}
         WHERE start >= ?1 AND start < ?2 AND run = ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![begin, end, period.run])?;
    while let Some(row) = rows.next()? {
        let (Some(kind), Some(labels)) = (read::kind(row.get(0)?), labels.get(row.get(1)?)?) else {
            continue;
        };
        let added = sum.add_traffic(kind, &labels, row.get_ref(2)?.as_blob().unwrap_or_default());
        if let Err(damage) = added {
            skipped(&damage);
        }
    }
    let dropped: i64 = connection.query_row(
        "SELECT coalesce(sum(dropped), 0) FROM periods
         WHERE grain_s = ?1 AND start >= ?2 AND start < ?3 AND run = ?4",
        params![finer.seconds(), begin, end, period.run],
        |row| row.get(0),
    )?;
    sum.dropped = u64::try_from(dropped).unwrap_or(0);
    Ok(sum)
}

/// One damaged row must not keep all others from being rolled up.
fn skipped(damage: &crate::Damaged) {
    tracing::warn!("history: a row was left out of its hour: {damage}");
}
