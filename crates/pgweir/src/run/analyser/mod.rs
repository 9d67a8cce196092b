//! From events to what is published: a thread of its own, so that no analysis ever holds up a
//! query.

mod planner;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use insight::{Aggregator, AggregatorSettings, Proof};
use jiff::Timestamp;
use model::{CatalogFacts, Event, Published, Snapshot};
use parking_lot::RwLock;
use proxy::{Measures, Proxy};
use tokio::sync::oneshot;

use super::reloader::Reloader;
use planner::Planner;

/// How often events are taken from the data path.
const DRAIN: Duration = Duration::from_millis(100);
/// How often pools are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often the detectors run when nobody asks.
const PUBLISH: Duration = Duration::from_secs(5);
/// A transaction is looked at while it is open when it is older than this, and the oldest first.
const LONG: Duration = Duration::from_secs(5);
/// At most so many are.
const LONG_MOST: usize = 50;
/// How often shapes that are not used any more are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// A handle to the analyser's thread. The thread ends with the last handle.
#[derive(Clone)]
pub(super) struct Analyser {
    requests: Sender<oneshot::Sender<Arc<Published>>>,
    latest: Arc<RwLock<Arc<Published>>>,
}

/// What is published before anything was measured.
pub(super) fn nothing_yet() -> Published {
    Published {
        snapshot: Arc::new(Snapshot::default()),
        catalog: Arc::new(CatalogFacts::default()),
        findings: Vec::new(),
        checked: Vec::new(),
        not_checked: Vec::new(),
        results: Vec::new(),
    }
}

impl Analyser {
    /// Starts the thread, and the task that asks the upstream's catalogue.
    pub(super) fn start(
        proxy: Proxy,
        measures: Measures,
        reloader: &Arc<Reloader>,
        started_at: Timestamp,
        history: Option<store::History>,
    ) -> anyhow::Result<Self> {
        let settings = reloader.settings();
        let planner = settings.analyse.then(|| Planner::start(Arc::clone(reloader), proxy.clone()));
        let (requests, asked) = channel();
        let latest = Arc::new(RwLock::new(Arc::new(nothing_yet())));
        let bounds = AggregatorSettings {
            fingerprint_limit: settings.max_fingerprints.get() as usize,
            ..AggregatorSettings::default()
        };
        let work = Work {
            proof: Proof::default(),
            aggregator: Aggregator::new(bounds, started_at, Instant::now()),
            proxy,
            measures,
            planner,
            reloader: Arc::clone(reloader),
            latest: Arc::clone(&latest),
            history,
            asked,
            events: Vec::new(),
            last_tick: None,
            last_publish: None,
            last_sweep: Instant::now(),
        };
        std::thread::Builder::new()
            .name("pgweir-analyser".to_owned())
            .spawn(move || work.run())
            .context("cannot start the analyser's thread")?;
        Ok(Self { requests, latest })
    }

    /// A fresh tick: all that was measured before the call is in it. Cancel-safe.
    pub(super) async fn published(&self) -> Arc<Published> {
        let (answer, fresh) = oneshot::channel();
        if self.requests.send(answer).is_ok()
            && let Ok(published) = fresh.await
        {
            return published;
        }
        Arc::clone(&self.latest.read())
    }
}

/// What the thread holds.
struct Work {
    aggregator: Aggregator,
    proof: Proof,
    proxy: Proxy,
    measures: Measures,
    planner: Option<Planner>,
    reloader: Arc<Reloader>,
    latest: Arc<RwLock<Arc<Published>>>,
    history: Option<store::History>,
    asked: Receiver<oneshot::Sender<Arc<Published>>>,
    events: Vec<Event>,
    last_tick: Option<Instant>,
    last_publish: Option<Instant>,
    last_sweep: Instant,
}

impl Work {
    fn run(mut self) {
        loop {
            let asked = match self.asked.recv_timeout(DRAIN) {
                Ok(answer) => Some(answer),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let now = Instant::now();
            self.drain();
            if self.last_tick.is_none_or(|last| now - last >= TICK) {
                self.last_tick = Some(now);
                self.aggregator.note_pools(&self.proxy.pools());
            }
            let due = self.last_publish.is_none_or(|last| now - last >= PUBLISH);
            if due || asked.is_some() {
                self.last_publish = Some(now);
                let published = self.publish();
                // Whoever asked in the meantime asked before this tick's events were taken, or
                // comes round again.
                if let Some(answer) = asked {
                    let _ = answer.send(published);
                }
            }
            if now - self.last_sweep >= SWEEP {
                self.last_sweep = now;
                self.measures.shapes.sweep();
            }
        }
    }

    /// Takes events, and reads the text of shapes that are new.
    fn drain(&mut self) {
        let dropped = self.measures.events.drain(&mut self.events);
        if dropped > 0 {
            self.aggregator.note_dropped(dropped);
        }
        let now = Timestamp::now();
        for event in self.events.drain(..) {
            self.aggregator.apply(event, now, &self.measures.shapes);
        }
        for shape in self.measures.shapes.take_new() {
            shape.set_facts(sql::facts(shape.text()));
        }
    }

    fn publish(&mut self) -> Arc<Published> {
        let now = Timestamp::now();
        self.aggregator.note_clients(self.proxy.client_count() as u64);
        self.aggregator.note_open_transactions(self.proxy.open_transactions(LONG, LONG_MOST));
        let snapshot = Arc::new(self.aggregator.snapshot(now, &self.measures.labels));
        let catalog = self.planner.as_ref().map(Planner::facts).unwrap_or_default();
        let shapes = &self.measures.shapes;
        let settings = self.reloader.settings();
        let detection = &settings.detection;
        if let Some(planner) = &self.planner {
            let questions = insight::advisor::questions(&snapshot, &catalog, shapes, detection);
            planner.ask(&snapshot, questions);
        }
        let mut published = insight::publish(snapshot, catalog, shapes, detection);
        published.results = self.proof.observe(&published, shapes, self.aggregator.watches());
        let published = Arc::new(published);
        *self.latest.write() = Arc::clone(&published);
        if let Some(history) = &self.history {
            history.offer(&published);
        }
        published
    }
}
