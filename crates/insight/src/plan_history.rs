//! The plans that statements had, and when.

use model::{DatabaseFacts, FingerprintId, PlanAnswer, PlanVersion};

/// Plans kept of a statement.
const VERSIONS: usize = 5;
/// Statements whose plans are kept; beyond them those not seen for longest are forgotten.
const STATEMENTS: usize = 500;

/// Notes the plan of `answer`: as seen again where its shape is that of the last one, as a new one
/// where it is not.
pub fn remember_plan(
    database: &mut DatabaseFacts,
    fingerprint: FingerprintId,
    answer: &PlanAnswer,
) {
    let (Some(plan), Some(at)) = (&answer.plan, answer.asked_at) else { return };
    let versions = database.plan_history.entry(fingerprint).or_default();
    match versions.last_mut() {
        Some(last) if last.plan.shape == plan.shape => last.until = at,
        _ => versions.push(PlanVersion { since: at, until: at, plan: plan.clone() }),
    }
    let surplus = versions.len().saturating_sub(VERSIONS);
    versions.drain(..surplus);
    while database.plan_history.len() > STATEMENTS {
        let last_seen = |versions: &Vec<PlanVersion>| versions.last().map(|last| last.until);
        let oldest = database.plan_history.iter().min_by_key(|(_, versions)| last_seen(versions));
        let Some(oldest) = oldest.map(|(fingerprint, _)| *fingerprint) else { return };
        database.plan_history.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::{PlanShape, PlanText};

    use super::*;

    fn answer(second: i64, shape: u64) -> PlanAnswer {
        PlanAnswer {
            asked_at: Timestamp::from_second(second).ok(),
            plan: Some(PlanText { shape: PlanShape(shape), ..PlanText::default() }),
            ..PlanAnswer::default()
        }
    }

    #[test]
    fn a_change_is_kept_with_its_time_and_few_are_kept() {
        let mut database = DatabaseFacts::default();
        for (second, shape) in [(10, 1), (20, 1), (30, 2), (40, 2)] {
            remember_plan(&mut database, FingerprintId(7), &answer(second, shape));
        }
        let seen: Vec<_> = database.plan_history[&FingerprintId(7)]
            .iter()
            .map(|one| (one.since.as_second(), one.until.as_second(), one.plan.shape.0))
            .collect();
        assert_eq!(seen, [(10, 20, 1), (30, 40, 2)]);
        for turn in 0..2_000 {
            remember_plan(&mut database, FingerprintId(turn), &answer(turn as i64, turn));
            remember_plan(&mut database, FingerprintId(9_999), &answer(turn as i64, turn));
        }
        assert_eq!(database.plan_history.len(), STATEMENTS);
        assert_eq!(database.plan_history[&FingerprintId(9_999)].len(), VERSIONS);
        assert!(!database.plan_history.contains_key(&FingerprintId(7)));
    }
}
