use super::*;
use crate::view::ChangeSign;
use crate::{Moment, Tag, example};
use model::{Labels, Severity, Tags};

#[test]
fn listed_queries_and_the_remainder_add_up_to_the_totals() {
    let published = example::busy();
    let options = ReportOptions { top: 1, ..ReportOptions::default() };
    let report = example::report(&published, &options);
    let rest = report.remainder.as_ref().expect("more than one fingerprint ran");
    assert_eq!(report.queries.len(), 1);
    assert_eq!(report.queries[0].calls + rest.calls, report.totals.calls);
    assert_eq!(report.queries[0].failed + rest.failed, report.totals.failed);
    let share = report.queries[0].share_of_time + rest.share_of_time;
    assert!((share - 1.0).abs() < 1e-5, "{share}");
}

#[test]
fn waiting_does_not_decide_the_order() {
    // BEGIN is charged with its transaction's wait; it must not outrank what the server did.
    let report = example::report(&example::busy(), &ReportOptions::default());
    let texts: Vec<_> = report.queries.iter().map(|q| q.text.as_str()).collect();
    assert_eq!(texts.last(), Some(&"BEGIN"));
    let begin = report.queries.last().expect("not empty");
    assert!(begin.wait_ms > report.queries[0].database_ms, "{}", begin.wait_ms);
}

#[test]
fn a_query_says_who_ran_it_and_which_detectors_name_it() {
    let report = example::report(&example::busy(), &ReportOptions::default());
    let query = &report.queries[0];
    assert_eq!(query.users, ["web"]);
    assert_eq!(query.applications, ["checkout", "shop"]);
    assert_eq!(query.findings, ["missing_index"]);
    assert_eq!(query.errors.get("57014"), Some(&2));
}

#[test]
fn a_window_without_statements_is_all_zero_and_finite() {
    let report = example::report(&example::silent(), &ReportOptions::default());
    assert_eq!((report.totals.calls, report.totals.p95_ms), (0, 0.0));
    assert!(report.queries.is_empty() && report.remainder.is_none());
    assert!(serde_json::to_string(&report).is_ok());
}

fn ago(minutes: u64) -> Moment {
    Moment::Ago(Duration::from_secs(minutes * 60))
}

#[test]
fn a_selection_counts_its_own_and_says_what_it_cannot_split() {
    let options =
        ReportOptions { application: Some("checkout".to_owned()), ..ReportOptions::default() };
    let report = example::report(&example::busy(), &options);
    let calls: Vec<_> = report.queries.iter().map(|query| query.calls).collect();
    assert_eq!((calls, report.totals.calls), (vec![100, 100], 200));
    assert_eq!(report.queries[0].applications, ["checkout"]);
    let notes = report.coverage.notes.join(" ");
    assert!(notes.contains("pools, connections"), "{notes}");
    assert_eq!(report.findings.len(), 2, "both concern it");
}

#[test]
fn a_database_that_nobody_uses_is_named_with_those_that_are() {
    let options = ReportOptions { database: Some("shpo".to_owned()), ..ReportOptions::default() };
    let report = example::report(&example::busy(), &options);
    assert_eq!((report.totals.calls, report.queries.len(), report.pools.len()), (0, 0, 0));
    let notes = report.coverage.notes.join(" ");
    assert!(notes.contains("\"shpo\"") && notes.contains("\"shop\""), "{notes}");
    assert!(report.findings.is_empty());
}

#[test]
fn a_fingerprint_narrows_the_list_and_not_the_totals() {
    let prefix = "00000000000000b2".parse().expect("a fingerprint");
    let options = ReportOptions { fingerprint: Some(prefix), ..ReportOptions::default() };
    let all = example::report(&example::busy(), &ReportOptions::default());
    let report = example::report(&example::busy(), &options);
    assert_eq!(report.queries.len(), 1);
    assert_eq!(report.totals, all.totals);
    assert!(report.findings.is_empty(), "none names it");
    let unknown = ReportOptions { fingerprint: "ffff".parse().ok(), ..ReportOptions::default() };
    let report = example::report(&example::busy(), &unknown);
    assert!(report.coverage.notes.iter().any(|note| note.contains("ffff")));
}

#[test]
fn statements_are_ordered_as_asked() {
    let first = |sort| {
        let options = ReportOptions { sort, ..ReportOptions::default() };
        example::report(&example::busy(), &options).queries[0]
            .text
            .chars()
            .take(9)
            .collect::<String>()
    };
    assert_eq!(first(Sort::Total), "SELECT id");
    assert_eq!(first(Sort::Calls), "SELECT * ");
    assert_eq!(first(Sort::Wait), "BEGIN");
    assert_eq!(first(Sort::P95), "BEGIN");
    assert_eq!(first(Sort::Errors), "SELECT id");
}

#[test]
fn a_window_in_the_past_ends_where_it_was_told_to() {
    let options = ReportOptions { since: ago(10), until: Some(ago(5)), ..ReportOptions::default() };
    let report = example::report(&example::busy(), &options);
    assert_eq!(report.trend.len(), 6, "minutes are taken whole");
    assert_eq!(report.window.duration_s, 360.0);
    assert_eq!(report.totals.calls, report.trend.iter().map(|point| point.calls).sum::<u64>());
    let notes = report.coverage.notes.join(" ");
    assert!(notes.contains("Findings are of the 15 min"), "{notes}");
}

#[test]
fn what_is_no_longer_kept_is_said() {
    let mut published = example::busy();
    let snapshot = std::sync::Arc::make_mut(&mut published.snapshot);
    snapshot.started_at -= Duration::from_secs(3_600 * 5);
    let options = ReportOptions { since: ago(180), ..ReportOptions::default() };
    let report = example::report(&published, &options);
    assert_eq!(report.window.duration_s, 930.0);
    assert!(report.coverage.notes[0].contains("Statistics are kept since 2026-11-23 20:00:00"));
}

#[test]
fn a_deploy_is_compared_with_the_time_before_it() {
    let report = example::report(&example::deployed(), &example::since_the_deploy());
    let comparison = report.comparison.expect("it was asked for");
    assert_eq!(comparison.baseline.duration_s, 600.0);
    assert_eq!(comparison.baseline.until, report.window.since);
    let worse: Vec<_> =
        comparison.worse.iter().map(|change| (change.fingerprint.0, &*change.signs)).collect();
    assert_eq!(
        worse,
        [
            (0xe5, &[ChangeSign::RateStep, ChangeSign::Errors][..]),
            (0xd4, &[ChangeSign::New][..]),
            (0xb2, &[ChangeSign::P95Step][..]),
        ]
    );
    assert_eq!((comparison.faster, comparison.gone), (0, 1));
}

#[test]
fn distributions_hold_every_call() {
    let report = example::report(&example::busy(), &ReportOptions::default());
    for query in &report.queries {
        let calls: u64 = query.distribution.iter().map(|bucket| bucket.calls).sum();
        assert_eq!(calls, query.calls, "{:?}", query.distribution);
    }
}

#[test]
fn a_result_that_did_harm_comes_first_in_the_verdict() {
    let report = example::report(&example::deployed(), &ReportOptions::default());
    assert!(report.verdict[0].contains("slower"), "{:?}", report.verdict);
    assert!(report.findings.iter().all(|finding| finding.severity == Severity::Info));
}

#[test]
fn statements_are_told_apart_by_what_their_comments_say() {
    let mut published = example::busy();
    let snapshot = std::sync::Arc::make_mut(&mut published.snapshot);
    // All that one kind of client ran was tagged.
    let (id, labels) = snapshot.labels.iter().next().expect("somebody ran something");
    let tagged = Labels {
        tags: std::sync::Arc::new(Tags::from([("controller".to_owned(), "cart".to_owned())])),
        ..Labels::clone(labels)
    };
    let id = *id;
    snapshot.labels.insert(id, std::sync::Arc::new(tagged));
    let all = example::report(&published, &ReportOptions::default());
    let tag: Tag = "controller=cart".parse().expect("a tag");
    let options = ReportOptions { tag: Some(tag), ..ReportOptions::default() };
    let some = example::report(&published, &options);
    assert!(some.totals.calls > 0 && some.totals.calls < all.totals.calls);
    let said: u64 = all.queries.iter().flat_map(|query| &query.tags).map(|tag| tag.calls).sum();
    assert_eq!(said, some.totals.calls);
    let other = ReportOptions { tag: "controller=menu".parse().ok(), ..ReportOptions::default() };
    assert_eq!(example::report(&published, &other).totals.calls, 0);
    assert!("controller".parse::<Tag>().is_err());
}
