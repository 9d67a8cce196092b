//! `pgweir demo`: a throwaway PostgreSQL, a shop with a good many faults, its traffic through pgweir, the
//! report, the fixes, and what they changed as measured.

mod faults;
mod guardian;
mod load;
mod mending;
mod pooler;
mod programs;
mod progress;
mod schema;
mod server;
mod shopper;
mod story;
mod traffic;

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use report::render::{Style, units};
use report::{Moment, Report, ReportOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{AdminConsole, DemoArguments, colour_wanted, print};
use faults::FAULTS;
use load::Load;
use pooler::{POOL_SIZE, Pooler};
use progress::Progress;
use server::{Connection, SHOP_DATABASE, Server, shop_url};
use story::{PagesServed, Story};
use traffic::Watch;

/// How long one step of loading may take.
const STEP_PATIENCE: Duration = Duration::from_secs(120);
/// Traffic after the fixes.
const AFTER: Duration = Duration::from_secs(40);
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
    load_shop(&server, &shop, progress).await?;
    let stage = start_traffic(server, arguments.clients, progress).await?;
    let mut watch = Watch::new(&stage.load, &stage.console);
    let style = Style { colour: colour_wanted(arguments.no_color), ..Style::default() };

    let started = Instant::now();
    let end = started + Duration::from_secs(arguments.seconds);
    watch.until(end, "traffic", progress).await?;
    let before = stage.console.report(&last(SINCE_THE_START)).await?;
    let looked = started.elapsed();
    let text = arguments.format.render(&before, style)?;
    progress.suspend(|| print(&mut io::stdout().lock(), &text))?;
    let pages = stage.load.take_pages();
    let served = PagesServed::of(&pages, looked);
    let hurt = mending::measure(&pages, &shop.client).await?;

    let mending = mend(&before, &shop, &mut watch, progress).await?;
    stage.load.deploy_fixes();
    progress.say("The shop's own code was exchanged for one without its faults.");
    let after = measure_after(&stage, &mut watch, progress).await?;
    let pages = stage.load.take_pages();
    let mended = mending::measure(&pages, &shop.client).await?;
    let story = Story {
        looked,
        found: FAULTS.iter().map(|fault| fault.found(&before).is_some()).collect(),
        not_planted: faults::not_planted(&before),
        mending,
        measured: [hurt, mended],
        pages: [served, PagesServed::of(&pages, AFTER)],
        before: &before,
        after: &after,
    };
    progress.suspend(|| print(&mut io::stdout().lock(), &story.told(style)))?;
    let is_whole = story.is_whole();
    let took = units::seconds(began.elapsed().as_secs_f64());
    progress.say(&format!("The demo took {took}."));
    ensure!(is_whole, "the report did not find what was planted and nothing else");
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

async fn load_shop(
    server: &Server,
    shop: &Connection,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let steps = schema::STEPS.len();
    for (position, step) in schema::STEPS.iter().enumerate() {
        progress.live(format!("loading the shop, {} of {steps}: {}", position + 1, step.what));
        within_patience(step.what, shop.client.batch_execute(step.sql)).await?;
    }
    progress.live("loading the shop: statistics".to_owned());
    within_patience("statistics", shop.client.batch_execute(schema::FINISH)).await?;
    leave_an_index_unfinished(server).await?;
    let made: Vec<&str> = schema::STEPS.iter().map(|step| step.what).collect();
    progress.say(&format!(
        "The shop was loaded in {:.1} s: {}",
        began.elapsed().as_secs_f64(),
        made.join(", ")
    ));
    Ok(())
}

/// A migration gave up, and nobody looked what it left behind.
async fn leave_an_index_unfinished(server: &Server) -> anyhow::Result<()> {
    let holder = Connection::open(&server.shop()).await?;
    holder.client.batch_execute(schema::IN_THE_WAY).await?;
    let migration = Connection::open(&server.shop()).await?;
    for statement in schema::INDEX_THAT_FAILS {
        // The last one fails, as it should: the report must find what is left.
        let _ = migration.client.simple_query(statement).await;
    }
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

/// Runs the SQL of the findings, and says how long that took.
async fn mend(
    report: &Report,
    shop: &Connection,
    watch: &mut Watch<'_>,
    progress: &mut Progress,
) -> anyhow::Result<Duration> {
    let fixes = mending::by_sql(report);
    progress.say(&format!("Running the SQL of {} findings, under traffic:", fixes.len()));
    let began = Instant::now();
    for (fault, statements) in &fixes {
        let began = Instant::now();
        watch.during(fault.what, progress, mending::apply(statements, &shop.client)).await??;
        let statement = statements.last().map_or("", String::as_str);
        progress.say(&format!("  {statement}  {:.1} s", began.elapsed().as_secs_f64()));
    }
    Ok(began.elapsed())
}

/// pgweir keeps its statistics by the minute, so what is measured after the fixes begins with the
/// next whole minute.
async fn measure_after(
    stage: &Stage,
    watch: &mut Watch<'_>,
    progress: &mut Progress,
) -> anyhow::Result<Report> {
    let minute = Instant::now() + until_next_minute(Timestamp::now());
    watch.until(minute, "waiting for a whole minute to measure in", progress).await?;
    stage.load.take_pages();
    watch.until(minute + AFTER, "measuring after the fixes", progress).await?;
    stage.console.report(&last(AFTER)).await.map_err(Into::into)
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

#[cfg(test)]
mod tests;
