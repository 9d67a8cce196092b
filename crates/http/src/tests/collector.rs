//! What a collector gets, read with the protocol's own types.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::{Example, span};
use crate::health::Readiness;
use crate::otlp::{Endpoint, ExportSettings, Exporter, SpanSink, exporter, parse_headers};
use crate::scrape::Scraper;

const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it came: its path, its `authorization`, its body.
type Received = (String, String, Vec<u8>);

/// A collector that answers one connection after the other with `statuses`, then with 200.
async fn collector(
    statuses: &'static [u16],
    rejected: i64,
) -> (Endpoint, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let status = statuses.get(number).copied().unwrap_or(200);
            let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
                let told = told.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let header = |name: &str| head.headers[name].to_str().unwrap().to_owned();
                    assert_eq!(header("content-type"), "application/x-protobuf");
                    let body = body.collect().await?.to_bytes().to_vec();
                    let _ = told.send((head.uri.path().to_owned(), header("authorization"), body));
                    let partial = ExportTracePartialSuccess {
                        rejected_spans: rejected,
                        error_message: String::new(),
                    };
                    let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
                    let mut response =
                        Response::new(Full::<bytes::Bytes>::from(answer.encode_to_vec()));
                    *response.status_mut() = StatusCode::from_u16(status).unwrap();
                    Ok::<_, hyper::Error>(response)
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    });
    (Endpoint::parse(&format!("http://{address}/base")).unwrap(), received)
}

fn start(endpoint: Endpoint, interval: Duration) -> (SpanSink, Exporter) {
    let settings = ExportSettings {
        endpoint,
        headers: parse_headers("authorization=Bearer%20x").unwrap(),
        interval,
        service_name: "shop-pooler".to_owned(),
    };
    exporter(settings, "0.1.0").unwrap()
}

fn run(sink: &SpanSink, exporter: Exporter) -> oneshot::Sender<oneshot::Sender<()>> {
    let live = Arc::new(Example { readiness: Readiness::Ready });
    let scraper = Arc::new(Scraper::new(live, Some(sink.clone())));
    let (finish, asked) = oneshot::channel();
    tokio::spawn(exporter.run(scraper, asked));
    finish
}

async fn next(received: &mut mpsc::UnboundedReceiver<Received>, path: &str) -> Vec<u8> {
    let wanted = async {
        loop {
            let (found, authorization, body) = received.recv().await.unwrap();
            assert_eq!(authorization, "Bearer x");
            if found == path {
                return body;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wanted).await.expect("a request in time")
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|found| found.value.clone()) {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let [resource] = &request.resource_spans[..] else { panic!("{request:?}") };
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    assert_eq!(text(attributes, "service.name"), "shop-pooler");
    assert!(resource.schema_url.starts_with("https://opentelemetry.io/schemas/1."));
    resource.scope_spans[0].spans.clone()
}

#[tokio::test]
async fn a_span_keeps_to_the_conventions_and_has_its_applications_parent() {
    let (endpoint, mut received) = collector(&[], 0).await;
    let (sink, exporter) = start(endpoint, Duration::from_secs(3600));
    sink.offer(span());
    let finish = run(&sink, exporter);
    let body = next(&mut received, "/base/v1/traces").await;
    let [span] = &spans(&body)[..] else { panic!("one span") };
    assert_eq!(span.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(span.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!((&*span.name, span.kind, span.flags), ("SELECT orders", 3, 0x301));
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 2_000_000_000);
    assert_eq!(span.status.as_ref().unwrap().code, 2);
    for (name, value) in [
        ("db.system.name", "postgresql"),
        ("db.namespace", "shop"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", "orders"),
        ("db.query.summary", "SELECT orders"),
        ("db.query.text", "select * from orders where id = $1"),
        ("db.response.status_code", "57014"),
        ("error.type", "57014"),
        ("server.address", "db.internal"),
        ("server.port", "5432"),
        ("pgweir.client.id", "42"),
        ("pgweir.fingerprint", "0000000000000abc"),
    ] {
        assert_eq!(text(&span.attributes, name), value, "{name}");
    }
    drop(finish);
}

#[tokio::test]
async fn metrics_are_cumulative_since_the_start() {
    let (endpoint, mut received) = collector(&[], 0).await;
    let (sink, exporter) = start(endpoint, Duration::from_secs(3600));
    let _finish = run(&sink, exporter);
    let body = next(&mut received, "/base/v1/metrics").await;
    let request = ExportMetricsServiceRequest::decode(&body[..]).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let find = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap();
    let durations = find("db.client.operation.duration");
    let Some(Data::Histogram(histogram)) = &durations.data else { panic!("{durations:?}") };
    let [point] = &histogram.data_points[..] else { panic!("{histogram:?}") };
    assert_eq!((durations.unit.as_str(), histogram.aggregation_temporality), ("s", 2));
    assert_eq!((point.count, point.sum), (3, Some(700.004)));
    assert_eq!((point.bucket_counts.len(), point.explicit_bounds.len()), (20, 19));
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), 3);
    assert_eq!(text(&point.attributes, "db.namespace"), "shop");
    assert_eq!(text(&point.attributes, "db.system.name"), "postgresql");
    let rows = find("pgweir.query.rows");
    let Some(Data::Sum(sum)) = &rows.data else { panic!("{rows:?}") };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    assert!(sum.data_points[0].start_time_unix_nano < sum.data_points[0].time_unix_nano);
}

#[tokio::test]
async fn what_a_busy_collector_did_not_take_is_sent_again() {
    let (endpoint, mut received) = collector(&[503], 0).await;
    let (sink, exporter) = start(endpoint, Duration::from_millis(20));
    sink.offer(span());
    let _finish = run(&sink, exporter);
    let first = next(&mut received, "/base/v1/traces").await;
    let second = next(&mut received, "/base/v1/traces").await;
    assert_eq!(spans(&first), spans(&second));
    // The next metrics are sent behind the spans.
    next(&mut received, "/base/v1/metrics").await;
    let counts = sink.counts();
    assert_eq!((counts.spans_exported, counts.spans_dropped, counts.failed_traces), (1, 0, 1));
}

#[tokio::test]
async fn what_is_refused_or_does_not_fit_is_dropped_and_counted() {
    let (endpoint, mut received) = collector(&[400], 0).await;
    let (sink, exporter) = start(endpoint, Duration::from_millis(20));
    sink.offer(span());
    let _finish = run(&sink, exporter);
    next(&mut received, "/base/v1/traces").await;
    next(&mut received, "/base/v1/metrics").await;
    assert_eq!((sink.counts().spans_exported, sink.counts().spans_dropped), (0, 1));

    let (endpoint, mut received) = collector(&[], 1).await;
    let (sink, exporter) = start(endpoint, Duration::from_millis(20));
    sink.offer(span());
    sink.offer(span());
    let _finish = run(&sink, exporter);
    next(&mut received, "/base/v1/traces").await;
    next(&mut received, "/base/v1/metrics").await;
    assert_eq!((sink.counts().spans_exported, sink.counts().spans_dropped), (1, 1));

    let (sink, _not_run) = start(Endpoint::parse("http://127.0.0.1:1").unwrap(), PATIENCE);
    (0..5_000).for_each(|_| sink.offer(span()));
    assert_eq!(sink.counts().spans_dropped, 5_000 - 4_096);
}

#[tokio::test]
async fn the_end_sends_what_waits() {
    let (endpoint, mut received) = collector(&[], 0).await;
    let (sink, exporter) = start(endpoint, Duration::from_secs(3600));
    let finish = run(&sink, exporter);
    // The first interval begins at once.
    next(&mut received, "/base/v1/metrics").await;
    sink.offer(span());
    let (done, sent) = oneshot::channel();
    finish.send(done).unwrap();
    tokio::time::timeout(PATIENCE, sent).await.unwrap().unwrap();
    assert_eq!(sink.counts().spans_exported, 1);
}
