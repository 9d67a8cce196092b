//! Runs drivers through features and keeps what came of it.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use testkit::TestDatabase;

use crate::driver::Driver;
use crate::feature::{FEATURES, Feature, SHARE};
use crate::kit::Kit;
use crate::program::{self, Verdict};
use crate::scene::Scene;
use crate::watch::{self, Transactions, Watch};

/// How long a program may take for a feature.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take for the ordinary work of all clients.
const SHARE_PATIENCE: Duration = Duration::from_secs(60);

/// A cell of the table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) verdict: Verdict,
    /// Reasons for pins that the feature has to have.
    pub(crate) needed: BTreeSet<String>,
    /// Reasons for pins that should not be.
    pub(crate) unexpected: BTreeSet<String>,
    pub(crate) transactions: Transactions,
}

impl Cell {
    pub(crate) fn is_green(&self) -> bool {
        self.unexpected.is_empty() && !matches!(self.verdict, Verdict::Fail(_))
    }
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) driver: &'static str,
    pub(crate) version: Option<String>,
    /// Why it was not run; then there are no cells.
    pub(crate) skipped: Option<String>,
    /// In the order of [`FEATURES`].
    pub(crate) cells: Vec<Cell>,
    pub(crate) share: Option<Cell>,
}

impl Row {
    fn is_green(&self) -> bool {
        let share =
            self.share.as_ref().is_none_or(|cell| cell.is_green() && cell.transactions.pinned == 0);
        share && self.cells.iter().all(Cell::is_green)
    }
}

/// The whole table.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) server_version: String,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Whether nothing failed and nothing pinned that should not; what was skipped does not count.
    pub(crate) fn is_green(&self) -> bool {
        self.rows.iter().all(Row::is_green)
    }
}

/// Runs these drivers, one after the other.
pub(crate) async fn run(drivers: &[&'static Driver]) -> Report {
    let scene = Scene::open().await;
    let mut installed: HashMap<Kit, Result<(), String>> = HashMap::new();
    let mut rows = Vec::new();
    for driver in drivers {
        let kit = installed.entry(driver.kit).or_insert_with(|| {
            eprintln!("── {:?}", driver.kit);
            driver.kit.install()
        });
        rows.push(match kit {
            Ok(()) => row(&scene, driver).await,
            Err(why) => {
                eprintln!("{}: skipped: {why}", driver.name);
                let skipped = Some(why.clone());
                Row { driver: driver.name, version: None, skipped, cells: Vec::new(), share: None }
            }
        });
    }
    Report { server_version: scene.server_version().await, rows }
}

async fn row(scene: &Scene, driver: &'static Driver) -> Row {
    let database = scene.database().await;
    let mut row =
        Row { driver: driver.name, version: None, skipped: None, cells: Vec::new(), share: None };
    for feature in FEATURES {
        let (cell, version) = cell(scene, &database, driver, feature, PATIENCE).await;
        row.version = version.or(row.version);
        row.cells.push(cell);
    }
    let (share, version) = cell(scene, &database, driver, &SHARE, SHARE_PATIENCE).await;
    row.version = version.or(row.version);
    row.share = Some(share);
    row
}

async fn cell(
    scene: &Scene,
    database: &TestDatabase,
    driver: &Driver,
    feature: &Feature,
    patience: Duration,
) -> (Cell, Option<String>) {
    let start = Instant::now();
    let console = scene.console().await;
    let before = Transactions::of(&console, &database.name).await;
    let watch = Watch::start(scene.console().await, database.name.clone());
    let mut command = driver.kit.command(driver);
    scene.point(command.arg(feature.name), database).await;
    let mut unexpected = BTreeSet::new();
    let mut needed = BTreeSet::new();
    let mut missing = None;
    let said = program::run(command, patience, async |label: &str| {
        if label == "end" {
            let pins = watch::pins_that_stay(&console, &database.name).await;
            unexpected.extend(pins.iter().map(|reason| format!("{reason}, to the end")));
        } else if let Some(reason) = feature.pins {
            let pins = watch::pins(&console, &database.name).await;
            if pins.contains(reason) {
                needed.insert(reason.to_owned());
            } else {
                missing = Some(format!("at `{label}` no client is pinned for {reason}: {pins:?}"));
            }
        }
    })
    .await;
    let seen = watch.end().await;
    needed.extend(seen.iter().filter(|reason| feature.pins == Some(reason.as_str())).cloned());
    unexpected.extend(seen.into_iter().filter(|reason| feature.pins != Some(reason.as_str())));
    let transactions = Transactions::of(&console, &database.name).await.since(before);
    let verdict = match (said.verdict, missing) {
        (Verdict::Pass, Some(missing)) => Verdict::Fail(missing),
        (verdict, _) => verdict,
    };
    let cell = Cell { verdict, needed, unexpected, transactions };
    eprintln!(
        "{} · {}: {} ({:.1} s)",
        driver.name,
        feature.name,
        crate::page::told(&cell),
        start.elapsed().as_secs_f64()
    );
    (cell, said.version)
}
