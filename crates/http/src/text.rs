//! Metrics as text: OpenMetrics 1.0 and the older form of Prometheus, 0.0.4.
//!
//! The two differ in a few places only, and the crates that write one do not write the other.

use std::fmt::Write;
use std::sync::Arc;

use model::Buckets;

use crate::exposition::{Exposition, Metric, Sample, Value};
use crate::families::{Family, Kind};

/// A form of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    Prometheus,
}

impl Form {
    /// The form that a request asks for in its `Accept`; the older one is for whoever does not say.
    pub(crate) fn wanted(accept: Option<&str>) -> Self {
        let open = accept.unwrap_or_default().split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                let quality = part.strip_prefix("q=").and_then(|quality| quality.parse().ok());
                quality.is_some_and(|quality: f64| quality <= 0.0)
            });
            kind.eq_ignore_ascii_case("application/openmetrics-text") && !refused
        });
        if open { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Writes the metrics.
    pub(crate) fn write(self, exposition: &Exposition) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = exposition.metrics.iter().try_for_each(|metric| self.metric(&mut text, metric));
        if self == Self::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    fn metric(self, to: &mut String, metric: &Metric) -> std::fmt::Result {
        let family = metric.family;
        // What the older form has no word for is a gauge; and there a counter's name has its suffix
        // in the description too.
        let (name, kind) = match self {
            Self::OpenMetrics => (family.name.to_owned(), family.kind.as_str()),
            Self::Prometheus if family.kind == Kind::Info => (family.sample_name(), "gauge"),
            Self::Prometheus => (family.sample_name(), family.kind.as_str()),
        };
        writeln!(to, "# TYPE {name} {kind}")?;
        if self == Self::OpenMetrics && !family.unit.is_empty() {
            writeln!(to, "# UNIT {name} {}", family.unit)?;
        }
        writeln!(to, "# HELP {name} {}", family.help)?;
        let name = family.sample_name();
        for sample in &metric.samples {
            match &sample.value {
                Value::Durations(buckets) => histogram(to, family, sample, buckets)?,
                value => {
                    line(to, &name, family, &sample.labels, None)?;
                    number(to, value)?;
                }
            }
        }
        Ok(())
    }
}

fn histogram(
    to: &mut String,
    family: &Family,
    sample: &Sample,
    buckets: &Buckets,
) -> std::fmt::Result {
    let name = format!("{}_bucket", family.name);
    let mut count = 0;
    let bounds = Buckets::BOUNDS_SECONDS.iter().map(Some).chain([None]);
    for (bound, in_bucket) in bounds.zip(buckets.counts()) {
        count += in_bucket;
        // With a point, as OpenMetrics wants whole bounds to be written.
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| format!("{bound:?}"));
        line(to, &name, family, &sample.labels, Some(&bound))?;
        writeln!(to, "{count}")?;
    }
    line(to, &format!("{}_sum", family.name), family, &sample.labels, None)?;
    writeln!(to, "{}", buckets.sum().as_secs_f64())?;
    line(to, &format!("{}_count", family.name), family, &sample.labels, None)?;
    writeln!(to, "{count}")
}

/// All of a line but its value.
fn line(
    to: &mut String,
    name: &str,
    family: &Family,
    values: &[Arc<str>],
    bound: Option<&str>,
) -> std::fmt::Result {
    to.push_str(name);
    let mut mark = '{';
    for (label, value) in family.labels.iter().zip(values) {
        write!(to, "{mark}{label}=\"")?;
        escape(to, value);
        to.push('"');
        mark = ',';
    }
    if let Some(bound) = bound {
        write!(to, "{mark}le=\"{bound}\"")?;
        mark = ',';
    }
    if mark == ',' {
        to.push('}');
    }
    to.push(' ');
    Ok(())
}

fn number(to: &mut String, value: &Value) -> std::fmt::Result {
    match value {
        Value::Whole(value) => writeln!(to, "{value}"),
        Value::Number(value) => writeln!(to, "{value}"),
        Value::Durations(_) => Ok(()),
    }
}

/// A label's value comes from clients: what would end it is escaped.
fn escape(to: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => to.push_str("\\\\"),
            '"' => to.push_str("\\\""),
            '\n' => to.push_str("\\n"),
            // Allowed, but nobody means it, and parsers differ in what a line's end is.
            other if other.is_control() => to.push(char::REPLACEMENT_CHARACTER),
            other => to.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::families as f;

    fn example() -> Exposition {
        let mut buckets = Buckets::default();
        for ms in [1, 3, 700_000] {
            buckets.record(Duration::from_millis(ms));
        }
        let (shop, web) = (&Arc::from("shop"), &Arc::from("we\"b\\\n\r"));
        let mut example = Exposition::default();
        example.add(&f::POOL_PAUSED, [shop, web], false);
        example.add(&f::QUERY_ROWS, [shop, web], 7u64);
        example.add(&f::IDLE_IN_TRANSACTION, [shop, web], Duration::from_millis(1500));
        example.add(&f::LOOP_LAG, [], buckets);
        example.add(&f::BUILD, [&Arc::from("0.1.0")], true);
        example
    }

    #[test]
    fn openmetrics_is_written_as_its_specification_has_it() {
        insta::assert_snapshot!(Form::OpenMetrics.write(&example()), @r#"
        # TYPE pgweir_pool_paused gauge
        # HELP pgweir_pool_paused 1 while PAUSE holds the pool, else 0.
        pgweir_pool_paused{database="shop",user="we\"b\\\n�"} 0
        # TYPE pgweir_query_rows counter
        # HELP pgweir_query_rows Rows returned or affected.
        pgweir_query_rows_total{database="shop",user="we\"b\\\n�"} 7
        # TYPE pgweir_idle_in_transaction_seconds counter
        # UNIT pgweir_idle_in_transaction_seconds seconds
        # HELP pgweir_idle_in_transaction_seconds Time in which a transaction block was open and the server had nothing to do.
        pgweir_idle_in_transaction_seconds_total{database="shop",user="we\"b\\\n�"} 1.5
        # TYPE pgweir_loop_lag_seconds histogram
        # UNIT pgweir_loop_lag_seconds seconds
        # HELP pgweir_loop_lag_seconds By how much a task that wakes twice a second wakes too late: how long a client may have to wait until its turn comes.
        pgweir_loop_lag_seconds_bucket{le="0.0001"} 0
        pgweir_loop_lag_seconds_bucket{le="0.00025"} 0
        pgweir_loop_lag_seconds_bucket{le="0.0005"} 0
        pgweir_loop_lag_seconds_bucket{le="0.001"} 1
        pgweir_loop_lag_seconds_bucket{le="0.0025"} 1
        pgweir_loop_lag_seconds_bucket{le="0.005"} 2
        pgweir_loop_lag_seconds_bucket{le="0.01"} 2
        pgweir_loop_lag_seconds_bucket{le="0.025"} 2
        pgweir_loop_lag_seconds_bucket{le="0.05"} 2
        pgweir_loop_lag_seconds_bucket{le="0.1"} 2
        pgweir_loop_lag_seconds_bucket{le="0.25"} 2
        pgweir_loop_lag_seconds_bucket{le="0.5"} 2
        pgweir_loop_lag_seconds_bucket{le="1.0"} 2
        pgweir_loop_lag_seconds_bucket{le="2.5"} 2
        pgweir_loop_lag_seconds_bucket{le="5.0"} 2
        pgweir_loop_lag_seconds_bucket{le="10.0"} 2
        pgweir_loop_lag_seconds_bucket{le="25.0"} 2
        pgweir_loop_lag_seconds_bucket{le="50.0"} 2
        pgweir_loop_lag_seconds_bucket{le="100.0"} 2
        pgweir_loop_lag_seconds_bucket{le="+Inf"} 3
        pgweir_loop_lag_seconds_sum 700.004
        pgweir_loop_lag_seconds_count 3
        # TYPE pgweir_build info
        # HELP pgweir_build The version that runs.
        pgweir_build_info{version="0.1.0"} 1
        # EOF
        "#);
    }

    #[test]
    fn the_older_form_differs_where_it_must() {
        let (open, older) =
            (Form::OpenMetrics.write(&example()), Form::Prometheus.write(&example()));
        let differing: Vec<_> =
            older.lines().filter(|line| !open.lines().any(|other| other == *line)).collect();
        insta::assert_snapshot!(differing.join("\n"), @r#"
        # TYPE pgweir_query_rows_total counter
        # HELP pgweir_query_rows_total Rows returned or affected.
        # TYPE pgweir_idle_in_transaction_seconds_total counter
        # HELP pgweir_idle_in_transaction_seconds_total Time in which a transaction block was open and the server had nothing to do.
        # TYPE pgweir_build_info gauge
        # HELP pgweir_build_info The version that runs.
        "#);
        assert!(!older.contains("# EOF") && !older.contains("# UNIT"));
    }

    #[test]
    fn the_form_is_the_one_that_is_accepted() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;\
                          q=0.3,*/*;q=0.2";
        for (accept, form) in [
            (None, Form::Prometheus),
            (Some("*/*"), Form::Prometheus),
            (Some("text/html"), Form::Prometheus),
            (Some(prometheus), Form::OpenMetrics),
            (Some("Application/OpenMetrics-Text"), Form::OpenMetrics),
            (Some("application/openmetrics-text;q=0"), Form::Prometheus),
        ] {
            assert_eq!(Form::wanted(accept), form, "{accept:?}");
        }
    }

    proptest! {
        #[test]
        fn no_label_breaks_out_of_its_line(database in "\\PC*|(\\\\|\"|\n|\r|\u{2028}|[{},= ]){0,9}") {
            let mut exposition = Exposition::default();
            exposition.add(&f::QUERY_ROWS, [&Arc::from(database), &Arc::from("web")], 7u64);
            let text = Form::OpenMetrics.write(&exposition);
            let lines: Vec<_> = text.split('\n').collect();
            prop_assert_eq!(lines.len(), 5);
            let (head, tail) = ("pgweir_query_rows_total{database=\"", "\",user=\"web\"} 7");
            let inside = lines[2].strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
            prop_assert!(inside.is_some(), "{}", lines[2]);
            let inside = inside.unwrap_or_default();
            let unescaped = inside.replace("\\\\", "").replace("\\\"", "").replace("\\n", "");
            prop_assert!(!unescaped.contains(['"', '\\']), "{}", inside);
        }
    }
}
