//! What the console is given: the running process behind a trait, and who is connected.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    ClientStatus, Command, CommandError, DatabaseStatus, FingerprintId, HostStatus, Mark,
    PeerStatus, PoolStatus, PoolerState, Published, ServerStatus, SettingStatus, ShapeId, Snapshot,
    UserStatus,
};

use crate::sql::{SqlTurns, Stop};

/// A future behind a pointer, so that [`Live`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the console needs of the running process.
pub trait Live: Send + Sync + 'static {
    /// The pools, in the order to show them.
    fn pools(&self) -> Vec<PoolStatus>;
    /// The client connections.
    fn clients(&self) -> Vec<ClientStatus>;
    /// The server connections.
    fn servers(&self) -> Vec<ServerStatus>;
    /// The databases configured, and those met.
    fn databases(&self) -> Vec<DatabaseStatus>;
    /// The servers that pools go to.
    fn hosts(&self) -> Vec<HostStatus>;
    /// The settings, secrets hidden.
    fn settings(&self) -> Vec<SettingStatus>;
    /// The users known.
    fn users(&self) -> Vec<UserStatus>;
    /// The other poolers that cancel requests are passed on to.
    fn peers(&self) -> Vec<PeerStatus>;
    /// A fresh tick: all that was sent before this call is in it.
    fn published(&self) -> BoxFuture<'_, Arc<Published>>;
    /// What happened to the service itself, the oldest first.
    fn marks(&self) -> Vec<Mark>;
    /// The minutes that lie in `from..=until`, as far as they are kept, with what their rows mean;
    /// minutes around them may be there too, and hours and days that reach over none of `cuts`. The
    /// current one is as of a moment ago. From [`Timestamp::MIN`] on means what is at hand.
    fn past(
        &self,
        from: Timestamp,
        until: Timestamp,
        cuts: Vec<Timestamp>,
    ) -> BoxFuture<'_, Arc<Snapshot>>;
    /// The same of all instances that share a store; where there is none or it cannot be read, why.
    fn fleet(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Arc<Snapshot>, String>>;
    /// What else there is to say of the process: names and values for SHOW STATE.
    fn state(&self) -> Vec<(&'static str, String)>;
    /// How long a statement over the console's tables may run (`console_query_timeout`).
    fn query_timeout(&self) -> Duration;
    /// The turns that such statements take.
    fn sql_turns(&self) -> &SqlTurns;
    /// Carries a command out; done when it has taken effect (PAUSE: when the last server connection
    /// is closed). Returns what the admin should know, a sentence each.
    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Vec<String>, CommandError>>;
    /// Whether the pooler as a whole is at work.
    fn pooler(&self) -> PoolerState;
    /// The fingerprint that a statement belongs to, once it is known.
    fn fingerprint(&self, shape: ShapeId) -> Option<FingerprintId>;
    /// pgweir's version, such as `0.1.0`.
    fn version(&self) -> &str;
    /// When the process started.
    fn started_at(&self) -> Timestamp;
}

/// What somebody may do on the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything (`admin_users`).
    Admin,
    /// Every SHOW and every SELECT, no command (`stats_users`).
    Stats,
}

/// Who is connected to the console.
#[derive(Clone, Debug)]
pub struct Session {
    /// The user's name.
    pub user: String,
    /// What the user may do.
    pub role: Role,
    /// Ends the query that runs for this connection.
    pub stop: Stop,
}
