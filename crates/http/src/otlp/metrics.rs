//! Metrics as a collector takes them.

use jiff::Timestamp;
use model::Buckets;

use super::messages::{
    Data, Gauge, Histogram, HistogramPoint, KeyValue, Metric, Number, NumberPoint, Sum,
};
use super::span::nanoseconds;
use crate::exposition::{self, Exposition, Sample, Value};
use crate::families::{Family, Kind};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: i32 = 2;

/// What a metric is called in OTLP: by OpenTelemetry's conventions where they know it, else by its
/// own name with points and without its unit, from which Prometheus makes the same name again.
pub(crate) fn metric_name(family: &Family) -> String {
    match family.name {
        "pgweir_query_duration_seconds" => return "db.client.operation.duration".to_owned(),
        "process_cpu_seconds" => return "process.cpu.time".to_owned(),
        "process_resident_memory_bytes" => return "process.memory.usage".to_owned(),
        _ => {}
    }
    let unit = format!("_{}", family.unit);
    let name = if family.unit.is_empty() { None } else { family.name.strip_suffix(&unit) };
    name.unwrap_or(family.name).replace('_', ".")
}

/// What a label is called in OTLP.
pub(crate) fn attribute_name(label: &str) -> String {
    match label {
        "database" => "db.namespace".to_owned(),
        "sqlstate" => "db.response.status_code".to_owned(),
        "operation" => "db.operation.name".to_owned(),
        "summary" => "db.query.summary".to_owned(),
        other => format!("pgweir.{other}"),
    }
}

/// The metrics, counted from `started_at` to `now`.
pub(super) fn messages(
    exposition: &Exposition,
    started_at: Timestamp,
    now: Timestamp,
) -> Vec<Metric> {
    let times = (nanoseconds(started_at), nanoseconds(now));
    exposition.metrics.iter().map(|metric| message(metric, times)).collect()
}

fn message(metric: &exposition::Metric, times: (u64, u64)) -> Metric {
    let family = metric.family;
    let samples = metric.samples.iter();
    let data = match family.kind {
        Kind::Gauge | Kind::Info => Data::Gauge(Gauge {
            data_points: samples.map(|one| number(family, one, times)).collect(),
        }),
        Kind::Counter => Data::Sum(Sum {
            data_points: samples.map(|one| number(family, one, times)).collect(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        Kind::Histogram => Data::Histogram(Histogram {
            data_points: samples.filter_map(|one| histogram(family, one, times)).collect(),
            aggregation_temporality: CUMULATIVE,
        }),
    };
    let unit = match family.unit {
        "seconds" => "s",
        "bytes" => "By",
        _ => "1",
    };
    Metric {
        name: metric_name(family),
        description: family.help.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
    }
}

fn number(family: &Family, sample: &Sample, (began, now): (u64, u64)) -> NumberPoint {
    let value = match &sample.value {
        Value::Whole(value) => Number::Whole(i64::try_from(*value).unwrap_or(i64::MAX)),
        Value::Number(value) => Number::Measure(*value),
        Value::Durations(buckets) => Number::Measure(buckets.sum().as_secs_f64()),
    };
    NumberPoint {
        start_time_unix_nano: began,
        time_unix_nano: now,
        value: Some(value),
        attributes: attributes(family, sample),
    }
}

fn histogram(family: &Family, sample: &Sample, (began, now): (u64, u64)) -> Option<HistogramPoint> {
    let Value::Durations(buckets) = &sample.value else { return None };
    Some(HistogramPoint {
        start_time_unix_nano: began,
        time_unix_nano: now,
        count: buckets.count(),
        sum: Some(buckets.sum().as_secs_f64()),
        bucket_counts: buckets.counts().to_vec(),
        explicit_bounds: Buckets::BOUNDS_SECONDS.to_vec(),
        attributes: attributes(family, sample),
    })
}

fn attributes(family: &Family, sample: &Sample) -> Vec<KeyValue> {
    let mut attributes: Vec<_> = family
        .labels
        .iter()
        .zip(&sample.labels)
        .map(|(label, value)| KeyValue::new(&attribute_name(label), &**value))
        .collect();
    if family.labels.contains(&"database") {
        attributes.push(KeyValue::new("db.system.name", "postgresql"));
    }
    attributes
}
