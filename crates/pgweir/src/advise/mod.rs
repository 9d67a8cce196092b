//! `pgweir advise`: a workload, a server, and which indexes to build and to drop.

mod document;
mod earlier;
mod live;
mod markdown;
mod text;
mod workload_file;

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use catalog::{Catalog, CatalogSettings, ImaginedPlanner, WhatIfSession};
use insight::advisor::{
    Advice, AdviceSettings, DatabaseReading, Planner, WorkloadStatement, advise,
};
use jiff::Timestamp;
use model::CatalogFacts;

use crate::cli::{AdviceFormat, AdviseArguments, print};
use crate::settings::{Settings, Upstream, for_tokio_postgres};

/// Planning with many imagined indexes takes longer than planning; nobody waits for a lock.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of the time limit, what is kept for planning the chosen once more.
const KEPT: f64 = 0.05;

/// A statement of the workload, before it is planned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    /// How it is called.
    pub(crate) name: String,
    /// What is planned.
    pub(crate) sql: String,
    /// How often it runs.
    pub(crate) calls: f64,
    /// What one call takes, ms, where that was measured.
    pub(crate) mean_ms: Option<f64>,
    /// Rows that a call writes, where that was measured.
    pub(crate) rows: Option<f64>,
}

/// All that is shown.
pub(crate) struct Shown {
    pub(crate) advice: Advice,
    pub(crate) workload: Vec<WorkloadStatement>,
    pub(crate) statements: Vec<Statement>,
    /// Where from, such as `queries.sql` or `live traffic of the last 15 min`.
    pub(crate) source: String,
    /// Database and server.
    pub(crate) place: String,
    pub(crate) budget: Option<u64>,
    pub(crate) hypopg_sizes: bool,
    pub(crate) took: Duration,
    pub(crate) earlier: Option<earlier::Since>,
    /// What was not read of the catalogue, and why.
    pub(crate) unavailable: Vec<(String, String)>,
}

/// Reads the workload, asks the server, prints the advice.
///
/// Cancel-safe: nothing is changed anywhere; the output file is written whole or not at all.
///
/// # Errors
/// When the workload cannot be read, the server cannot be reached, or the output not be written.
pub async fn run(arguments: &AdviseArguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let (upstream, _) = Upstream::parse(&arguments.url).map_err(|why| anyhow!("URL {why}"))?;
    let database = upstream
        .dbname
        .clone()
        .or_else(|| upstream.user.clone())
        .context("URL names no database; write postgres://user@host:port/dbname")?;
    let (statements, source) = match &arguments.workload {
        Some(file) => {
            let text = fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let read =
                workload_file::read(&text).map_err(|why| anyhow!("{}: {why}", file.display()))?;
            (read, file.display().to_string())
        }
        None => live::read(arguments, &database).await?,
    };
    let earlier = arguments.earlier.as_deref().map(earlier::read).transpose()?;
    let bounds =
        CatalogSettings { statement_timeout: STATEMENT_TIMEOUT, ..CatalogSettings::default() };
    let catalog = connect(&upstream, bounds)?;
    let facts = catalog.read(std::slice::from_ref(&database), &CatalogFacts::default()).await;
    let Some(known) = facts.databases.get(&database) else {
        let why = facts.unavailable.first().map_or("it was not read", |first| &first.why);
        return Err(anyhow!("the catalogue of {database} is needed: {why}"));
    };
    let mut session = WhatIfSession::open(&catalog, &database, bounds)
        .await
        .context("cannot open a connection for planning")?;
    let workload = planned(&statements, &mut session).await;
    let settings = AdviceSettings {
        budget: arguments.index_budget.unwrap_or(u64::MAX),
        hypopg_sizes: arguments.hypopg_sizes,
        least_gain: arguments.least_gain / 100.0,
    };
    let until = started + arguments.time_limit.mul_f64(1.0 - KEPT);
    let reading = DatabaseReading {
        database: known,
        server: facts.servers.get(&known.server).filter(|server| server.read_at.is_some()),
        at: facts.read_at.unwrap_or_else(Timestamp::now),
    };
    let advice = judged(&workload, reading, settings, &mut session, until);
    let unavailable =
        facts.unavailable.iter().map(|one| (one.what.clone(), one.why.clone())).collect();
    let since = earlier.map(|earlier| earlier.since(known, &workload));
    let shown = Shown {
        advice,
        workload,
        statements,
        source,
        place: format!("{database} on {}", upstream.hosts),
        budget: arguments.index_budget,
        hypopg_sizes: arguments.hypopg_sizes,
        took: started.elapsed(),
        earlier: since,
        unavailable,
    };
    let text = match arguments.format {
        AdviceFormat::Text => text::render(&shown),
        AdviceFormat::Markdown => markdown::render(&shown),
        AdviceFormat::Json => document::render(&shown)?,
    };
    match &arguments.output {
        Some(file) => {
            fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
        }
        None => print(&mut io::stdout().lock(), &text),
    }
}

fn connect(upstream: &Upstream, bounds: CatalogSettings) -> anyhow::Result<Catalog> {
    let tls = Settings::default()
        .tls_of(&upstream.tls)
        .load()
        .map_err(|error| anyhow!("URL has TLS files: {error}"))?;
    let user = upstream.user.clone().or_else(|| std::env::var("PGUSER").ok());
    let password = upstream.password.as_ref().map(|secret| secret.reveal().to_owned());
    Ok(Catalog::new(
        catalog::Upstream {
            hosts: upstream.hosts.pairs(),
            to_write: upstream.choice.wish(&upstream.hosts).attrs.is_to_write(),
            user: user.context("URL names no user; write postgres://user@host:port/dbname")?,
            password: password.or_else(|| std::env::var("PGPASSWORD").ok()),
            tls: for_tokio_postgres(&tls),
        },
        bounds,
    ))
}

/// The statements with their plans as things are.
async fn planned(statements: &[Statement], session: &mut WhatIfSession) -> Vec<WorkloadStatement> {
    // Time and cost cannot be compared: time counts only where all were measured.
    let measured = statements.iter().all(|one| one.mean_ms.is_some());
    let mut workload = Vec::with_capacity(statements.len());
    for one in statements {
        let facts = sql::facts(&one.sql).map_err(|error| redacted(&error));
        let plan = session.add(&one.sql).await.map_err(|error| error.redacted());
        let scanned = plan.as_ref().ok().and_then(|plan| plan.scans.first()).map(|scan| scan.rows);
        let deletes =
            one.sql.trim_start().get(..6).is_some_and(|w| w.eq_ignore_ascii_case("delete"));
        workload.push(WorkloadStatement {
            name: one.name.clone(),
            text: one.sql.clone(),
            calls: one.calls,
            measured_ms: one.mean_ms.filter(|_| measured).map(|ms| ms * one.calls),
            // Deleting leaves the index entries for VACUUM.
            rows_written: if deletes { 0.0 } else { one.rows.or(scanned).unwrap_or(1.0) },
            facts,
            plan,
        });
    }
    workload
}

/// The parser quotes what it could not read, which may be a value.
fn redacted(_error: &sql::Unparsed) -> String {
    "the SQL parser cannot read it".to_owned()
}

fn judged(
    workload: &[WorkloadStatement],
    reading: DatabaseReading<'_>,
    settings: AdviceSettings,
    session: &mut WhatIfSession,
    until: Instant,
) -> Advice {
    let mut go_on = || Instant::now() < until;
    if !session.can_imagine() {
        return advise(workload, reading, settings, None, &mut go_on);
    }
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let mut planner = ImaginedPlanner::new(session, runtime);
        let planner: &mut dyn Planner = &mut planner;
        advise(workload, reading, settings, Some(planner), &mut go_on)
    })
}
