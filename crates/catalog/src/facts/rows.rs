//! From the rows of the catalogue queries to facts. The positions are those of the SQL files.

use jiff::Timestamp;
use model::{ColumnFacts, IndexFacts, TableFacts};
use tokio_postgres::Row;

use crate::CatalogError;

/// A row of `tables.sql`.
#[derive(Debug)]
pub(super) struct TableRow {
    pub(super) oid: u32,
    /// The tables that hold its rows: itself, or its leaf partitions.
    pub(super) parts: Vec<u32>,
    /// Whether the role may see its columns' statistics.
    pub(super) readable: bool,
    pub(super) facts: TableFacts,
}

impl TableRow {
    pub(super) fn read(row: &Row) -> Result<Self, CatalogError> {
        Ok(Self {
            oid: row.try_get(0)?,
            parts: row.try_get(3)?,
            readable: row.try_get(10)?,
            facts: TableFacts {
                schema: row.try_get(1)?,
                name: row.try_get(2)?,
                rows: row.try_get(4)?,
                bytes: count(row.try_get(5)?),
                sequential_scans: count(row.try_get(6)?),
                sequential_rows: count(row.try_get(7)?),
                index_scans: count(row.try_get(8)?),
                writes: count(row.try_get(9)?),
                root: match (row.try_get(11)?, row.try_get(12)?) {
                    (Some(schema), Some(name)) => Some((schema, name)),
                    _ => None,
                },
                ..TableFacts::default()
            },
        })
    }

    /// Schema and name, by which the facts are ordered.
    pub(super) fn name(&self) -> (&str, &str) {
        (&self.facts.schema, &self.facts.name)
    }
}

/// A row of `indexes.sql`.
#[derive(Debug)]
pub(super) struct IndexRow {
    pub(super) oid: u32,
    pub(super) table: u32,
    /// The indexes that hold its entries: itself, or those of the leaf partitions.
    pub(super) parts: Vec<u32>,
    pub(super) facts: IndexFacts,
}

impl IndexRow {
    pub(super) fn read(row: &Row) -> Result<Self, CatalogError> {
        Ok(Self {
            oid: row.try_get(13)?,
            table: row.try_get(0)?,
            parts: row.try_get(9)?,
            facts: IndexFacts {
                name: row.try_get(1)?,
                method: row.try_get(2)?,
                columns: row.try_get(3)?,
                include: row.try_get(4)?,
                primary: row.try_get(5)?,
                unique: row.try_get(6)?,
                valid: row.try_get(7)?,
                predicate: row.try_get(8)?,
                bytes: count(row.try_get(10)?),
                scans: count(row.try_get(11)?),
                entries_read: count(row.try_get(12)?),
                key_options: row.try_get(14)?,
                key_clauses: row.try_get(17)?,
                relied_on: row.try_get(15)?,
                definition: None,
                building: row.try_get(16)?,
                first_seen: None,
            },
        })
    }
}

/// A row of `columns.sql`, whose first field is the table.
pub(super) fn column(row: &Row) -> Result<ColumnFacts, CatalogError> {
    Ok(ColumnFacts {
        name: row.try_get(1)?,
        type_name: row.try_get(2)?,
        distinct: row.try_get(3)?,
        null_share: row.try_get(4)?,
        commonest_share: row.try_get(5)?,
        correlation: row.try_get(6)?,
        width: row.try_get(7)?,
        not_null: row.try_get(8)?,
    })
}

/// A counter of the server, which is never below zero.
pub(crate) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A moment given as seconds since 1970.
pub(crate) fn moment(seconds: Option<f64>) -> Option<Timestamp> {
    Timestamp::from_microsecond((seconds? * 1e6) as i64).ok()
}
