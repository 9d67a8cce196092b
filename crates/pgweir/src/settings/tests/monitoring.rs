//! Metrics, traces and slow statements; OpenTelemetry's variables.

use std::time::Duration;

use super::{file, used, wrong};
use crate::settings::{Monitoring, Settings, Written};

const UPSTREAM: &str = "upstream = \"postgres://app:pw@db/x\"\n";

fn with(settings: &str) -> Settings {
    used(file(&format!("{UPSTREAM}{settings}")))
}

fn with_variables(settings: &str, variables: &[(&str, &str)]) -> Monitoring {
    let mut written: Written = file(&format!("{UPSTREAM}{settings}"));
    written.add_environment(variables.iter().map(|(name, value)| ((*name).into(), value.into())));
    used(written).monitoring
}

#[test]
fn http_may_be_elsewhere_or_off() {
    assert_eq!(with("http = \"*:9187\"").http.unwrap().to_string(), "0.0.0.0:9187");
    for off in ["\"off\"", "\"\"", "false"] {
        assert_eq!(with(&format!("http = {off}")).http, None, "{off}");
    }
    assert!(wrong(file("http = \"metrics\"")).contains("or write off"));
}

#[test]
fn all_of_it_can_be_set() {
    let monitoring = with(
        "otlp_endpoint = \"https://otlp.example.org\"\notlp_headers = \"a=b\"\n\
         otlp_interval = \"30s\"\notlp_service_name = \"shop\"\ntrace_sample_ratio = 0.25\n\
         trace_min_duration = 0\nlog_min_duration = \"250ms\"\nmetrics_fingerprints = 0",
    )
    .monitoring;
    let endpoint = monitoring.otlp_endpoint.as_ref().unwrap();
    assert_eq!(endpoint.to_string(), "https://otlp.example.org:443");
    assert_eq!(monitoring.otlp_headers.as_ref().unwrap().reveal(), "a=b");
    assert_eq!(monitoring.otlp_interval, Duration::from_secs(30));
    assert_eq!((monitoring.trace_sample_ratio, monitoring.trace_min_duration), (0.25, None));
    assert_eq!(monitoring.log_min_duration, Some(Duration::from_millis(250)));
    assert_eq!((&*monitoring.otlp_service_name, monitoring.metrics_fingerprints), ("shop", 0));
}

#[test]
fn wrong_values_are_refused_and_secrets_not_repeated() {
    for (line, said) in [
        ("otlp_endpoint = \"collector:4317\"", "write http://127.0.0.1:4318"),
        ("otlp_headers = \"geheim\"", "write `name=value`"),
        ("otlp_interval = 0", "must be longer than 0"),
        ("trace_sample_ratio = 1.5", "not a number between 0 and 1"),
        ("metrics_fingerprints = 1001", "between 0 and 1000"),
        ("log_min_duration = \"long\"", "not a duration"),
    ] {
        let problems = wrong(file(&format!("{UPSTREAM}{line}")));
        assert!(problems.contains(said) && !problems.contains("geheim"), "{problems}");
    }
    let rows = with("otlp_endpoint = \"http://c\"\notlp_headers = \"a=geheim\"").describe();
    assert!(rows.iter().any(|row| row.key == "otlp_headers" && row.value == "****"));
    assert!(rows.iter().all(|row| !row.value.contains("geheim")));
}

#[test]
fn a_changed_secret_is_told_of_as_needing_a_restart() {
    let settings =
        |secret| with(&format!("otlp_endpoint = \"http://c\"\notlp_headers = \"a={secret}\""));
    assert_eq!(settings("old").needing_restart(&settings("new")), ["otlp_headers"]);
    assert_eq!(settings("old").needing_restart(&settings("old")), [""; 0]);
}

#[test]
fn opentelemetrys_variables_count_where_nothing_is_written_for_pgweir() {
    let theirs = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://theirs"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=theirs"),
        ("OTEL_SERVICE_NAME", "theirs"),
    ];
    let endpoint = |monitoring: &Monitoring| monitoring.otlp_endpoint.clone().unwrap().to_string();
    let monitoring = with_variables("", &theirs);
    assert_eq!(endpoint(&monitoring), "http://theirs:4318");
    assert_eq!(monitoring.otlp_headers.unwrap().reveal(), "a=theirs");
    assert_eq!(monitoring.otlp_service_name, "theirs");
    let monitoring = with_variables("otlp_endpoint = \"http://file\"", &theirs);
    assert_eq!(endpoint(&monitoring), "http://file:4318");
    let ours = [theirs[0], ("PGWEIR_OTLP_ENDPOINT", "http://ours")];
    assert_eq!(endpoint(&with_variables("", &ours)), "http://ours:4318");
    let grpc = [theirs[0], ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    assert_eq!(with_variables("", &grpc).otlp_endpoint, None);
    assert_eq!(with_variables("", &[("OTEL_SERVICE_NAME", " ")]).otlp_service_name, "pgweir");
}
