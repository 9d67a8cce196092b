//! What a scrape is answered from: asked for at most once a tick, however many scrape.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::collect::Sources;
use crate::live::Live;
use crate::otlp::SpanSink;

/// How long an answer is good for.
const TICK: Duration = Duration::from_secs(1);

/// Asks the process for what is served, and keeps it for a tick.
pub(crate) struct Scraper {
    live: Arc<dyn Live>,
    sink: Option<SpanSink>,
    latest: Mutex<Option<(Instant, Arc<Sources>)>>,
}

impl Scraper {
    pub(crate) fn new(live: Arc<dyn Live>, sink: Option<SpanSink>) -> Self {
        Self { live, sink, latest: Mutex::new(None) }
    }

    pub(crate) fn live(&self) -> &dyn Live {
        &*self.live
    }

    /// What there is now, or was less than a tick ago. Cancel-safe.
    pub(crate) async fn sources(&self) -> Arc<Sources> {
        // Held while the process is asked: others that come meanwhile want the same.
        let mut latest = self.latest.lock().await;
        if let Some((at, sources)) = &*latest
            && at.elapsed() < TICK
        {
            return Arc::clone(sources);
        }
        let exports = self.sink.as_ref().map(SpanSink::counts);
        let sources = Arc::new(Sources::ask(&*self.live, exports).await);
        *latest = Some((Instant::now(), Arc::clone(&sources)));
        sources
    }
}
