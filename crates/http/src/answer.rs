//! What is served, by path.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};
use jiff::Timestamp;

use crate::health::{self, Readiness};
use crate::scrape::Scraper;
use crate::text::Form;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// For people who come by with a browser.
const INDEX: &str = "pgweir\n\n/metrics  for Prometheus\n/health   whether pgweir is alive\n/ready    \
                     whether clients may be sent here\n";

/// The answer to a request. Cancel-safe.
pub(crate) async fn answer(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    scraper: &Scraper,
) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET and HEAD only\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/metrics" => {
            let accept: Vec<_> =
                headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
            let form = Form::wanted(Some(&accept.join(",")));
            let exposition = scraper.sources().await.exposition();
            response(StatusCode::OK, form.content_type(), form.write(&exposition))
        }
        "/health" => {
            let live = scraper.live();
            let body = health::alive(live.version(), live.started_at(), Timestamp::now());
            response(StatusCode::OK, JSON, format!("{body}\n"))
        }
        "/ready" => {
            let live = scraper.live();
            let readiness = Readiness::of(live.is_draining(), &live.pools());
            let status = match readiness {
                Readiness::Ready => StatusCode::OK,
                Readiness::Draining | Readiness::NoServer => StatusCode::SERVICE_UNAVAILABLE,
            };
            response(status, JSON, format!("{}\n", readiness.body()))
        }
        "/" => response(StatusCode::OK, TEXT, INDEX),
        _ => response(StatusCode::NOT_FOUND, TEXT, "no such page; / lists those that are there\n"),
    }
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
