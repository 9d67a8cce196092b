//! The JSON format: the view as it is.

use crate::{Report, ReportError, SCHEMA};

/// The report as indented JSON, with a line feed at its end.
///
/// # Errors
/// [`ReportError::Json`] when it cannot be serialised, which a built report always can.
pub fn json(report: &Report) -> Result<String, ReportError> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}

/// Reads a report that [`json`] wrote, here or on another machine.
///
/// # Errors
/// [`ReportError::Json`] when it is not a report, [`ReportError::Schema`] when it is of another
/// make.
pub fn from_json(text: &str) -> Result<Report, ReportError> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) | None => Ok(serde_json::from_value(value)?),
        Some(other) => Err(ReportError::Schema(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::{ReportOptions, example};

    fn written() -> String {
        let report = example::report(&example::busy(), &ReportOptions::default());
        json(&report).expect("a built report is always JSON")
    }

    fn keys(value: &Value) -> BTreeSet<&str> {
        value.as_object().expect("an object").keys().map(String::as_str).collect()
    }

    #[test]
    fn holds_the_fields_of_the_outside_contract() {
        let value: Value = serde_json::from_str(&written()).expect("JSON");
        assert_eq!(value["schema"], "pgweir.report/1");
        let top = ["window", "coverage", "queries", "findings", "checked", "not_checked"];
        assert!(keys(&value).is_superset(&top.into()));
        let query = [
            "fingerprint",
            "strict_ids",
            "text",
            "calls",
            "errors",
            "rows",
            "bytes",
            "total_ms",
            "mean_ms",
            "p50_ms",
            "p95_ms",
            "p99_ms",
            "max_ms",
            "wait_ms",
            "databases",
            "users",
            "applications",
            "first_seen",
            "last_seen",
        ];
        assert!(keys(&value["queries"][0]).is_superset(&query.into()));
        let finding = [
            "detector",
            "severity",
            "title",
            "evidence",
            "fingerprints",
            "tables",
            "fix",
            "estimate",
            "confidence",
            "runbook",
        ];
        assert!(keys(&value["findings"][0]).is_superset(&finding.into()));
        assert!(keys(&value["findings"][0]["fix"]).is_superset(&["sql", "undo"].into()));
        assert_eq!(value["queries"][0]["fingerprint"], "00000000000000a1");
        assert_eq!(value["window"]["until"], "2026-11-23T20:15:30Z");
    }

    #[test]
    fn reads_what_it_wrote() {
        let text = written();
        let report = from_json(&text).expect("what was written can be read");
        assert_eq!(json(&report).expect("JSON"), text);
    }

    #[test]
    fn refuses_another_schema_and_what_is_no_report() {
        let other = written().replace(SCHEMA, "pgweir.report/9");
        assert!(matches!(from_json(&other), Err(ReportError::Schema(s)) if s == "pgweir.report/9"));
        assert!(matches!(from_json("{}"), Err(ReportError::Json(_))));
        assert!(matches!(from_json("nonsense"), Err(ReportError::Json(_))));
    }
}
