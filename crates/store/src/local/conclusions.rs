//! Findings, results of fixes, plans, and marks.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use model::{FingerprintId, Mark, MarkKind, PlanShape, PlanText, PlanVersion, Published};
use rusqlite::{Connection, OptionalExtension, params};

use super::Local;
use crate::conclusions::Conclusions;
use crate::error::StoreError;

/// Of so much time the last conclusions are kept, s.
const SLOT_S: i64 = 300;

impl Local {
    /// Writes what was found at a tick, in the place of what was found in the same five minutes.
    pub(crate) fn write_conclusions(&mut self, published: &Published) -> Result<(), StoreError> {
        let json = serde_json::to_string(&Conclusions::of(published)).unwrap_or_default();
        let taken_at = published.snapshot.taken_at;
        self.in_transaction(|transaction, _, run| {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO conclusions VALUES (?1, ?2, ?3, ?4, 0)")?
                .execute(params![
                    taken_at.as_second().div_euclid(SLOT_S) * SLOT_S,
                    run,
                    taken_at.as_microsecond(),
                    json
                ])?;
            write_plans(transaction, published)
        })
    }

    /// Writes that something happened.
    pub(crate) fn write_mark(&mut self, mark: &Mark) -> Result<(), StoreError> {
        self.in_transaction(|transaction, _, run| {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO marks VALUES (?1, ?2, ?3, ?4, 0)")?
                .execute(params![mark.at.as_microsecond(), run, mark.kind.as_str(), mark.text])?;
            Ok(())
        })
    }
}

/// The plans that statements had.
fn write_plans(connection: &Connection, published: &Published) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO plans VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (fingerprint, database, since_us) DO UPDATE SET until_us = excluded.until_us
         WHERE until_us <> excluded.until_us",
    )?;
    for (database, facts) in &published.catalog.databases {
        for (fingerprint, versions) in &facts.plan_history {
            for version in versions {
                insert.execute(params![
                    fingerprint.0.cast_signed(),
                    database,
                    version.since.as_microsecond(),
                    version.until.as_microsecond(),
                    version.plan.shape.0.cast_signed(),
                    version.plan.cost,
                    version.plan.rows,
                    version.plan.text,
                ])?;
            }
        }
    }
    Ok(())
}

/// Plans by database and statement, the oldest first.
pub type PlanHistory = BTreeMap<String, HashMap<FingerprintId, Vec<PlanVersion>>>;

/// The plans that statements had in a span.
pub(super) fn plans(
    connection: &Connection,
    from: Timestamp,
    until: Timestamp,
) -> Result<PlanHistory, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT fingerprint, database, since_us, until_us, shape, cost, rows, text FROM plans
         WHERE until_us >= ?1 AND since_us <= ?2 ORDER BY since_us",
    )?;
    let mut rows = statement.query(params![from.as_microsecond(), until.as_microsecond()])?;
    let mut plans = PlanHistory::new();
    while let Some(row) = rows.next()? {
        let time = |at: usize| -> rusqlite::Result<Timestamp> {
            Ok(Timestamp::from_microsecond(row.get(at)?).unwrap_or_default())
        };
        let fingerprint = FingerprintId(row.get::<_, i64>(0)?.cast_unsigned());
        let version = PlanVersion {
            since: time(2)?,
            until: time(3)?,
            plan: PlanText {
                shape: PlanShape(row.get::<_, i64>(4)?.cast_unsigned()),
                cost: row.get(5)?,
                rows: row.get(6)?,
                text: row.get(7)?,
            },
            // Values are not kept.
            sample: model::Sample::default(),
        };
        let of_database = plans.entry(row.get(1)?).or_default();
        of_database.entry(fingerprint).or_default().push(version);
    }
    Ok(plans)
}

/// The last conclusions in a span.
pub(super) fn last(
    connection: &Connection,
    from: Timestamp,
    until: Timestamp,
) -> Result<Conclusions, StoreError> {
    let json: Option<String> = connection
        .query_row(
            "SELECT json FROM conclusions
             WHERE at >= ?1 AND taken_at_us >= ?2 AND taken_at_us <= ?3
             ORDER BY taken_at_us DESC LIMIT 1",
            params![from.as_second() - SLOT_S, from.as_microsecond(), until.as_microsecond()],
            |row| row.get(0),
        )
        .optional()?;
    // Of a version whose findings are made otherwise: as if there were none.
    Ok(json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
}

/// The marks in a span, the oldest first.
pub(super) fn marks(
    connection: &Connection,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Mark>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT at_us, kind, text FROM marks WHERE at_us >= ?1 AND at_us <= ?2
         ORDER BY at_us, kind, text",
    )?;
    let mut rows = statement.query(params![from.as_microsecond(), until.as_microsecond()])?;
    let mut marks = Vec::new();
    while let Some(row) = rows.next()? {
        let at = Timestamp::from_microsecond(row.get(0)?).unwrap_or_default();
        if let Some(kind) = mark_kind(&row.get::<_, String>(1)?) {
            marks.push(Mark { at, kind, text: row.get(2)? });
        }
    }
    Ok(marks)
}

/// None for a kind that only a later version knows.
pub(crate) fn mark_kind(name: &str) -> Option<MarkKind> {
    MarkKind::ALL.into_iter().find(|kind| kind.as_str() == name)
}
