//! Spans and metrics for a collector: OTLP 1 by HTTP, encoded as protobuf
//! (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! The messages are declared here, the part of them that is used: the crate that has them all brings
//! an SDK with it. Tests read what is sent with that crate's types.

mod client;
mod endpoint;
mod export;
mod messages;
mod metrics;
mod sampling;
mod span;

pub use endpoint::{Endpoint, parse_headers};
pub(crate) use export::{ExportCounts, Exporter, exporter};
pub use export::{ExportSettings, SpanSink};
pub(crate) use metrics::{attribute_name, metric_name};
pub use sampling::Sampling;
pub use span::{Failure, StatementSpan};
