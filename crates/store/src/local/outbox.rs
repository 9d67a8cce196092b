//! What waits for the fleet's store: rows stay where they are, and each period knows which of its
//! versions was sent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use model::{FingerprintId, Labels, Mark, MarkKind, ShapeInfo};
use rusqlite::{OptionalExtension, params};

use super::conclusions::mark_kind;
use super::dictionary::NumberedLabels;
use super::{Local, Run, read};
use crate::error::StoreError;
use crate::grain::Grain;
use crate::rows::{Kind, others};
use crate::span::RunId;

/// Which run a parcel is of.
#[derive(Clone, Debug)]
pub(crate) struct ParcelRun {
    pub(crate) id: RunId,
    pub(crate) run: Run,
}

/// Something to send, whole.
#[derive(Clone, Debug)]
pub(crate) enum Parcel {
    /// The rows of a period.
    Period {
        of: ParcelRun,
        grain: Grain,
        /// When it began, minutes since the epoch.
        start: i64,
        dropped: u64,
        /// How often it was written: the version that is sent.
        written: i64,
        queries: Vec<(FingerprintId, Arc<Labels>, Vec<u8>)>,
        traffic: Vec<(Kind, Arc<Labels>, Vec<u8>)>,
        shapes: HashMap<FingerprintId, ShapeInfo>,
    },
    /// Something that happened.
    Mark { of: ParcelRun, mark: Mark },
    /// What was found.
    Conclusions { of: ParcelRun, slot_s: i64, taken_at: Timestamp, json: String },
}

impl Local {
    /// Whether rows wait here for a fleet's store.
    pub(crate) fn is_for_fleet(&self) -> bool {
        self.for_fleet
    }

    /// From now on rows wait for a fleet's store.
    pub(crate) fn expect_fleet(&mut self) {
        self.for_fleet = true;
    }

    /// The next to send, the oldest first; none where all is sent. Of this run only what is before
    /// `minute` is complete.
    pub(crate) fn next_parcel(&self, minute: i64) -> Result<Option<Parcel>, StoreError> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT grain_s, start, run, dropped, written FROM periods
                 WHERE sent < written AND (run <> ?1 OR start + grain_s <= ?2)
                 ORDER BY start, grain_s, run LIMIT 1",
            )?
            .query_row(params![self.run, minute.saturating_mul(60)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })
            .optional()?;
        if let Some((grain_s, start_s, run, dropped, written)) = found {
            return self.period(grain_s, start_s, run, (dropped, written));
        }
        self.next_mark().and_then(|mark| match mark {
            Some(mark) => Ok(Some(mark)),
            None => self.next_conclusions(),
        })
    }

    /// Notes that a parcel is where it should be. What was written anew since is sent again.
    pub(crate) fn mark_sent(&mut self, parcel: &Parcel) -> Result<(), StoreError> {
        self.in_transaction(|transaction, _, _| {
            match parcel {
                Parcel::Period { of, grain, start, written, .. } => transaction.execute(
                    "UPDATE periods SET sent = ?4 WHERE grain_s = ?1 AND start = ?2 AND run = ?3",
                    params![grain.seconds(), start * 60, of.id, written],
                ),
                Parcel::Mark { of, mark } => transaction.execute(
                    "UPDATE marks SET sent = 1
                     WHERE at_us = ?1 AND run = ?2 AND kind = ?3 AND text = ?4",
                    params![mark.at.as_microsecond(), of.id, mark.kind.as_str(), mark.text],
                ),
                Parcel::Conclusions { of, slot_s, taken_at, .. } => transaction.execute(
                    "UPDATE conclusions SET sent = 1 WHERE at = ?1 AND run = ?2 AND taken_at_us = ?3",
                    params![slot_s, of.id, taken_at.as_microsecond()],
                ),
            }?;
            Ok(())
        })
    }

    /// Periods that wait.
    pub(crate) fn waiting(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM periods WHERE sent < written";
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn period(
        &self,
        grain_s: i64,
        start_s: i64,
        run: RunId,
        (dropped, written): (i64, i64),
    ) -> Result<Option<Parcel>, StoreError> {
        let (Some(grain), Some(of)) = (Grain::of_seconds(grain_s), self.parcel_run(run)?) else {
            return Ok(None);
        };
        let mut labels = NumberedLabels::new(&self.connection);
        let others = others();
        let mut named = |number: i64| {
            Ok::<_, StoreError>(labels.get(number)?.unwrap_or_else(|| Arc::clone(&others)))
        };
        let sql = format!(
            "SELECT fingerprint, label, stats FROM query_{} WHERE start = ?1 AND run = ?2",
            grain.tables()
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![start_s, run])?;
        let (mut numbered, mut numbers) = (Vec::new(), HashSet::new());
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            numbers.insert(number);
            numbered.push((number, named(row.get(1)?)?, row.get::<_, Vec<u8>>(2)?));
        }
        let shapes = read::shapes_of(&self.connection, &numbers)?;
        let fingerprint =
            |number: i64| shapes.get(&number).map_or(FingerprintId::OTHERS, |(id, _)| *id);
        let queries = numbered
            .into_iter()
            .map(|(number, labels, stats)| (fingerprint(number), labels, stats))
            .collect();
        let sql = format!(
            "SELECT kind, label, stats FROM traffic_{} WHERE start = ?1 AND run = ?2",
            grain.tables()
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![start_s, run])?;
        let mut traffic = Vec::new();
        while let Some(row) = rows.next()? {
            if let Some(kind) = read::kind(row.get(0)?) {
                traffic.push((kind, named(row.get(1)?)?, row.get::<_, Vec<u8>>(2)?));
            }
        }
        Ok(Some(Parcel::Period {
            of,
            grain,
            start: start_s / 60,
            dropped: u64::try_from(dropped).unwrap_or(0),
            written,
            queries,
            traffic,
            shapes: shapes.into_values().collect(),
        }))
    }

    /// Those of kinds that only a later version knows wait for one: they do not stand in the way.
    fn next_mark(&self) -> Result<Option<Parcel>, StoreError> {
        let known = MarkKind::ALL.map(|kind| format!("'{}'", kind.as_str())).join(", ");
        let sql = format!(
            "SELECT at_us, run, kind, text FROM marks WHERE sent = 0 AND kind IN ({known}) LIMIT 1"
        );
        let found: Option<(i64, RunId, String, String)> = self
            .connection
            .prepare_cached(&sql)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((at_us, run, kind, text)) = found else { return Ok(None) };
        let (Some(of), Some(kind)) = (self.parcel_run(run)?, mark_kind(&kind)) else {
            return Ok(None);
        };
        let at = Timestamp::from_microsecond(at_us).unwrap_or_default();
        Ok(Some(Parcel::Mark { of, mark: Mark { at, kind, text } }))
    }

    fn next_conclusions(&self) -> Result<Option<Parcel>, StoreError> {
        let found: Option<(i64, RunId, i64, String)> = self
            .connection
            .prepare_cached(
                "SELECT at, run, taken_at_us, json FROM conclusions WHERE sent = 0 LIMIT 1",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((slot_s, run, taken_at_us, json)) = found else { return Ok(None) };
        let Some(of) = self.parcel_run(run)? else { return Ok(None) };
        let taken_at = Timestamp::from_microsecond(taken_at_us).unwrap_or_default();
        Ok(Some(Parcel::Conclusions { of, slot_s, taken_at, json }))
    }

    fn parcel_run(&self, id: RunId) -> Result<Option<ParcelRun>, StoreError> {
        let found = self
            .connection
            .prepare_cached("SELECT instance, started_at, version FROM runs WHERE id = ?1")?
            .query_row([id], |row| {
                let started_at = Timestamp::from_microsecond(row.get(1)?).unwrap_or_default();
                let run = Run { instance: row.get(0)?, started_at, version: row.get(2)? };
                Ok(ParcelRun { id, run })
            })
            .optional()?;
        Ok(found)
    }
}
