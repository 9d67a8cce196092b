use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::{Confidence, Finding, NotChecked, Severity};

use super::catalogue::Needs;
use super::finding::{about, change, evidence};
use super::history::{History, Point, median, split, sum, usual_peak};
use super::plans::unplanned;
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{duration_ms, percent};
use crate::{StatementTotals, last_change};

/// # `plan_regression`: a statement is suddenly slower than it was
///
/// **What it sees.** The mean time of each statement in the last three complete minutes against the
/// minutes before, ten at least, and the plans that the statement had. It speaks when a statement
/// with a hundredth of all database time takes twice as long (warning) or ten times as long
/// (critical), while the others have not slowed down as much.
///
/// **Why it hurts.** The statement was fast enough when it was written. Most often the planner has
/// changed its mind: statistics were renewed, or not, after much data was added or removed; an index
/// is gone; a setting was changed.
///
/// **How to fix.** Compare the two plans. `ANALYZE` the tables; see whether an index is missing or not
/// valid; raise the statistics target of a column whose values are uneven.
///
/// **How sure.** High where the very values that were planned before got another plan at that time. Low
/// where the plan is the same, changed at another time, or is not known: then it may be more data,
/// locks, or a cold cache.
///
/// **Privilege.** None; to see the plans what EXPLAIN needs, such as SELECT on the tables.
///
/// **Example.** After a bulk load at 14:05 the planner believes that a table is empty, and reads it in
/// a nested loop: 3 ms became 900 ms.
pub struct PlanRegression;

thresholds! {
    /// When `plan_regression` speaks.
    PlanRegressionThresholds {
        /// How many times as long as before, for a warning.
        warning_factor: Number = 2.0,
        /// How many times as long as before, for a critical finding.
        critical_factor: Number = 10.0,
        /// The least share of all database time.
        least_ratio: Ratio = 0.01,
        /// Calls in the last three minutes, so that a mean means something.
        least_calls: Count = 20,
        /// The least that a call takes longer: below it nobody notices.
        least_increase: Duration = Duration::from_millis(5),
        /// Minutes before the step, so that there is something to compare with.
        least_minutes: Count = 10,
    }
}

/// Complete minutes that count as now.
const RECENT: usize = 3;

impl Detector for PlanRegression {
    fn name(&self) -> &'static str {
        "plan_regression"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.plan_regression;
        let costly: Vec<_> =
            inputs.costly(thresholds.least_ratio, Duration::from_secs(1)).collect();
        let subjects = costly.iter().map(|one| (one.fingerprint, Arc::clone(&one.database)));
        let history = History::new(inputs, subjects);
        let steps: Vec<_> = costly
            .into_iter()
            .filter_map(|statement| {
                let key = (statement.fingerprint, Arc::clone(&statement.database));
                let step = step(history.of.get(&key)?, inputs)?;
                Some((statement, step))
            })
            .collect();
        // What all statements suffer from is no plan: the median of the others' steps is load.
        let usual = median(steps.iter().map(|(_, step)| step.factor)).unwrap_or(1.0);
        let usual = if steps.len() > 2 { usual.max(1.0) } else { 1.0 };
        steps
            .into_iter()
            .filter_map(|(statement, step)| self.finding(statement, step, usual, inputs))
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        // Times speak for themselves.
        unplanned("plan_regression: plans", &[Needs::Tables], inputs)
    }
}

/// A statement's mean time, ms, before and now.
#[derive(Clone, Copy)]
struct Step {
    before: f64,
    now: f64,
    factor: f64,
    /// The first minute from which on it was slow.
    since: Timestamp,
}

fn step(points: &[Point], inputs: &Inputs<'_>) -> Option<Step> {
    let thresholds = &inputs.settings.of.plan_regression;
    let all = points;
    let (before, now) = split(points, RECENT);
    let now = sum(now);
    let means: Vec<f64> = before.iter().filter_map(Point::mean_ms).collect();
    if (means.len() as u64) < thresholds.least_minutes || now.calls < thresholds.least_calls {
        return None;
    }
    let slow = usual_peak(means.iter().copied())?;
    let (before, now) = (median(means.into_iter())?, now.mean_ms()?);
    // A statement that was as slow before is merely uneven.
    let since = Timestamp::from_second(slow_since(all, before, now)?.saturating_mul(60)).ok()?;
    (before > 0.0 && now > slow).then_some(Step { before, now, factor: now / before, since })
}

/// The first of the minutes up to the last in which a call took more than half-way, as factors go,
/// from `before` to `now`; minutes without calls do not tell.
fn slow_since(points: &[Point], before: f64, now: f64) -> Option<i64> {
    let half_way = (before * now).sqrt();
    let slow = |point: &&Point| point.mean_ms().is_none_or(|mean| mean > half_way);
    let since = points.iter().rev().take_while(slow).last().or(points.last());
    since.map(|point| point.minute)
}

impl PlanRegression {
    fn finding(
        &self,
        statement: &StatementTotals,
        step: Step,
        usual: f64,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.plan_regression;
        let factor = step.factor / usual;
        let longer = step.now - step.before;
        if factor < thresholds.warning_factor
            || longer < thresholds.least_increase.as_secs_f64() * 1e3
        {
            return None;
        }
        let changed = changed_at(statement, step.since, inputs);
        let critical = factor >= thresholds.critical_factor;
        let text = inputs.title_text(statement.fingerprint);
        let share = inputs.workload.share(statement.database_ms());
        let plan = match changed {
            Some(at) => format!("the plan is another one since {at:.0}"),
            None => {
                "no other plan was seen: it may be more data, locks, or a cold cache".to_owned()
            }
        };
        Some(Finding {
            evidence: evidence([
                ("mean_before_ms", step.before.into()),
                ("mean_now_ms", step.now.into()),
                ("factor", step.factor.into()),
                ("plan_changed", changed.map_or("no".to_owned(), |at| at.to_string()).into()),
                ("share_of_time_ratio", share.into()),
            ]),
            fix: change(
                "Compare the plans in the report. ANALYZE the tables; see whether an index is \
                 missing or not valid; raise the statistics target of a column whose values are \
                 uneven (ALTER TABLE … ALTER COLUMN … SET STATISTICS).",
            ),
            confidence: if changed.is_some() { Confidence::High } else { Confidence::Low },
            harm_ms: statement.database_ms() * (1.0 - 1.0 / step.factor),
            ..about(
                statement,
                self.name(),
                if critical { Severity::Critical } else { Severity::Warning },
                format!("{:.1} times as slow as before: {text}", step.factor),
                format!(
                    "A call took {} and now takes {}; {plan}. It takes {} of the database time",
                    duration_ms(step.before),
                    duration_ms(step.now),
                    percent(share)
                ),
            )
        })
    }
}

/// When the statement got the plan that it has, if that was when it got slow. Plans are not looked at
/// all the time: it lies between two looks, and a minute is the grain of the step.
fn changed_at(
    statement: &StatementTotals,
    slow_since: Timestamp,
    inputs: &Inputs<'_>,
) -> Option<Timestamp> {
    let database = inputs.catalog.databases.get(&*statement.database)?;
    let (last_as_before, first_as_now) = last_change(database, statement.fingerprint)?;
    let minute = SignedDuration::from_mins(1);
    let began = slow_since.checked_sub(minute).ok()?;
    let ended = slow_since.checked_add(minute * 2).ok()?;
    (last_as_before <= ended && first_as_now >= began).then_some(first_as_now)
}

#[cfg(test)]
mod tests {
    use model::{PlanShape, PlanText, PlanVersion, Sample};

    use super::*;
    use crate::scene::{Scene, shop, table};

    const SLOWER: &str = "SELECT a FROM orders WHERE id = $1";

    /// `before` minutes of 5 ms, then four of `now_ms`; the others take 5 and `others_ms`.
    fn detect(before: u64, now_ms: u64, others_ms: u64) -> Vec<Finding> {
        traffic(before, now_ms, others_ms).look(|inputs| PlanRegression.detect(inputs))
    }

    fn traffic(before: u64, now_ms: u64, others_ms: u64) -> Scene {
        let mut scene = Scene::new();
        for minute in 0..before + 4 {
            let (slower, other) = if minute < before { (5, 5) } else { (now_ms, others_ms) };
            for value in 0..20 {
                scene.statement(SLOWER).values(value).work_ms(slower).run();
                for text in ["SELECT b FROM x", "SELECT c FROM y", "SELECT d FROM z"] {
                    scene.statement(text).work_ms(other).run();
                }
            }
            scene.pause(60_000 - 20 * (slower + 3 * other));
        }
        scene
    }

    /// The same when the plan changed between two looks, so many minutes ago.
    fn detect_with_change(looks: [i64; 2]) -> Finding {
        let mut scene = traffic(12, 60, 5);
        let now = scene.now();
        let at = |minutes: i64| now - SignedDuration::from_mins(minutes);
        let version = |shape, at| PlanVersion {
            since: at,
            until: at,
            plan: PlanText { shape: PlanShape(shape), ..PlanText::default() },
            sample: Sample::default(),
        };
        let fingerprint = scene.shapes.observe_one(SLOWER.as_bytes()).shape.fingerprint();
        let mut database = shop(vec![table("orders", 1e6, &[("id", -1.0)])]);
        let versions = vec![version(1, at(looks[0])), version(2, at(looks[1]))];
        database.plan_history.insert(fingerprint, versions);
        scene.catalog.databases.insert("shop".to_owned(), database);
        scene.look(|inputs| PlanRegression.detect(inputs)).remove(0)
    }

    #[test]
    fn a_plan_that_changed_when_it_got_slow_makes_sure_and_one_at_another_time_does_not() {
        assert_eq!(detect_with_change([6, 2]).confidence, Confidence::High);
        assert_eq!(detect_with_change([12, 8]).confidence, Confidence::Low, "long before");
        assert_eq!(detect_with_change([1, 0]).confidence, Confidence::Low, "long after");
    }

    #[test]
    fn a_statement_that_slows_down_alone_is_found() {
        let findings = detect(12, 15, 5);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].severity, findings[0].confidence),
            (Severity::Warning, Confidence::Low)
        );
        assert_eq!(detect(12, 60, 5)[0].severity, Severity::Critical);
    }

    #[test]
    fn slowing_down_together_a_little_or_without_a_past_is_quiet() {
        assert!(detect(12, 50, 50).is_empty(), "load");
        assert!(detect(12, 9, 5).is_empty(), "less than twice");
        assert!(detect(9, 60, 5).is_empty(), "nothing to compare with");
    }
}
