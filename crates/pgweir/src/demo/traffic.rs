//! Watching the traffic for a while.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::ensure;
use model::Histogram;
use report::render::units;

use super::load::Load;
use super::progress::Progress;
use crate::cli::AdminConsole;

/// How often the live line is drawn anew.
const TICK: Duration = Duration::from_secs(1);
/// Rate and latency in the live line are of so many ticks.
const RECENT_TICKS: usize = 5;
/// Findings are asked for every so many ticks: each time pgweir makes them anew.
const FINDINGS_EVERY: u32 = 5;
/// Failures among visits beyond which the demo would measure nothing of use.
const FAILURES_MOST: f64 = 0.5;

/// The live line over the load, with memory of the last seconds.
pub(super) struct Watch<'a> {
    load: &'a Load,
    console: &'a AdminConsole,
    recent: VecDeque<(Instant, u64, Histogram)>,
    findings: usize,
    ticks: u32,
}

impl<'a> Watch<'a> {
    pub(super) fn new(load: &'a Load, console: &'a AdminConsole) -> Self {
        Self { load, console, recent: VecDeque::new(), findings: 0, ticks: 0 }
    }

    /// Lets the traffic run until `end`, drawing the live line. Cancel-safe.
    ///
    /// # Errors
    /// When pgweir no longer answers, or when most visits fail.
    pub(super) async fn until(
        &mut self,
        end: Instant,
        what: &str,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            let line = self.line(now).await?;
            let left = end - now;
            progress.live(if left < Duration::from_secs(600) {
                format!("{what}, {:.0} s left · {line}", left.as_secs_f64().ceil())
            } else {
                format!("{what} · {line}")
            });
            tokio::time::sleep(TICK.min(end - now)).await;
        }
    }

    /// Waits for `work` while the live line goes on. Cancel-safe if `work` is.
    pub(super) async fn during<T>(
        &mut self,
        what: &str,
        progress: &mut Progress,
        work: impl Future<Output = T>,
    ) -> anyhow::Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let line = self.line(Instant::now()).await?;
            progress.live(format!("{what} · {line}"));
            tokio::select! {
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    async fn line(&mut self, now: Instant) -> anyhow::Result<String> {
        let counts = self.load.counts();
        let visits = counts.done + counts.refused;
        ensure!(
            counts.failed < 20 || (counts.failed as f64) < visits as f64 * FAILURES_MOST,
            "most of the traffic fails: {}",
            counts.last_failure.unwrap_or_default()
        );
        self.recent.push_back((now, visits, self.load.take_latencies()));
        if self.recent.len() > RECENT_TICKS + 1 {
            self.recent.pop_front();
        }
        if self.ticks.is_multiple_of(FINDINGS_EVERY) && self.ticks > 0 {
            self.findings = self.console.finding_count().await?;
        }
        self.ticks += 1;
        let waiting = self.console.clients_waiting().await?;
        let failed = match counts.failed {
            0 => String::new(),
            failed => format!(" · {} failed", units::count(failed)),
        };
        Ok(format!(
            "{:.0} visits/s · p95 {} · {waiting} clients waiting · {} findings{failed}",
            self.rate(),
            units::duration_ms(self.p95_ms()),
            self.findings,
        ))
    }

    /// Visits a second over the last ticks.
    fn rate(&self) -> f64 {
        match (self.recent.front(), self.recent.back()) {
            (Some((first, before, _)), Some((last, after, _))) if last > first => {
                after.saturating_sub(*before) as f64 / (*last - *first).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// 95th percentile of whole visits over the last ticks, ms.
    fn p95_ms(&self) -> f64 {
        let mut merged = Histogram::default();
        for (_, _, latencies) in &self.recent {
            merged.merge(latencies);
        }
        merged.quantile_ms(0.95)
    }
}
