//! The demo's last screen: what was wrong, what was found, what was mended, and what that did.

use std::fmt::Write as _;
use std::time::Duration;

use model::{Finding, Histogram};
use report::Report;
use report::render::{self, Comparison, ComparisonUnit, Style, units};

use super::faults::{Effect, FAULTS, Mend};
use super::load::Pages;
use super::mending::Measured;
use super::shopper::Visit;

/// What the demo has seen.
pub(super) struct Story<'a> {
    pub(super) before: &'a Report,
    pub(super) after: &'a Report,
    /// Traffic until the report on the faults.
    pub(super) looked: Duration,
    /// Which faults were found, in their order.
    pub(super) found: Vec<bool>,
    /// What was found besides, above *info*.
    pub(super) not_planted: Vec<&'a Finding>,
    /// How long it took to run the SQL of the fixes.
    pub(super) mending: Duration,
    /// Each fault, before and after.
    pub(super) measured: [Vec<Option<Measured>>; 2],
    /// All pages, before and after.
    pub(super) pages: [PagesServed; 2],
}

/// Pages of all kinds, as the visitors saw them.
#[derive(Clone, Copy, Debug)]
pub(super) struct PagesServed {
    /// A second.
    pub(super) rate: f64,
    /// 95th percentile, ms.
    pub(super) p95_ms: f64,
}

impl PagesServed {
    /// What was served in `time`.
    pub(super) fn of(pages: &Pages, time: Duration) -> Self {
        let mut all = Histogram::default();
        for (visit, page) in pages {
            // A worker's time is the payment provider's.
            if *visit != Visit::Payment {
                all.merge(&page.took);
            }
        }
        let rate = all.count() as f64 / time.as_secs_f64().max(1.0);
        Self { rate, p95_ms: all.quantile_ms(0.95) }
    }

    fn line(self) -> String {
        let rate = units::number(self.rate.round());
        format!("{rate} pages a second, p95 {}", units::duration_ms(self.p95_ms))
    }
}

impl Story<'_> {
    /// Whether all that was planted was found, and nothing else.
    pub(super) fn is_whole(&self) -> bool {
        self.found.iter().all(|found| *found) && self.not_planted.is_empty()
    }

    /// What each fix did, and all of it in ten lines.
    pub(super) fn told(&self, style: Style) -> String {
        let mut text = String::from("\nBefore and after, each fault by what shows it\n\n");
        text.push_str(&render::comparison(&self.comparisons(), style));
        let [before, after] = self.pages;
        let found = self.found.iter().filter(|found| **found).count();
        let of = |mend| FAULTS.iter().filter(|fault| fault.mend == mend).count();
        let _ = write!(
            text,
            "\nThe story\n\
             \x20 The shop    {} faults; {} clients over {} server connections\n\
             \x20 Before      {}; {}\n\
             \x20 Found       {found} of {} faults within {} of traffic, by {} detectors\n\
             \x20 Beside      {}\n\
             \x20 Fixed       {} by the SQL of their findings, in {}, under traffic\n\
             \x20             {} in the shop's code\n\
             \x20 After       {}; {}\n\
             \x20 Gained      {:.1} × the pages, {:.0} × faster\n",
            FAULTS.len(),
            units::count(self.before.coverage.clients),
            super::POOL_SIZE,
            before.line(),
            waiting(self.before),
            FAULTS.len(),
            units::seconds(self.looked.as_secs_f64()),
            self.detectors(),
            self.beside(),
            of(Mend::Sql),
            units::seconds(self.mending.as_secs_f64()),
            of(Mend::Code),
            after.line(),
            waiting(self.after),
            after.rate / before.rate.max(f64::MIN_POSITIVE),
            before.p95_ms / after.p95_ms.max(f64::MIN_POSITIVE),
        );
        for (fault, _) in FAULTS.iter().zip(&self.found).filter(|(_, found)| !**found) {
            let _ = writeln!(text, "  Not found   {} ({})", fault.what, fault.detectors[0]);
        }
        text
    }

    fn detectors(&self) -> usize {
        let found = FAULTS.iter().zip(&self.found).filter(|(_, found)| **found);
        found.map(|(fault, _)| fault.detectors[0]).collect::<std::collections::BTreeSet<_>>().len()
    }

    fn beside(&self) -> String {
        match &self.not_planted[..] {
            [] => "nothing above info that was not planted".to_owned(),
            others => {
                let names: Vec<_> = others.iter().map(|one| one.detector.as_str()).collect();
                format!("not planted: {}", names.join(", "))
            }
        }
    }

    fn comparisons(&self) -> Vec<Comparison> {
        let [before, after] = &self.measured;
        let pairs = FAULTS.iter().zip(before.iter().zip(after));
        let compared = pairs.filter_map(|(fault, (before, after))| {
            let (value, unit) = number((*before)?);
            let of = match fault.effect {
                Effect::Faster(visit) => format!("{} p95", visit.name()),
                Effect::Refused(visit) => format!("{} refused", visit.name()),
                Effect::Bytes(what, _) | Effect::Share(what, _) => what.to_owned(),
            };
            let title = fault.what.to_owned();
            let later = after.map(|after| number(after).0);
            Some(Comparison { title, of, values: (value, later), unit })
        });
        compared.collect()
    }
}

fn number(measured: Measured) -> (f64, ComparisonUnit) {
    match measured {
        Measured::Page(p95_ms) => (p95_ms, ComparisonUnit::Milliseconds),
        Measured::Bytes(bytes) => (bytes, ComparisonUnit::Bytes),
        Measured::Share(share) => (share, ComparisonUnit::Share),
    }
}

fn waiting(report: &Report) -> String {
    let totals = &report.totals;
    let share = totals.wait_ms / totals.total_ms.max(f64::MIN_POSITIVE);
    format!("{} of the statements' time is waiting", units::percent(share))
}
