//! From events to what is published: a thread of its own, so that no analysis ever holds up a
//! query.

mod changes;
mod planner;
mod singled_out;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use http::otlp::SpanSink;
use insight::{Aggregator, AggregatorSettings, Proof, TagLabels};
use jiff::Timestamp;
use model::{CatalogFacts, Event, Published, Snapshot, Totals};
use parking_lot::RwLock;
use proxy::{Measures, Proxy};
use tokio::sync::oneshot;

use super::marks::Marks;
use super::reloader::Reloader;
use changes::Changes;
use planner::Planner;
use singled_out::SingledOut;

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
    requests: Sender<Request>,
    latest: Arc<RwLock<Arc<Published>>>,
}

/// What the thread is asked.
enum Request {
    /// A fresh tick.
    Publish(oneshot::Sender<Arc<Published>>),
    /// The same, once what was measured so far is forgotten.
    Reset(oneshot::Sender<Arc<Published>>),
    /// The counts since the start, which take no detectors.
    Totals(oneshot::Sender<Arc<Totals>>),
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

/// Where it goes what the analyser finds, beside what is published.
pub(super) struct Outlets {
    /// What changed.
    pub(super) marks: Arc<Marks>,
    /// Statements that become spans, where a collector takes them.
    pub(super) spans: Option<SpanSink>,
    /// Minutes that are over.
    pub(super) history: Option<store::History>,
}

impl Analyser {
    /// Starts the thread, and the task that asks the upstream's catalogue.
    pub(super) fn start(
        proxy: Proxy,
        measures: Measures,
        reloader: &Arc<Reloader>,
        started_at: Timestamp,
        outlets: Outlets,
    ) -> anyhow::Result<Self> {
        let Outlets { marks, spans, history } = outlets;
        let settings = reloader.settings();
        let planner = settings.analyse.then(|| Planner::start(Arc::clone(reloader), proxy.clone()));
        let (requests, asked) = channel();
        let latest = Arc::new(RwLock::new(Arc::new(nothing_yet())));
        let bounds = AggregatorSettings {
            fingerprint_limit: settings.max_fingerprints.get() as usize,
            busiest: settings.monitoring.metrics_fingerprints as usize,
            ..AggregatorSettings::default()
        };
        let work = Work {
            singled_out: SingledOut::new(spans, proxy.clone(), &settings),
            proof: Proof::default(),
            tag_labels: TagLabels::default(),
            aggregator: Aggregator::new(bounds, started_at, Instant::now()),
            changes: Changes::new(marks, started_at),
            proxy,
            measures,
            planner,
            reloader: Arc::clone(reloader),
            latest: Arc::clone(&latest),
            history,
            asked,
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
        self.ask(Request::Publish).await
    }

    /// What was published last.
    pub(super) fn latest(&self) -> Arc<Published> {
        Arc::clone(&self.latest.read())
    }

    /// Forgets what was measured. Cancel-safe: once asked for, it is done.
    pub(super) async fn reset(&self) {
        self.ask(Request::Reset).await;
    }

    async fn ask(&self, request: fn(oneshot::Sender<Arc<Published>>) -> Request) -> Arc<Published> {
        let (answer, fresh) = oneshot::channel();
        if self.requests.send(request(answer)).is_ok()
            && let Ok(published) = fresh.await
        {
            return published;
        }
        self.latest()
    }

    /// What was counted since the start: all that was measured before the call is in it.
    /// Cancel-safe.
    pub(super) async fn totals(&self) -> Arc<Totals> {
        let (answer, fresh) = oneshot::channel();
        if self.requests.send(Request::Totals(answer)).is_ok()
            && let Ok(totals) = fresh.await
        {
            return totals;
        }
        Arc::default()
    }
}

/// What the thread holds.
struct Work {
    aggregator: Aggregator,
    changes: Changes,
    proof: Proof,
    tag_labels: TagLabels,
    proxy: Proxy,
    measures: Measures,
    planner: Option<Planner>,
    reloader: Arc<Reloader>,
    latest: Arc<RwLock<Arc<Published>>>,
    singled_out: SingledOut,
    history: Option<store::History>,
    asked: Receiver<Request>,
    last_tick: Option<Instant>,
    last_publish: Option<Instant>,
    last_sweep: Instant,
}

impl Work {
    fn run(mut self) {
        loop {
            let asked = match self.asked.recv_timeout(DRAIN) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let now = Instant::now();
            self.drain();
            if self.last_tick.is_none_or(|last| now - last >= TICK) {
                self.last_tick = Some(now);
                let pools = self.proxy.pools();
                self.changes.note_pools(&pools);
                self.aggregator.note_pools(&pools);
                self.aggregator.note_hosts(self.proxy.hosts());
                self.singled_out.refresh(&self.reloader.settings());
            }
            let due = self.last_publish.is_none_or(|last| now - last >= PUBLISH);
            let answer = match asked {
                Some(Request::Publish(answer)) => Some(answer),
                Some(Request::Reset(answer)) => {
                    self.reset(now);
                    Some(answer)
                }
                // Whoever asks may be gone.
                Some(Request::Totals(answer)) => {
                    let totals = self.aggregator.totals(Timestamp::now());
                    let _ = answer.send(Arc::new(totals));
                    None
                }
                None => None,
            };
            if due || answer.is_some() {
                self.last_publish = Some(now);
                let published = self.publish();
                // Whoever asked in the meantime asked before this tick's events were taken, or
                // comes round again.
                if let Some(answer) = answer {
                    let _ = answer.send(published);
                }
            }
            if now - self.last_sweep >= SWEEP {
                self.last_sweep = now;
                self.measures.shapes.sweep();
            }
        }
    }

    /// Begins anew. What is known of plans stays: it was not measured.
    fn reset(&mut self, now: Instant) {
        self.aggregator.reset(Timestamp::now(), now);
        self.proof = Proof::default();
    }

    /// Takes events, and reads the text of shapes that are new.
    fn drain(&mut self) {
        let now = Timestamp::now();
        self.singled_out.begin((Instant::now(), now));
        let dropped = self.measures.events.drain(|events| {
            // First, since their tables are wanted below.
            for shape in self.measures.shapes.take_new() {
                shape.set_facts(sql::facts(shape.text()));
            }
            for event in events {
                if let Event::Query(query) = event {
                    self.tag_labels.apply(query, &self.measures.labels);
                    self.singled_out.look_at(query, &self.measures);
                }
                self.aggregator.apply(event, now, &self.measures.shapes, &self.measures.labels);
            }
        });
        if dropped > 0 {
            self.aggregator.note_dropped(dropped);
        }
        let forgotten = self.measures.labels.make_room();
        self.tag_labels.make_room(&forgotten, Instant::now());
        self.aggregator.forget_kinds(&forgotten);
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
        self.changes.note_tick(&published);
        let published = Arc::new(published);
        *self.latest.write() = Arc::clone(&published);
        if let Some(history) = &self.history {
            history.offer(&published);
        }
        published
    }
}
