//! Which rows answer for a span of time: days where they lie in it whole, hours, and minutes at its
//! ends. Each instant of each run is counted once.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;

use crate::grain::Grain;

/// One life of a process, as its rows are marked.
pub(crate) type RunId = i64;

/// A time that a run has rows of; its rows may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Period {
    pub(crate) grain: Grain,
    /// When it began, minutes since the Unix epoch.
    pub(crate) start: i64,
    pub(crate) run: RunId,
}

impl Period {
    /// The first minute after it.
    pub(crate) fn end(&self) -> i64 {
        self.start.saturating_add(self.grain.minutes())
    }
}

/// Minutes up to which a span is shown by the minute, and by the hour. Two hours up to now touch 121.
const MINUTES_MOST: i64 = 121;
const HOURS_MOST: i64 = 96 * 60;
/// Points of longer spans.
const POINTS_MOST: i64 = 64;

/// A span of time, cut into the parts that are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where parts begin, and where the last one ends: minutes since the Unix epoch, ascending.
    edges: Vec<i64>,
}

impl Span {
    /// The whole minutes that overlap `from..until`, cut where `cuts` say and at whole hours or days
    /// in between where it is long.
    pub(crate) fn new(from: Timestamp, until: Timestamp, cuts: &[Timestamp]) -> Self {
        let minute = |time: Timestamp| time.as_second().div_euclid(60);
        let first = minute(from);
        let whole = until.as_second().rem_euclid(60) == 0 && until.subsec_nanosecond() == 0;
        let end = (minute(until) + i64::from(!whole)).max(first + 1);
        let mut edges = BTreeSet::from([first, end]);
        edges.extend(cuts.iter().map(|cut| minute(*cut)).filter(|cut| (first..end).contains(cut)));
        let length = end - first;
        let step = if length <= MINUTES_MOST {
            1
        } else if length <= HOURS_MOST {
            Grain::Hour.minutes()
        } else {
            (length / Grain::Day.minutes() / POINTS_MOST + 1) * Grain::Day.minutes()
        };
        let mut edge = first.div_euclid(step) * step + step;
        while edge < end {
            edges.insert(edge);
            edge += step;
        }
        Self { edges: edges.into_iter().collect() }
    }

    /// The span, cut into minutes from `minute` on.
    pub(crate) fn by_minute_from(mut self, minute: i64) -> Self {
        let end = self.end();
        self.edges.retain(|edge| *edge < minute);
        self.edges.extend(minute.max(self.first())..=end);
        self.edges.dedup();
        self
    }

    /// Its first minute.
    pub(crate) fn first(&self) -> i64 {
        self.edges.first().copied().unwrap_or(0)
    }

    /// The first minute after it.
    pub(crate) fn end(&self) -> i64 {
        self.edges.last().copied().unwrap_or(0)
    }

    /// The whole days that it lies in, from beginning to end: the periods in them decide whether a run
    /// has finer rows of an hour or a day.
    pub(crate) fn days(&self) -> (i64, i64) {
        (Grain::Day.floor(self.first()), Grain::Day.floor(self.end() - 1) + Grain::Day.minutes())
    }

    /// The part that a minute lies in, by its beginning and end; the first for what lies before.
    pub(crate) fn part(&self, minute: i64) -> Option<(i64, i64)> {
        let minute = minute.max(self.first());
        let after = self.edges.partition_point(|edge| *edge <= minute);
        let begin = after.checked_sub(1).and_then(|at| self.edges.get(at))?;
        Some((*begin, *self.edges.get(after)?))
    }

    /// Whether a period lies in one part whole.
    fn holds(&self, period: &Period) -> bool {
        self.part(period.start)
            .is_some_and(|(begin, end)| begin <= period.start && period.end() <= end)
    }

    fn overlaps(&self, period: &Period) -> bool {
        period.start < self.end() && period.end() > self.first()
    }
}

/// The rows to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// By grain, from beginning to beginning (the last left out): what to scan.
    pub(crate) ranges: Vec<(Grain, i64, i64)>,
    /// What of it to take.
    pub(crate) chosen: HashSet<Period>,
}

impl Plan {
    /// Chooses of `periods`, which are those of [`Span::days`], what makes up the span.
    pub(crate) fn new(span: &Span, periods: &[Period]) -> Self {
        let mut by_run: BTreeMap<RunId, BTreeSet<(Grain, i64)>> = BTreeMap::new();
        for period in periods {
            by_run.entry(period.run).or_default().insert((period.grain, period.start));
        }
        let mut chosen = HashSet::new();
        for (run, available) in &by_run {
            for grain in Grain::ALL.into_iter().rev() {
                let of_grain = available.range((grain, i64::MIN)..=(grain, i64::MAX));
                for (grain, start) in of_grain {
                    let period = Period { grain: *grain, start: *start, run: *run };
                    if !span.overlaps(&period) {
                        continue;
                    }
                    let covered = coarser(&period).any(|coarse| chosen.contains(&coarse));
                    if !covered && (span.holds(&period) || !has_finer(available, &period)) {
                        chosen.insert(period);
                    }
                }
            }
        }
        Self { ranges: ranges(&chosen), chosen }
    }
}

/// Those that hold the period.
fn coarser(period: &Period) -> impl Iterator<Item = Period> {
    let Period { start, run, grain: own } = *period;
    Grain::ALL.into_iter().filter(move |grain| *grain > own).map(move |grain| Period {
        grain,
        start: grain.floor(start),
        run,
    })
}

/// Whether there are finer rows of its time.
fn has_finer(available: &BTreeSet<(Grain, i64)>, period: &Period) -> bool {
    let Some(finer) = period.grain.finer() else { return false };
    available.range((finer, period.start)..(finer, period.end())).next().is_some()
}

fn ranges(chosen: &HashSet<Period>) -> Vec<(Grain, i64, i64)> {
    let sorted: BTreeSet<(Grain, i64)> = chosen.iter().map(|one| (one.grain, one.start)).collect();
    let mut ranges: Vec<(Grain, i64, i64)> = Vec::new();
    for (grain, start) in sorted {
        match ranges.last_mut() {
            Some((of, _, end)) if *of == grain && *end == start => *end += grain.minutes(),
            _ => ranges.push((grain, start, start.saturating_add(grain.minutes()))),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn period(grain: Grain, start: i64) -> Period {
        Period { grain, start, run: 1 }
    }

    /// Ten days of all grains, as they are kept while none is too old.
    fn all() -> Vec<Period> {
        let of = |grain: Grain| {
            (0..10 * DAY / grain.minutes()).map(move |n| period(grain, n * grain.minutes()))
        };
        Grain::ALL.into_iter().flat_map(of).collect()
    }

    fn minutes(plan: &Plan) -> i64 {
        plan.chosen.iter().map(|one| one.grain.minutes()).sum()
    }

    #[test]
    fn every_minute_of_a_span_is_taken_once() {
        for (from, until) in [(0, 1), (59, 61), (17, 3 * DAY + 5), (DAY, 2 * DAY), (61, 9 * DAY)] {
            let plan = Plan::new(&Span::new(at(from), at(until), &[]), &all());
            assert_eq!(minutes(&plan), until - from, "{from} to {until}");
            for one in &plan.chosen {
                assert!(coarser(one).all(|coarse| !plan.chosen.contains(&coarse)), "{one:?}");
            }
        }
    }

    #[test]
    fn long_spans_are_read_by_hours_and_days() {
        let plan = Plan::new(&Span::new(at(17), at(3 * DAY), &[]), &all());
        assert_eq!(plan.ranges, [(Grain::Minute, 17, 60), (Grain::Hour, 60, 3 * DAY)]);
        let plan = Plan::new(&Span::new(at(17), at(9 * DAY), &[]), &all());
        let days = (Grain::Day, DAY, 9 * DAY);
        assert_eq!(plan.ranges, [(Grain::Minute, 17, 60), (Grain::Hour, 60, DAY), days]);
    }

    #[test]
    fn a_cut_is_an_edge() {
        let span = Span::new(at(0), at(DAY), &[at(90)]);
        assert_eq!(span.part(89), Some((60, 90)));
        let plan = Plan::new(&span, &all());
        assert_eq!(minutes(&plan), DAY);
        assert!(!plan.chosen.contains(&period(Grain::Hour, 60)));
    }

    #[test]
    fn where_minutes_are_gone_the_hour_is_taken_whole() {
        let hours: Vec<_> = all().into_iter().filter(|one| one.grain == Grain::Hour).collect();
        let plan = Plan::new(&Span::new(at(90), at(200), &[]), &hours);
        let expected = [60, 120, 180].map(|start| period(Grain::Hour, start));
        assert_eq!(plan.chosen, HashSet::from(expected));
    }

    #[test]
    fn a_run_whose_hour_is_not_rolled_up_is_read_by_minutes() {
        let mut periods = vec![period(Grain::Hour, 60)];
        periods.extend((60..120).map(|start| period(Grain::Minute, start)));
        periods.extend((60..90).map(|start| Period { grain: Grain::Minute, start, run: 2 }));
        let plan = Plan::new(&Span::new(at(0), at(DAY), &[]), &periods);
        assert_eq!(plan.chosen.len(), 31);
        assert_eq!(minutes(&plan), 90);
    }

    #[test]
    fn an_hour_that_a_run_began_in_after_the_span_is_not_in_it() {
        let mut periods = vec![Period { grain: Grain::Hour, start: 60, run: 2 }];
        periods.extend((90..120).map(|start| Period { grain: Grain::Minute, start, run: 2 }));
        assert_eq!(Plan::new(&Span::new(at(60), at(90), &[]), &periods), Plan::default());
    }

    #[test]
    fn parts_of_two_years_are_few() {
        let span = Span::new(at(7), at(730 * DAY), &[]);
        assert!(span.edges.len() < 70, "{}", span.edges.len());
    }

    #[test]
    fn the_end_of_a_span_can_be_by_the_minute() {
        let span = Span::new(at(0), at(DAY), &[]).by_minute_from(DAY - 5);
        assert_eq!(span.part(DAY - 6), Some((DAY - 60, DAY - 5)));
        assert_eq!(span.part(DAY - 1), Some((DAY - 1, DAY)));
        assert_eq!(span.part(DAY), None);
    }
}
