//! What pgweir holds: of the system, and of what it keeps in its own books.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::shop::Shop;
use crate::vitals::Vitals;

/// How long pgweir may take to be rid of everything, and its memory to be at rest: the catalogue's
/// connection stays for a minute after it was last of use, a thread for blocking work for ten seconds.
const PATIENCE: Duration = Duration::from_secs(150);

/// Memory is at rest when so long no less of it was held: the allocator gives back what has been free
/// for ten seconds.
const SETTLED: Duration = Duration::from_secs(20);
/// Less by this much is less.
const NOTEWORTHY_KIB: u64 = 256;

/// What pgweir holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holdings {
    resident_kib: u64,
    pub(super) anonymous_kib: u64,
    pub(super) history_bytes: u64,
    exact: Exact,
    /// Bounded, and not given back: what is full stays full.
    shapes: u64,
    labels: u64,
    fingerprints: u64,
}

/// What must be, to the last one, as it was before anybody came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Exact {
    descriptors: usize,
    threads: usize,
    tasks: u64,
    clients: u64,
    cancel_keys: u64,
    pools: u64,
    servers: u64,
}

impl Holdings {
    /// As far as the system knows; asks nothing of pgweir.
    pub(super) fn of_process(shop: &Shop) -> Self {
        let vitals = Vitals::of(shop.proxy().pid());
        let exact =
            Exact { descriptors: vitals.descriptors, threads: vitals.threads, ..Exact::default() };
        let history_bytes = bytes(&shop.history());
        Self {
            resident_kib: vitals.resident_kib,
            anonymous_kib: vitals.anonymous_kib,
            history_bytes,
            exact,
            ..Self::default()
        }
    }

    async fn of(shop: &Shop) -> Result<Self, String> {
        // First: what a scrape needs is given back later.
        let mut found = Self::of_process(shop);
        let served = scrape(shop).await?;
        let number = |name: &str| served.get(name).copied().unwrap_or((0, 0)).1;
        found.exact = Exact {
            tasks: number("pgweir_tasks"),
            clients: number("pgweir_clients"),
            cancel_keys: number("pgweir_cancel_keys"),
            pools: served.get("pgweir_pool_size").map_or(0, |(series, _)| *series),
            servers: number("pgweir_pool_server_connections"),
            ..found.exact
        };
        found.shapes = number("pgweir_shapes");
        found.labels = number("pgweir_labels");
        found.fingerprints = number("pgweir_fingerprints");
        Ok(found)
    }
}

impl Exact {
    /// Whether there is no more of anything. There may be less: what pgweir opens for itself now and
    /// then may have been there at the first look.
    fn is_within(&self, before: &Self) -> bool {
        let counts = |one: &Self| {
            let of_system = [one.descriptors as u64, one.threads as u64];
            let own = [one.tasks, one.clients, one.cancel_keys, one.pools, one.servers];
            of_system.into_iter().chain(own)
        };
        counts(self).zip(counts(before)).all(|(now, then)| now <= then)
    }
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = &self.exact;
        write!(
            f,
            "{:>7} KiB resident ({:>6} of its own), {:>4} descriptors, {:>2} threads, \
             {:>3} tasks, {:>3} clients, {:>3} cancel keys, {:>3} pools, {:>3} servers, {:>5} shapes, {:>5} labels, \
             {:>4} fingerprints, history {:>5} KiB",
            self.resident_kib,
            self.anonymous_kib,
            exact.descriptors,
            exact.threads,
            exact.tasks,
            exact.clients,
            exact.cancel_keys,
            exact.pools,
            exact.servers,
            self.shapes,
            self.labels,
            self.fingerprints,
            self.history_bytes / 1024
        )
    }
}

/// Waits until everything has come to rest, and gives what is held then; as `before`, where that is
/// known.
///
/// # Errors
/// What is still there.
pub(super) async fn quiesce(shop: &Shop, before: Option<&Holdings>) -> Result<Holdings, String> {
    shop.forget_what_was_measured().await;
    let deadline = Instant::now() + PATIENCE;
    let mut last = Holdings::of(shop).await?;
    // What a first look finds may still change; the same twice in a row, seconds apart, does not.
    let mut still = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let found = Holdings::of(shop).await?;
        let rested = match before {
            Some(before) => found.exact.is_within(&before.exact),
            None => found.exact == last.exact && found.exact.clients == 0,
        };
        still = if rested { still + 1 } else { 0 };
        if still == 3 {
            let at_rest = if shop.plan.is_long() { settle(shop).await? } else { found };
            return Ok(Holdings { exact: found.exact, ..at_rest });
        }
        if Instant::now() > deadline {
            let before = before.map_or_else(Exact::default, |before| before.exact);
            return Err(format!(
                "not as it was before, but {:?} instead of {before:?}; open: {}; {}",
                found.exact,
                open_files(shop),
                connections(shop).await
            ));
        }
        last = found;
    }
}

/// Waits until memory that is free has gone back to the system: what is held once it has not become
/// less for [`SETTLED`].
async fn settle(shop: &Shop) -> Result<Holdings, String> {
    let (mut least, mut since) = (u64::MAX, Instant::now());
    let deadline = since + PATIENCE;
    while since.elapsed() < SETTLED {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = Holdings::of_process(shop).anonymous_kib;
        if now == 0 {
            return Err("the system does not say how much of the memory is pgweir's own".to_owned());
        }
        if Instant::now() > deadline {
            return Err(format!("memory is not at rest, at {now} KiB"));
        }
        if now + NOTEWORTHY_KIB <= least {
            (least, since) = (now, Instant::now());
        }
    }
    Holdings::of(shop).await
}

/// Who is connected to the server.
async fn connections(shop: &Shop) -> String {
    let sql = "SELECT coalesce(string_agg(format('%s in %s: %s', application_name, datname, query),
               '; '), '') FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname <> ''";
    let direct = shop.postgres.lock().await.admin().await;
    direct.query_one(sql, &[]).await.map_or_else(|error| error.to_string(), |row| row.get(0))
}

/// What the descriptors are of.
fn open_files(shop: &Shop) -> String {
    let Ok(directory) = std::fs::read_dir(format!("/proc/{}/fd", shop.proxy().pid())) else {
        return String::new();
    };
    let mut kinds = BTreeMap::<String, usize>::new();
    for link in directory.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok()) {
        let name = link.display().to_string();
        let kind = name.split(":[").next().unwrap_or_default();
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    format!("{kinds:?}")
}

/// All files of a folder together.
fn bytes(folder: &Path) -> u64 {
    let Ok(files) = std::fs::read_dir(folder) else { return 0 };
    files.flatten().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// By name: how many series there are, and their sum.
async fn scrape(shop: &Shop) -> Result<BTreeMap<String, (u64, u64)>, String> {
    let text = get_metrics(shop).await.map_err(|error| format!("scraping: {error}"))?;
    let mut found = BTreeMap::<String, (u64, u64)>::new();
    for line in text.lines().filter(|line| line.starts_with("pgweir_")) {
        let name: String = line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        let entry = found.entry(name).or_default();
        entry.0 += 1;
        entry.1 += value.unwrap_or_default() as u64;
    }
    if found.contains_key("pgweir_tasks") {
        Ok(found)
    } else {
        Err("no pgweir_tasks among the metrics".to_owned())
    }
}

/// `GET /metrics`.
pub(super) async fn get_metrics(shop: &Shop) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(shop.http).await?;
    let request = "GET /metrics HTTP/1.1\r\nHost: pgweir\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
