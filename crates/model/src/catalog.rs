//! What pgweir knows of the upstream's catalogue, what it asks of its planner, and the answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::{
    DatabaseUpkeep, FingerprintId, ForeignKeyFacts, MemoryNode, PlanText, PlanVariant, PlanVersion,
    RankedSample, Sample, SequenceFacts, ServerFacts, TableUpkeep,
};

/// Facts of all databases that pgweir looked into.
#[derive(Clone, Debug, Default)]
pub struct CatalogFacts {
    /// When they were read; none before the first time.
    pub read_at: Option<Timestamp>,
    /// `server_version_num`, such as 150004; 0 when unknown.
    pub server_version: u32,
    /// By database name.
    pub databases: BTreeMap<String, DatabaseFacts>,
    /// The servers they are on, by `host:port`.
    pub servers: BTreeMap<String, ServerFacts>,
    /// What could not be read.
    pub unavailable: Vec<Unavailable>,
}

/// Something that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// What, such as `statistics of shop`.
    pub what: String,
    /// Why, and what would make it available.
    pub why: String,
}

/// A part of a database's facts that is read by itself, and may lack while the rest is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CatalogPart {
    /// The upkeep of the database and of its tables, and their foreign keys.
    Upkeep,
    /// Sequences.
    Sequences,
    /// The tables that were frozen longest ago.
    Oldest,
}

/// Facts of one database.
#[derive(Clone, Debug, Default)]
pub struct DatabaseFacts {
    /// Whether HypoPG is installed here.
    pub hypopg: bool,
    /// Schemas searched for unqualified names, in order (`current_schemas(false)`).
    pub search_path: Vec<String>,
    /// Ordinary, partitioned and materialised tables outside the system schemas.
    pub tables: Vec<TableFacts>,
    /// Sequences outside the system schemas.
    pub sequences: Vec<SequenceFacts>,
    /// The server that it is on, a key of [`CatalogFacts::servers`].
    pub server: String,
    /// The database as a whole.
    pub upkeep: DatabaseUpkeep,
    /// What could not be read at the last reading: zero or empty here says nothing then.
    pub unread: BTreeSet<CatalogPart>,
    /// What the planner said, by statement.
    pub plans: HashMap<FingerprintId, PlanAnswer>,
    /// The plans that statements had, the oldest first; they outlive the answers above.
    pub plan_history: HashMap<FingerprintId, Vec<PlanVersion>>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableFacts {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `reltuples`; below zero when never analysed.
    pub rows: f64,
    /// `pg_table_size`, TOAST included, bytes.
    pub bytes: u64,
    /// `seq_scan`.
    pub sequential_scans: u64,
    /// `seq_tup_read`.
    pub sequential_rows: u64,
    /// `idx_scan`.
    pub index_scans: u64,
    /// Rows inserted, updated and deleted since the statistics were reset.
    pub writes: u64,
    /// How it is looked after.
    pub upkeep: TableUpkeep,
    /// Schema and name of the partitioned table that it is a part of, the uppermost one.
    pub root: Option<(String, String)>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKeyFacts>,
    /// Columns in order.
    pub columns: Vec<ColumnFacts>,
    /// Indexes, invalid ones included.
    pub indexes: Vec<IndexFacts>,
}

/// A column, with what pg_stats says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnFacts {
    /// Name.
    pub name: String,
    /// `format_type`, such as `bigint`.
    pub type_name: String,
    /// Whether it takes no NULL.
    pub not_null: bool,
    /// Distinct values: as in pg_stats, negative means a share of the rows; none without statistics.
    pub distinct: Option<f64>,
    /// Share of NULLs.
    pub null_share: Option<f64>,
    /// Share of rows that hold the commonest value.
    pub commonest_share: Option<f64>,
    /// Correlation of physical and logical order, -1 to 1.
    pub correlation: Option<f64>,
    /// Average width, bytes.
    pub width: Option<f64>,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexFacts {
    /// Name.
    pub name: String,
    /// Access method, such as `btree`.
    pub method: String,
    /// Key columns in order; an expression stands as its text in parentheses.
    pub columns: Vec<String>,
    /// INCLUDE columns.
    pub include: Vec<String>,
    /// Primary key.
    pub primary: bool,
    /// Unique.
    pub unique: bool,
    /// `indisvalid`: false while it is being built and after a failed build.
    pub valid: bool,
    /// Whether somebody may be building it right now, where it is not valid.
    pub building: bool,
    /// The predicate of a partial index.
    pub predicate: Option<String>,
    /// Size, bytes.
    pub bytes: u64,
    /// `idx_scan`.
    pub scans: u64,
    /// `idx_tup_read`: entries read by those scans.
    pub entries_read: u64,
    /// Of each key column: operator class, collation and order (`indclass`, `indcollation`,
    /// `indoption`), to be compared only.
    pub key_options: Vec<String>,
    /// Of each key column, as SQL, what its definition says beyond the column: collation, operator
    /// class and order; empty where `CREATE INDEX … (column)` gives the same.
    pub key_clauses: Vec<String>,
    /// Whether a constraint, replication or CLUSTER relies on it.
    pub relied_on: bool,
    /// The SQL that makes it, of indexes that one might want to drop.
    pub definition: Option<String>,
    /// The first reading at which it was there and valid; its scans count from then at the latest.
    pub first_seen: Option<Timestamp>,
}

/// How an index is organised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexMethod {
    /// B-tree.
    #[default]
    Btree,
    /// GIN: jsonb, arrays, text search, trigrams.
    Gin,
}

/// An index that might help.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexCandidate {
    /// Schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Access method.
    pub method: IndexMethod,
    /// An expression that comes before the columns, as SQL.
    pub expression: Option<String>,
    /// Key columns in order.
    pub columns: Vec<String>,
    /// The operator class of the first key, where it is not its type's own.
    pub operator_class: Option<String>,
    /// Columns that are only carried along (INCLUDE).
    pub include: Vec<String>,
    /// The condition of a partial index, as SQL.
    pub predicate: Option<String>,
}

/// A statement to plan, and indexes to try it with.
#[derive(Clone, Debug)]
pub struct PlanQuestion {
    /// The database to ask.
    pub database: String,
    /// Which statement.
    pub fingerprint: FingerprintId,
    /// Its text and values.
    pub sample: Sample,
    /// Indexes to imagine, the most promising first.
    pub candidates: Vec<IndexCandidate>,
    /// Executions of it by rank, to be planned too.
    pub ranked: Vec<RankedSample>,
}

/// A scan of a table in a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanFacts {
    /// `Node Type`, such as `Seq Scan`.
    pub node: String,
    /// Schema; empty where the plan does not say.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Rows the planner expects out of the node.
    pub rows: f64,
    /// The node's total cost.
    pub cost: f64,
    /// Whether it filters what it read (`Filter`).
    pub filtered: bool,
    /// The index it uses.
    pub index: Option<String>,
    /// Columns of the table that the filter names.
    pub filter_columns: Vec<String>,
}

/// What an imagined index would do.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// The index.
    pub candidate: IndexCandidate,
    /// The statement's total cost with it.
    pub cost: f64,
    /// Whether the plan uses it.
    pub used: bool,
    /// HypoPG's estimate of its size, bytes.
    pub bytes: u64,
}

/// The planner's answer to a [`PlanQuestion`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanAnswer {
    /// When it was asked.
    pub asked_at: Option<Timestamp>,
    /// Total cost as things are; none where EXPLAIN failed.
    pub cost: Option<f64>,
    /// The plan's scans.
    pub scans: Vec<ScanFacts>,
    /// Sorts and hashes that must hold their input.
    pub memory: Vec<MemoryNode>,
    /// Rows expected of the statement; none where a LIMIT decides, or nothing is returned.
    pub rows: Option<f64>,
    /// The plan that `cost` and `scans` are of.
    pub plan: Option<PlanText>,
    /// Plans with other executions' values.
    pub variants: Vec<PlanVariant>,
    /// The plan that holds for any values, which a prepared statement may get; none without
    /// parameters.
    pub generic: Option<PlanText>,
    /// What the candidates would do; empty without HypoPG.
    pub what_if: Vec<WhatIf>,
    /// Why EXPLAIN failed, as SQLSTATE and a redacted message.
    pub problem: Option<String>,
}
