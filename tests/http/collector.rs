//! A collector that keeps what it gets, read with the protocol's own types.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::Identity;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::scene::PATIENCE;

/// A collector.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Got>>,
}

#[derive(Default)]
struct Got {
    spans: Vec<Span>,
    metrics: BTreeSet<String>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    /// By TLS, with this certificate.
    pub(crate) async fn start_with_tls(identity: &Identity) -> Self {
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self::listen(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Got::default()));
        let keep = Arc::clone(&got);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let keep = Arc::clone(&keep);
                match &tls {
                    None => drop(tokio::spawn(serve(stream, keep))),
                    Some(tls) => {
                        let accept = tls.accept(stream);
                        tokio::spawn(async move {
                            // A client that does not trust us leaves here.
                            if let Ok(stream) = accept.await {
                                serve(stream, keep).await;
                            }
                        });
                    }
                }
            }
        });
        Self { address, got }
    }

    /// The spans, once there are so many.
    pub(crate) async fn spans(&self, count: usize) -> Vec<Span> {
        self.until("spans", |got| (got.spans.len() >= count).then(|| got.spans.clone())).await
    }

    /// The spans that came so far.
    pub(crate) fn spans_so_far(&self) -> Vec<Span> {
        self.got.lock().unwrap().spans.clone()
    }

    /// Waits for a metric of this name.
    pub(crate) async fn metric(&self, name: &str) {
        self.until(name, |got| got.metrics.contains(name).then_some(())).await;
    }

    async fn until<T>(&self, what: &str, wanted: impl Fn(&Got) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = wanted(&self.got.lock().unwrap()) {
                return found;
            }
            assert!(Instant::now() < deadline, "no {what}, or not enough");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn serve<S>(stream: S, keep: Arc<Mutex<Got>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let keep = Arc::clone(&keep);
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await?.to_bytes();
            keep.lock().unwrap().take(&path, body);
            Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::default()))
        }
    });
    // pgweir may be gone in the middle of it.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Got {
    fn take(&mut self, path: &str, body: Bytes) {
        match path {
            "/v1/traces" => {
                let request = ExportTraceServiceRequest::decode(body).unwrap();
                let scopes = request.resource_spans.into_iter().flat_map(|one| one.scope_spans);
                self.spans.extend(scopes.flat_map(|scope| scope.spans));
            }
            "/v1/metrics" => {
                let request = ExportMetricsServiceRequest::decode(body).unwrap();
                let scopes = request.resource_metrics.into_iter().flat_map(|one| one.scope_metrics);
                let metrics = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
                self.metrics.extend(metrics);
            }
            other => panic!("nobody sends to {other}"),
        }
    }
}

/// A span's attribute as text.
pub(crate) fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}
