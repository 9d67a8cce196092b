//! What the HTTP side is given: the running process behind a trait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{Buckets, PoolStatus, Published, Totals};

/// A future behind a pointer, so that [`Live`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the HTTP side needs of the running process.
pub trait Live: Send + Sync + 'static {
    /// What was counted since the start; all that was measured before the call is in it.
    fn totals(&self) -> BoxFuture<'_, Arc<Totals>>;
    /// The last tick's view, as it was published: asked for here, nothing is worked out anew.
    fn published(&self) -> Arc<Published>;
    /// pgweir's own state.
    fn process(&self) -> ProcessStatus;
    /// Whether it has been told to end.
    fn is_draining(&self) -> bool;
    /// The pools, now.
    fn pools(&self) -> Vec<PoolStatus>;
    /// pgweir's version, such as `0.1.0`.
    fn version(&self) -> &str;
    /// When the process started.
    fn started_at(&self) -> Timestamp;
}

/// pgweir's own state.
#[derive(Clone, Debug, Default)]
pub struct ProcessStatus {
    /// Client connections.
    pub clients: u64,
    /// Client connections allowed.
    pub clients_limit: u64,
    /// Keys for cancel requests that are good.
    pub cancel_keys: u64,
    /// Tasks alive in the runtime of the data path.
    pub tasks: u64,
    /// Shapes of statements.
    pub shapes: Filled,
    /// Databases, users, applications and tags, by combination.
    pub labels: Filled,
    /// By how much the data path's event loop was late.
    pub loop_lag: Buckets,
    /// How old the oldest history is that is not written yet; none where none is kept.
    pub store_lag: Option<Duration>,
    /// Log lines left out.
    pub log_lines_suppressed: u64,
    /// What the system says of the process.
    pub resources: Resources,
}

/// How full something is that is bounded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filled {
    /// How many there are.
    pub known: u64,
    /// How many there may be.
    pub limit: u64,
}

/// What the system says of the process; none where it does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resources {
    /// Processor time, user and system.
    pub cpu: Option<Duration>,
    /// Resident memory, bytes.
    pub resident_memory_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
    /// File descriptors that may be open.
    pub open_files_limit: Option<u64>,
}
