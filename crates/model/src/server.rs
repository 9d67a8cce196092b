//! What is known of an upstream server as a whole: its settings, checkpoints, replicas, and who
//! waits for whom.

use jiff::Timestamp;

use crate::{ClientId, ShapeId};

/// An upstream server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFacts {
    /// When it was read; none where only its locks were.
    pub read_at: Option<Timestamp>,
    /// The role that looks.
    pub role: String,
    /// Whether the role sees other roles' sessions (`pg_read_all_stats`, part of `pg_monitor`).
    pub sees_sessions: bool,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// Of a standby that has not replayed all it received: how old the last replayed
    /// transaction is, ms.
    pub replay_delay_ms: Option<f64>,
    /// Settings that detectors measure against.
    pub settings: ServerSettings,
    /// Checkpoints at the readings of the last quarter of an hour, the oldest first.
    pub checkpoints: Vec<CheckpointCounters>,
    /// Standbys connected to it.
    pub replicas: Vec<ReplicaFacts>,
    /// Replication slots, those that keep most first.
    pub slots: Vec<SlotFacts>,
    /// Who keeps VACUUM from removing what died lately, the oldest first.
    pub horizon: Vec<HorizonHolder>,
    /// When locks were last looked at, whether somebody waited or not.
    pub locks_read_at: Option<Timestamp>,
    /// Lock queues seen in the last quarter of an hour, the oldest first.
    pub lock_queues: Vec<LockQueue>,
}

/// Settings of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerSettings {
    /// `autovacuum`.
    pub autovacuum: bool,
    /// `autovacuum_vacuum_threshold`.
    pub vacuum_threshold: f64,
    /// `autovacuum_vacuum_scale_factor`.
    pub vacuum_scale_factor: f64,
    /// `autovacuum_freeze_max_age`.
    pub freeze_max_age: u64,
    /// `autovacuum_multixact_freeze_max_age`.
    pub multixact_freeze_max_age: u64,
    /// `max_wal_size`, bytes.
    pub max_wal_bytes: u64,
    /// `checkpoint_timeout`, s.
    pub checkpoint_timeout_s: f64,
    /// `shared_buffers`, bytes.
    pub shared_buffers_bytes: u64,
}

/// Checkpoints since the statistics were reset, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointCounters {
    /// When.
    pub at: Timestamp,
    /// Begun because `checkpoint_timeout` was over.
    pub timed: u64,
    /// Begun because `max_wal_size` was near, or somebody asked.
    pub requested: u64,
}

/// A standby.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaFacts {
    /// `application_name`.
    pub name: String,
    /// `streaming`, `catchup`, …; empty where the role may not see it.
    pub state: String,
    /// WAL that it has not replayed yet, bytes.
    pub lag_bytes: Option<u64>,
    /// `replay_lag`, ms.
    pub lag_ms: Option<f64>,
}

/// A replication slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotFacts {
    /// Name.
    pub name: String,
    /// Whether somebody reads from it.
    pub active: bool,
    /// WAL that it keeps on the server, bytes.
    pub retained_bytes: u64,
    /// `wal_status`; empty before PostgreSQL 13.
    pub wal_status: String,
}

/// Something that keeps VACUUM from removing dead rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HorizonHolder {
    /// What it is.
    pub kind: HorizonKind,
    /// The server's process; 0 where it is none.
    pub pid: i32,
    /// The application, the prepared transaction's or the slot's name.
    pub name: String,
    /// The user.
    pub user: String,
    /// How many transactions began since.
    pub age: u64,
    /// How long its transaction has been open, ms.
    pub open_ms: Option<f64>,
    /// Which of our clients it is.
    pub client: Option<ClientId>,
}

/// What keeps dead rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HorizonKind {
    /// A session with an open transaction.
    #[default]
    Session,
    /// A prepared transaction (`PREPARE TRANSACTION`).
    Prepared,
    /// A replication slot.
    Slot,
    /// A standby with `hot_standby_feedback`.
    Standby,
}

/// Who waited for whom at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LockQueue {
    /// When.
    pub at: Timestamp,
    /// Those who waited for a lock, those who waited longest first; bounded.
    pub waits: Vec<LockWait>,
    /// The sessions that take part.
    pub sessions: Vec<SessionFacts>,
}

/// A session that waits for a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockWait {
    /// Who waits.
    pub pid: i32,
    /// For whom; 0 is a prepared transaction.
    pub blocked_by: Vec<i32>,
    /// For what: `relation`, `transactionid`, `tuple`, …
    pub lock: String,
    /// The mode asked for, such as `AccessExclusiveLock`.
    pub mode: String,
    /// The table, where it is in the database that was asked.
    pub table: Option<String>,
    /// How long, ms.
    pub waited_ms: u64,
}

/// A session of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// The server's process.
    pub pid: i32,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// `application_name`.
    pub application: String,
    /// `active`, `idle in transaction`, …; empty where the role may not see it.
    pub state: String,
    /// When its transaction began, where the role may see it.
    pub transaction_began: Option<Timestamp>,
    /// The text of what it runs or ran last, normalised; empty where the role may not see it.
    pub statement: String,
    /// The client of ours that holds this session.
    pub client: Option<ClientId>,
    /// What that client runs or ran last.
    pub shape: Option<ShapeId>,
}
