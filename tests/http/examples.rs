//! The rules and the dashboard of docs/metrics, against what is served.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::openmetrics::Served;
use crate::scene::Scene;

const RULES: &str = include_str!("../../docs/metrics/rules.yml");
const DASHBOARD: &str = include_str!("../../docs/metrics/dashboard.json");

/// A metric that an expression names, and the labels that it names with it.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// What Prometheus adds, and rules' own.
const ADDED: &[&str] = &["instance", "job", "le"];

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_:".contains(character)
}

/// The metrics that an expression names, each with the labels of its braces; and all labels that
/// the expression groups or joins by.
fn uses(expression: &str) -> (Uses, BTreeSet<String>) {
    let (mut uses, mut grouped) = (Uses::new(), BTreeSet::new());
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        let end = rest[start..].find(|c| !is_name(c)).map_or(rest.len(), |end| start + end);
        let (name, behind) = (&rest[start..end], &rest[end..]);
        rest = behind;
        if matches!(name, "by" | "on" | "group_left" | "without" | "ignoring") {
            let inside =
                behind.trim_start().strip_prefix('(').and_then(|text| text.split_once(')'));
            let (labels, after) = inside.unwrap_or_else(|| panic!("{name} in {expression}"));
            grouped.extend(labels.split(',').map(|label| label.trim().to_owned()));
            rest = after;
        } else if name.starts_with("pgweir_") || name.starts_with("process_") {
            let labels = uses.entry(name.to_owned()).or_default();
            if let Some(inside) = behind.strip_prefix('{') {
                let (matchers, after) = inside.split_once('}').expect("a closing brace");
                let matchers = matchers.split(',').filter(|matcher| !matcher.trim().is_empty());
                labels.extend(matchers.map(|matcher| {
                    matcher.trim().split(['=', '!']).next().unwrap_or_default().to_owned()
                }));
                rest = after;
            }
        }
    }
    (uses, grouped)
}

fn check(expression: &str, served: &Served) -> usize {
    let (uses, grouped) = uses(expression);
    let mut known: BTreeSet<&str> = ADDED.iter().copied().collect();
    for (name, labels) in &uses {
        let of_metric = served.labels(name);
        let of_metric = of_metric.unwrap_or_else(|| panic!("{name} of `{expression}` is served"));
        for label in labels {
            let found = of_metric.contains(label.as_str()) || ADDED.contains(&label.as_str());
            assert!(found, "{name} has a label {label}: `{expression}`");
        }
        known.extend(of_metric);
    }
    if !uses.is_empty() {
        for label in &grouped {
            assert!(known.contains(label.as_str()), "{label} is a label: `{expression}`");
        }
    }
    uses.len()
}

fn strings<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    other => strings(other, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, key, found)),
        _ => {}
    }
}

/// A pgweir in which everything has happened once.
async fn eventful() -> Served {
    let scene = Scene::with(
        "otlp_endpoint = \"http://127.0.0.1:1\"\notlp_interval = \"200ms\"\nserver_login_retry = 0",
    )
    .await;
    let client = scene.client().await;
    client.simple_query("SELECT 1").await.unwrap();
    client.simple_query("SELECT * FROM missing").await.unwrap_err();
    scene.proxy.try_connect("postgres", "there_is_none").await.unwrap_err();
    scene
        .until("finding, failure and refusal", |served| {
            let all = ["pgweir_findings", "pgweir_query_errors_total"].iter().chain(&[
                "pgweir_pool_connect_failures_total",
                "pgweir_client_refusals_total",
                "pgweir_otlp_export_failures_total",
            ]);
            all.map(|name| served.labels(name).map(|_| ())).collect::<Option<Vec<_>>>()
        })
        .await;
    scene.scrape().await
}

#[tokio::test]
async fn rules_and_dashboard_name_what_is_served() {
    let served = eventful().await;
    let rules: Vec<_> =
        RULES.lines().filter_map(|line| line.trim_start().strip_prefix("expr: ")).collect();
    assert!(rules.len() > 10, "{rules:?}");
    rules.iter().for_each(|rule| {
        check(rule, &served);
    });
    // A rule may build on another's record.
    let recorded: BTreeSet<_> = RULES
        .lines()
        .filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("record: "))
        .collect();
    for rule in &rules {
        for name in rule.split(|c| !is_name(c)).filter(|name| name.starts_with("pgweir:")) {
            assert!(recorded.contains(name), "{name} is recorded");
        }
    }
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("the dashboard is JSON");
    let mut expressions = Vec::new();
    strings(&dashboard, "expr", &mut expressions);
    strings(&dashboard, "definition", &mut expressions);
    assert!(expressions.len() > 30, "{expressions:?}");
    for expression in expressions {
        assert!(check(expression, &served) > 0, "`{expression}` asks for something");
    }
}

#[test]
fn expressions_are_read_as_prometheus_reads_them() {
    let (uses, grouped) = uses(
        "sum by (le, user) (rate(pgweir_a_total{x=\"1\", y=~\"$z\"}[5m])) / on (z) \
         group_left (s) pgweir_b_info",
    );
    let shown: Vec<_> = uses
        .iter()
        .map(|(name, labels)| format!("{name} {}", labels.iter().cloned().collect::<String>()))
        .collect();
    assert_eq!(shown, ["pgweir_a_total xy", "pgweir_b_info "]);
    assert_eq!(grouped.into_iter().collect::<String>(), "lesuserz");
}
