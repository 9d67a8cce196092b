//! Runs statements off the data path: each on a thread of its own, a few at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::engine;
use super::limits::{self, Guard, Stop};
use super::parameters::BoundValue;
use super::tables::Data;
use super::translate::{self, Identity, Prepared};
use crate::live::{Live, Role};
use crate::refusal::Refusal;
use crate::table::Row;

/// Statements that run at a time.
const AT_A_TIME: usize = 2;
/// The longest statement, bytes. With it the stack below holds whatever can be nested.
const MAX_STATEMENT_BYTES: usize = 64 * 1024;
/// Room for trees as deep as such a statement can make them, bytes; only what is used is taken.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// How long past its limit a statement is waited for before it is left to itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// Turns for the console's statements: two run at a time, whoever asks.
#[derive(Debug)]
pub struct SqlTurns(Arc<Semaphore>);

impl Default for SqlTurns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

/// Reads a statement; see [`translate::prepare`]. Whoever asked waits for at most `limit`.
/// Cancel-safe.
///
/// # Errors
/// Whatever is wrong with it, and its limit.
pub(crate) async fn prepare(
    text: String,
    given: Vec<u32>,
    identity: Identity,
    limit: Duration,
) -> Result<Prepared, Refusal> {
    if text.len() > MAX_STATEMENT_BYTES {
        return Err(Refusal::error("54000", "statement is too long")
            .with_detail(format!("A statement may have {MAX_STATEMENT_BYTES} bytes.")));
    }
    let prepared = on_thread(move || translate::prepare(&text, &given, &identity))?;
    match tokio::time::timeout(limit, prepared).await {
        Ok(prepared) => prepared.unwrap_or_else(|_| Err(broken())),
        Err(_) => Err(limits::timed_out(limit)),
    }
}

/// Runs a statement. Dropped, it is ended.
///
/// # Errors
/// What is wrong with it, and its limits.
pub(crate) async fn run(
    prepared: Arc<Prepared>,
    values: Vec<BoundValue>,
    live: Arc<dyn Live>,
    role: Role,
    stop: Stop,
) -> Result<Vec<Row>, Refusal> {
    let limit = live.query_timeout();
    let began = Instant::now();
    let waited = tokio::time::timeout(limit, async {
        let turn = Arc::clone(&live.sql_turns().0).acquire_owned().await;
        (turn, live.published().await)
    });
    let Ok((turn, published)) = waited.await else {
        return Err(limits::timed_out(limit).with_detail(format!(
            "Other statements of the console were running; {AT_A_TIME} do at a time."
        )));
    };
    let turn: OwnedSemaphorePermit = turn.map_err(|_| broken())?;
    let left = limit.saturating_sub(began.elapsed());
    let _ended_with_us = EndOnDrop(stop.clone());
    let data = Data { live, published, role, runtime: Handle::current() };
    let running = on_thread(move || {
        let guard = Arc::new(Guard::new(stop, limit, began));
        let rows = engine::run(&prepared, &values, &data, &guard);
        // The turn is over when the thread is, not when the client is gone.
        drop(turn);
        rows
    })?;
    match tokio::time::timeout(left + PATIENCE, running).await {
        Ok(rows) => rows.unwrap_or_else(|_| Err(broken())),
        Err(_) => Err(limits::timed_out(limit)),
    }
}

/// Ends the statement when nobody waits for it any more.
struct EndOnDrop(Stop);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.now();
    }
}

fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Refusal> {
    let (answer, answered) = oneshot::channel();
    let thread = std::thread::Builder::new().name("pgweir-console".to_owned());
    let thread = thread.stack_size(STACK_BYTES).spawn(move || {
        let _ = answer.send(work());
    });
    match thread {
        Ok(_) => Ok(answered),
        Err(error) => Err(Refusal::error("53000", format!("no thread for the statement: {error}"))),
    }
}

fn broken() -> Refusal {
    Refusal::error("XX000", "the statement was not carried out")
}
