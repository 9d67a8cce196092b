//! From a comment of the application to a span at a collector.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testkit::Authority;

use crate::collector::{Collector, attribute};
use crate::scene::Scene;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn traced(sql: &str, flags: &str) -> String {
    format!("{sql} /*action='show',traceparent='00-{TRACE}-{SPAN}-{flags}'*/")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn scene(collector: &Collector, settings: &str) -> Scene {
    let endpoint = format!("otlp_endpoint = \"http://{}\"\n", collector.address);
    Scene::with(&format!("{endpoint}otlp_interval = \"200ms\"\n{settings}")).await
}

#[tokio::test]
async fn spans_have_the_applications_parent() {
    let collector = Collector::start().await;
    let scene = scene(&collector, "trace_sample_ratio = 1").await;
    let client = scene.client().await;
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    client.batch_execute("CREATE TABLE orders (id int, note text)").await.unwrap();
    let select = traced("SELECT * FROM orders WHERE note = 'geheim'", "01");
    client.simple_query(&select).await.unwrap();
    // The driver prepares it, under a name, and executes it twice.
    let prepared = client.prepare(&traced("SELECT id FROM orders WHERE id = $1", "01")).await;
    let prepared = prepared.unwrap();
    client.query(&prepared, &[&7]).await.unwrap();
    client.query(&prepared, &[&8]).await.unwrap();
    client.simple_query(&traced("SELECT * FROM missing", "01")).await.unwrap_err();
    client.simple_query(&traced("SELECT 'not recorded'", "00")).await.unwrap();
    client.simple_query("SELECT 'the last'").await.unwrap();
    let spans = collector.spans(6).await;
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let parents: Vec<_> = spans
        .iter()
        .map(|span| (span.name.as_str(), span.parent_span_id == hex_bytes(SPAN)))
        .collect();
    assert_eq!(
        parents,
        [
            ("CREATE orders", false),
            ("SELECT orders", true),
            ("SELECT orders", true),
            ("SELECT orders", false),
            ("SELECT missing", true),
            ("SELECT", false),
        ]
    );
    for span in &spans {
        assert_eq!(span.kind, 3);
        assert_eq!(span.parent_span_id.is_empty(), hex(&span.trace_id) != TRACE);
        let (began, ended) = (span.start_time_unix_nano, span.end_time_unix_nano);
        let span_time = Duration::from_nanos(began)..=Duration::from_nanos(ended);
        assert!(before <= *span_time.start() && *span_time.end() <= after, "{span_time:?}");
        assert_eq!(attribute(span, "db.system.name").as_deref(), Some("postgresql"));
        assert_eq!(attribute(span, "db.namespace").as_ref(), Some(&scene.database.name));
        assert_eq!(attribute(span, "server.address").as_deref(), Some("127.0.0.1"));
        assert!(!format!("{span:?}").contains("geheim"));
    }
    let select = &spans[1];
    let text = attribute(select, "db.query.text");
    assert_eq!(text.as_deref(), Some("SELECT * FROM orders WHERE note = $1"));
    assert_eq!(attribute(select, "db.collection.name").as_deref(), Some("orders"));
    assert_eq!(attribute(&spans[4], "db.response.status_code").as_deref(), Some("42P01"));
    assert_eq!(attribute(&spans[4], "error.type").as_deref(), Some("42P01"));
    let console = scene.proxy.connect("postgres", "pgweir").await;
    let clients = testkit::show(&console, "SHOW CLIENTS").await;
    let id = attribute(select, "pgweir.client.id").unwrap();
    let shown = clients.iter().any(|row| row["id"] == id && row["database"] == scene.database.name);
    assert!(shown, "{id} in {clients:?}");
    collector.metric("db.client.operation.duration").await;
}

fn hex_bytes(text: &str) -> Vec<u8> {
    u64::from_str_radix(text, 16).unwrap().to_be_bytes().to_vec()
}

#[tokio::test]
async fn slow_statements_are_sent_without_a_share_and_the_end_loses_nothing() {
    let collector = Collector::start().await;
    let settings = "trace_min_duration = \"100ms\"\notlp_interval = \"1h\"";
    let endpoint = format!("otlp_endpoint = \"http://{}\"\n", collector.address);
    let scene = Scene::with(&format!("{endpoint}{settings}")).await;
    let client = scene.client().await;
    client.simple_query(&traced("SELECT 1", "01")).await.unwrap();
    client.simple_query(&traced("SELECT pg_sleep(0.15)", "01")).await.unwrap();
    drop(client);
    assert_eq!(collector.spans_so_far(), []);
    assert_eq!(scene.proxy.stop().await, 0);
    let spans = collector.spans(1).await;
    assert_eq!(spans.len(), 1);
    assert_eq!(hex(&spans[0].trace_id), TRACE);
    let took = spans[0].end_time_unix_nano - spans[0].start_time_unix_nano;
    assert!(took >= 150_000_000, "{took}");
}

#[tokio::test]
async fn a_collector_that_is_away_slows_nothing_and_is_told_of() {
    let settings = "otlp_endpoint = \"http://127.0.0.1:1\"\notlp_interval = \"100ms\"\n\
                    trace_sample_ratio = 1\n";
    let scene = Scene::with(settings).await;
    let client = scene.client().await;
    for _ in 0..50 {
        client.batch_execute(&"SELECT 1;".repeat(120)).await.unwrap();
    }
    scene
        .until("span that was dropped", |served| {
            let dropped = served.value("pgweir_otlp_spans_dropped_total", &[])?;
            let failed =
                served.value("pgweir_otlp_export_failures_total", &[("signal", "traces")])?;
            (dropped > 0.0 && failed > 0.0).then_some(())
        })
        .await;
    let log = scene.proxy.log();
    assert_eq!(log.matches("(otlp_endpoint) took nothing").count(), 2, "once a signal: {log}");
}

#[tokio::test]
async fn a_collector_by_tls_must_be_one_that_the_system_trusts() {
    let (trusted, stranger) = (Authority::new("trusted"), Authority::new("stranger"));
    let directory = tempfile::tempdir().unwrap();
    let authorities = directory.path().join("authorities.pem");
    std::fs::write(&authorities, trusted.pem()).unwrap();
    let variables = [("SSL_CERT_FILE", authorities.to_str().unwrap())];
    for (authority, is_trusted) in [(&trusted, true), (&stranger, false)] {
        let collector = Collector::start_with_tls(&authority.local()).await;
        let endpoint = format!("otlp_endpoint = \"https://{}\"\n", collector.address);
        let settings = format!("{endpoint}otlp_interval = \"200ms\"\ntrace_sample_ratio = 1");
        let scene = Scene::with_environment(&settings, &variables).await;
        scene.client().await.simple_query("SELECT 1").await.unwrap();
        if is_trusted {
            assert_eq!(collector.spans(1).await[0].name, "SELECT");
            continue;
        }
        let failures = |served: &crate::openmetrics::Served| {
            let labels = [("signal", "traces")];
            let failures = served.value("pgweir_otlp_export_failures_total", &labels)?;
            (failures > 1.0).then_some(())
        };
        scene.until("export that failed", failures).await;
        assert_eq!(collector.spans_so_far(), []);
        assert!(scene.proxy.log().contains("took nothing: invalid peer certificate"));
    }
}
