//! The history of a running process: a thread that writes, so that nothing that measures ever waits
//! for a disk.

mod keeper;
mod loan;
mod merge;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{Mark, Published, Snapshot};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::error::StoreError;
use crate::fleet::{Fleet, Sender};
use crate::local::{Bounds, Parcel, Run};
use keeper::Keeper;
pub use loan::Loan;

/// The file's name in the data directory.
const FILE: &str = "history.db";
/// Requests that may wait for the thread. Beyond it marks are dropped, and looks are taken together.
const REQUESTS: usize = 256;

/// How often what is too old is removed from the fleet's store.
const FLEET_TRIM: Duration = Duration::from_secs(3_600);

/// What is kept, and where.
#[derive(Debug)]
pub struct HistorySettings {
    /// The folder of the file; none keeps history in memory.
    pub data_dir: Option<PathBuf>,
    /// This life of the process.
    pub run: Run,
    /// How much is kept.
    pub bounds: Bounds,
    /// How often the minute that is being measured is written before it is over; none: only when
    /// it is. What is lost when the process is killed.
    pub flush: Option<Duration>,
    /// Where rows go besides.
    pub fleet: Option<Fleet>,
}

/// How history is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The file; none where history is in memory.
    pub path: Option<PathBuf>,
    /// All that was measured in whole minutes up to here is written; none before the first.
    pub written_up_to: Option<Timestamp>,
    /// The same with the part of the current minute that is written.
    pub flushed_up_to: Option<Timestamp>,
    /// Bytes that history takes.
    pub used_bytes: u64,
    /// Why writing fails, while it does.
    pub failing: Option<String>,
    /// Minutes, hours and days that wait for the fleet's store.
    pub waiting_for_fleet: u64,
    /// Those that had to go before they could be sent.
    pub dropped_for_fleet: u64,
}

/// A handle to the thread. Cheap to clone.
#[derive(Clone)]
pub struct History {
    requests: SyncSender<Request>,
    shared: Arc<Shared>,
}

/// What the thread and its handles share.
#[derive(Default)]
struct Shared {
    /// The newest tick that the thread has not seen. One is enough: it has the last hour.
    latest: Mutex<Option<Arc<Published>>>,
    status: Mutex<Status>,
    /// Wakes the task that sends.
    written: Notify,
    /// When what is too old was last removed from the fleet's store.
    fleet_trimmed: Mutex<Option<Instant>>,
    instance: String,
    bounds: Bounds,
    /// Whether rows go to a fleet's store besides.
    for_fleet: bool,
}

/// What the thread is asked for.
enum Request {
    /// Look at the newest tick.
    Look,
    Note(Mark),
    Read {
        live: Arc<Snapshot>,
        span: (Timestamp, Timestamp),
        cuts: Vec<Timestamp>,
        answer: oneshot::Sender<Result<Snapshot, StoreError>>,
    },
    Marks {
        span: (Timestamp, Timestamp),
        answer: oneshot::Sender<Result<Vec<Mark>, StoreError>>,
    },
    NextParcel(oneshot::Sender<Result<Option<Parcel>, StoreError>>),
    Sent(Box<Parcel>),
    /// Let go of the file, for another process.
    Lend(oneshot::Sender<Result<(), StoreError>>),
    /// Take it back.
    TakeBack,
    /// Write all that there is, the current minute too, and end.
    Stop(std::sync::mpsc::Sender<()>),
}

impl History {
    /// Opens the history, or says why it is kept in memory, and starts the thread. With a fleet's
    /// store it needs a tokio runtime, on which a task sends what was written.
    ///
    /// # Errors
    /// Not even memory can be used, or no thread can be started.
    pub fn start(settings: HistorySettings) -> Result<Self, StoreError> {
        let (requests, asked) = sync_channel(REQUESTS);
        let HistorySettings { data_dir, run, bounds, flush, fleet } = settings;
        let instance = run.instance.clone();
        let shared =
            Arc::new(Shared { instance, bounds, for_fleet: fleet.is_some(), ..Shared::default() });
        let path = data_dir.map(|folder| folder.join(FILE));
        let mut local = keeper::open(path.as_deref(), &run)?;
        if fleet.is_some() {
            local.expect_fleet();
        }
        let keeper = Keeper::new(local, run, bounds, flush, Arc::clone(&shared));
        std::thread::Builder::new()
            .name("pgweir-history".to_owned())
            .spawn(move || keeper.run(&asked))
            .map_err(|source| StoreError::File { path: PathBuf::from(FILE), source })?;
        let history = Self { requests, shared };
        if let Some(fleet) = fleet {
            tokio::spawn(Sender::new(fleet, history.clone()).run());
        }
        Ok(history)
    }

    /// Shows the thread a tick: it writes the minutes that are over. Never waits.
    pub fn offer(&self, published: &Arc<Published>) {
        *self.shared.latest.lock() = Some(Arc::clone(published));
        // Full: the thread will look when it has done what it was asked before.
        let _ = self.requests.try_send(Request::Look);
    }

    /// Writes down that something happened. Never waits.
    pub fn note(&self, mark: Mark) {
        if let Err(TrySendError::Full(Request::Note(mark))) =
            self.requests.try_send(Request::Note(mark))
        {
            tracing::warn!(kind = mark.kind.as_str(), "history: a mark was dropped");
        }
    }

    /// What was measured in the whole minutes that overlap `from..until`: from history, and from
    /// `live`, the newest snapshot, what is not written yet. No minute counts twice. Where `live` has
    /// all of it, that is the answer. `cuts` are moments at which no minute, hour or day of it may
    /// span (the beginning of one of two windows that are compared).
    ///
    /// Its current state (pools, clients, open transactions, totals) is that of `live`, and so is
    /// `taken_at`. Cancel-safe.
    ///
    /// # Errors
    /// SQLite's, damaged rows, and [`StoreError::Closed`] after [`Self::stop`].
    pub async fn snapshot(
        &self,
        live: &Arc<Snapshot>,
        from: Timestamp,
        until: Timestamp,
        cuts: &[Timestamp],
    ) -> Result<Arc<Snapshot>, StoreError> {
        // Nothing was measured before, and what is to come was not either.
        let (from, until) = (from.max(Timestamp::UNIX_EPOCH), until.min(live.taken_at));
        if merge::covers(live, from) || from > until {
            return Ok(Arc::clone(live));
        }
        let (live, span, cuts) = (Arc::clone(live), (from, until), cuts.to_vec());
        self.ask(|answer| Request::Read { live, span, cuts, answer }).await.map(Arc::new)
    }

    /// What happened to the service in `from..=until`, the oldest first. Cancel-safe.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub async fn marks(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Mark>, StoreError> {
        self.ask(|answer| Request::Marks { span: (from, until), answer }).await
    }

    /// All that was measured in whole minutes up to then is written, and survives the end of the
    /// process, however it comes, and that of the machine.
    #[must_use]
    pub fn written_up_to(&self) -> Option<Timestamp> {
        self.shared.status.lock().written_up_to
    }

    /// How history is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status.lock().clone()
    }

    /// Writes all that was offered, the current minute too, and ends the thread. Waits for it, for
    /// at most `patience`; says whether it came to its end.
    pub fn stop(&self, patience: Duration) -> bool {
        let (done, ended) = std::sync::mpsc::channel();
        self.requests.send(Request::Stop(done)).is_ok() && ended.recv_timeout(patience).is_ok()
    }

    /// The next to send. Cancel-safe.
    pub(crate) async fn next_parcel(&self) -> Result<Option<Parcel>, StoreError> {
        self.ask(Request::NextParcel).await
    }

    /// Notes that a parcel has arrived.
    pub(crate) async fn sent(&self, parcel: Parcel) -> Result<(), StoreError> {
        self.put(Request::Sent(Box::new(parcel))).await
    }

    /// Waits until something was written. Cancel-safe.
    pub(crate) async fn wait_for_rows(&self) {
        self.shared.written.notified().await;
    }

    /// Whose rows are to be removed from the fleet's store now, and by what bounds.
    pub(crate) fn fleet_trim_due(&self) -> Option<(String, Bounds)> {
        let mut trimmed = self.shared.fleet_trimmed.lock();
        if trimmed.is_some_and(|last| last.elapsed() < FLEET_TRIM) {
            return None;
        }
        *trimmed = Some(Instant::now());
        Some((self.shared.instance.clone(), self.shared.bounds))
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.put(request(answer)).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits where the thread is far behind, without holding up the runtime.
    async fn put(&self, mut request: Request) -> Result<(), StoreError> {
        loop {
            match self.requests.try_send(request) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(StoreError::Closed),
                Err(TrySendError::Full(back)) => request = back,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("status", &self.status()).finish()
    }
}
