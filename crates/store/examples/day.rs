//! A day of history of many statements: what writing it costs, how large it is, how long reading it
//! takes. The figures of docs/history.md are from here:
//!
//! ```sh
//! cargo run --release -p pgweir-store --example day -- FOLDER [FINGERPRINTS] [CALLS_A_MINUTE]
//! ```

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{
    Distinct, FingerprintId, LabelId, LabelRegistry, Labels, Minute, Published, QueryStats, RowKey,
    ShapeInfo, Snapshot,
};
use pgweir_store::{Bounds, History, HistorySettings, Run, Stored};

const BEGIN: i64 = 20_000 * 24 * 60;
const MINUTES: i64 = 24 * 60;

/// Numbers that look like chance and are the same each time (Steele, Lea, Flood: "SplitMix").
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Nearly normal, of mean 0 and deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap_or_default()
}

/// Latencies are log-normal around a median of each statement's own, 0.1 to 100 ms.
fn stats(chance: &mut Chance, statement: u64, mean_calls: f64) -> QueryStats {
    let calls = (mean_calls * (0.5 + chance.share())).max(1.0) as u64;
    let median_ms = 0.1 * 10f64.powf((statement % 300) as f64 / 100.0);
    let mut values = Distinct::default();
    let mut stats = QueryStats { calls, rows: calls * 2, ..QueryStats::default() };
    for _ in 0..calls {
        let ms = median_ms * (0.5 * chance.normal()).exp();
        let wait_ms = if chance.share() < 0.02 { chance.share() } else { 0.0 };
        stats.total.record(Duration::from_secs_f64((ms + wait_ms) / 1e3));
        stats.first_byte.record(Duration::from_secs_f64(ms * 0.9 / 1e3));
        stats.wait.record(Duration::from_secs_f64(wait_ms / 1e3));
        stats.bytes_received += 90;
        stats.bytes_sent += 300 + chance.next() % 400;
        values.record(chance.next());
    }
    stats.values = values;
    stats
}

fn tick(minutes: [Arc<Minute>; 2], taken: i64, known: &Known) -> Arc<Published> {
    let snapshot = Snapshot {
        taken_at: at(taken),
        started_at: at(BEGIN),
        minutes: minutes.into(),
        shapes: known.shapes.clone(),
        labels: known.labels.clone(),
        ..Snapshot::default()
    };
    Arc::new(Published {
        snapshot: Arc::new(snapshot),
        catalog: Arc::default(),
        findings: Vec::new(),
        checked: Vec::new(),
        not_checked: Vec::new(),
        results: Vec::new(),
    })
}

struct Known {
    shapes: HashMap<FingerprintId, ShapeInfo>,
    labels: HashMap<LabelId, Arc<Labels>>,
}

#[expect(clippy::print_stdout, reason = "a program to be run by hand")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = Path::new(arguments.get(1).ok_or("give a folder")?);
    let fingerprints: u64 = arguments.get(2).map_or(Ok(2_000), |text| text.parse())?;
    let mean_calls: f64 = arguments.get(3).map_or(Ok(60.0), |text| text.parse())?;
    let registry = LabelRegistry::new(10);
    let label = registry.intern(Labels::new("shop", "web", "checkout"));
    let shape = |statement: u64| ShapeInfo {
        text: format!("SELECT a, b, c FROM table_{statement} WHERE customer_id = $1").into(),
        class: "SELECT".into(),
        ..ShapeInfo::default()
    };
    let known = Known {
        shapes: (1..=fingerprints).map(|one| (FingerprintId(one), shape(one))).collect(),
        labels: HashMap::from([(label, registry.get(label))]),
    };
    let history = History::start(HistorySettings {
        data_dir: Some(folder.to_owned()),
        run: Run { instance: "one".into(), started_at: at(BEGIN), version: "0.1.0".into() },
        bounds: Bounds { size_bytes: u64::MAX, ..Bounds::default() },
        flush: None,
        fleet: None,
    })?;
    let mut chance = Chance(1);
    let (mut writing, mut slowest) = (Duration::ZERO, Duration::ZERO);
    for minute in BEGIN..BEGIN + MINUTES {
        let mut made = Minute { minute, ..Minute::default() };
        for statement in 1..=fingerprints {
            let key = RowKey { fingerprint: FingerprintId(statement), labels: label };
            made.queries.insert(key, stats(&mut chance, statement, mean_calls));
        }
        let current = Minute { minute: minute + 1, ..Minute::default() };
        let published = tick([Arc::new(made), Arc::new(current)], minute + 1, &known);
        let began = Instant::now();
        history.offer(&published);
        while history.written_up_to() < Some(at(minute + 1)) {
            std::thread::sleep(Duration::from_micros(200));
        }
        writing += began.elapsed();
        slowest = slowest.max(began.elapsed());
    }
    let began = Instant::now();
    history.stop(Duration::from_secs(60));
    let file = folder.join("history.db");
    let bytes = std::fs::metadata(&file)?.len();
    println!(
        "{fingerprints} fingerprints, {mean_calls} calls each a minute, {MINUTES} minutes:\n\
         writing a minute: {:.1} ms, the slowest (with its hour's roll-up begun) {:.0} ms; end {:.0} ms\n\
         file: {:.1} MB, {:.0} bytes a statement-minute",
        writing.as_secs_f64() * 1e3 / MINUTES as f64,
        slowest.as_secs_f64() * 1e3,
        began.elapsed().as_secs_f64() * 1e3,
        bytes as f64 / 1e6,
        bytes as f64 / (MINUTES as u64 * fingerprints) as f64,
    );
    let stored = Stored::open(&file)?;
    let end = BEGIN + MINUTES;
    for (name, from, until) in [
        ("15 minutes", end - 15, end),
        ("1 hour", end - 60, end),
        ("24 hours", BEGIN, end),
        ("23 hours between half hours", BEGIN + 30, end - 30),
    ] {
        let began = Instant::now();
        let snapshot = stored.snapshot(at(from), at(until), &[])?;
        let read = began.elapsed();
        let window = snapshot.between(at(from), at(until) - Duration::from_secs(1));
        let calls: u64 = window.queries.values().map(|stats| stats.calls).sum();
        println!(
            "{name}: read in {:.0} ms, merged in {:.0} ms, {} points, {calls} calls",
            read.as_secs_f64() * 1e3,
            (began.elapsed() - read).as_secs_f64() * 1e3,
            snapshot.minutes.len(),
        );
    }
    Ok(())
}
