//! `pgweir demo`: a throwaway PostgreSQL, a shop with forgotten indexes, its traffic through pgweir,
//! the report, the fixes, and what they changed as measured.

mod fixes;
mod guardian;
mod load;
mod pooler;
mod programs;
mod progress;
mod schema;
mod server;
mod shopper;
mod traffic;

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use report::render::{self, Style, units};
use report::{Moment, Report, ReportOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{AdminConsole, DemoArguments, colour_wanted, print};
use fixes::IndexFix;
use load::Load;
use pooler::{POOL_SIZE, Pooler};
use progress::Progress;
use server::{Connection, SHOP_DATABASE, Server, shop_url};
use traffic::Watch;

/// How long one step of loading may take.
const STEP_PATIENCE: Duration = Duration::from_secs(120);
/// Traffic after the fixes, at the least.
const AFTER_LEAST: Duration = Duration::from_secs(30);
/// The same, at most: longer would be in the next minute, and the report could still take the one
/// before it along.
const AFTER_MOST: Duration = Duration::from_secs(58);
/// Further back than any demo began.
const SINCE_THE_START: Duration = Duration::from_secs(24 * 3600);
/// Statements asked for, so that all of the shop's are listed.
const TOP: usize = 50;

/// Runs the demo; see [`DemoArguments`]. Ctrl-C and SIGTERM end it in order. Cancel-safe: dropping it
/// ends all that it started.
///
/// # Errors
/// What went wrong, with what to do about it where that is known.
pub async fn run(arguments: &DemoArguments) -> anyhow::Result<()> {
    let mut progress = Progress::start();
    let shown = tokio::select! {
        shown = show(arguments, &mut progress) => shown?,
        end = told_to_end() => bail!("{}; all that was started is gone", end?),
    };
    if arguments.keep {
        tokio::select! {
            kept = keep(&shown, &mut progress) => kept?,
            end = told_to_end() => { end?; }
        }
    }
    drop(progress);
    shown.load.stop().await;
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM, and says which it was. Cancel-safe.
async fn told_to_end() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| "interrupted"),
        _ = terminate.recv() => Ok("terminated"),
    }
}

/// What runs in the demo, in the order in which it is to end.
struct Stage {
    load: Load,
    console: AdminConsole,
    pooler: Pooler,
    server: Server,
}

impl Stage {
    /// The shop's role at pgweir.
    fn url(&self, database: &str) -> String {
        shop_url(self.pooler.address, self.server.password(), database)
    }
}

/// All of the demo but its end.
async fn show(arguments: &DemoArguments, progress: &mut Progress) -> anyhow::Result<Stage> {
    let began = Instant::now();
    let server = start_server(progress).await?;
    let shop = Connection::open(&server.shop()).await.context("cannot log in to the shop")?;
    load_shop(&shop, progress).await?;
    let stage = start_traffic(server, arguments.clients, progress).await?;
    let mut watch = Watch::new(&stage.load, &stage.console);
    let style = Style { colour: colour_wanted(arguments.no_color), ..Style::default() };

    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    watch.until(end, "traffic", progress).await?;
    let before = stage.console.report(&last(SINCE_THE_START)).await?;
    let text = arguments.format.render(&before, style)?;
    progress.suspend(|| print(&mut io::stdout().lock(), &text))?;

    let fixes = fixes::index_fixes(&before);
    ensure!(
        !fixes.is_empty(),
        "the report names no missing index, so there is nothing to fix; with more traffic \
         (--seconds 120) it may"
    );
    apply_fixes(&fixes, &shop, &mut watch, progress).await?;
    let after = measure_after(&fixes, &stage.console, &mut watch, progress).await?;
    let summary = summary(&before, &after, &fixes, style);
    progress.suspend(|| print(&mut io::stdout().lock(), &summary))?;
    let took = units::seconds(began.elapsed().as_secs_f64());
    progress.say(&format!("The demo took {took}."));
    Ok(stage)
}

async fn start_traffic(
    server: Server,
    clients: u32,
    progress: &mut Progress,
) -> anyhow::Result<Stage> {
    let pooler = Pooler::start(&server.shop_url(), clients).await?;
    progress.say(&format!(
        "pgweir is ready on {}: {clients} client connections, {POOL_SIZE} server connections",
        pooler.address
    ));
    let through = |database: &str| shop_url(pooler.address, server.password(), database);
    let console = AdminConsole::connect(&through("pgweir")).await?;
    let load = Load::start(&through(SHOP_DATABASE).parse()?, clients);
    Ok(Stage { load, console, pooler, server })
}

/// Leaves everything running. Ends only with an error.
async fn keep(stage: &Stage, progress: &mut Progress) -> anyhow::Result<()> {
    let (shop, console) = (stage.url(SHOP_DATABASE), stage.url("pgweir"));
    progress.say(&format!(
        "Left running until Ctrl-C. To try:\n\n  psql {shop}\n  psql {console} -c 'SHOW POOLS'\n  \
         pgweir report --admin {console}\n  psql {}   # without pgweir\n",
        stage.server.shop_url(),
    ));
    let mut watch = Watch::new(&stage.load, &stage.console);
    loop {
        let end = Instant::now() + Duration::from_secs(3600);
        watch.until(end, "running until Ctrl-C", progress).await?;
    }
}

async fn start_server(progress: &mut Progress) -> anyhow::Result<Server> {
    progress.live("starting a throwaway PostgreSQL".to_owned());
    let began = Instant::now();
    let server = Server::start().await?;
    let hypopg = if server.hypopg {
        "with HypoPG"
    } else {
        "without HypoPG, so index advice rests on plans and statistics"
    };
    progress.say(&format!(
        "PostgreSQL {} started in {:.1} s, {hypopg}",
        server.version,
        began.elapsed().as_secs_f64()
    ));
    Ok(server)
}

async fn load_shop(shop: &Connection, progress: &mut Progress) -> anyhow::Result<()> {
    let began = Instant::now();
    let steps = schema::STEPS.len();
    for (position, step) in schema::STEPS.iter().enumerate() {
        progress.live(format!("loading the shop, {} of {steps}: {}", position + 1, step.what));
        within_patience(step.what, shop.client.batch_execute(step.sql)).await?;
    }
    progress.live("loading the shop: statistics".to_owned());
    within_patience("statistics", shop.client.batch_execute(schema::FINISH)).await?;
    let made: Vec<&str> = schema::STEPS.iter().map(|step| step.what).collect();
    progress.say(&format!(
        "The shop was loaded in {:.1} s: {}",
        began.elapsed().as_secs_f64(),
        made.join(", ")
    ));
    Ok(())
}

async fn within_patience(
    what: &str,
    work: impl Future<Output = Result<(), tokio_postgres::Error>>,
) -> anyhow::Result<()> {
    tokio::time::timeout(STEP_PATIENCE, work)
        .await
        .with_context(|| format!("loading {what} took longer than {} s", STEP_PATIENCE.as_secs()))?
        .with_context(|| format!("loading {what} failed"))
}

async fn apply_fixes(
    fixes: &[IndexFix],
    shop: &Connection,
    watch: &mut Watch<'_>,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    progress.say(&format!("Applying the {} recommended indexes, under traffic:", fixes.len()));
    for fix in fixes {
        let began = Instant::now();
        let what = format!("creating an index on {}", fix.what);
        watch.during(&what, progress, fixes::apply(fix, &shop.client)).await??;
        progress.say(&format!("  {} in {:.1} s", fix.what, began.elapsed().as_secs_f64()));
    }
    Ok(())
}

/// pgweir keeps its statistics by the minute, so what is measured after the fixes begins with the
/// next whole minute.
async fn measure_after(
    fixes: &[IndexFix],
    console: &AdminConsole,
    watch: &mut Watch<'_>,
    progress: &mut Progress,
) -> anyhow::Result<Report> {
    let minute = Instant::now() + until_next_minute(Timestamp::now());
    watch.until(minute, "waiting for a whole minute to measure in", progress).await?;
    let mut end = minute + AFTER_LEAST;
    loop {
        watch.until(end, "measuring after the fixes", progress).await?;
        let elapsed = minute.elapsed();
        let within = elapsed.saturating_sub(Duration::from_secs(1)).max(Duration::from_secs(1));
        let after = console.report(&last(within)).await?;
        if fixes::enough_measured(&after, fixes) || elapsed + Duration::from_secs(9) > AFTER_MOST {
            return Ok(after);
        }
        end += Duration::from_secs(9);
    }
}

/// The report on the last so long.
fn last(span: Duration) -> ReportOptions {
    ReportOptions { since: Moment::Ago(span), top: TOP, ..ReportOptions::default() }
}

fn until_next_minute(now: Timestamp) -> Duration {
    let into = now.as_millisecond().rem_euclid(60_000);
    // A little more, so that pgweir's clock has turned too.
    Duration::from_millis(u64::try_from(60_000 - into).unwrap_or(60_000) + 100)
}

fn summary(before: &Report, after: &Report, fixes: &[IndexFix], style: Style) -> String {
    let mut text = String::from("\nBefore and after the fixes, as pgweir measured\n\n");
    text.push_str(&render::comparison(&fixes::compare(before, after, fixes), style));
    let rate = |report: &Report| report.totals.calls as f64 / report.window.duration_s.max(1.0);
    let waiting = |report: &Report| {
        let share = report.totals.wait_ms / report.totals.total_ms.max(f64::MIN_POSITIVE);
        units::percent(share)
    };
    text.push_str(&format!(
        "All statements: p95 {} → {}, {:.0} → {:.0} a second, {} → {} of their time waiting for a \
         server connection.\n",
        units::duration_ms(before.totals.p95_ms),
        units::duration_ms(after.totals.p95_ms),
        rate(before),
        rate(after),
        waiting(before),
        waiting(after),
    ));
    let planted = schema::PLANTED.len();
    let missed = fixes::not_found(fixes);
    if missed.is_empty() {
        text.push_str(&format!("All {planted} indexes that the shop lacked were found.\n"));
    } else {
        text.push_str(&format!(
            "{} of the {planted} indexes that the shop lacked were found; not found: {}.\n",
            planted - missed.len(),
            missed.join(", ")
        ));
    }
    text
}

#[cfg(test)]
mod tests;
