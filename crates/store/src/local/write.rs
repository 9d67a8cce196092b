//! Writing minutes: one transaction for all that are new.

use std::collections::HashMap;

use model::{FingerprintId, Minute, QueryStats, ShapeInfo, Snapshot};
use rusqlite::{Connection, Transaction, params};

use super::{Dictionary, Local};
use crate::codec;
use crate::error::StoreError;
use crate::grain::Grain;
use crate::rows::Rows;
use crate::span::Period;

impl Local {
    /// Writes minutes of the snapshot, in one transaction: all of them are there once it returns,
    /// whatever happens to the process then. Those that were written before are replaced.
    pub(crate) fn write(
        &mut self,
        snapshot: &Snapshot,
        minutes: &[&Minute],
    ) -> Result<(), StoreError> {
        self.in_transaction(|transaction, dictionary, run| {
            for minute in minutes {
                let rows = Rows::of(minute, &snapshot.labels);
                let period = Period { grain: Grain::Minute, start: minute.minute, run };
                write_rows(transaction, dictionary, &period, &rows, &snapshot.shapes)?;
            }
            Ok(())
        })
    }

    pub(super) fn in_transaction(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &mut Dictionary, i64) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        let done = work(&transaction, &mut self.dictionary, self.run)
            .and_then(|()| Ok(transaction.commit()?));
        if done.is_err() {
            // Numbers that were given in it may have gone with it.
            self.dictionary = Dictionary::default();
        }
        done
    }
}

/// Replaces the rows of a period.
pub(super) fn write_rows(
    connection: &Connection,
    dictionary: &mut Dictionary,
    period: &Period,
    rows: &Rows,
    shapes: &HashMap<FingerprintId, ShapeInfo>,
) -> Result<(), StoreError> {
    remove(connection, period)?;
    let tables = period.grain.tables();
    let start_s = period.start * 60;
    let mut queries = Vec::with_capacity(rows.queries.len());
    for ((fingerprint, labels), stats) in &rows.queries {
        let info = shapes.get(fingerprint);
        let number = dictionary.fingerprint(connection, *fingerprint, info, start_s)?;
        let label = dictionary.labels(connection, labels, start_s)?;
        queries.push((number, label, stats));
    }
    // In the order of the table, so that pages fill up.
    queries.sort_unstable_by_key(|(number, label, _)| (*number, *label));
    let sql =
        format!("INSERT INTO query_{tables} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    let mut insert = connection.prepare_cached(&sql)?;
    for (number, label, stats) in queries {
        let Summary { calls, errors, total_us, wait_us, p95_us } = Summary::of(stats);
        let bytes = codec::encode_query(stats);
        insert.execute(params![
            start_s, period.run, number, label, calls, errors, total_us, wait_us, p95_us, bytes
        ])?;
    }
    let sql = format!("INSERT OR REPLACE INTO traffic_{tables} VALUES (?1, ?2, ?3, ?4, ?5)");
    let mut insert = connection.prepare_cached(&sql)?;
    for (kind, labels, bytes) in rows.traffic() {
        let label = dictionary.labels(connection, &labels, start_s)?;
        insert.execute(params![start_s, period.run, kind.number(), label, bytes])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO periods (grain_s, start, run, dropped, written, sent)
             VALUES (?1, ?2, ?3, ?4, 1, 0)
             ON CONFLICT (grain_s, start, run) DO UPDATE SET
               dropped = excluded.dropped, written = written + 1",
        )?
        .execute(params![period.grain.seconds(), start_s, period.run, signed(rows.dropped)])?;
    Ok(())
}

/// Removes the rows of a period, if there are any.
fn remove(connection: &Connection, period: &Period) -> Result<(), StoreError> {
    let start_s = period.start * 60;
    let there = connection
        .prepare_cached("SELECT 1 FROM periods WHERE grain_s = ?1 AND start = ?2 AND run = ?3")?
        .exists(params![period.grain.seconds(), start_s, period.run])?;
    if there {
        for table in ["query", "traffic"] {
            let tables = period.grain.tables();
            let sql = format!("DELETE FROM {table}_{tables} WHERE start = ?1 AND run = ?2");
            connection.prepare_cached(&sql)?.execute(params![start_s, period.run])?;
        }
    }
    Ok(())
}

/// What of a row can be asked for by SQL.
struct Summary {
    calls: i64,
    errors: i64,
    total_us: i64,
    wait_us: i64,
    p95_us: i64,
}

impl Summary {
    fn of(stats: &QueryStats) -> Self {
        let us =
            |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self {
            calls: signed(stats.calls),
            errors: signed(stats.failed()),
            total_us: us(stats.total.sum()),
            wait_us: us(stats.wait.sum()),
            p95_us: (stats.total.quantile_ms(0.95) * 1e3) as i64,
        }
    }
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
