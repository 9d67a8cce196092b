//! Statements that are told of one by one: logged because they were slow, exported as spans.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::otlp::{Failure, Sampling, SpanSink, StatementSpan};
use jiff::Timestamp;
use model::{DatabaseStatus, FingerprintId, Outcome, QueryEvent, SpanId, TraceId};
use proxy::{Measures, Proxy};
use sql::Shape;

use crate::run::logging::SLOW_STATEMENT;
use crate::settings::Settings;

/// Tells of single statements.
pub(super) struct SingledOut {
    sink: Option<SpanSink>,
    sampling: Sampling,
    /// From which duration on statements are logged.
    logged: Option<Duration>,
    /// Knows where databases are.
    proxy: Proxy,
    /// Where they are, by the name that clients use.
    servers: HashMap<String, Server>,
    /// Whether the proxy may be asked about a database that is not among them.
    may_ask: bool,
    /// One moment on both clocks, not long ago.
    anchor: (Instant, Timestamp),
}

struct Server {
    database: Arc<str>,
    host: Arc<str>,
    port: u16,
}

impl SingledOut {
    /// Spans go to `sink`, if there is one.
    pub(super) fn new(sink: Option<SpanSink>, proxy: Proxy, settings: &Settings) -> Self {
        let mut new = Self {
            sink,
            sampling: Sampling { ratio: 0.0, slow: None },
            logged: None,
            proxy,
            servers: HashMap::new(),
            may_ask: true,
            anchor: (Instant::now(), Timestamp::now()),
        };
        new.refresh(settings);
        new
    }

    /// Takes what may have changed since the last tick.
    pub(super) fn refresh(&mut self, settings: &Settings) {
        let monitoring = &settings.monitoring;
        self.logged = monitoring.log_min_duration;
        self.sampling =
            Sampling { ratio: monitoring.trace_sample_ratio, slow: monitoring.trace_min_duration };
        if self.sink.is_some() {
            self.ask_for_servers();
        }
    }

    /// Statements that are done by now come next. The time is told anew for them, since the clock
    /// may have been set.
    pub(super) fn begin(&mut self, anchor: (Instant, Timestamp)) {
        self.anchor = anchor;
        self.may_ask = true;
    }

    /// Looks at a statement that is done.
    pub(super) fn look_at(&mut self, query: &QueryEvent, measures: &Measures) {
        if self.logged.is_some_and(|least| query.total >= least) {
            log(query, measures);
        }
        if self.sink.is_none() {
            return;
        }
        let parent = query.trace.as_deref();
        let fresh = || TraceId(rand::random::<u128>().max(1));
        let Some(trace) = self.sampling.takes(parent, query.total, fresh) else { return };
        let span = self.span(trace, query, measures);
        if let Some(sink) = &self.sink {
            sink.offer(span);
        }
    }

    fn ask_for_servers(&mut self) {
        self.may_ask = false;
        self.servers = self.proxy.databases().into_iter().map(server).collect();
    }

    fn span(&mut self, trace: TraceId, query: &QueryEvent, measures: &Measures) -> StatementSpan {
        let shape = measures.shapes.get(query.shape);
        let labels = measures.labels.get(query.labels);
        if self.may_ask && !self.servers.contains_key(&*labels.database) {
            self.ask_for_servers();
        }
        let server = self.servers.get(&*labels.database);
        let ended = time_of(query.finished, self.anchor);
        StatementSpan {
            trace,
            span: SpanId(rand::random::<u64>().max(1)),
            parent: query.trace.as_deref().copied(),
            began: ended.checked_sub(query.total).unwrap_or(ended),
            ended,
            wait: query.wait,
            operation: shape.as_ref().map(|shape| Arc::from(shape.keyword)),
            summary: shape.as_ref().map(|shape| Arc::from(sql::summary(shape))),
            table: shape.as_deref().and_then(only_table),
            text: shape.as_ref().map(|shape| Arc::clone(shape.text())),
            fingerprint: fingerprint(shape.as_deref()),
            client: query.client,
            user: Arc::clone(&labels.user),
            application: Arc::clone(&labels.application),
            namespace: match server {
                Some(server) => Arc::clone(&server.database),
                None => Arc::clone(&labels.database),
            },
            server: server.map(|server| (Arc::clone(&server.host), server.port)),
            rows: query.rows,
            failure: match query.outcome {
                Outcome::Done => None,
                Outcome::Failed(code) => Some(Failure::Code(code)),
                Outcome::Lost => Some(Failure::Lost),
            },
        }
    }
}

fn server(status: DatabaseStatus) -> (String, Server) {
    let server =
        Server { database: status.database.into(), host: status.host.into(), port: status.port };
    (status.name, server)
}

fn only_table(shape: &Shape) -> Option<Arc<str>> {
    match &sql::tables(shape)[..] {
        [only] => Some(Arc::from(only.as_str())),
        _ => None,
    }
}

/// As the aggregator counts a statement whose shape is not known any more.
fn fingerprint(shape: Option<&Shape>) -> FingerprintId {
    shape.map_or(FingerprintId::OTHERS, Shape::fingerprint)
}

/// The text is without values; names come from clients, and are written so that they stay in their
/// line.
fn log(query: &QueryEvent, measures: &Measures) {
    let shape = measures.shapes.get(query.shape);
    let labels = measures.labels.get(query.labels);
    let sqlstate = match query.outcome {
        Outcome::Done => None,
        Outcome::Failed(code) => Some(code),
        Outcome::Lost => None,
    };
    tracing::info!(
        target: SLOW_STATEMENT,
        duration_ms = milliseconds(query.total),
        wait_ms = milliseconds(query.wait),
        client = query.client.0,
        database = &*labels.database,
        user = &*labels.user,
        application = &*labels.application,
        rows = query.rows,
        fingerprint = %fingerprint(shape.as_deref()),
        text = shape.as_deref().map_or("(others)", |shape| &**shape.text()),
        sqlstate = sqlstate.map(tracing::field::display),
        lost = (query.outcome == Outcome::Lost).then_some(true),
        "slow statement"
    );
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// When an instant was, by one moment on both clocks.
fn time_of(instant: Instant, (anchor, anchor_at): (Instant, Timestamp)) -> Timestamp {
    let before = anchor.saturating_duration_since(instant);
    let after = instant.saturating_duration_since(anchor);
    let time = anchor_at.checked_sub(before).and_then(|time| time.checked_add(after));
    time.unwrap_or(anchor_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_from_one_moment_on_both_clocks() {
        let (anchor, at) = (Instant::now(), Timestamp::from_second(1_795_464_900).unwrap());
        let (early, late) = (anchor - Duration::from_millis(5), anchor + Duration::from_millis(7));
        assert_eq!(time_of(early, (anchor, at)).as_millisecond(), at.as_millisecond() - 5);
        assert_eq!(time_of(late, (anchor, at)).as_millisecond(), at.as_millisecond() + 7);
    }
}
