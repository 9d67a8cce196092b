//! The nouns of pgweir that cross stages: ids, events, histograms, snapshots, findings, commands.
//!
//! Pure: no sockets, no files, no clocks. Whatever needs the time is given it.

mod address;
mod binned;
mod buckets;
mod catalog;
mod command;
mod distinct;
mod event;
mod finding;
mod histogram;
mod ids;
mod labels;
mod largest;
mod logarithm;
mod mark;
mod minute;
mod nearest;
mod plan;
mod priority;
mod proof;
mod sample;
mod server;
mod snapshot;
mod status;
mod totals;
mod trace;
mod upkeep;

pub use address::Address;
pub use binned::Binned;
pub use buckets::Buckets;
pub use catalog::{
    CatalogFacts, CatalogPart, ColumnFacts, DatabaseFacts, IndexCandidate, IndexFacts, IndexMethod,
    PlanAnswer, PlanQuestion, ScanFacts, TableFacts, Unavailable, WhatIf,
};
pub use command::{Command, CommandError, ShutdownMode};
pub use distinct::Distinct;
pub use event::{Alone, ConnectionEvent, Event, Outcome, QueryEvent, TransactionEvent};
pub use finding::{Confidence, Evidence, Finding, Fix, NotChecked, Published, Severity};
pub use histogram::{Histogram, HistogramParts};
pub use ids::{
    ById, ClientId, FingerprintId, InvalidId, PoolKey, ServerId, ShapeId, SqlState, StrictId,
};
pub use labels::{HeldLabels, LabelId, LabelRegistry, Labels, Tags};
pub use largest::keep_largest;
pub use mark::{Mark, MarkKind};
pub use minute::Minute;
pub use nearest::nearest;
pub use plan::{
    MemoryNode, PlanShape, PlanText, PlanVariant, PlanVersion, RankedSample, SampleRank,
};
pub use priority::Priority;
pub use proof::{Basis, Effect, FixResult, Measured, SideEffect};
pub use sample::{ParameterFormat, PlannerSetting, Sample, SampleParameter};
pub use server::{
    CheckpointCounters, HorizonHolder, HorizonKind, LockQueue, LockWait, ReplicaFacts, ServerFacts,
    ServerSettings, SessionFacts, SlotFacts,
};
pub use snapshot::{
    ConnectionStats, Coverage, OpenTransaction, PoolMinute, QueryStats, RowKey, SampledValues,
    ShapeInfo, SlowStatement, Snapshot, Spread, TransactionStats, WindowStats,
};
pub use status::{
    ClientState, ClientStatus, DatabaseStatus, HostState, HostStatus, PeerStatus, PoolMode,
    PoolStatus, PoolerState, Rejections, Replication, ServerState, ServerStatus, SettingStatus,
    UserStatus,
};
pub use totals::{FingerprintTotals, PoolTotals, Totals};
pub use trace::{InvalidTraceParent, SpanId, TraceContext, TraceId};
pub use upkeep::{
    DatabaseCounters, DatabaseUpkeep, ForeignKeyFacts, OldTable, SequenceColumn, SequenceFacts,
    TableKind, TableUpkeep,
};
