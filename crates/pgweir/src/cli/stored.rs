//! `pgweir report --store`: a report from what was kept, with no process to ask.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use model::{CatalogFacts, DatabaseFacts, Published, Snapshot};
use report::{ProcessFacts, Report, ReportOptions};
use store::{Conclusions, Stored};

use crate::run::history::fleet_at;
use crate::settings::{Settings, Upstream, for_tokio_postgres};

/// The report that `options` ask for, from a file or a fleet's store. "Now" is where the history
/// ends, if that is before now. Cancel-safe.
///
/// # Errors
/// A history that cannot be read or is empty, and those of [`Report::build`].
pub(super) async fn report(store: &str, options: &ReportOptions) -> anyhow::Result<Report> {
    if store.contains("://") {
        from_fleet(store, options).await
    } else {
        from_file(Path::new(store), options)
    }
}

fn from_file(file: &Path, options: &ReportOptions) -> anyhow::Result<Report> {
    let stored = Stored::open(file)?;
    let Some(extent) = stored.extent()? else {
        bail!("{} holds nothing yet", file.display());
    };
    let span = Asked::of(options, extent);
    let snapshot = stored.snapshot(span.from, span.until, &[span.since])?;
    let conclusions = stored.conclusions(span.since, span.until)?;
    let mut catalog = CatalogFacts::default();
    for (database, plan_history) in stored.plans(span.since, span.until)? {
        let facts = DatabaseFacts { plan_history, ..DatabaseFacts::default() };
        catalog.databases.insert(database, facts);
    }
    span.report(snapshot, conclusions, catalog, stored.version()?, options)
}

async fn from_fleet(url: &str, options: &ReportOptions) -> anyhow::Result<Report> {
    let (mut address, _) = Upstream::parse(url).map_err(|why| anyhow::anyhow!("the URL {why}"))?;
    if address.user.is_none() {
        address.user = std::env::var("PGUSER").or_else(|_| std::env::var("USER")).ok();
    }
    if address.password.is_none() {
        address.password = std::env::var("PGPASSWORD").ok().map(crate::settings::Secret::new);
    }
    let files = Settings::default().tls_of(&address.tls);
    let tls = files.load().map_err(|error| anyhow::anyhow!("TLS files: {error}"))?;
    let fleet = fleet_at(&address, for_tokio_postgres(&tls))?;
    let Some(extent) = fleet.extent().await? else { bail!("{fleet} holds nothing yet") };
    let span = Asked::of(options, extent);
    let snapshot = fleet.snapshot(span.from, span.until, &[span.since]).await?;
    let conclusions = fleet.conclusions(span.since, span.until).await?;
    let versions = fleet.instances().await?.into_values().max().unwrap_or_default();
    span.report(snapshot, conclusions, CatalogFacts::default(), versions, options)
}

/// What is asked for, in the history's own time.
struct Asked {
    begun: Timestamp,
    now: Timestamp,
    /// Where what is read begins: before `since`, if something is compared with.
    from: Timestamp,
    since: Timestamp,
    until: Timestamp,
}

impl Asked {
    fn of(options: &ReportOptions, (begun, ended): (Timestamp, Timestamp)) -> Self {
        let now = Timestamp::now().min(ended);
        let since = options.since.at(now);
        let until = options.until.map_or(now, |until| until.at(now)).min(now);
        let before = options.compare.and_then(|span| SignedDuration::try_from(span).ok());
        let from = before.and_then(|span| since.checked_sub(span).ok()).unwrap_or(since);
        // Nothing is before the beginning, and a span of all time has no parts that could be shown.
        let from = from.max(begun).min(until);
        Self { begun, now, from, since, until }
    }

    fn report(
        &self,
        snapshot: Snapshot,
        conclusions: Conclusions,
        catalog: CatalogFacts,
        version: String,
        options: &ReportOptions,
    ) -> anyhow::Result<Report> {
        let Conclusions { findings, results, checked, not_checked } = conclusions;
        let snapshot = Snapshot { taken_at: self.now, ..snapshot };
        let published = Published {
            snapshot: Arc::new(snapshot),
            catalog: Arc::new(catalog),
            findings,
            checked,
            not_checked,
            results,
        };
        let process = ProcessFacts { version, started_at: self.begun };
        Report::build(&published, options, &process).context("no report")
    }
}
