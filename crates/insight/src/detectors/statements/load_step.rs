use std::sync::Arc;
use std::time::Duration;

use model::{Finding, Severity};

use super::finding::{about, change, evidence};
use super::history::{History, Point, median, split, sum, usual_peak};
use super::{Detector, Inputs};
use crate::StatementTotals;
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `load_step`: a statement is suddenly sent much more often
///
/// **What it sees.** Calls of each statement in the last three complete minutes against the minutes
/// before, ten at least; and statements that were never seen in the half hour before. It speaks when
/// a statement with a twentieth of all database time is sent three times as often, and the rest of
/// the load has not grown with it; or when a new one takes a tenth of all database time.
///
/// **Why it hurts.** It takes the time of the others. Most often it comes with a new version of an
/// application, when taking that back is still easy.
///
/// **How to fix.** Look what was deployed, switched on or scheduled at that time. The finding names the
/// applications' statement; the report's profile says who sends it.
///
/// **How sure.** High that it is so; the cause is outside of the database. Counts go back for an hour.
///
/// **Example.** A release drops the cache in front of `SELECT … FROM permissions`: 40 a second become
/// 2,500.
pub struct LoadStep;

thresholds! {
    /// When `load_step` speaks.
    LoadStepThresholds {
        /// How many times as often as before. Doubling happens every morning.
        least_factor: Number = 3.0,
        /// The least share of all database time of a statement that was there before.
        least_ratio: Ratio = 0.05,
        /// The least share of all database time of a new statement.
        least_new_ratio: Ratio = 0.1,
        /// Calls a minute now: below it a factor means nothing.
        least_calls: Number = 60.0,
        /// Minutes before the step, so that there is something to compare with.
        least_minutes: Count = 10,
        /// A statement is new if pgweir had looked for so long without seeing it.
        new_after: Duration = Duration::from_secs(1800),
    }
}

/// Complete minutes that count as now.
const RECENT: usize = 3;

impl Detector for LoadStep {
    fn name(&self) -> &'static str {
        "load_step"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.load_step;
        let costly: Vec<_> = inputs.costly(thresholds.least_ratio, Duration::ZERO).collect();
        let subjects = costly.iter().map(|one| (one.fingerprint, Arc::clone(&one.database)));
        let history = History::new(inputs, subjects);
        let overall = factor(&history.all, thresholds.least_minutes).map_or(1.0, |(f, _, _)| f);
        let mut findings = Vec::new();
        for statement in costly {
            let key = (statement.fingerprint, Arc::clone(&statement.database));
            let Some(points) = history.of.get(&key) else {
                continue;
            };
            if let Some(finding) = self.stepped(statement, points, overall, inputs) {
                findings.push(finding);
            } else if let Some(finding) = self.new_one(statement, points, inputs) {
                findings.push(finding);
            }
        }
        findings
    }
}

/// How many times as often as before, and calls a minute before and now.
fn factor(points: &[Point], least_minutes: u64) -> Option<(f64, f64, f64)> {
    let (before, now) = split(points, RECENT);
    // It must have been there most of the time: a job that runs every hour is no step.
    let active = before.iter().filter(|point| point.calls > 0).count() as u64;
    if active < least_minutes || active * 2 < before.len() as u64 {
        return None;
    }
    let usual = median(before.iter().map(|point| point.calls as f64))?;
    let peak = usual_peak(before.iter().map(|point| point.calls as f64))?;
    let now = sum(now).calls as f64 / RECENT as f64;
    (usual > 0.0 && now > peak).then_some((now / usual, usual, now))
}

impl LoadStep {
    fn stepped(
        &self,
        statement: &StatementTotals,
        points: &[Point],
        overall: f64,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.load_step;
        let (factor, before, now) = factor(points, thresholds.least_minutes)?;
        if factor < thresholds.least_factor
            || factor < overall * thresholds.least_factor / 2.0
            || now < thresholds.least_calls
        {
            return None;
        }
        let text = inputs.title_text(statement.fingerprint);
        let share = inputs.workload.share(statement.database_ms());
        Some(Finding {
            evidence: evidence([
                ("calls_per_minute_before", before.into()),
                ("calls_per_minute_now", now.into()),
                ("factor", factor.into()),
                ("factor_of_all_statements", overall.into()),
                ("share_of_time_ratio", share.into()),
            ]),
            fix: change(
                "Look what was deployed, switched on or scheduled some minutes ago; the profile says \
                 which application sends it.",
            ),
            harm_ms: statement.database_ms() * (1.0 - 1.0 / factor),
            ..about(
                statement,
                self.name(),
                Severity::Warning,
                format!("sent {factor:.1} times as often as before: {text}"),
                format!(
                    "{} calls a minute became {}; all statements together grew {overall:.1} times. \
                     It takes {} of the database time",
                    count(before),
                    count(now),
                    percent(share)
                ),
            )
        })
    }

    fn new_one(
        &self,
        statement: &StatementTotals,
        points: &[Point],
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.load_step;
        let info = inputs.snapshot.shapes.get(&statement.fingerprint)?;
        let looked = info.first_seen.duration_since(inputs.snapshot.started_at);
        let looked = Duration::try_from(looked).unwrap_or_default();
        let share = inputs.workload.share(statement.database_ms());
        let now = sum(split(points, RECENT).1).calls as f64 / RECENT as f64;
        let is_new = info.first_seen >= inputs.window.since
            && looked >= thresholds.new_after
            && share >= thresholds.least_new_ratio
            && now >= thresholds.least_calls;
        if !is_new {
            return None;
        }
        let text = inputs.title_text(statement.fingerprint);
        Some(Finding {
            evidence: evidence([
                ("first_seen", info.first_seen.to_string().into()),
                ("calls_per_minute_now", now.into()),
                ("share_of_time_ratio", share.into()),
            ]),
            fix: change(
                "Look what was deployed, switched on or scheduled at that time; the profile says \
                 which application sends it.",
            ),
            ..about(
                statement,
                self.name(),
                Severity::Warning,
                format!("new, and {} of the database time already: {text}", percent(share)),
                format!(
                    "It was first seen at {:.0}; now there are {} calls a minute",
                    info.first_seen,
                    count(now)
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    const OLD: &str = "SELECT a FROM permissions WHERE id = $1";
    const OTHER: &str = "SELECT b FROM carts WHERE id = $1";
    const NEW: &str = "SELECT c FROM prices WHERE id = $1";

    fn minute(scene: &mut Scene, calls: &[(&str, u64)]) {
        let mut spent = 0;
        for (text, calls) in calls {
            for value in 0..*calls {
                scene.statement(text).values(value).work_ms(2).run();
                spent += 2;
            }
        }
        scene.pause(60_000 - spent);
    }

    fn detect(before: u64, usual: &[(&str, u64)], now: &[(&str, u64)]) -> Vec<Finding> {
        let mut scene = Scene::new();
        (0..before).for_each(|_| minute(&mut scene, usual));
        (0..4).for_each(|_| minute(&mut scene, now));
        scene.look(|inputs| LoadStep.detect(inputs))
    }

    #[test]
    fn three_times_as_often_is_a_step() {
        let findings = detect(12, &[(OLD, 30), (OTHER, 300)], &[(OLD, 120), (OTHER, 300)]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].title.contains("permissions"), "{}", findings[0].title);
    }

    #[test]
    fn a_new_statement_with_much_of_the_time_is_found() {
        let findings = detect(32, &[(OTHER, 100)], &[(OTHER, 100), (NEW, 100)]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].title.starts_with("new, and"), "{}", findings[0].title);
    }

    #[test]
    fn growth_of_everything_short_histories_and_rare_jobs_are_quiet() {
        assert!(detect(12, &[(OLD, 30), (OTHER, 100)], &[(OLD, 120), (OTHER, 400)]).is_empty());
        assert!(detect(9, &[(OLD, 30), (OTHER, 300)], &[(OLD, 120), (OTHER, 300)]).is_empty());
        assert!(detect(12, &[(OLD, 50), (OTHER, 300)], &[(OLD, 140), (OTHER, 300)]).is_empty());
        assert!(
            detect(12, &[(OTHER, 100)], &[(OTHER, 100), (NEW, 100)]).is_empty(),
            "new, but so is pgweir"
        );
    }
}
