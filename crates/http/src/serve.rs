//! The HTTP side's thread: the server, and the exporter beside it.
//!
//! A thread and a runtime of its own, so that neither a scrape nor a collector that is away ever
//! takes a turn from a client.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::answer::answer;
use crate::error::HttpError;
use crate::live::Live;
use crate::otlp::{ExportSettings, Exporter, SpanSink, exporter};
use crate::scrape::Scraper;

/// Connections at a time; further ones wait to be accepted.
const CONNECTIONS: usize = 64;
/// How long a request's head may take to come, and a connection may be silent.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request, bytes.
const HEAD_LIMIT: usize = 16 * 1024;
/// The pause after the system has no socket to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the last spans may take to be sent.
const FAREWELL: Duration = Duration::from_secs(3);

/// A bound listener, before anything is served.
#[derive(Debug)]
pub struct Listener(std::net::TcpListener);

impl Listener {
    /// Opens it. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`HttpError::Listen`].
    pub fn open(address: SocketAddr) -> Result<Self, HttpError> {
        let listen = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(Self(listener))
        };
        listen().map_err(|source| HttpError::Listen { address, source })
    }

    /// One that was opened before, by another process or the service manager.
    ///
    /// # Errors
    /// The system's.
    pub fn adopt(socket: OwnedFd) -> io::Result<Self> {
        let listener = std::net::TcpListener::from(socket);
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// The same, for another process.
    ///
    /// # Errors
    /// The system's.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }

    /// Where it listens; none if the system does not say.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }
}

/// The HTTP side: prepared, then started once there is a process to tell of. Dropped after that, it
/// goes on until the process ends.
#[derive(Debug)]
pub struct HttpSide {
    address: Option<SocketAddr>,
    prepared: Option<Prepared>,
    sink: Option<SpanSink>,
    finish: Option<oneshot::Sender<oneshot::Sender<()>>>,
    hush: Arc<Notify>,
}

/// What the thread is given.
struct Prepared {
    listener: Option<Listener>,
    exporter: Option<Exporter>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl HttpSide {
    /// Prepares it. Without a listener nothing is served, without settings nothing exported.
    /// `version` is pgweir's.
    ///
    /// # Errors
    /// [`HttpError::Tls`].
    pub fn prepare(
        listener: Option<Listener>,
        export: Option<ExportSettings>,
        version: &str,
    ) -> Result<Self, HttpError> {
        let (sink, exporter) =
            export.map(|settings| exporter(settings, version)).transpose()?.unzip();
        let address = listener.as_ref().and_then(Listener::address);
        let wanted = listener.is_some() || exporter.is_some();
        let prepared = wanted.then_some(Prepared { listener, exporter });
        Ok(Self { address, prepared, sink, finish: None, hush: Arc::default() })
    }

    /// Where it listens, if it does.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where statements go that are to be exported; none if nothing is.
    #[must_use]
    pub fn spans(&self) -> Option<SpanSink> {
        self.sink.clone()
    }

    /// Lets nobody in any more: another process does. Those who are in are answered.
    pub fn stop_listening(&self) {
        self.hush.notify_one();
    }

    /// Starts the thread, if there is anything to do; called again, nothing.
    ///
    /// # Errors
    /// [`HttpError::Thread`].
    pub fn start(&mut self, live: Arc<dyn Live>) -> Result<(), HttpError> {
        let Some(Prepared { listener, exporter }) = self.prepared.take() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(HttpError::Thread)?;
        let scraper = Arc::new(Scraper::new(live, self.sink.clone()));
        let (finish, asked) = oneshot::channel();
        let hush = Arc::clone(&self.hush);
        std::thread::Builder::new()
            .name("pgweir-http".to_owned())
            .spawn(move || runtime.block_on(both((listener, hush), exporter, scraper, asked)))
            .map_err(HttpError::Thread)?;
        self.finish = self.sink.is_some().then_some(finish);
        Ok(())
    }

    /// Sends what waits for the collector, for a few seconds at most. Not cancel-safe: dropped, what
    /// waits may be lost.
    pub async fn finish(mut self) {
        let Some(finish) = self.finish.take() else { return };
        let (done, sent) = oneshot::channel();
        if finish.send(done).is_ok() {
            // Whether it was done or not, there is nothing left to do.
            let _ = tokio::time::timeout(FAREWELL, sent).await;
        }
    }
}

async fn both(
    (listener, hush): (Option<Listener>, Arc<Notify>),
    exporter: Option<Exporter>,
    scraper: Arc<Scraper>,
    finish: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let exporting = async {
        match exporter {
            Some(exporter) => exporter.run(Arc::clone(&scraper), finish).await,
            None => drop(finish),
        }
    };
    let serving = async {
        let Some(Listener(listener)) = listener else { return };
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                tokio::select! {
                    () = serve(listener, Arc::clone(&scraper)) => {}
                    () = hush.notified() => {}
                }
                // Who is in has tasks here, which end with the runtime.
                std::future::pending().await
            }
            Err(error) => tracing::error!("nothing is served by HTTP: {error}"),
        }
    };
    tokio::join!(exporting, serving);
}

async fn serve(listener: TcpListener, scraper: Arc<Scraper>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let scraper = Arc::clone(&scraper);
                tokio::spawn(async move {
                    connection(stream, &scraper).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept HTTP connections: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, scraper: &Scraper) {
    let service = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
        let (method, path) = (request.method(), request.uri().path());
        Ok::<_, Infallible>(answer(method, path, request.headers(), scraper).await)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("an HTTP connection ended: {error}");
    }
}
