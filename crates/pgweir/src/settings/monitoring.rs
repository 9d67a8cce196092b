//! What is told to the monitoring around pgweir: metrics, traces, slow statements.

use std::time::Duration;

use http::otlp::{Endpoint, parse_headers};

use super::password::Secret;
use super::resolve::Reader;
use super::used::Settings;
use super::values;

/// Fingerprints with metrics of their own at most: each is some thirty series.
const FINGERPRINTS_MOST: u32 = 1_000;

/// What is told to the monitoring around pgweir.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitoring {
    /// Fingerprints with metrics of their own.
    pub metrics_fingerprints: u32,
    /// The collector; none exports nothing.
    pub otlp_endpoint: Option<Endpoint>,
    /// What the collector is told with each request.
    pub otlp_headers: Option<Secret>,
    /// How often metrics are sent.
    pub otlp_interval: Duration,
    /// `service.name`.
    pub otlp_service_name: String,
    /// The share of traces whose statements are exported.
    pub trace_sample_ratio: f64,
    /// From which duration on statements are exported besides; none: only the share.
    pub trace_min_duration: Option<Duration>,
    /// From which duration on statements are logged; none: none is.
    pub log_min_duration: Option<Duration>,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            metrics_fingerprints: 50,
            otlp_endpoint: None,
            otlp_headers: None,
            otlp_interval: Duration::from_secs(10),
            otlp_service_name: "pgweir".to_owned(),
            trace_sample_ratio: 0.0,
            trace_min_duration: Some(Duration::from_secs(1)),
            log_min_duration: None,
        }
    }
}

pub(super) fn resolve(reader: &mut Reader, settings: &mut Settings) {
    let endpoint = |raw: &values::Raw| Endpoint::parse(&values::text(raw)?).map(Some);
    let headers = |raw: &values::Raw| {
        let text = values::text(raw)?;
        parse_headers(&text)?;
        Ok(Some(Secret::new(text)))
    };
    let to = &mut settings.monitoring;
    let fingerprints = |raw: &values::Raw| values::whole(raw, 0, FINGERPRINTS_MOST);
    reader.set(&mut to.metrics_fingerprints, "metrics_fingerprints", fingerprints);
    reader.set(&mut to.otlp_endpoint, "otlp_endpoint", endpoint);
    reader.set(&mut to.otlp_headers, "otlp_headers", headers);
    reader.set(&mut to.otlp_interval, "otlp_interval", values::some_duration);
    reader.set(&mut to.otlp_service_name, "otlp_service_name", values::text);
    let share = |raw: &values::Raw| values::decimal(raw, 1.0);
    reader.set(&mut to.trace_sample_ratio, "trace_sample_ratio", share);
    reader.set(&mut to.trace_min_duration, "trace_min_duration", values::timeout);
    reader.set(&mut to.log_min_duration, "log_min_duration", values::timeout);
    if to.otlp_headers.is_some() && !reader.is_written("otlp_endpoint") {
        // Not an error: the variables of OpenTelemetry may be there for others.
        reader.warn("otlp_headers is of no use without otlp_endpoint: nothing is exported");
    }
}
