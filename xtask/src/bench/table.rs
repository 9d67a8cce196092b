//! The figures as Markdown: each peer's by PgBouncer's of the same round.

use std::fmt::Write;

use super::peers::Peer;
use super::results::{Cell, Metric, Results};
use super::statistics::Spread;
use super::workloads::Workload;

/// What ratios are by.
pub(super) const REFERENCE: Peer = Peer::PgBouncer;

/// A table: its heading, what it says, and of which figures.
struct Section {
    title: &'static str,
    says: &'static str,
    metric: Metric,
    shown: Shown,
    of: fn(Workload) -> bool,
}

/// How a figure is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// By the reference's. Times are never shown otherwise: they are the machine's.
    Ratio,
    /// As it is: it is a count, a share or a size, and the same on other machines.
    Value { decimals: usize },
}

const SECTIONS: &[Section] = &[
    Section {
        title: "Transactions per second",
        says: "More is better.",
        metric: Metric::Throughput,
        shown: Shown::Ratio,
        of: |workload| workload != Workload::Fairness,
    },
    Section {
        title: "Median latency",
        says: "Less is better.",
        metric: Metric::Median,
        shown: Shown::Ratio,
        of: |_| true,
    },
    Section {
        title: "99th percentile of latency",
        says: "Less is better.",
        metric: Metric::P99,
        shown: Shown::Ratio,
        of: |_| true,
    },
    Section {
        title: "Processor time of the proxy per transaction",
        says: "Less is better.",
        metric: Metric::Cpu,
        shown: Shown::Ratio,
        of: |workload| workload != Workload::Fairness,
    },
    Section {
        title: "System calls of the proxy per transaction",
        says: "Numbers, not ratios. Less is better.",
        metric: Metric::SystemCalls,
        shown: Shown::Value { decimals: 2 },
        of: |_| true,
    },
    Section {
        title: "Fairness: the longest wait by the median one",
        says: "1 is best: everybody waits alike.",
        metric: Metric::WorstByMedian,
        shown: Shown::Value { decimals: 2 },
        of: |workload| workload == Workload::Fairness,
    },
    Section {
        title: "Fairness: transactions of the client with the fewest, by the median client's",
        says: "1 is best: nobody starves.",
        metric: Metric::LeastShare,
        shown: Shown::Value { decimals: 2 },
        of: |workload| workload == Workload::Fairness,
    },
    Section {
        title: "Resident memory of the proxy, MiB",
        says: "After the run, of a process that has done all runs before it. Less is better.",
        metric: Metric::Memory,
        shown: Shown::Value { decimals: 1 },
        of: |_| true,
    },
    Section {
        title: "Memory for each client that has only logged in, KiB",
        says: "Of a process that has just been started. Less is better.",
        metric: Metric::IdleNew,
        shown: Shown::Value { decimals: 2 },
        of: |_| true,
    },
    Section {
        title: "Memory for each client that has run a query, KiB",
        says: "The same clients, idle again.",
        metric: Metric::IdleUsed,
        shown: Shown::Value { decimals: 2 },
        of: |_| true,
    },
];

/// All tables.
pub(super) fn markdown(results: &Results) -> String {
    let mut text = String::new();
    for section in SECTIONS {
        text += &section.markdown(results);
    }
    text += &analysis(results);
    text += &crowds(results);
    text += &failures(results);
    text
}

impl Section {
    fn markdown(&self, results: &Results) -> String {
        let peers: Vec<Peer> = results
            .peers()
            .into_iter()
            .filter(|peer| self.shown != Shown::Ratio || *peer != REFERENCE)
            .collect();
        let rows: Vec<(Cell, Vec<Option<Spread>>)> = results
            .cells()
            .into_iter()
            .filter(|cell| (self.of)(cell.workload))
            .map(|cell| {
                (cell, peers.iter().map(|peer| self.spread(results, cell, *peer)).collect())
            })
            .filter(|(_, spreads): &(_, Vec<_>)| spreads.iter().any(Option::is_some))
            .collect();
        // A column of a peer that has no such figure says nothing.
        let has: Vec<bool> = (0..peers.len())
            .map(|at| rows.iter().any(|(_, spreads)| spreads.get(at).is_some_and(Option::is_some)))
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        let by = if self.shown == Shown::Ratio { ", by PgBouncer's" } else { "" };
        let mut text = format!("### {}{by}\n\n{}\n\n| workload | clients |", self.title, self.says);
        let kept = |at: &usize| has.get(*at).copied().unwrap_or(false);
        for at in (0..peers.len()).filter(kept) {
            let _ = write!(text, " {} |", peers.get(at).map_or("", |peer| peer.name()));
        }
        let columns = has.iter().filter(|has| **has).count();
        let _ = writeln!(text, "\n| --- | ---: |{}", " ---: |".repeat(columns));
        for (cell, spreads) in rows {
            let _ = write!(text, "| {} | {} |", cell.workload.name(), cell.clients);
            for at in (0..peers.len()).filter(kept) {
                let spread = spreads.get(at).copied().flatten();
                let _ = write!(text, " {} |", self.shown.text(spread));
            }
            text.push('\n');
        }
        text.push('\n');
        text
    }

    fn spread(&self, results: &Results, cell: Cell, peer: Peer) -> Option<Spread> {
        match self.shown {
            Shown::Ratio => results.ratio(cell, self.metric, peer, REFERENCE),
            Shown::Value { .. } => {
                let spread = results.spread(cell, self.metric, peer)?;
                let unit = if self.metric == Metric::Memory { 1024.0 } else { 1.0 };
                let Spread { median, least, most } = spread;
                Some(Spread { median: median / unit, least: least / unit, most: most / unit })
            }
        }
    }
}

impl Shown {
    fn text(self, spread: Option<Spread>) -> String {
        let Some(Spread { median, least, most }) = spread else { return "–".to_owned() };
        let decimals = match self {
            Self::Ratio => 2,
            Self::Value { decimals } => decimals,
        };
        let [median, least, most] = [median, least, most].map(|one| format!("{one:.decimals$}"));
        if least == most { median } else { format!("**{median}** ({least}–{most})") }
    }
}

/// What the analysis costs: pgweir with it by pgweir without it.
fn analysis(results: &Results) -> String {
    let mut text = String::new();
    for cell in results.cells() {
        let ratio = |metric| {
            let ratio = results.ratio(cell, metric, Peer::Pgweir, Peer::PgweirOff);
            ratio.map(|spread| Shown::Ratio.text(Some(spread)))
        };
        let (cpu, throughput) = (ratio(Metric::Cpu), ratio(Metric::Throughput));
        if let Some((cpu, throughput)) = cpu.zip(throughput) {
            let name = cell.workload.name();
            let _ = writeln!(text, "| {name} | {} | {cpu} | {throughput} |", cell.clients);
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "### pgweir by pgweir-off\n\n\
         | workload | clients | processor time per transaction | transactions per second |\n\
         | --- | ---: | ---: | ---: |\n{text}\n"
    )
}

/// Clients of few and of many, by a peer's own figures: whether a crowd costs anything.
const FEW: u32 = 50;
const MANY: u32 = 1000;

/// What a crowd of clients does to each peer.
fn crowds(results: &Results) -> String {
    let mut text = String::new();
    for cell in results.cells() {
        let few = Cell { clients: FEW, ..cell };
        let (of, by, says) = match cell.workload {
            Workload::Idle | Workload::Crowd => (Metric::P99, (cell, Metric::Median), "p99 by p50"),
            _ if cell.clients == MANY => {
                let says = "transactions per second, by those of 50 clients";
                (Metric::Throughput, (few, Metric::Throughput), says)
            }
            _ => continue,
        };
        for peer in results.peers() {
            if let Some(spread) = results.own_ratio(peer, (cell, of), by) {
                let (workload, clients) = (cell.workload.name(), cell.clients);
                let shown = Shown::Ratio.text(Some(spread));
                let _ = writeln!(
                    text,
                    "| {workload} | {clients} | {} | {says} | {shown} |",
                    peer.name()
                );
            }
        }
    }
    if text.is_empty() {
        return text;
    }
    format!(
        "### A crowd, by each peer's own figures\n\n\
         | workload | clients | peer | figure | |\n\
         | --- | ---: | --- | --- | ---: |\n{text}\n"
    )
}

/// Transactions that failed are told: figures beside them are worth less.
fn failures(results: &Results) -> String {
    let mut text = String::new();
    for cell in results.cells() {
        for peer in results.peers() {
            let failed =
                results.spread(cell, Metric::Failed, peer).map_or(0.0, |spread| spread.most);
            if failed > 0.0 {
                let (workload, clients) = (cell.workload.name(), cell.clients);
                let _ = writeln!(
                    text,
                    "- {} failed {failed:.0} transactions of {workload} with {clients} clients.",
                    peer.name()
                );
            }
        }
    }
    if text.is_empty() { text } else { format!("### Failures\n\n{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::super::results::made_up;
    use super::*;

    #[test]
    fn a_crowd_is_by_the_same_peers_few() {
        let results = made_up(&[
            (Workload::SelectSimple, 50, Peer::Pgweir, Metric::Throughput, &[100.0, 200.0]),
            (Workload::SelectSimple, 1000, Peer::Pgweir, Metric::Throughput, &[90.0, 190.0]),
            (Workload::Idle, 10_000, Peer::Pgweir, Metric::Median, &[300.0]),
            (Workload::Idle, 10_000, Peer::Pgweir, Metric::P99, &[750.0]),
            (Workload::Crowd, 10_000, Peer::Pgweir, Metric::Median, &[1000.0]),
            (Workload::Crowd, 10_000, Peer::Pgweir, Metric::P99, &[1100.0]),
        ]);
        let expected = "\
### A crowd, by each peer's own figures

| workload | clients | peer | figure | |
| --- | ---: | --- | --- | ---: |
| select-simple | 1000 | pgweir | transactions per second, by those of 50 clients | **0.93** (0.90–0.95) |
| crowd | 10000 | pgweir | p99 by p50 | 1.10 |
| idle | 10000 | pgweir | p99 by p50 | 2.50 |

";
        assert_eq!(crowds(&results), expected);
    }

    #[test]
    fn a_table_has_medians_spreads_and_no_times() {
        let results = made_up(&[
            (Workload::Tpcb, 50, Peer::PgBouncer, Metric::Cpu, &[40.0, 50.0, 40.0]),
            (Workload::Tpcb, 50, Peer::Pgweir, Metric::Cpu, &[30.0, 40.0, 36.0]),
            (Workload::Tpcb, 50, Peer::Pgweir, Metric::SystemCalls, &[4.5]),
            (Workload::Tpcb, 50, Peer::Pgweir, Metric::Failed, &[0.0, 2.0]),
        ]);
        let expected = "\
### Processor time of the proxy per transaction, by PgBouncer's

Less is better.

| workload | clients | pgweir |
| --- | ---: | ---: |
| tpcb | 50 | **0.80** (0.75–0.90) |

### System calls of the proxy per transaction

Numbers, not ratios. Less is better.

| workload | clients | pgweir |
| --- | ---: | ---: |
| tpcb | 50 | 4.50 |

### Failures

- pgweir failed 2 transactions of tpcb with 50 clients.

";
        assert_eq!(markdown(&results), expected);
    }

    #[test]
    fn analysis_is_by_pgweir_itself() {
        let results = made_up(&[
            (Workload::Tpcb, 50, Peer::PgweirOff, Metric::Cpu, &[100.0]),
            (Workload::Tpcb, 50, Peer::Pgweir, Metric::Cpu, &[103.0]),
            (Workload::Tpcb, 50, Peer::PgweirOff, Metric::Throughput, &[10.0]),
            (Workload::Tpcb, 50, Peer::Pgweir, Metric::Throughput, &[10.0]),
        ]);
        assert!(markdown(&results).contains("| tpcb | 50 | 1.03 | 1.00 |"));
    }
}
