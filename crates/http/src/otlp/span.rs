//! A statement as a span, by OpenTelemetry's conventions for database clients
//! (<https://opentelemetry.io/docs/specs/semconv/database/postgresql/>).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{ClientId, FingerprintId, SpanId, SqlState, TraceContext, TraceId};

use super::messages::{KeyValue, Span, Status};

/// `db.system.name`.
const SYSTEM: &str = "postgresql";
/// `SPAN_KIND_CLIENT`.
const CLIENT: i32 = 3;
/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;
/// Of a span's flags: it is known whether its parent is another process's, and it is
/// (`SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`, `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`).
const REMOTE_PARENT: u32 = 0x300;
/// W3C's flag of a trace that is recorded.
const SAMPLED: u32 = 1;

/// How a statement failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// With this code.
    Code(SqlState),
    /// A side went away.
    Lost,
}

/// A statement to be exported. It has no value that a client sent.
#[derive(Clone, Debug)]
pub struct StatementSpan {
    /// The trace it belongs to.
    pub trace: TraceId,
    /// Its own number.
    pub span: SpanId,
    /// Where its application was in the trace; none begins a trace.
    pub parent: Option<TraceContext>,
    /// When it arrived.
    pub began: Timestamp,
    /// When its answer had ended.
    pub ended: Timestamp,
    /// Of that, how long it waited for a server connection.
    pub wait: Duration,
    /// What it does, such as `SELECT`; none where the statement is not known any more.
    pub operation: Option<Arc<str>>,
    /// That with its tables, such as `SELECT orders`.
    pub summary: Option<Arc<str>>,
    /// Its table, if it has only one.
    pub table: Option<Arc<str>>,
    /// Its normalised text.
    pub text: Option<Arc<str>>,
    /// Which it is, as in the report.
    pub fingerprint: FingerprintId,
    /// Who sent it, as in SHOW CLIENTS.
    pub client: ClientId,
    /// The user, as the client named it.
    pub user: Arc<str>,
    /// `application_name`.
    pub application: Arc<str>,
    /// The database's name on the server.
    pub namespace: Arc<str>,
    /// The server's host and port, where they are known.
    pub server: Option<(Arc<str>, u16)>,
    /// Rows returned or affected.
    pub rows: u64,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
}

impl StatementSpan {
    pub(super) fn message(&self) -> Span {
        let parent = self.parent;
        let status = self.failure.map(|_| Status { code: ERROR });
        Span {
            trace_id: self.trace.0.to_be_bytes().to_vec(),
            span_id: self.span.0.to_be_bytes().to_vec(),
            parent_span_id: parent
                .map(|parent| parent.span.0.to_be_bytes().to_vec())
                .unwrap_or_default(),
            // Where nothing better is known, the conventions have the system's name.
            name: self.summary.as_deref().unwrap_or(SYSTEM).to_owned(),
            kind: CLIENT,
            start_time_unix_nano: nanoseconds(self.began),
            end_time_unix_nano: nanoseconds(self.ended),
            attributes: self.attributes(),
            status,
            flags: SAMPLED | parent.map_or(0, |_| REMOTE_PARENT),
        }
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("db.system.name", SYSTEM),
            KeyValue::new("db.namespace", &*self.namespace),
            KeyValue::new("pgweir.client.id", whole(self.client.0)),
            KeyValue::new("pgweir.fingerprint", &*self.fingerprint.to_string()),
            KeyValue::new("pgweir.user", &*self.user),
            KeyValue::new("pgweir.application", &*self.application),
            KeyValue::new("pgweir.wait", self.wait.as_secs_f64()),
            KeyValue::new("pgweir.rows", whole(self.rows)),
        ];
        let texts = [
            ("db.operation.name", &self.operation),
            ("db.query.summary", &self.summary),
            ("db.query.text", &self.text),
            ("db.collection.name", &self.table),
        ];
        for (name, text) in texts {
            attributes.extend(text.as_ref().map(|text| KeyValue::new(name, &**text)));
        }
        if let Some((host, port)) = &self.server {
            attributes.push(KeyValue::new("server.address", &**host));
            attributes.push(KeyValue::new("server.port", i64::from(*port)));
        }
        match &self.failure {
            Some(Failure::Code(code)) => {
                attributes.push(KeyValue::new("db.response.status_code", code.as_str()));
                attributes.push(KeyValue::new("error.type", code.as_str()));
            }
            Some(Failure::Lost) => attributes.push(KeyValue::new("error.type", "connection_lost")),
            None => {}
        }
        attributes
    }
}

pub(super) fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or(0)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
