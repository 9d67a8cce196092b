//! How tables and the database are looked after, and their foreign keys.

use std::collections::HashMap;

use deadpool_postgres::Object;
use model::{
    DatabaseCounters, DatabaseFacts, DatabaseUpkeep, ForeignKeyFacts, TableKind, TableUpkeep,
};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::rows::{TableRow, count, moment};
use crate::transaction::begin_read_only;
use crate::{CatalogError, CatalogSettings};

/// Fills in the upkeep of `tables` and of the database; whether there are more foreign keys than are
/// read. Waits for no lock.
///
/// Cancel-safe: the transaction rolls back.
pub(super) async fn read_upkeep(
    connection: &mut Object,
    settings: &CatalogSettings,
    facts: &mut DatabaseFacts,
    tables: &mut [TableRow],
) -> Result<bool, CatalogError> {
    let transaction = begin_read_only(connection, settings).await?;
    facts.upkeep =
        database(&transaction.query_typed_one(include_str!("database.sql"), &[]).await?)?;
    let mut wanted: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    wanted.extend(tables.iter().flat_map(|table| &table.parts));
    wanted.sort_unstable();
    wanted.dedup();
    let rows =
        transaction.query_typed(include_str!("upkeep.sql"), &[(&wanted, Type::OID_ARRAY)]).await?;
    let mut single: HashMap<u32, TableUpkeep> = HashMap::with_capacity(rows.len());
    for row in &rows {
        single.insert(row.try_get(0)?, table(row)?);
    }
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let most = settings.max_foreign_keys as usize;
    let limit = i64::from(settings.max_foreign_keys) + 1;
    let keys = transaction
        .query_typed(
            include_str!("foreign_keys.sql"),
            &[(&oids, Type::OID_ARRAY), (&limit, Type::INT8)],
        )
        .await?;
    transaction.rollback().await?;
    let mut by_table: HashMap<u32, Vec<ForeignKeyFacts>> = HashMap::new();
    for row in keys.iter().take(most) {
        by_table.entry(row.try_get(0)?).or_default().push(foreign_key(row)?);
    }
    for table in tables {
        if let Some(upkeep) = total(table, &single) {
            table.facts.upkeep = upkeep;
        }
        table.facts.foreign_keys = by_table.remove(&table.oid).unwrap_or_default();
    }
    Ok(keys.len() > most)
}

/// Of a partitioned table the sums over its leaves: counters are kept of leaves only.
fn total(table: &TableRow, single: &HashMap<u32, TableUpkeep>) -> Option<TableUpkeep> {
    let own = single.get(&table.oid)?;
    if own.kind != TableKind::Partitioned {
        return Some(own.clone());
    }
    let mut sum = TableUpkeep { last_vacuum: None, ..own.clone() };
    for part in table.parts.iter().filter_map(|oid| single.get(oid)) {
        sum.heap_bytes += part.heap_bytes;
        sum.live_rows += part.live_rows;
        sum.dead_rows += part.dead_rows;
        sum.updated += part.updated;
        sum.deleted += part.deleted;
        sum.blocks_read += part.blocks_read;
        sum.blocks_hit += part.blocks_hit;
    }
    Some(sum)
}

fn table(row: &Row) -> Result<TableUpkeep, CatalogError> {
    Ok(TableUpkeep {
        kind: match row.try_get(1)? {
            "p" => TableKind::Partitioned,
            "m" => TableKind::Materialised,
            _ => TableKind::Ordinary,
        },
        partition: row.try_get(2)?,
        heap_bytes: count(row.try_get(3)?),
        fill_factor: u32::try_from(row.try_get::<_, i32>(4)?).unwrap_or(100),
        autovacuum: row.try_get(5)?,
        live_rows: count(row.try_get(6)?),
        dead_rows: count(row.try_get(7)?),
        modified_since_analyze: count(row.try_get(8)?),
        updated: count(row.try_get(9)?),
        deleted: count(row.try_get(10)?),
        last_vacuum: moment(row.try_get(11)?),
        last_analyze: moment(row.try_get(12)?),
        blocks_read: count(row.try_get(13)?),
        blocks_hit: count(row.try_get(14)?),
    })
}

fn foreign_key(row: &Row) -> Result<ForeignKeyFacts, CatalogError> {
    Ok(ForeignKeyFacts {
        name: row.try_get(1)?,
        columns: row.try_get(2)?,
        parent_schema: row.try_get(3)?,
        parent_table: row.try_get(4)?,
        parent_deleted: count(row.try_get(5)?),
    })
}

fn database(row: &Row) -> Result<DatabaseUpkeep, CatalogError> {
    let now = moment(row.try_get(0)?).unwrap_or_default();
    let counters = DatabaseCounters {
        at: now,
        blocks_read: count(row.try_get(6)?),
        blocks_hit: count(row.try_get(7)?),
        temp_files: count(row.try_get(8)?),
        temp_bytes: count(row.try_get(9)?),
    };
    Ok(DatabaseUpkeep {
        frozen_age: count(row.try_get(1)?),
        multixact_age: count(row.try_get(2)?),
        counted_since: moment(row.try_get(3)?),
        work_mem_bytes: count(row.try_get(4)?),
        hash_mem_multiplier: row.try_get(5)?,
        counters: vec![counters],
        ..DatabaseUpkeep::default()
    })
}
