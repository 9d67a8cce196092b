//! Reading a span.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use model::{FingerprintId, LabelId, Labels, Mark, ShapeInfo, Snapshot};
use rusqlite::{Connection, params};

use super::dictionary::{NumberedLabels, shape};
use super::open::open_to_read;
use super::{Local, PlanHistory, conclusions};
use crate::assembly::Assembly;
use crate::conclusions::Conclusions;
use crate::error::StoreError;
use crate::grain::Grain;
use crate::rows::{Kind, others};
use crate::span::{Period, Plan, RunId, Span};

/// What a reader adds to rows from elsewhere.
pub(crate) struct Beside<'a> {
    /// Ids that labels have already.
    pub(crate) known: &'a HashMap<LabelId, Arc<Labels>>,
    /// A run that is left out from this minute on.
    pub(crate) without: Option<(RunId, i64)>,
}

/// A history that is only read, also while another process writes it, or after its end.
#[derive(Debug)]
pub struct Stored {
    connection: Connection,
    path: PathBuf,
}

impl Stored {
    /// Opens the file.
    ///
    /// # Errors
    /// The file cannot be read, is no history, or is of a later version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: open_to_read(path)?, path: path.to_owned() })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was measured in whole minutes that overlap `from..until`, with an edge at each of `cuts`.
    /// Its minutes are minutes, hours or days, as the span's length wants and as they are kept; it is
    /// taken at `until`, or where history ends before it.
    ///
    /// # Errors
    /// SQLite's, and rows that no version of pgweir writes.
    pub fn snapshot(
        &self,
        from: Timestamp,
        until: Timestamp,
        cuts: &[Timestamp],
    ) -> Result<Snapshot, StoreError> {
        let span = Span::new(from, until, cuts);
        let beside = Beside { known: &HashMap::new(), without: None };
        snapshot(&self.connection, &span, until, &beside)
    }

    /// What was found, at the last look in `from..until`.
    ///
    /// # Errors
    /// SQLite's.
    pub fn conclusions(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Conclusions, StoreError> {
        conclusions::last(&self.connection, from, until)
    }

    /// The plans that statements had in `from..until`.
    ///
    /// # Errors
    /// SQLite's.
    pub fn plans(&self, from: Timestamp, until: Timestamp) -> Result<PlanHistory, StoreError> {
        conclusions::plans(&self.connection, from, until)
    }

    /// What happened to the service, the oldest first.
    ///
    /// # Errors
    /// SQLite's.
    pub fn marks(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Mark>, StoreError> {
        conclusions::marks(&self.connection, from, until)
    }

    /// From when to when there is anything; none where there is nothing.
    ///
    /// # Errors
    /// SQLite's.
    pub fn extent(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        extent(&self.connection)
    }

    /// The version of the pgweir that wrote last.
    ///
    /// # Errors
    /// SQLite's.
    pub fn version(&self) -> Result<String, StoreError> {
        let sql = "SELECT coalesce(max(version), '') FROM runs
                   WHERE started_at = (SELECT max(started_at) FROM runs)";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }
}

impl Local {
    /// As [`Stored::snapshot`], beside the minutes in memory: of this run only what is before
    /// `memory_from` (minutes since the epoch), from there on by the minute.
    pub(crate) fn snapshot(
        &self,
        (from, until): (Timestamp, Timestamp),
        cuts: &[Timestamp],
        memory_from: i64,
        known: &HashMap<LabelId, Arc<Labels>>,
    ) -> Result<Snapshot, StoreError> {
        let span = Span::new(from, until, cuts).by_minute_from(memory_from);
        let beside = Beside { known, without: Some((self.run, memory_from)) };
        snapshot(&self.connection, &span, until, &beside)
    }

    /// As [`Stored::marks`].
    pub(crate) fn marks(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Mark>, StoreError> {
        conclusions::marks(&self.connection, from, until)
    }
}

fn extent(connection: &Connection) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let sql = "SELECT min(start), max(start + grain_s) FROM periods";
    let (first, end): (Option<i64>, Option<i64>) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let time = |second: i64| Timestamp::from_second(second).ok();
    // A run may have begun within the first minute.
    let begun: Option<i64> =
        connection.query_row("SELECT min(started_at) FROM runs", [], |row| row.get(0))?;
    let begun = begun.and_then(|us| Timestamp::from_microsecond(us).ok());
    let first = first.and_then(time).map(|first| match begun {
        Some(begun) if begun.duration_since(first).as_secs() < 60 => first.max(begun),
        _ => first,
    });
    Ok(first.zip(end.and_then(time)))
}

fn snapshot(
    connection: &Connection,
    span: &Span,
    until: Timestamp,
    beside: &Beside<'_>,
) -> Result<Snapshot, StoreError> {
    let periods = periods(connection, span, beside.without)?;
    let plan = Plan::new(span, &periods.iter().map(|(period, _)| *period).collect::<Vec<_>>());
    let mut assembly = Assembly::new(span, beside.known);
    for (period, dropped) in periods.iter().filter(|(period, _)| plan.chosen.contains(period)) {
        assembly.add_period(period, *dropped);
    }
    let mut labels = NumberedLabels::new(connection);
    let others = others();
    let mut shapes = Shapes::default();
    for (grain, begin, end) in &plan.ranges {
        queries(connection, &plan, (*grain, *begin, *end), |period, number, label, stats| {
            let fingerprint = shapes.fingerprint(connection, number)?;
            let labels = labels.get(label)?;
            assembly.add_query(period, fingerprint, labels.as_ref().unwrap_or(&others), stats)
        })?;
        traffic(connection, &plan, (*grain, *begin, *end), |period, kind, label, stats| {
            let labels = labels.get(label)?;
            assembly.add_traffic(period, kind, labels.as_ref().unwrap_or(&others), stats)
        })?;
    }
    let extent = extent(connection)?;
    let (begun, ended) = extent.unwrap_or((until, until));
    Ok(assembly.finish(shapes.known, begun, until.min(ended)))
}

/// Shapes that rows name, read when they are first named.
#[derive(Default)]
struct Shapes {
    by_number: HashMap<i64, FingerprintId>,
    known: HashMap<FingerprintId, ShapeInfo>,
}

impl Shapes {
    fn fingerprint(
        &mut self,
        connection: &Connection,
        number: i64,
    ) -> Result<FingerprintId, StoreError> {
        if let Some(fingerprint) = self.by_number.get(&number) {
            return Ok(*fingerprint);
        }
        let fingerprint = match shape(connection, number)? {
            Some((fingerprint, info)) => {
                if fingerprint != FingerprintId::OTHERS {
                    self.known.insert(fingerprint, info);
                }
                fingerprint
            }
            None => FingerprintId::OTHERS,
        };
        self.by_number.insert(number, fingerprint);
        Ok(fingerprint)
    }
}

/// The periods of the span's days, with the events dropped in each.
fn periods(
    connection: &Connection,
    span: &Span,
    without: Option<(RunId, i64)>,
) -> Result<Vec<(Period, u64)>, StoreError> {
    let mut periods = Vec::new();
    for grain in Grain::ALL {
        let mut statement = connection.prepare_cached(
            "SELECT start, run, dropped FROM periods
             WHERE grain_s = ?1 AND start >= ?2 AND start < ?3",
        )?;
        let (begin, end) = span.days();
        let mut rows = statement.query(params![grain.seconds(), begin * 60, end * 60])?;
        while let Some(row) = rows.next()? {
            let start_s: i64 = row.get(0)?;
            let period = Period { grain, start: start_s / 60, run: row.get(1)? };
            let left_out =
                without.is_some_and(|(run, from)| period.run == run && period.start >= from);
            if !left_out {
                periods.push((period, u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0)));
            }
        }
    }
    Ok(periods)
}

type Range = (Grain, i64, i64);

fn queries(
    connection: &Connection,
    plan: &Plan,
    (grain, begin, end): Range,
    mut take: impl FnMut(&Period, i64, i64, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT start, run, fingerprint, label, stats FROM query_{}
         WHERE start >= ?1 AND start < ?2",
        grain.tables()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![begin * 60, end * 60])?;
    while let Some(row) = rows.next()? {
        let start_s: i64 = row.get(0)?;
        let period = Period { grain, start: start_s / 60, run: row.get(1)? };
        if plan.chosen.contains(&period) {
            let stats = row.get_ref(4)?.as_blob().unwrap_or_default();
            take(&period, row.get(2)?, row.get(3)?, stats)?;
        }
    }
    Ok(())
}

fn traffic(
    connection: &Connection,
    plan: &Plan,
    (grain, begin, end): Range,
    mut take: impl FnMut(&Period, Kind, i64, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT start, run, kind, label, stats FROM traffic_{}
         WHERE start >= ?1 AND start < ?2",
        grain.tables()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![begin * 60, end * 60])?;
    while let Some(row) = rows.next()? {
        let start_s: i64 = row.get(0)?;
        let period = Period { grain, start: start_s / 60, run: row.get(1)? };
        let Some(kind) = kind(row.get(2)?) else { continue };
        if plan.chosen.contains(&period) {
            let stats = row.get_ref(4)?.as_blob().unwrap_or_default();
            take(&period, kind, row.get(3)?, stats)?;
        }
    }
    Ok(())
}

pub(super) fn kind(number: i64) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.number() == number)
}

/// The fingerprints with these numbers.
pub(super) fn shapes_of(
    connection: &Connection,
    numbers: &HashSet<i64>,
) -> Result<HashMap<i64, (FingerprintId, ShapeInfo)>, StoreError> {
    let mut shapes = HashMap::new();
    for number in numbers {
        if let Some(found) = shape(connection, *number)? {
            shapes.insert(*number, found);
        }
    }
    Ok(shapes)
}
