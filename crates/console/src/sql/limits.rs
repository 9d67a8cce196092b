//! What a statement may cost: time, memory, and until somebody has enough of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::refusal::Refusal;

/// Memory that SQLite may take for the statements of the console, bytes.
const MAX_MEMORY_BYTES: i64 = 256 * 1024 * 1024;
/// What the rows of one answer may have, bytes.
pub(super) const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// How often a command that waits looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Ends the query, or the command that waits, of a connection of the console.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl From<Arc<AtomicBool>> for Stop {
    /// Setting the flag ends the query.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Stop {
    /// Ends the statement that runs, if one does.
    pub fn now(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// What is begun from here on may run.
    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Returns once it is to end. Cancel-safe.
    pub(crate) async fn is_asked_for(&self) {
        let mut look = tokio::time::interval(LOOK);
        while !self.is_set() {
            look.tick().await;
        }
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why a statement was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Reason {
    None = 0,
    Stopped = 1,
    Time = 2,
    Memory = 3,
}

/// Watches over one statement.
#[derive(Debug)]
pub(super) struct Guard {
    stop: Stop,
    limit: Duration,
    began: Instant,
    memory_before: i64,
    reason: AtomicU8,
}

impl Guard {
    /// `limit` counts from `began`, when the client asked.
    pub(super) fn new(stop: Stop, limit: Duration, began: Instant) -> Self {
        Self {
            stop,
            limit,
            began,
            memory_before: memory_used(),
            reason: AtomicU8::new(Reason::None as u8),
        }
    }

    /// Whether the statement must end. Asked every few hundred steps of SQLite's.
    pub(super) fn is_over(&self) -> bool {
        let reason = if self.stop.is_set() {
            Reason::Stopped
        } else if self.began.elapsed() > self.limit {
            Reason::Time
        } else if memory_used() - self.memory_before > MAX_MEMORY_BYTES {
            Reason::Memory
        } else {
            return false;
        };
        self.reason.store(reason as u8, Ordering::Relaxed);
        true
    }

    /// What the client is told of a statement that was ended; none if it was not.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self.reason.load(Ordering::Relaxed) {
            1 => Some(Refusal::error("57014", "canceling statement due to user request")),
            2 => Some(timed_out(self.limit)),
            3 => Some(
                Refusal::error("53200", "out of memory")
                    .with_detail(format!(
                        "Statements of the console may take {} MB.",
                        MAX_MEMORY_BYTES / 1024 / 1024
                    ))
                    .with_hint("Ask for fewer rows, or group them."),
            ),
            _ => None,
        }
    }
}

/// The statement took too long.
pub(super) fn timed_out(limit: Duration) -> Refusal {
    let seconds = limit.as_secs_f64();
    Refusal::error("57014", "canceling statement due to statement timeout")
        .with_detail(format!("It ran for more than {seconds} s."))
        .with_hint("console_query_timeout in pgweir's settings is this limit.")
}

/// The answer is too large.
pub(super) fn too_many_rows(rows: usize) -> Refusal {
    let megabytes = MAX_ANSWER_BYTES / 1024 / 1024;
    Refusal::error("53200", "the answer is too large")
        .with_detail(format!("{rows} rows have more than {megabytes} MB."))
        .with_hint("Put a LIMIT to it, or group its rows.")
}

/// What SQLite has taken, in this whole process, bytes.
fn memory_used() -> i64 {
    // SAFETY: takes nothing and gives a number; callable at any time from any thread (SQLite's
    // manual, "Memory Allocator Statistics").
    unsafe { rusqlite::ffi::sqlite3_memory_used() }
}
