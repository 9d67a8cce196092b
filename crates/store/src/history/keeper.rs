//! The thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{Mark, Minute, Published};

use super::{Request, Shared, Status, merge};
use crate::error::StoreError;
use crate::grain::Grain;
use crate::local::{Bounds, Local, Run};

/// How often it is looked whether there is too much.
const TRIM: Duration = Duration::from_secs(600);
/// How long a process may take to let go of the file that was lent to it.
const RETURN: Duration = Duration::from_secs(5);
/// How often that is looked at.
const RETRY: Duration = Duration::from_millis(20);

/// What the thread holds.
pub(super) struct Keeper {
    local: Local,
    bounds: Bounds,
    flush: Option<Duration>,
    shared: Arc<Shared>,
    /// The newest tick: what it has of the current minute is not written until it is time to.
    seen: Option<Arc<Published>>,
    /// The first minute of which not all is written.
    next: i64,
    /// When the current minute was last written.
    flushed: Instant,
    /// What is before this minute has been rolled up.
    rolled: i64,
    trimmed: Option<Instant>,
    run: Run,
    path: Option<PathBuf>,
    /// Marks that wait for the file to come back from another process; none while it is here.
    lent: Option<Vec<Mark>>,
}

/// Opens the file, or memory where that cannot be: a pooler that keeps no history still pools.
pub(super) fn open(path: Option<&Path>, run: &Run) -> Result<Local, StoreError> {
    let Some(path) = path else {
        tracing::warn!("history is kept in memory only: there is no data_dir");
        return Local::in_memory(run);
    };
    match Local::open(path, run) {
        Ok(local) => Ok(local),
        Err(error) => {
            tracing::warn!("history is kept in memory only: {error}");
            Local::in_memory(run)
        }
    }
}

impl Keeper {
    pub(super) fn new(
        local: Local,
        run: Run,
        bounds: Bounds,
        flush: Option<Duration>,
        shared: Arc<Shared>,
    ) -> Self {
        let path = local.path().cloned();
        *shared.status.lock() = Status { path: path.clone(), ..Status::default() };
        let (next, rolled) = (i64::MIN, i64::MIN);
        Self {
            local,
            bounds,
            flush,
            shared,
            seen: None,
            next,
            flushed: Instant::now(),
            rolled,
            trimmed: None,
            run,
            path,
            lent: None,
        }
    }

    pub(super) fn run(mut self, asked: &Receiver<Request>) {
        while let Ok(request) = asked.recv() {
            match request {
                Request::Look => self.look(false),
                Request::Note(mark) => {
                    if let Some(waiting) = &mut self.lent {
                        waiting.push(mark);
                        continue;
                    }
                    let written = self.local.write_mark(&mark);
                    self.note_outcome(written.map(|()| true));
                }
                Request::Read { live, span, cuts, answer } => {
                    let from = merge::memory_from(&live, self.next);
                    let past = self.local.snapshot(span, &cuts, from, &live.labels);
                    let _ = answer.send(past.map(|past| merge::merge(past, &live, from)));
                }
                Request::Marks { span: (from, until), answer } => {
                    let _ = answer.send(self.local.marks(from, until));
                }
                Request::NextParcel(answer) => {
                    let _ = answer.send(self.local.next_parcel(self.next));
                }
                Request::Sent(parcel) => {
                    if let Err(error) = self.local.mark_sent(&parcel) {
                        tracing::warn!("history: what was sent is not noted: {error}");
                    }
                    self.count_waiting();
                }
                Request::Lend(answer) => {
                    let _ = answer.send(self.lend());
                }
                Request::TakeBack => self.take_back(),
                Request::Stop(done) => {
                    self.take_back();
                    self.look(true);
                    // The file is free for the next process once this is answered.
                    drop(self);
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    /// Writes what is new in the newest tick.
    fn look(&mut self, last: bool) {
        if let Some(published) = self.shared.latest.lock().take() {
            self.seen = Some(published);
        }
        if self.lent.is_some() {
            return;
        }
        let Some(published) = self.seen.clone() else { return };
        let outcome = self.write(&published, last);
        let written = matches!(outcome, Ok(true));
        self.note_outcome(outcome);
        if written {
            let upkept = self.upkeep(&published);
            self.note_outcome(upkept.map(|()| true));
            self.count_waiting();
            self.local.release_memory();
            self.shared.written.notify_one();
        }
    }

    /// Writes all that there is, and lets go of the file. Until it is back there is no past.
    fn lend(&mut self) -> Result<(), StoreError> {
        if self.path.is_none() || self.lent.is_some() {
            return Ok(());
        }
        let meanwhile = Local::in_memory(&self.run)?;
        self.look(true);
        self.local = meanwhile;
        self.lent = Some(Vec::new());
        Ok(())
    }

    /// Opens the file again, if it was lent, and writes what was measured meanwhile, of which memory
    /// has an hour.
    fn take_back(&mut self) {
        let Some(waiting) = self.lent.take() else { return };
        match self.open_again() {
            Ok(local) => self.local = local,
            Err(error) => tracing::warn!("history is not written: {error}"),
        }
        if self.shared.for_fleet {
            self.local.expect_fleet();
        }
        for mark in waiting {
            let written = self.local.write_mark(&mark);
            self.note_outcome(written.map(|()| true));
        }
        self.look(false);
    }

    /// The process that had the file may just be ending.
    fn open_again(&self) -> Result<Local, StoreError> {
        let deadline = Instant::now() + RETURN;
        while let Some(path) = &self.path {
            match Local::open(path, &self.run) {
                Err(StoreError::InUse { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(RETRY);
                }
                Err(_) => break,
                opened => return opened,
            }
        }
        open(self.path.as_deref(), &self.run)
    }

    /// Whether anything was written.
    fn write(&mut self, published: &Published, last: bool) -> Result<bool, StoreError> {
        let snapshot = &published.snapshot;
        let Some(current) = snapshot.minutes.back() else { return Ok(false) };
        let flush = last || self.flush.is_some_and(|every| self.flushed.elapsed() >= every);
        let minutes: Vec<&Minute> = snapshot
            .minutes
            .iter()
            .filter(|minute| minute.minute >= self.next)
            .filter(|minute| flush || minute.minute < current.minute)
            .map(|minute| &**minute)
            .collect();
        if minutes.is_empty() {
            return Ok(false);
        }
        let began = Instant::now();
        self.local.write(snapshot, &minutes)?;
        self.local.write_conclusions(published)?;
        self.next = self.next.max(current.minute);
        self.count_waiting();
        let up_to = Timestamp::from_second(current.minute.saturating_mul(60)).ok();
        let mut status = self.shared.status.lock();
        status.written_up_to = up_to.filter(|up_to| *up_to > snapshot.started_at);
        if flush {
            self.flushed = Instant::now();
            status.flushed_up_to = Some(snapshot.taken_at);
        } else {
            status.flushed_up_to = status.written_up_to.max(status.flushed_up_to);
        }
        drop(status);
        // What is said here is in the file: tests kill the process and look.
        tracing::debug!(
            statements = if flush { snapshot.coverage.statements } else { 0 },
            took_ms = began.elapsed().as_secs_f64() * 1e3,
            "history is written up to {}",
            if flush { snapshot.taken_at } else { up_to.unwrap_or_default() },
        );
        Ok(true)
    }

    /// Hours, days, and what is too old or too much.
    fn upkeep(&mut self, published: &Published) -> Result<(), StoreError> {
        let hour = Grain::Hour.floor(self.next);
        if hour > self.rolled {
            let began = Instant::now();
            let made = self.local.roll_up(self.next)?;
            self.rolled = hour;
            if made > 0 {
                let took_ms = began.elapsed().as_secs_f64() * 1e3;
                tracing::debug!(made, took_ms, "history: hours and days rolled up");
            }
        }
        if self.trimmed.is_none_or(|last| last.elapsed() >= TRIM) {
            let now_s = published.snapshot.taken_at.as_second();
            self.local.trim(&self.bounds, now_s, self.next)?;
            self.trimmed = Some(Instant::now());
        }
        self.shared.status.lock().used_bytes = self.local.used_bytes()?;
        Ok(())
    }

    fn count_waiting(&self) {
        if !self.local.is_for_fleet() {
            return;
        }
        let (Ok(waiting), Ok(dropped)) = (self.local.waiting(), self.local.unsent_dropped()) else {
            return;
        };
        let mut status = self.shared.status.lock();
        if dropped > status.dropped_for_fleet {
            tracing::warn!(
                dropped,
                "history: the fleet's store was away for longer than rows can wait; periods dropped"
            );
        }
        status.waiting_for_fleet = waiting;
        status.dropped_for_fleet = dropped;
    }

    /// Says once that writing fails, and once that it works again.
    fn note_outcome(&self, outcome: Result<bool, StoreError>) {
        let mut status = self.shared.status.lock();
        match outcome {
            Ok(_) => {
                if status.failing.take().is_some() {
                    tracing::info!("history is written again");
                }
            }
            Err(error) => {
                let said = error.to_string();
                if status.failing.as_ref() != Some(&said) {
                    tracing::warn!("history is not written: {said}; tried again at the next tick");
                }
                status.failing = Some(said);
            }
        }
    }
}
