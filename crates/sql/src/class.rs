//! What kind of statement it is, and what it may leave behind in the session.

use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A statement's kind, by its leading words. `WITH` is resolved to the main verb and a
        /// leading parenthesis is looked through.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Class {
            $($(#[$doc])* $name,)*
        }

        impl Class {
            /// All classes.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The SQL command's name, as reports show it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

classes! {
    /// `SELECT`, and `TABLE name`.
    Select = "SELECT",
    /// `INSERT`.
    Insert = "INSERT",
    /// `UPDATE`.
    Update = "UPDATE",
    /// `DELETE`.
    Delete = "DELETE",
    /// `MERGE`.
    Merge = "MERGE",
    /// `VALUES` on its own.
    Values = "VALUES",
    /// `WITH` whose main verb could not be found.
    With = "WITH",
    /// `COPY`.
    Copy = "COPY",
    /// `BEGIN`, `START TRANSACTION`.
    Begin = "BEGIN",
    /// `COMMIT`, `END`; not `COMMIT PREPARED`.
    Commit = "COMMIT",
    /// `ROLLBACK`, `ABORT`; not `ROLLBACK PREPARED`.
    Rollback = "ROLLBACK",
    /// `SAVEPOINT`.
    Savepoint = "SAVEPOINT",
    /// `RELEASE`.
    ReleaseSavepoint = "RELEASE",
    /// `ROLLBACK TO`.
    RollbackToSavepoint = "ROLLBACK TO",
    /// `PREPARE TRANSACTION`, which ends the transaction block.
    PrepareTransaction = "PREPARE TRANSACTION",
    /// `SET`.
    Set = "SET",
    /// `SHOW`.
    Show = "SHOW",
    /// `RESET`.
    Reset = "RESET",
    /// `DISCARD`.
    Discard = "DISCARD",
    /// `PREPARE`.
    Prepare = "PREPARE",
    /// `EXECUTE`.
    Execute = "EXECUTE",
    /// `DEALLOCATE`.
    Deallocate = "DEALLOCATE",
    /// `DECLARE`.
    Declare = "DECLARE",
    /// `FETCH`.
    Fetch = "FETCH",
    /// `MOVE`.
    Move = "MOVE",
    /// `CLOSE`.
    Close = "CLOSE",
    /// `LISTEN`.
    Listen = "LISTEN",
    /// `UNLISTEN`.
    Unlisten = "UNLISTEN",
    /// `NOTIFY`.
    Notify = "NOTIFY",
    /// `LOCK`.
    Lock = "LOCK",
    /// `EXPLAIN`.
    Explain = "EXPLAIN",
    /// `CALL`.
    Call = "CALL",
    /// `DO`.
    Do = "DO",
    /// `CREATE`.
    Create = "CREATE",
    /// `ALTER`.
    Alter = "ALTER",
    /// `DROP`.
    Drop = "DROP",
    /// `TRUNCATE`.
    Truncate = "TRUNCATE",
    /// `VACUUM`.
    Vacuum = "VACUUM",
    /// `ANALYZE`.
    Analyze = "ANALYZE",
    /// `LOAD`.
    Load = "LOAD",
    /// Nothing but white space, comments and semicolons.
    Empty = "(empty)",
    /// Anything else.
    Other = "OTHER",
}

/// What a statement may do to the session beyond its transaction, told from the text alone.
///
/// Conservative: where the text leaves it open, the stronger effect. A statement with several has
/// the one that is hardest to carry to another server connection. What a function called by name
/// does inside is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SessionEffect {
    /// Nothing.
    None,
    /// Changes settings until the transaction ends: `SET LOCAL`, `SET TRANSACTION`,
    /// `SET CONSTRAINTS`, `set_config(…, true)`.
    SetLocal,
    /// `SET`, `SET SESSION`, `SET SESSION CHARACTERISTICS`.
    SetSession,
    /// `set_config(…, false)`, or with a third argument that the text does not tell.
    SetConfig,
    /// `SET ROLE name`.
    SetRole,
    /// `RESET ROLE`, `SET ROLE NONE`.
    ResetRole,
    /// `SET SESSION AUTHORIZATION` and `RESET SESSION AUTHORIZATION`.
    SetAuthorization,
    /// `RESET name`, `RESET ALL`.
    Reset,
    /// `DISCARD ALL`.
    DiscardAll,
    /// `DISCARD PLANS`, `SEQUENCES`, `TEMP`.
    DiscardOther,
    /// `PREPARE name AS`.
    Prepare,
    /// `DEALLOCATE name`.
    Deallocate,
    /// `DEALLOCATE ALL`.
    DeallocateAll,
    /// `LISTEN`.
    Listen,
    /// `UNLISTEN`, of one channel or of all.
    Unlisten,
    /// `DECLARE … WITH HOLD`.
    DeclareHold,
    /// `CREATE TEMPORARY …`, `SELECT … INTO TEMPORARY`, and whatever is created in `pg_temp`.
    CreateTemporary,
    /// Calls a function that takes a session-level advisory lock.
    AdvisoryLock,
    /// Calls a function that releases session-level advisory locks.
    AdvisoryUnlock,
    /// `LOAD`.
    Load,
    /// Calls `currval` or `lastval`, which answer from what the session did before.
    SequenceSession,
    /// Calls a function that keeps state in the session which cannot be looked up there: `setseed`,
    /// `dblink_connect`, ….
    SessionState,
    /// Calls a function that answers from what this very server process has counted.
    OwnStatistics,
    /// May do anything that can be looked up afterwards: `DO`, `CALL`.
    Do,
}

impl SessionEffect {
    /// All effects.
    pub const ALL: &'static [Self] = &[
        Self::None,
        Self::SetLocal,
        Self::SetSession,
        Self::SetConfig,
        Self::SetRole,
        Self::ResetRole,
        Self::SetAuthorization,
        Self::Reset,
        Self::DiscardAll,
        Self::DiscardOther,
        Self::Prepare,
        Self::Deallocate,
        Self::DeallocateAll,
        Self::Listen,
        Self::Unlisten,
        Self::DeclareHold,
        Self::CreateTemporary,
        Self::AdvisoryLock,
        Self::AdvisoryUnlock,
        Self::Load,
        Self::SequenceSession,
        Self::SessionState,
        Self::OwnStatistics,
        Self::Do,
    ];
}
