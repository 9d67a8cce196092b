//! The way to the collector: bounded, on the HTTP side's own thread, and never in anybody's way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior};

use super::client::{CollectorClient, RequestError};
use super::endpoint::Endpoint;
use super::messages::{
    ExportMetrics, ExportTraces, ExportTracesAnswer, KeyValue, Resource, ResourceMetrics,
    ResourceSpans, Scope, ScopeMetrics, ScopeSpans,
};
use super::metrics;
use super::span::StatementSpan;
use crate::error::HttpError;
use crate::scrape::Scraper;

/// Spans that wait for the collector at most, some 2 MB; later ones are dropped and counted.
const QUEUE: usize = 4_096;
/// Spans in one request.
const BATCH: usize = 512;
const TRACES: &str = "traces";
const METRICS: &str = "metrics";
/// The conventions that names of attributes keep to.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct ExportSettings {
    /// The collector.
    pub endpoint: Endpoint,
    /// What it is told with each request; secrets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How often metrics are sent, and spans at the latest.
    pub interval: Duration,
    /// `service.name`.
    pub service_name: String,
}

/// What became of spans and requests, since the start.
#[derive(Debug, Default)]
struct Counters {
    spans_exported: AtomicU64,
    spans_dropped: AtomicU64,
    failed_metrics: AtomicU64,
    failed_traces: AtomicU64,
}

/// [`Counters`] at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExportCounts {
    pub(crate) spans_exported: u64,
    pub(crate) spans_dropped: u64,
    pub(crate) failed_metrics: u64,
    pub(crate) failed_traces: u64,
}

/// Where spans are given to be exported. Clones lead to the same collector.
#[derive(Clone, Debug)]
pub struct SpanSink {
    queue: mpsc::Sender<StatementSpan>,
    counters: Arc<Counters>,
}

impl SpanSink {
    /// Takes a span, or drops and counts it where too many wait. Never blocks.
    pub fn offer(&self, span: StatementSpan) {
        if self.queue.try_send(span).is_err() {
            self.counters.spans_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn counts(&self) -> ExportCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ExportCounts {
            spans_exported: count(&self.counters.spans_exported),
            spans_dropped: count(&self.counters.spans_dropped),
            failed_metrics: count(&self.counters.failed_metrics),
            failed_traces: count(&self.counters.failed_traces),
        }
    }
}

/// Sends what the sink was given, and the metrics.
pub(crate) struct Exporter {
    client: CollectorClient,
    interval: Duration,
    resource: Resource,
    scope: Scope,
    queue: mpsc::Receiver<StatementSpan>,
    counters: Arc<Counters>,
    /// Taken from the queue, and not yet taken by the collector.
    batch: Vec<StatementSpan>,
    /// The signals whose last request failed.
    failing: BTreeSet<&'static str>,
}

/// An exporter, and where it gets its spans.
pub(crate) fn exporter(
    settings: ExportSettings,
    version: &str,
) -> Result<(SpanSink, Exporter), HttpError> {
    let (sender, queue) = mpsc::channel(QUEUE);
    let counters = Arc::new(Counters::default());
    let resource = Resource {
        attributes: vec![
            KeyValue::new("service.name", &*settings.service_name),
            KeyValue::new("service.version", version),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ],
    };
    let exporter = Exporter {
        client: CollectorClient::new(settings.endpoint, settings.headers, version)?,
        interval: settings.interval,
        resource,
        scope: Scope { name: "pgweir".to_owned(), version: version.to_owned() },
        queue,
        counters: Arc::clone(&counters),
        batch: Vec::new(),
        failing: BTreeSet::new(),
    };
    Ok((SpanSink { queue: sender, counters }, exporter))
}

impl Exporter {
    /// Exports until `finish` asks for the end, which is answered once the rest is sent. The caller
    /// keeps a sink. Not cancel-safe: dropped, it loses what waits.
    pub(crate) async fn run(
        mut self,
        scraper: Arc<Scraper>,
        mut finish: oneshot::Receiver<oneshot::Sender<()>>,
    ) {
        let mut interval: Interval = tokio::time::interval(self.interval);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let room = BATCH - self.batch.len();
            tokio::select! {
                asked = &mut finish => {
                    // What was measured last becomes spans when the analyser looks at it.
                    scraper.live().totals().await;
                    while let Ok(span) = self.queue.try_recv() {
                        self.batch.push(span);
                    }
                    self.send_spans().await;
                    self.send_metrics(&scraper).await;
                    if let Ok(done) = asked {
                        let _ = done.send(());
                    }
                    return;
                }
                // While the collector is away, the queue fills and then overflows.
                _ = self.queue.recv_many(&mut self.batch, room), if room > 0 => {
                    if self.batch.len() >= BATCH && !self.failing.contains(TRACES) {
                        self.send_spans().await;
                    }
                }
                _ = interval.tick() => {
                    self.send_spans().await;
                    self.send_metrics(&scraper).await;
                }
            }
        }
    }

    async fn send_spans(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let spans = self.batch.iter().map(StatementSpan::message).collect();
        let request = ExportTraces {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![ScopeSpans { scope: Some(self.scope.clone()), spans }],
                schema_url: SCHEMA.to_owned(),
            }],
        };
        let count = self.batch.len() as u64;
        let sent = self.client.send("/v1/traces", request.encode_to_vec()).await;
        self.note(TRACES, sent.as_ref().err());
        let rejected = match &sent {
            Ok(answer) => {
                let answer = ExportTracesAnswer::decode(&answer[..]).unwrap_or_default();
                let rejected = answer.partial_success.map_or(0, |partial| partial.rejected);
                u64::try_from(rejected).unwrap_or(0).min(count)
            }
            // Kept, and sent again.
            Err(RequestError::Away(_)) => {
                self.counters.failed_traces.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Err(RequestError::Refused(_)) => {
                self.counters.failed_traces.fetch_add(1, Ordering::Relaxed);
                count
            }
        };
        self.counters.spans_dropped.fetch_add(rejected, Ordering::Relaxed);
        self.counters.spans_exported.fetch_add(count - rejected, Ordering::Relaxed);
        self.batch.clear();
    }

    async fn send_metrics(&mut self, scraper: &Scraper) {
        let sources = scraper.sources().await;
        let now = Timestamp::now();
        let metrics = metrics::messages(&sources.exposition(), sources.totals.started_at, now);
        let request = ExportMetrics {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![ScopeMetrics { scope: Some(self.scope.clone()), metrics }],
                schema_url: SCHEMA.to_owned(),
            }],
        };
        let sent = self.client.send("/v1/metrics", request.encode_to_vec()).await;
        self.note(METRICS, sent.as_ref().err());
        if sent.is_err() {
            // They are counts since the start: the next request has all that this one had.
            self.counters.failed_metrics.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says once that the collector does not take something, and once that it does again.
    fn note(&mut self, signal: &'static str, error: Option<&RequestError>) {
        match error {
            Some(error) if self.failing.insert(signal) => {
                tracing::warn!(signal, "the collector (otlp_endpoint) took nothing: {error}");
            }
            None if self.failing.remove(signal) => {
                tracing::info!(signal, "the collector (otlp_endpoint) takes them again");
            }
            _ => {}
        }
    }
}
