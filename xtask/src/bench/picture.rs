//! The ratios as bars in an SVG that loads nothing.

use std::fmt::Write;

use super::peers::Peer;
use super::results::{Cell, Metric, Results};
use super::statistics::Spread;
use super::table::REFERENCE;
use super::workloads::Workload;

/// The number of clients that the picture is of.
const CLIENTS: u32 = 50;
/// Where bars begin, and how long one of 1 is, in pixels.
const LEFT: f64 = 190.0;
const UNIT: f64 = 220.0;
/// Longer bars are cut, and say so.
const MOST: f64 = 2.5;
const BAR: f64 = 14.0;
const GAP: f64 = 14.0;

/// Peers that are shown, with their colour.
const SHOWN: &[(Peer, &str)] =
    &[(Peer::Haproxy, "#9aa5b1"), (Peer::PgweirOff, "#7cc4b8"), (Peer::Pgweir, "#1f7a8c")];

const PANELS: &[(Metric, &str)] = &[
    (Metric::Throughput, "Transactions per second (longer is better)"),
    (Metric::Cpu, "Processor time per transaction (shorter is better)"),
    (Metric::P99, "99th percentile of latency (shorter is better)"),
];

/// A drawing that grows downwards.
struct Drawing {
    text: String,
    y: f64,
}

/// The whole picture.
pub(super) fn svg(results: &Results) -> String {
    let mut drawing = Drawing { text: String::new(), y: 24.0 };
    drawing.label(12.0, 0.0, 15, "start", &format!("By PgBouncer's figure, {CLIENTS} clients"));
    drawing.legend();
    for (metric, title) in PANELS {
        drawing.panel(results, *metric, title);
    }
    let (width, height) = (LEFT + MOST * UNIT + 110.0, drawing.y + 8.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
        drawing.text
    )
}

impl Drawing {
    fn legend(&mut self) {
        self.y += 20.0;
        for (at, (peer, colour)) in (0..).zip(SHOWN) {
            let x = 12.0 + 130.0 * f64::from(at);
            self.bar(x, 12.0, colour);
            self.label(x + 18.0, 11.0, 12, "start", peer.name());
        }
        self.y += 24.0;
    }

    fn panel(&mut self, results: &Results, metric: Metric, title: &str) {
        let rows: Vec<(Cell, Vec<(&str, Spread)>)> = results
            .cells()
            .into_iter()
            .filter(|cell| cell.clients == CLIENTS && cell.workload != Workload::Fairness)
            .map(|cell| (cell, bars(results, cell, metric)))
            .filter(|(_, bars)| !bars.is_empty())
            .collect();
        if rows.is_empty() {
            return;
        }
        self.y += GAP;
        self.label(12.0, 0.0, 13, "start", title);
        self.y += 10.0;
        let top = self.y;
        for (cell, bars) in rows {
            let middle = BAR * bars.len() as f64 / 2.0 + 4.0;
            self.label(LEFT - 8.0, middle, 12, "end", cell.workload.name());
            for (colour, spread) in bars {
                self.ratio(colour, spread);
            }
            self.y += GAP / 2.0;
        }
        let x = LEFT + UNIT;
        let _ = writeln!(
            self.text,
            "<line x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{}\" stroke=\"#c0392b\" \
             stroke-dasharray=\"4 3\"/>",
            self.y
        );
        self.y += 4.0;
    }

    /// A bar, with a line from the least to the most of the rounds.
    fn ratio(&mut self, colour: &str, spread: Spread) {
        let length = |ratio: f64| ratio.clamp(0.0, MOST) * UNIT;
        self.bar(LEFT, length(spread.median), colour);
        let (from, until) = (LEFT + length(spread.least), LEFT + length(spread.most));
        let y = self.y + BAR / 2.0 - 1.0;
        let _ = writeln!(
            self.text,
            "<line x1=\"{from:.1}\" y1=\"{y:.1}\" x2=\"{until:.1}\" y2=\"{y:.1}\" stroke=\"#222\"/>"
        );
        let cut = if spread.median > MOST { " →" } else { "" };
        let end = until.max(LEFT + length(spread.median)) + 6.0;
        self.label(end, BAR - 4.0, 11, "start", &format!("{:.2}{cut}", spread.median));
        self.y += BAR;
    }

    fn bar(&mut self, x: f64, width: f64, colour: &str) {
        let (y, height) = (self.y, BAR - 2.0);
        let _ = writeln!(
            self.text,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" \
             fill=\"{colour}\"/>"
        );
    }

    /// A text at `x`, so far below where we are. Names of workloads and peers need no escapes.
    fn label(&mut self, x: f64, below: f64, size: u32, anchor: &str, words: &str) {
        let y = self.y + below;
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
             fill=\"#222\">{words}</text>"
        );
    }
}

fn bars(results: &Results, cell: Cell, metric: Metric) -> Vec<(&'static str, Spread)> {
    let ratio = |peer| results.ratio(cell, metric, peer, REFERENCE);
    SHOWN.iter().filter_map(|(peer, colour)| Some((*colour, ratio(*peer)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::results::made_up;
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_ratio() {
        let results = made_up(&[
            (Workload::Tpcb, 50, Peer::PgBouncer, Metric::Cpu, &[40.0]),
            (Workload::Tpcb, 50, Peer::Pgweir, Metric::Cpu, &[20.0]),
            (Workload::Wide, 50, Peer::PgBouncer, Metric::Cpu, &[1.0]),
            (Workload::Wide, 50, Peer::Pgweir, Metric::Cpu, &[9.0]),
        ]);
        let svg = svg(&results);
        assert!(svg.contains("width=\"110.0\" height=\"12\" fill=\"#1f7a8c\""), "{svg}");
        assert!(svg.contains(">9.00 →</text>"), "{svg}");
        assert_eq!(svg.matches("<svg").count(), 1);
        assert_eq!(svg.matches("stroke-dasharray").count(), 1, "no panel without figures");
    }
}
