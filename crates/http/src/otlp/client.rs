//! One request to the collector.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use crate::error::HttpError;

/// How long a request may take in all (the default of OpenTelemetry's exporters).
const TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of an answer at most.
const ANSWER_LIMIT: usize = 64 * 1024;

/// How a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// The collector is away or too busy: the same may be sent again later.
    #[error("{0}")]
    Away(String),
    /// The collector does not want it, and never will.
    #[error("the collector answered {0}")]
    Refused(StatusCode),
}

/// Sends to one collector.
pub(super) struct CollectorClient {
    endpoint: Endpoint,
    headers: Vec<(HeaderName, HeaderValue)>,
    agent: HeaderValue,
    tls: Option<TlsConnector>,
}

impl CollectorClient {
    pub(super) fn new(
        endpoint: Endpoint,
        headers: Vec<(HeaderName, HeaderValue)>,
        version: &str,
    ) -> Result<Self, HttpError> {
        let tls = if endpoint.https { Some(connector()?) } else { None };
        let agent = HeaderValue::from_str(&format!("pgweir/{version}"));
        let agent = agent.unwrap_or_else(|_| HeaderValue::from_static("pgweir"));
        Ok(Self { endpoint, headers, agent, tls })
    }

    /// Sends `body` to `/v1/…`; gives the answer's body. Cancel-safe: dropped, the connection is
    /// closed.
    pub(super) async fn send(&self, path: &str, body: Vec<u8>) -> Result<Bytes, RequestError> {
        match tokio::time::timeout(TIMEOUT, self.exchange(path, body)).await {
            Ok(result) => result,
            Err(_) => Err(RequestError::Away(format!("no answer within {} s", TIMEOUT.as_secs()))),
        }
    }

    async fn exchange(&self, path: &str, body: Vec<u8>) -> Result<Bytes, RequestError> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let stream = TcpStream::connect((&**host, *port)).await.map_err(away)?;
        let Some(tls) = &self.tls else { return self.speak(stream, path, body).await };
        let name = ServerName::try_from(host.clone()).map_err(away)?;
        let stream = tls.connect(name, stream).await.map_err(away)?;
        self.speak(stream, path, body).await
    }

    async fn speak<S>(&self, stream: S, path: &str, body: Vec<u8>) -> Result<Bytes, RequestError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(away)?;
        let request = self.request(path, body).map_err(away)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(away)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
            let body = body.map_err(|error| RequestError::Away(error.to_string()))?.to_bytes();
            match status {
                status if status.is_success() => Ok(body),
                // Those that the protocol says may be sent again.
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => {
                    Err(RequestError::Away(format!("the collector answered {status}")))
                }
                status => Err(RequestError::Refused(status)),
            }
        };
        tokio::pin!(exchange);
        let driver = async {
            // Its error is the exchange's too, which says it better.
            let _ = connection.await;
            std::future::pending::<()>().await
        };
        tokio::select! {
            result = &mut exchange => result,
            () = driver => Err(RequestError::Away("the connection was closed".to_owned())),
        }
    }

    fn request(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::post(format!("{}{path}", self.endpoint.base))
            .header(HOST, self.endpoint.authority())
            .header(USER_AGENT, &self.agent)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(CONNECTION, "close");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(Bytes::from(body)))
    }
}

fn away(error: impl std::error::Error) -> RequestError {
    // hyper's errors say little by themselves.
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    RequestError::Away(format!("{error}{source}"))
}

/// TLS with the authorities that this system trusts; SSL_CERT_FILE names others.
fn connector() -> Result<TlsConnector, HttpError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
