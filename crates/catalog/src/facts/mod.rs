//! Reads what is known of one database.

mod columns;
mod definitions;
mod oldest;
pub(crate) mod rows;
mod sequences;
mod upkeep;

use std::collections::HashMap;

use deadpool_postgres::{Object, Transaction};
use model::{CatalogPart, DatabaseFacts, TableFacts, Unavailable};
use tokio_postgres::types::Type;

use crate::transaction::begin_read_only;
use crate::{CatalogError, CatalogSettings};
use columns::read_columns;
use definitions::read_definitions;
use oldest::read_oldest;
use rows::{IndexRow, TableRow};
use sequences::read_sequences;
use upkeep::read_upkeep;

/// What one reading of a database gave.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) server_version: u32,
    pub(crate) facts: DatabaseFacts,
    pub(crate) unavailable: Vec<Unavailable>,
    /// The tables that the role may read, in order.
    pub(crate) readable: Vec<u32>,
}

/// Tables named in a note; the rest are counted.
const TABLES_NAMED: usize = 3;

/// Reads tables, columns, indexes and settings of the database that `connection` is to.
///
/// Cancel-safe: the transaction rolls back.
pub(crate) async fn read_database(
    connection: &mut Object,
    database: &str,
    user: &str,
    settings: &CatalogSettings,
) -> Result<Reading, CatalogError> {
    let transaction = begin_read_only(connection, settings).await?;
    let (server_version, mut facts) = read_settings(&transaction).await?;
    let mut tables = read_tables(&transaction, settings.max_tables).await?;
    let mut unavailable = Vec::new();
    if tables.len() > settings.max_tables as usize {
        tables.truncate(settings.max_tables as usize);
        unavailable.push(Unavailable {
            what: format!("the smaller tables of {database}"),
            why: format!("only the {} largest tables are read", settings.max_tables),
        });
    }
    tables.sort_by(|a, b| a.name().cmp(&b.name()));
    unavailable.extend(unreadable_statistics(&tables, database, user));

    let positions: HashMap<u32, usize> =
        tables.iter().enumerate().map(|(position, table)| (table.oid, position)).collect();
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let mut indexes = Vec::new();
    for row in
        transaction.query_typed(include_str!("indexes.sql"), &[(&oids, Type::OID_ARRAY)]).await?
    {
        indexes.push(IndexRow::read(&row)?);
    }
    transaction.rollback().await?;

    measure(connection, settings, &mut tables, &mut indexes).await?;
    let mut notes = Notes { database, unavailable: &mut unavailable };
    read_more(connection, settings, &mut facts, &mut tables, &mut notes).await?;
    let definitions = read_definitions(connection, settings, &mut indexes).await;
    if let Err(error) = definitions {
        if error.spoils_connection() {
            return Err(error);
        }
        // Some fixes have no undo for once.
        tracing::debug!(%error, database, "definitions of indexes were not read");
    }
    for index in indexes {
        if let Some(position) = positions.get(&index.table) {
            tables[*position].facts.indexes.push(index.facts);
        }
    }
    let mut readable: Vec<u32> =
        tables.iter().filter(|table| table.readable).map(|table| table.oid).collect();
    readable.sort_unstable();
    facts.tables = tables.into_iter().map(|table| table.facts).collect();
    Ok(Reading { server_version, facts, unavailable, readable })
}

/// Reads what the rest is worth having without; what was not read is told.
async fn read_more(
    connection: &mut Object,
    settings: &CatalogSettings,
    facts: &mut DatabaseFacts,
    tables: &mut [TableRow],
    notes: &mut Notes<'_>,
) -> Result<(), CatalogError> {
    let columns = read_columns(connection, settings, tables).await;
    notes.tolerate(columns, "columns")?;
    let upkeep = read_upkeep(connection, settings, facts, tables).await;
    match notes.tolerate(upkeep, "upkeep of tables")? {
        Some(more) => notes.left_out(more, "further foreign keys", settings.max_foreign_keys),
        None => drop(facts.unread.insert(CatalogPart::Upkeep)),
    }
    let oldest = read_oldest(connection, settings, &mut facts.upkeep).await;
    if notes.tolerate(oldest, "oldest tables")?.is_none() {
        facts.unread.insert(CatalogPart::Oldest);
    }
    let sequences = read_sequences(connection, settings).await;
    match notes.tolerate(sequences, "sequences")? {
        Some((sequences, more)) => {
            facts.sequences = sequences;
            notes.left_out(more, "further sequences", settings.max_sequences);
        }
        None => drop(facts.unread.insert(CatalogPart::Sequences)),
    }
    Ok(())
}

/// What is said of a database beside its facts.
struct Notes<'a> {
    database: &'a str,
    unavailable: &'a mut Vec<Unavailable>,
}

impl Notes<'_> {
    /// What was read, or none and a note where the server refused: the rest is still worth having.
    fn tolerate<T>(
        &mut self,
        outcome: Result<T, CatalogError>,
        what: &str,
    ) -> Result<Option<T>, CatalogError> {
        match outcome {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.spoils_connection() => Err(error),
            Err(error) => {
                let what = format!("{what} of {}", self.database);
                self.unavailable.push(Unavailable { what, why: error.to_string() });
                Ok(None)
            }
        }
    }

    /// Says where a limit left some out.
    fn left_out(&mut self, more: bool, what: &str, most: u32) {
        if more {
            self.unavailable.push(Unavailable {
                what: format!("{what} of {}", self.database),
                why: format!("only {most} are read"),
            });
        }
    }
}

/// The server's version, and the facts without tables.
async fn read_settings(
    transaction: &Transaction<'_>,
) -> Result<(u32, DatabaseFacts), CatalogError> {
    let row = transaction
        .query_typed_one(
            "SELECT current_setting('server_version_num')::int4, current_schemas(false), \
             EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'hypopg')",
            &[],
        )
        .await?;
    let facts = DatabaseFacts {
        search_path: row.try_get(1)?,
        hypopg: row.try_get(2)?,
        ..DatabaseFacts::default()
    };
    Ok((u32::try_from(row.try_get::<_, i32>(0)?).unwrap_or(0), facts))
}

/// The largest tables in that order, one more than `limit` if there are more.
async fn read_tables(
    transaction: &Transaction<'_>,
    limit: u32,
) -> Result<Vec<TableRow>, CatalogError> {
    let limit = i64::from(limit) + 1;
    let rows = transaction.query_typed(include_str!("tables.sql"), &[(&limit, Type::INT8)]).await?;
    rows.iter().map(TableRow::read).collect()
}

/// Puts true sizes in place of the estimates from `relpages`.
///
/// `pg_table_size` waits for whoever has locked the table (an ALTER TABLE, say), so it has a
/// transaction of its own, and the estimates stand when it fails.
async fn measure(
    connection: &mut Object,
    settings: &CatalogSettings,
    tables: &mut [TableRow],
    indexes: &mut [IndexRow],
) -> Result<(), CatalogError> {
    let oids: Vec<u32> = tables
        .iter()
        .flat_map(|table| &table.parts)
        .chain(indexes.iter().flat_map(|index| &index.parts))
        .copied()
        .collect();
    let transaction = begin_read_only(connection, settings).await?;
    let outcome = transaction
        .query_typed(
            "SELECT oid, pg_table_size(oid) FROM unnest($1::oid[]) AS oid",
            &[(&oids, Type::OID_ARRAY)],
        )
        .await
        .map_err(CatalogError::from);
    let rows = match outcome {
        Ok(rows) => rows,
        Err(error) if error.spoils_connection() => return Err(error),
        Err(error) => {
            tracing::debug!(%error, "sizes are estimated, they could not be measured");
            return Ok(());
        }
    };
    let mut sizes: HashMap<u32, u64> = HashMap::with_capacity(rows.len());
    for row in &rows {
        // NULL where the table is gone by now.
        let bytes: Option<i64> = row.try_get(1)?;
        sizes.insert(row.try_get(0)?, rows::count(bytes.unwrap_or(0)));
    }
    transaction.rollback().await?;
    let sum = |parts: &[u32]| parts.iter().filter_map(|oid| sizes.get(oid)).sum();
    for table in tables {
        table.facts.bytes = sum(&table.parts);
    }
    for index in indexes {
        index.facts.bytes = sum(&index.parts);
    }
    Ok(())
}

/// Notes the tables whose column statistics the role may not see.
fn unreadable_statistics(tables: &[TableRow], database: &str, user: &str) -> Option<Unavailable> {
    let hidden: Vec<&TableFacts> =
        tables.iter().filter(|table| !table.readable).map(|table| &table.facts).collect();
    if hidden.is_empty() {
        return None;
    }
    let mut names: Vec<String> = hidden
        .iter()
        .take(TABLES_NAMED)
        .map(|table| format!("{}.{}", table.schema, table.name))
        .collect();
    if hidden.len() > TABLES_NAMED {
        names.push(format!("{} more", hidden.len() - TABLES_NAMED));
    }
    Some(Unavailable {
        what: format!("column statistics of {database}"),
        why: format!(
            "role {user} may not read {}; GRANT pg_read_all_data TO {} (PostgreSQL 14 and later; \
             SELECT on the tables before; BYPASSRLS where row security is on) shows them",
            names.join(", "),
            crate::quote_identifier(user),
        ),
    })
}
