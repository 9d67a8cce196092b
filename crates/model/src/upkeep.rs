//! What the server's own statistics say of tables, keys, sequences and databases.

use jiff::Timestamp;

/// What kind of table it is (`relkind`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableKind {
    /// Has rows of its own.
    #[default]
    Ordinary,
    /// Has its rows in partitions.
    Partitioned,
    /// A materialised view.
    Materialised,
}

/// How a table is looked after, and what was done to it since the statistics were reset. Of a
/// partitioned table the sums over its leaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableUpkeep {
    /// What kind of table.
    pub kind: TableKind,
    /// Whether it is a partition of another table.
    pub partition: bool,
    /// Pages of the table alone, as VACUUM or ANALYZE last counted them together with
    /// `TableFacts::rows`, bytes.
    pub heap_bytes: u64,
    /// `fillfactor`, percent.
    pub fill_factor: u32,
    /// Whether autovacuum may work on it (`autovacuum_enabled` of the table).
    pub autovacuum: bool,
    /// `n_live_tup`.
    pub live_rows: u64,
    /// `n_dead_tup`.
    pub dead_rows: u64,
    /// `n_mod_since_analyze`.
    pub modified_since_analyze: u64,
    /// `n_tup_upd`.
    pub updated: u64,
    /// `n_tup_del`.
    pub deleted: u64,
    /// The last VACUUM, by hand or by autovacuum.
    pub last_vacuum: Option<Timestamp>,
    /// The last ANALYZE, by hand or by autovacuum.
    pub last_analyze: Option<Timestamp>,
    /// Blocks of the table that were not found in shared buffers.
    pub blocks_read: u64,
    /// Blocks of the table that were.
    pub blocks_hit: u64,
}

/// A foreign key of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignKeyFacts {
    /// The constraint.
    pub name: String,
    /// Its columns, in the key's order.
    pub columns: Vec<String>,
    /// Schema of the table referred to.
    pub parent_schema: String,
    /// The table referred to.
    pub parent_table: String,
    /// Rows deleted from that table since the statistics were reset.
    pub parent_deleted: u64,
}

/// A sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceFacts {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// What `nextval` adds; below zero counts down.
    pub increment: i64,
    /// The least value it gives.
    pub least: i64,
    /// The most.
    pub most: i64,
    /// Whether it begins anew after the last value.
    pub cycles: bool,
    /// The value given last; none before the first, or where the role may not see it.
    pub last: Option<i64>,
    /// Whether the role may see its value.
    pub readable: bool,
    /// The column that owns it.
    pub column: Option<SequenceColumn>,
}

/// The column that a sequence belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceColumn {
    /// Schema of its table.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Its type, such as `integer`.
    pub type_name: String,
}

/// A table that keeps old transaction ids or multixacts, system and temporary tables included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldTable {
    /// Schema. Of a TOAST table the schema of the table that it belongs to.
    pub schema: String,
    /// Name, in the same way.
    pub name: String,
    /// `age(relfrozenxid)` or `mxid_age(relminmxid)`.
    pub age: u64,
    /// Whether it is a session's temporary table, which nobody else can VACUUM.
    pub temporary: bool,
}

/// A database as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatabaseUpkeep {
    /// `age(datfrozenxid)`, transactions.
    pub frozen_age: u64,
    /// `mxid_age(datminmxid)`, multixacts.
    pub multixact_age: u64,
    /// The tables with the oldest transaction ids, the oldest first. Looked for only in a database
    /// whose `frozen_age` or `multixact_age` is worth a look.
    pub oldest_frozen: Vec<OldTable>,
    /// The same for multixacts.
    pub oldest_multixact: Vec<OldTable>,
    /// Since when the server counts what happens in the database: `stats_reset`, or the server's
    /// start where that was never done.
    pub counted_since: Option<Timestamp>,
    /// `work_mem` as a session without settings of its own has it, bytes.
    pub work_mem_bytes: u64,
    /// `hash_mem_multiplier`; 1 before PostgreSQL 13.
    pub hash_mem_multiplier: f64,
    /// Counters at the readings of the last quarter of an hour, the oldest first.
    pub counters: Vec<DatabaseCounters>,
}

/// `pg_stat_database` at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseCounters {
    /// When.
    pub at: Timestamp,
    /// `blks_read`.
    pub blocks_read: u64,
    /// `blks_hit`.
    pub blocks_hit: u64,
    /// `temp_files`.
    pub temp_files: u64,
    /// `temp_bytes`.
    pub temp_bytes: u64,
}
