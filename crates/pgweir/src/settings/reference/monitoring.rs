//! What is told to the monitoring: metrics, traces, slow statements.

use super::{DURATION, SettingReference, TEXT, TIMEOUT, Unset, Value, fixed, setting};

pub(super) const HTTP: SettingReference = fixed(setting(
    "http",
    "address:port, off",
    Value("127.0.0.1:6433"),
    "Where `/metrics`, `/health` and `/ready` are served, to anybody who comes; see \
     docs/metrics.md. Port 0 takes a free one; the log line that says `ready` names it. Where \
     the default is taken by another process, nothing is served; any other address must be \
     free.",
));

pub(super) const METRICS_FINGERPRINTS: SettingReference = fixed(setting(
    "metrics_fingerprints",
    "number, at most 1000",
    Value("50"),
    "Fingerprints with metrics of their own, those that take the most time of late; all others \
     are one. Each is some thirty series.",
));

pub(super) const OTLP_ENDPOINT: SettingReference = fixed(setting(
    "otlp_endpoint",
    "URL",
    Unset,
    "The collector that metrics and traces are sent to by OTLP, as `http://host:4318`; see \
     docs/tracing.md. Where it is not set, OTEL_EXPORTER_OTLP_ENDPOINT is. An `https` URL's \
     certificate is checked against the authorities that this system trusts.",
));

pub(super) const OTLP_HEADERS: SettingReference = fixed(setting(
    "otlp_headers",
    "name=value, with commas between",
    Unset,
    "Headers of each request to the collector, such as `authorization=Bearer%20…`; values are \
     percent-encoded. Never shown. Where it is not set, OTEL_EXPORTER_OTLP_HEADERS is.",
));

pub(super) const OTLP_INTERVAL: SettingReference = fixed(setting(
    "otlp_interval",
    DURATION,
    Value("10s"),
    "How often metrics are sent to the collector, and spans at the latest.",
));

pub(super) const OTLP_SERVICE_NAME: SettingReference = fixed(setting(
    "otlp_service_name",
    TEXT,
    Value("pgweir"),
    "`service.name` of what is sent. Where it is not set, OTEL_SERVICE_NAME is.",
));

pub(super) const TRACE_SAMPLE_RATIO: SettingReference = setting(
    "trace_sample_ratio",
    "number between 0 and 1",
    Value("0"),
    "The share of traces whose statements are sent to the collector. Which traces is decided by \
     their number, so that all statements of one are sent or none.",
);

pub(super) const TRACE_MIN_DURATION: SettingReference = setting(
    "trace_min_duration",
    TIMEOUT,
    Value("1s"),
    "Statements that took this long, waiting included, are sent to the collector besides.",
);

pub(super) const LOG_MIN_DURATION: SettingReference = setting(
    "log_min_duration",
    TIMEOUT,
    Value("0"),
    "Statements that took this long, waiting included, are logged: the text without its values, \
     the fingerprint, and the client's id as in SHOW CLIENTS. Of one statement and kind of \
     client, one line in ten seconds.",
);
