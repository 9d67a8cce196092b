//! docs/metrics.md, made from the table in `families.rs`.

use std::fmt::Write;

use model::Buckets;

use crate::families::FAMILIES;
use crate::otlp::{attribute_name, metric_name};

const INTRODUCTION: &str = "\
# Metrics

<!-- Made by `pgweir metrics --markdown`; change crates/http/src/families.rs or manual.rs instead. -->

pgweir serves its metrics at `/metrics` of the address `http`
([settings](settings.md)): `http://127.0.0.1:6433/metrics` if nothing else is set. Whoever accepts
`application/openmetrics-text` gets [OpenMetrics 1.0](https://prometheus.io/docs/specs/om/open_metrics_spec/),
everybody else the text format 0.0.4; Prometheus asks for the former by itself. Nobody is asked for a
password: bind `http` to an address that only the monitoring reaches.

```yaml
scrape_configs:
  - job_name: pgweir
    scrape_interval: 15s
    static_configs:
      - targets: [\"127.0.0.1:6433\"]
```

[metrics/rules.yml](metrics/rules.yml) has alerts and recording rules to begin with, and
[metrics/dashboard.json](metrics/dashboard.json) is a dashboard for Grafana (Dashboards, Import). A
test checks both against what is served. The same metrics go to a collector by OTLP where
`otlp_endpoint` is set: [tracing.md](tracing.md).

`/health` answers 200 as long as the process lives. `/ready` answers 200 when clients may be sent here,
and 503 with the reason while pgweir drains, or when every server that was tried refused the last attempt
and no connection is left (for a minute after the last client, so that one that comes then finds out anew); a
server that nobody has asked for yet does no harm. Both say it in a line of
JSON.

How to read them:

- Counters count from the start of the process and go back to zero with it, as `rate()` expects. They
  are counted off the data path, from events that are taken ten times a second; a scrape takes what
  there is first. A scrape within a second of another gets the same answer.
- `database` and `user` are the pool's, as the client named them. At most 1,000 pools are told apart;
  what is beyond is `(others)`.
- Statistics tell apart 10,000 kinds of clients (database, user, application and tags) at a time:
  `pgweir_labels` of `pgweir_labels_limit`. Where there are nearly as many, those that no client has been of
  for longest are forgotten, so that an application that puts its process id into its name takes no room
  from others; what was measured of them stays, under their names for the hour and in the history. A client
  for which there was no room is `(others)`; at a transaction's end, once a minute at most, it asks again.
- `host` is a server's name and port as they are written, `address` what the name leads to (empty if it is no
  name). A server that two databases share is there for each. At most 1,000 are told apart; what is beyond
  is left out.
- Of the fingerprints, those are told apart that have taken the most time of late, as many as
  `metrics_fingerprints`. One that joins them begins at zero, and one that leaves them has no series
  any more. Each statement counts in exactly one, so that sums are right. `pgweir_fingerprint_info`
  says what they are; joined to it:
  `rate(pgweir_fingerprint_duration_seconds_sum[5m]) * on (instance, fingerprint) group_left (summary) pgweir_fingerprint_info`.
- Texts and values of statements are in no metric. The fingerprint is the one that `SHOW QUERIES`,
  `pgweir report` and the log have.
";

/// `docs/metrics.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    let bounds: Vec<_> = Buckets::BOUNDS_SECONDS.iter().map(f64::to_string).collect();
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "- The buckets of all histograms end at {} seconds.\n\nNames are as in a query: a counter \
         ends in `_total`, and a histogram has `_bucket`, `_sum` and `_count`.\n",
        bounds.join(", ")
    );
    let labels = ["database", "sqlstate", "operation", "summary"];
    let renamed: Vec<_> =
        labels.iter().map(|label| format!("`{label}` as `{}`", attribute_name(label))).collect();
    let _ = write!(
        page,
        "\nBy OTLP they have the names in the last column, {}, and any other label with `pgweir.` \
         before it.\n",
        renamed.join(", ")
    );
    for (title, families) in FAMILIES {
        let _ = write!(
            page,
            "\n## {title}\n\n| name | type | unit | labels | what it says | OTLP |\n\
             | --- | --- | --- | --- | --- | --- |\n"
        );
        for family in *families {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} | `{}` |",
                family.sample_name(),
                family.kind.as_str(),
                family.unit,
                labels.join(", "),
                family.help,
                metric_name(family)
            );
        }
    }
    page
}
