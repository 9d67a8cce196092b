//! Numbers for fingerprints and labels, so that rows are small.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use model::{FingerprintId, Labels, ShapeId, ShapeInfo, StrictId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::StoreError;
use crate::rows::{labels_of_texts, text_of_tags};

/// When something was last seen is written when it is so much later, s.
const SEEN_GRAIN_S: i64 = 600;
/// Numbers remembered of each kind. Beyond that all are asked for again, which costs a little.
const REMEMBERED_MOST: usize = 20_000;

/// Numbers that were given, and when each was last written as seen.
#[derive(Default)]
pub(super) struct Dictionary {
    fingerprints: HashMap<FingerprintId, (i64, i64)>,
    labels: HashMap<Arc<Labels>, (i64, i64)>,
}

impl Dictionary {
    /// The number of a fingerprint, seen at `now_s`.
    pub(super) fn fingerprint(
        &mut self,
        connection: &Connection,
        id: FingerprintId,
        info: Option<&ShapeInfo>,
        now_s: i64,
    ) -> Result<i64, StoreError> {
        if let Some((number, written)) = self.fingerprints.get(&id)
            && now_s - *written < SEEN_GRAIN_S
        {
            return Ok(*number);
        }
        let unknown = ShapeInfo::default();
        let info = info.unwrap_or(&unknown);
        let number = connection
            .prepare_cached(
                "INSERT INTO fingerprints
                   (fingerprint, text, class, parsed, strict_ids, shapes, first_seen, last_seen)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (fingerprint) DO UPDATE SET
                   text = iif(excluded.text = '', text, excluded.text),
                   class = iif(excluded.class = '', class, excluded.class),
                   parsed = coalesce(excluded.parsed, parsed),
                   strict_ids = iif(excluded.text = '', strict_ids, excluded.strict_ids),
                   shapes = iif(excluded.text = '', shapes, excluded.shapes),
                   last_seen = max(last_seen, excluded.last_seen)
                 RETURNING id",
            )?
            .query_row(
                params![
                    id.0.cast_signed(),
                    &*info.text,
                    &*info.class,
                    info.parsed,
                    bytes(info.strict_ids.iter().map(|id| id.0)),
                    bytes(info.shapes.iter().map(|id| id.0)),
                    info.first_seen.as_second().clamp(0, now_s),
                    now_s,
                ],
                |row| row.get(0),
            )?;
        remember(&mut self.fingerprints, id, (number, now_s));
        Ok(number)
    }

    /// The number of labels, seen at `now_s`.
    pub(super) fn labels(
        &mut self,
        connection: &Connection,
        labels: &Arc<Labels>,
        now_s: i64,
    ) -> Result<i64, StoreError> {
        if let Some((number, written)) = self.labels.get(labels)
            && now_s - *written < SEEN_GRAIN_S
        {
            return Ok(*number);
        }
        let number = connection
            .prepare_cached(
                "INSERT INTO labels (database, user, application, tags, last_seen)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (database, user, application, tags) DO UPDATE SET
                   last_seen = max(last_seen, excluded.last_seen)
                 RETURNING id",
            )?
            .query_row(
                params![
                    &*labels.database,
                    &*labels.user,
                    &*labels.application,
                    text_of_tags(&labels.tags),
                    now_s
                ],
                |row| row.get(0),
            )?;
        remember(&mut self.labels, Arc::clone(labels), (number, now_s));
        Ok(number)
    }
}

fn remember<K: Eq + Hash>(numbers: &mut HashMap<K, (i64, i64)>, key: K, number: (i64, i64)) {
    if numbers.len() >= REMEMBERED_MOST {
        numbers.clear();
    }
    numbers.insert(key, number);
}

/// Labels by their numbers, each read when it is first named: a history of years knows many kinds of
/// clients that are long gone.
pub(super) struct NumberedLabels<'c> {
    connection: &'c Connection,
    read: HashMap<i64, Option<Arc<Labels>>>,
}

impl<'c> NumberedLabels<'c> {
    /// None is read yet.
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, read: HashMap::new() }
    }

    /// Those with this number; none if there are none.
    pub(super) fn get(&mut self, number: i64) -> Result<Option<Arc<Labels>>, StoreError> {
        if let Some(labels) = self.read.get(&number) {
            return Ok(labels.clone());
        }
        let sql = "SELECT database, user, application, tags FROM labels WHERE id = ?1";
        let texts: Option<[String; 4]> = self
            .connection
            .prepare_cached(sql)?
            .query_row([number], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
            .optional()?;
        let labels = texts.map(|[database, user, application, tags]| {
            let labels = labels_of_texts(database.into(), user.into(), application.into(), &tags);
            Arc::new(labels)
        });
        self.read.insert(number, labels.clone());
        Ok(labels)
    }
}

/// All fingerprints by their numbers.
pub(super) fn all_fingerprints(
    connection: &Connection,
) -> Result<HashMap<i64, FingerprintId>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, fingerprint FROM fingerprints")?;
    let mut rows = statement.query([])?;
    let mut fingerprints = HashMap::new();
    while let Some(row) = rows.next()? {
        let fingerprint: i64 = row.get(1)?;
        fingerprints.insert(row.get(0)?, FingerprintId(fingerprint.cast_unsigned()));
    }
    Ok(fingerprints)
}

/// What is known of the fingerprint with this number.
pub(super) fn shape(
    connection: &Connection,
    number: i64,
) -> Result<Option<(FingerprintId, ShapeInfo)>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT fingerprint, text, class, parsed, strict_ids, shapes, first_seen, last_seen
             FROM fingerprints WHERE id = ?1",
        )?
        .query_row([number], shape_of_row)
        .optional()?;
    Ok(found)
}

fn shape_of_row(row: &Row<'_>) -> rusqlite::Result<(FingerprintId, ShapeInfo)> {
    let time = |at: usize| -> rusqlite::Result<jiff::Timestamp> {
        Ok(jiff::Timestamp::from_second(row.get(at)?).unwrap_or_default())
    };
    let fingerprint: i64 = row.get(0)?;
    let info = ShapeInfo {
        text: Arc::from(row.get::<_, String>(1)?),
        class: row.get::<_, String>(2)?.into(),
        parsed: row.get(3)?,
        strict_ids: numbers(&row.get::<_, Vec<u8>>(4)?).map(StrictId).collect(),
        shapes: numbers(&row.get::<_, Vec<u8>>(5)?).map(ShapeId).collect(),
        first_seen: time(6)?,
        last_seen: time(7)?,
        ..ShapeInfo::default()
    };
    Ok((FingerprintId(fingerprint.cast_unsigned()), info))
}

/// Ids one after the other, eight bytes each.
fn bytes(ids: impl Iterator<Item = u64>) -> Vec<u8> {
    ids.flat_map(u64::to_le_bytes).collect()
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let chunks = bytes.chunks_exact(8);
    chunks.map(|chunk| chunk.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
