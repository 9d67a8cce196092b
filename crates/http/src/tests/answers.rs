use http_body_util::BodyExt;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};

use super::{pool_status, scraper};
use crate::answer::answer;
use crate::collect::Sources;
use crate::families::FAMILIES;
use crate::health::Readiness;
use crate::otlp::ExportCounts;
use crate::text::Form;

async fn get(
    path: &str,
    accept: Option<&'static str>,
    readiness: Readiness,
) -> (StatusCode, String, String) {
    let mut headers = HeaderMap::new();
    headers.extend(accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept))));
    let response = answer(&Method::GET, path, &headers, &scraper(readiness)).await;
    let kind = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn metrics_come_in_the_form_that_is_accepted() {
    let (status, kind, body) = get("/metrics", None, Readiness::Ready).await;
    assert_eq!((status, &*kind), (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8"));
    assert!(body.contains("\npgweir_query_rows_total{database=\"shop\",user=\"web\"} 12\n"));
    let open = Some("application/openmetrics-text; version=1.0.0");
    let (_, kind, body) = get("/metrics", open, Readiness::Ready).await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(body.ends_with("\n# EOF\n"));
}

#[tokio::test]
async fn every_family_of_the_manual_is_served() {
    let live = super::Example { readiness: Readiness::Ready };
    let sources = Sources::ask(&live, Some(ExportCounts::default())).await;
    let text = Form::OpenMetrics.write(&sources.exposition());
    for family in FAMILIES.iter().flat_map(|(_, families)| *families) {
        let described = format!("# TYPE {} {}\n", family.name, family.kind.as_str());
        assert_eq!(text.matches(&described).count(), 1, "{described}");
        assert!(text.contains(&format!("\n{}", family.sample_name())), "{}", family.name);
    }
    insta::assert_snapshot!(
        text.lines()
            .filter(|line| line.starts_with("pgweir_pool_") || line.starts_with("pgweir_finding"))
            .filter(|line| !line.contains("_bucket"))
            .collect::<Vec<_>>()
            .join("\n"),
        @r#"
        pgweir_pool_clients{database="shop",user="web",state="active"} 3
        pgweir_pool_clients{database="shop",user="web",state="waiting"} 2
        pgweir_pool_pinned_clients{database="shop",user="web"} 1
        pgweir_pool_server_connections{database="shop",user="web",state="active"} 4
        pgweir_pool_server_connections{database="shop",user="web",state="idle"} 5
        pgweir_pool_server_connections{database="shop",user="web",state="login"} 7
        pgweir_pool_server_connections{database="shop",user="web",state="tested"} 6
        pgweir_pool_rejections_total{database="shop",user="web",reason="queue_full"} 0
        pgweir_pool_rejections_total{database="shop",user="web",reason="queue_age"} 0
        pgweir_pool_rejections_total{database="shop",user="web",reason="displaced"} 0
        pgweir_pool_rejections_total{database="shop",user="web",reason="timed_out"} 0
        pgweir_pool_size{database="shop",user="web"} 20
        pgweir_pool_oldest_wait_seconds{database="shop",user="web"} 1.5
        pgweir_pool_cancel_requests{database="shop",user="web"} 0
        pgweir_pool_paused{database="shop",user="web"} 0
        pgweir_pool_connect_failing{database="shop",user="web"} 1
        pgweir_pool_connect_failures_total{database="shop",user="web",sqlstate="08006"} 4
        pgweir_pool_wait_seconds_sum{database="shop",user="web"} 0.02
        pgweir_pool_wait_seconds_count{database="shop",user="web"} 2
        pgweir_findings{detector="error_rate",severity="warning"} 0
        pgweir_findings{detector="missing_index",severity="critical"} 1
        "#
    );
}

#[tokio::test]
async fn health_and_readiness_are_small_json() {
    let (status, kind, body) = get("/health", None, Readiness::Draining).await;
    assert_eq!((status, &*kind), (StatusCode::OK, "application/json"));
    assert!(body.contains("\"status\":\"alive\"") && body.contains("\"version\":\"0.1.0\""));
    for (readiness, status, said) in [
        (Readiness::Ready, 200, r#"{"status":"ready"}"#),
        (Readiness::Draining, 503, r#"{"reason":"draining","status":"not ready"}"#),
        (Readiness::NoServer, 503, r#"{"reason":"no server can be reached","status":"not ready"}"#),
    ] {
        let (found, _, body) = get("/ready", None, readiness).await;
        assert_eq!((found.as_u16(), body.trim()), (status, said));
    }
}

#[tokio::test]
async fn other_pages_and_methods_are_refused() {
    assert_eq!(get("/metric", None, Readiness::Ready).await.0, StatusCode::NOT_FOUND);
    assert_eq!(get("/", None, Readiness::Ready).await.0, StatusCode::OK);
    let refused =
        answer(&Method::POST, "/metrics", &HeaderMap::new(), &scraper(Readiness::Ready)).await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn a_pool_that_was_not_tried_or_has_a_connection_can_be_used() {
    let failed = model::PoolStatus {
        servers_active: 0,
        servers_idle: 0,
        servers_tested: 0,
        ..pool_status()
    };
    let untried = model::PoolStatus { last_failure: None, ..failed.clone() };
    let some = model::PoolStatus { servers_active: 1, ..failed.clone() };
    assert_eq!(Readiness::of(false, &[]), Readiness::Ready);
    assert_eq!(Readiness::of(false, std::slice::from_ref(&failed)), Readiness::NoServer);
    assert_eq!(Readiness::of(false, &[failed.clone(), untried.clone()]), Readiness::Ready);
    assert_eq!(Readiness::of(false, &[failed, some]), Readiness::Ready);
    assert_eq!(Readiness::of(true, &[untried]), Readiness::Draining);
}
