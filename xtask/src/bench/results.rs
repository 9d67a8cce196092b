//! What was measured, kept in a file so that a run can be gone on with.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::peers::Peer;
use super::statistics::Spread;
use super::workloads::Workload;

/// What is measured of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// Transactions a second.
    Throughput,
    /// Latency that half, and 99 of 100, of the transactions stayed below, in microseconds.
    Median,
    P99,
    /// The longest latency, by the median one.
    WorstByMedian,
    /// The fewest transactions that a client had, by the median client's.
    LeastShare,
    /// Processor time of the peer for a transaction, in microseconds.
    Cpu,
    /// System calls of the peer for a transaction.
    SystemCalls,
    /// Resident memory of the peer after the run, in KiB.
    Memory,
    /// Memory for each client that has only logged in, and for each that has run a query, in KiB.
    IdleNew,
    IdleUsed,
    /// Transactions that failed.
    Failed,
}

impl Metric {
    const ALL: [Self; 11] = [
        Self::Throughput,
        Self::Median,
        Self::P99,
        Self::WorstByMedian,
        Self::LeastShare,
        Self::Cpu,
        Self::SystemCalls,
        Self::Memory,
        Self::IdleNew,
        Self::IdleUsed,
        Self::Failed,
    ];

    /// Its name in the file, with its unit.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Throughput => "transactions_per_s",
            Self::Median => "p50_us",
            Self::P99 => "p99_us",
            Self::WorstByMedian => "max_by_p50",
            Self::LeastShare => "least_share",
            Self::Cpu => "cpu_us",
            Self::SystemCalls => "system_calls",
            Self::Memory => "resident_kib",
            Self::IdleNew => "idle_new_kib",
            Self::IdleUsed => "idle_used_kib",
            Self::Failed => "failed",
        }
    }
}

/// A workload with a number of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) workload: Workload,
    pub(super) clients: u32,
}

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) cell: Cell,
    pub(super) peer: Peer,
    pub(super) round: u32,
    pub(super) metric: Metric,
    pub(super) value: f64,
}

/// All figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Results {
    samples: Vec<Sample>,
}

impl Results {
    /// Those of the file; none if there is none. Lines of another version of this program are
    /// dropped.
    pub(super) fn load(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        Self { samples: text.lines().filter_map(read_line).collect() }
    }

    /// Writes them all, tab-separated.
    pub(super) fn save(&self, file: &Path) -> Result<()> {
        let mut text = "workload\tclients\tpeer\tround\tmetric\tvalue\n".to_owned();
        for one in &self.samples {
            let (workload, peer, metric) =
                (one.cell.workload.name(), one.peer.name(), one.metric.name());
            let (clients, round, value) = (one.cell.clients, one.round, one.value);
            text += &format!("{workload}\t{clients}\t{peer}\t{round}\t{metric}\t{value}\n");
        }
        fs::write(file, text).with_context(|| file.display().to_string())
    }

    /// Forgets what was measured of a cell, which is measured anew: figures of two runs do not
    /// belong together.
    pub(super) fn forget(&mut self, cell: Cell) {
        self.samples.retain(|one| one.cell != cell);
    }

    pub(super) fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The cells that were measured, in the order of the workloads.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let mut cells: Vec<Cell> = Vec::new();
        for one in &self.samples {
            if !cells.contains(&one.cell) {
                cells.push(one.cell);
            }
        }
        let place = |workload| Workload::ALL.iter().position(|one| *one == workload);
        cells.sort_by_key(|cell| (place(cell.workload), cell.clients));
        cells
    }

    /// The peers that were measured.
    pub(super) fn peers(&self) -> Vec<Peer> {
        Peer::ALL
            .into_iter()
            .filter(|peer| self.samples.iter().any(|one| one.peer == *peer))
            .collect()
    }

    /// How many rounds there are of a cell.
    pub(super) fn rounds(&self) -> (u32, u32) {
        let counts: Vec<u32> = self.cells().into_iter().map(|cell| self.rounds_of(cell)).collect();
        (counts.iter().copied().min().unwrap_or(0), counts.into_iter().max().unwrap_or(0))
    }

    fn rounds_of(&self, cell: Cell) -> u32 {
        let of = self.samples.iter().filter(|one| one.cell == cell);
        of.map(|one| one.round + 1).max().unwrap_or(0)
    }

    /// A peer's figures, over the rounds.
    pub(super) fn spread(&self, cell: Cell, metric: Metric, peer: Peer) -> Option<Spread> {
        let values: Vec<f64> = self.values(cell, metric, peer).map(|(_, value)| value).collect();
        Spread::of(&values)
    }

    /// A peer's figures by another one's, each by that of the same round.
    pub(super) fn ratio(&self, cell: Cell, metric: Metric, peer: Peer, by: Peer) -> Option<Spread> {
        self.by((cell, metric, peer), (cell, metric, by))
    }

    /// A figure of a peer's by another one of its own, in the same round.
    pub(super) fn own_ratio(
        &self,
        peer: Peer,
        (cell, metric): (Cell, Metric),
        (by_cell, by_metric): (Cell, Metric),
    ) -> Option<Spread> {
        self.by((cell, metric, peer), (by_cell, by_metric, peer))
    }

    fn by(
        &self,
        (cell, metric, peer): (Cell, Metric, Peer),
        (by_cell, by_metric, by_peer): (Cell, Metric, Peer),
    ) -> Option<Spread> {
        let other = |round| self.values(by_cell, by_metric, by_peer).find(|one| one.0 == round);
        let ratios: Vec<f64> = self
            .values(cell, metric, peer)
            .filter_map(|(round, value)| Some(value / other(round)?.1))
            .filter(|ratio| ratio.is_finite())
            .collect();
        Spread::of(&ratios)
    }

    fn values(&self, cell: Cell, metric: Metric, peer: Peer) -> impl Iterator<Item = (u32, f64)> {
        self.samples
            .iter()
            .filter(move |one| (one.cell, one.metric, one.peer) == (cell, metric, peer))
            .map(|one| (one.round, one.value))
    }
}

fn read_line(line: &str) -> Option<Sample> {
    let mut fields = line.split('\t');
    let workload = Workload::by_name(fields.next()?).ok()?;
    let clients = fields.next()?.parse().ok()?;
    let peer = Peer::by_name(fields.next()?).ok()?;
    let round = fields.next()?.parse().ok()?;
    let name = fields.next()?;
    let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name)?;
    let value = fields.next()?.parse().ok()?;
    Some(Sample { cell: Cell { workload, clients }, peer, round, metric, value })
}

/// Figures for the tests of what is made of them.
#[cfg(test)]
pub(super) fn made_up(samples: &[(Workload, u32, Peer, Metric, &[f64])]) -> Results {
    let mut results = Results::default();
    for (workload, clients, peer, metric, values) in samples {
        for (round, value) in (0..).zip(*values) {
            let cell = Cell { workload: *workload, clients: *clients };
            results.add(Sample { cell, peer: *peer, round, metric: *metric, value: *value });
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: Cell = Cell { workload: Workload::Tpcb, clients: 50 };

    fn example() -> Results {
        made_up(&[
            (Workload::Tpcb, 50, Peer::PgBouncer, Metric::Throughput, &[100.0, 200.0, 50.0]),
            (Workload::Tpcb, 50, Peer::Pgweir, Metric::Throughput, &[110.0, 260.0, 45.0]),
            (Workload::SelectSimple, 1, Peer::Pgweir, Metric::Cpu, &[30.5]),
        ])
    }

    #[test]
    fn a_ratio_is_of_the_same_round() {
        let ratio =
            example().ratio(CELL, Metric::Throughput, Peer::Pgweir, Peer::PgBouncer).unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.most), (1.1, 0.9, 1.3));
        assert_eq!(example().ratio(CELL, Metric::Cpu, Peer::Pgweir, Peer::PgBouncer), None);
    }

    #[test]
    fn a_file_gives_back_what_it_was_given() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("results.tsv");
        assert!(Results::load(&file).is_empty());
        example().save(&file).unwrap();
        assert_eq!(Results::load(&file).samples, example().samples);
    }

    #[test]
    fn a_cell_that_is_measured_anew_is_forgotten() {
        let mut results = example();
        results.forget(CELL);
        assert_eq!(results.cells(), [Cell { workload: Workload::SelectSimple, clients: 1 }]);
        assert_eq!(results.peers(), [Peer::Pgweir]);
    }
}
