//! What is too old goes, and what is too much.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::Local;
use crate::error::StoreError;
use crate::grain::Grain;

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Age of the oldest minutes. An hour of minutes goes when it is rolled up and all of it is older.
    pub minutes: Duration,
    /// Age of the oldest hours. They go by whole days, as minutes do by hours.
    pub hours: Duration,
    /// Age of the oldest days.
    pub days: Duration,
    /// Size of the file, bytes. Where it is more, the oldest minutes go first, then hours, then days.
    pub size_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        Self { minutes: DAY, hours: DAY * 30, days: DAY * 730, size_bytes: 1 << 30 }
    }
}

/// What history in memory may take, whatever the setting for files says.
const IN_MEMORY_BYTES: u64 = 64 << 20;
/// What waited for the fleet's store and had to go.
const UNSENT_DROPPED: &str = "unsent_dropped";
/// So many labels that nothing names do no harm.
const UNNAMED_LABELS: i64 = 20_000;
/// Marks kept, the newest: they go by age with the days, and where there is too much history they are not
/// what goes.
pub(super) const MOST_MARKS: u64 = 10_000;
/// Of small histories there is one mark for so many bytes, which is a tenth of them at the most.
const BYTES_FOR_MARK: u64 = 2_000;
/// Pages given back to the system at a time.
const PAGES_GIVEN_BACK: u32 = 2_000;

impl Local {
    /// Removes what is beyond the bounds at `now_s` (s since the epoch). Minutes of the hour that
    /// `minute` lies in always stay.
    pub(crate) fn trim(
        &mut self,
        bounds: &Bounds,
        now_s: i64,
        minute: i64,
    ) -> Result<(), StoreError> {
        let current = Grain::Hour.floor(minute) * 60;
        let before = |age: Duration| {
            let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            now_s.saturating_sub(age)
        };
        for (grain, age) in [
            (Grain::Minute, bounds.minutes),
            (Grain::Hour, bounds.hours),
            (Grain::Day, bounds.days),
        ] {
            let slice = slice_s(grain);
            let end = (before(age).div_euclid(slice) * slice).min(current);
            while let Some(start) = self.oldest(grain, end - grain.seconds() + 1)? {
                self.remove_slice(grain, start)?;
            }
        }
        self.trim_conclusions(before(bounds.minutes), before(bounds.hours))?;
        self.forget(before(bounds.days.max(bounds.hours)))?;
        let most = match self.path {
            Some(_) => bounds.size_bytes,
            None => bounds.size_bytes.min(IN_MEMORY_BYTES),
        };
        self.forget_unnamed_labels()?;
        self.forget_marks_but(MOST_MARKS.min(most / BYTES_FOR_MARK))?;
        self.shrink_to(most, current)?;
        self.connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})"))?;
        Ok(())
    }

    /// Rows that were to be sent to the fleet's store, and had to go before they could be.
    pub(crate) fn unsent_dropped(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(sum(value), 0) FROM counters WHERE name = ?1";
        let count: i64 = self.connection.query_row(sql, [UNSENT_DROPPED], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Lets go of the pages that SQLite keeps: the next write, a minute later, finds them in the
    /// system's cache.
    pub(crate) fn release_memory(&self) {
        // That it could not is said when it next cannot write.
        let _released = self.connection.release_memory();
    }

    /// Bytes of the file that hold something.
    pub(crate) fn used_bytes(&self) -> Result<u64, StoreError> {
        let number = |name: &str| -> Result<u64, StoreError> {
            let number: i64 = self.connection.pragma_query_value(None, name, |row| row.get(0))?;
            Ok(u64::try_from(number).unwrap_or(0))
        };
        Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
    }

    fn shrink_to(&mut self, most: u64, current: i64) -> Result<(), StoreError> {
        for (grain, end) in
            [(Grain::Minute, current), (Grain::Hour, i64::MAX), (Grain::Day, i64::MAX)]
        {
            while self.used_bytes()? > most {
                let Some(start) = self.oldest(grain, end)? else { break };
                self.remove_slice(grain, start)?;
            }
        }
        Ok(())
    }

    fn oldest(&self, grain: Grain, before_s: i64) -> Result<Option<i64>, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT min(start) FROM periods WHERE grain_s = ?1 AND start < ?2")?
            .query_row(params![grain.seconds(), before_s], |row| row.get(0))?)
    }

    /// Removes one hour of minutes, a day of hours, or a day: whole ones, since a reader takes the
    /// finer rows for all of an hour or a day where there are any; and little enough at a time that
    /// nobody waits long.
    fn remove_slice(&mut self, grain: Grain, start_s: i64) -> Result<(), StoreError> {
        let for_fleet = self.for_fleet;
        let length = slice_s(grain);
        let end_s = start_s.div_euclid(length) * length + length;
        self.in_transaction(|transaction, _, _| {
            if for_fleet {
                count_unsent(transaction, grain, end_s)?;
            }
            for table in ["query", "traffic"] {
                let sql = format!("DELETE FROM {table}_{} WHERE start < ?1", grain.tables());
                transaction.prepare_cached(&sql)?.execute([end_s])?;
            }
            transaction
                .prepare_cached("DELETE FROM periods WHERE grain_s = ?1 AND start < ?2")?
                .execute(params![grain.seconds(), end_s])?;
            Ok(())
        })
    }

    /// Of conclusions older than minutes are kept, the last of each hour stays, as long as hours do.
    fn trim_conclusions(&mut self, thin_s: i64, gone_s: i64) -> Result<(), StoreError> {
        self.in_transaction(|transaction, _, _| {
            transaction.execute("DELETE FROM conclusions WHERE at < ?1", [gone_s])?;
            transaction.execute(
                "DELETE FROM conclusions WHERE at < ?1 AND EXISTS (
                     SELECT 1 FROM conclusions AS later WHERE later.at > conclusions.at
                     AND later.at < conclusions.at - conclusions.at % 3600 + 3600
                     AND later.run = conclusions.run)",
                [thin_s],
            )?;
            Ok(())
        })
    }

    /// Forgets fingerprints, labels, marks, plans and runs of which no row can be left.
    fn forget(&mut self, before_s: i64) -> Result<(), StoreError> {
        let before_us = before_s.saturating_mul(1_000_000);
        // A day's rows are marked with its beginning.
        let seen_s = before_s.saturating_sub(2 * Grain::Day.seconds());
        self.in_transaction(|transaction, dictionary, run| {
            let mut gone = 0;
            for table in ["fingerprints", "labels"] {
                let sql = format!("DELETE FROM {table} WHERE last_seen < ?1");
                gone += transaction.execute(&sql, [seen_s])?;
            }
            transaction.execute("DELETE FROM marks WHERE at_us < ?1", [before_us])?;
            transaction.execute("DELETE FROM plans WHERE until_us < ?1", [before_us])?;
            transaction.execute(
                "DELETE FROM runs WHERE id <> ?1 AND started_at < ?2
                 AND id NOT IN (SELECT run FROM periods)",
                params![run, before_us],
            )?;
            if gone > 0 {
                *dictionary = super::Dictionary::default();
            }
            Ok(())
        })
    }
}

impl Local {
    /// Forgets the labels whose rows are gone, or summed up in others: of applications with ever new names
    /// there would be more than all else. It takes a look at all rows, so that there must be many.
    fn forget_unnamed_labels(&mut self) -> Result<(), StoreError> {
        let count = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM labels", [], |row| row.get::<_, i64>(0))
        };
        if count(&self.connection)? <= 2 * self.labels_named + UNNAMED_LABELS {
            return Ok(());
        }
        self.in_transaction(|transaction, dictionary, _| {
            transaction.execute(
                "DELETE FROM labels WHERE id NOT IN (
                     SELECT label FROM query_minutes UNION SELECT label FROM query_hours
                     UNION SELECT label FROM query_days UNION SELECT label FROM traffic_minutes
                     UNION SELECT label FROM traffic_hours UNION SELECT label FROM traffic_days)",
                [],
            )?;
            *dictionary = super::Dictionary::default();
            Ok(())
        })?;
        self.labels_named = count(&self.connection)?;
        Ok(())
    }
}

impl Local {
    /// Forgets all marks but the newest `kept`.
    fn forget_marks_but(&mut self, kept: u64) -> Result<(), StoreError> {
        self.in_transaction(|transaction, _, _| {
            transaction
                .prepare_cached(
                    "DELETE FROM marks WHERE at_us <=
                     (SELECT at_us FROM marks ORDER BY at_us DESC LIMIT 1 OFFSET ?1)",
                )?
                .execute([i64::try_from(kept).unwrap_or(i64::MAX)])?;
            Ok(())
        })
    }
}

/// What is removed at once, s.
fn slice_s(grain: Grain) -> i64 {
    match grain {
        Grain::Minute => Grain::Hour.seconds(),
        Grain::Hour | Grain::Day => Grain::Day.seconds(),
    }
}

fn count_unsent(connection: &Connection, grain: Grain, end_s: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO counters
             SELECT ?1, count(*) FROM periods WHERE grain_s = ?2 AND start < ?3
             AND sent < written
             ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        )?
        .execute(params![UNSENT_DROPPED, grain.seconds(), end_s])?;
    Ok(())
}
