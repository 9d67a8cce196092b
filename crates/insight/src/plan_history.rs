//! The plans that statements had, and when.
//!
//! Other values may have another plan, and nothing has changed. So a statement is planned again with
//! the values of last time, and only where these have another plan now is it a change.

use jiff::Timestamp;
use model::{
    DatabaseFacts, FingerprintId, PlanAnswer, PlanQuestion, PlanText, PlanVersion, SampleRank,
};

/// Plans kept of a statement.
const VERSIONS: usize = 5;
/// Statements whose plans are kept; beyond them those not seen for longest are forgotten.
const STATEMENTS: usize = 500;

/// Notes the plan of `answer`: as seen again where that of the last one's values is what it was, as a
/// new one where it is not.
pub fn remember_plan(database: &mut DatabaseFacts, question: &PlanQuestion, answer: &PlanAnswer) {
    let (Some(plan), Some(at)) = (&answer.plan, answer.asked_at) else { return };
    let versions = database.plan_history.entry(question.fingerprint).or_default();
    match versions.last_mut() {
        None => versions.push(PlanVersion {
            since: at,
            until: at,
            plan: plan.clone(),
            sample: question.sample.clone(),
        }),
        Some(last) => match plan_of_the_same(last, question, answer, plan) {
            Some(same) if same.shape == last.plan.shape => last.until = at,
            Some(other) => {
                let sample = last.sample.clone();
                versions.push(PlanVersion { since: at, until: at, plan: other.clone(), sample });
            }
            // They could not be planned: nothing is known.
            None => {}
        },
    }
    let surplus = versions.len().saturating_sub(VERSIONS);
    versions.drain(..surplus);
    forget_the_oldest(database);
}

/// The plan that the values of `last` have now; none where they were not planned.
fn plan_of_the_same<'a>(
    last: &PlanVersion,
    question: &PlanQuestion,
    answer: &'a PlanAnswer,
    plan: &'a PlanText,
) -> Option<&'a PlanText> {
    if last.sample == question.sample {
        return Some(plan);
    }
    let mut variants = answer.variants.iter();
    variants.find(|variant| variant.rank == SampleRank::Earlier).map(|variant| &variant.plan)
}

fn forget_the_oldest(database: &mut DatabaseFacts) {
    while database.plan_history.len() > STATEMENTS {
        let last_seen = |versions: &Vec<PlanVersion>| versions.last().map(|last| last.until);
        let oldest = database.plan_history.iter().min_by_key(|(_, versions)| last_seen(versions));
        let Some(oldest) = oldest.map(|(fingerprint, _)| *fingerprint) else { return };
        database.plan_history.remove(&oldest);
    }
}

/// When the statement got the plan that it has: between the last look at the one before it and the
/// first at it. None where no other was seen.
#[must_use]
pub fn last_change(
    database: &DatabaseFacts,
    fingerprint: FingerprintId,
) -> Option<(Timestamp, Timestamp)> {
    match database.plan_history.get(&fingerprint)?.as_slice() {
        [.., before, last] => Some((before.until, last.since)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::{PlanShape, PlanVariant, Sample};

    use super::*;

    fn sample(value: &str) -> Sample {
        Sample { text: value.into(), ..Sample::default() }
    }

    fn plan(shape: u64) -> PlanText {
        PlanText { shape: PlanShape(shape), ..PlanText::default() }
    }

    /// Planned for `value`, and for the values of before where `earlier` says what they have now.
    fn note(
        database: &mut DatabaseFacts,
        fingerprint: u64,
        (second, value, shape): (i64, &str, u64),
        earlier: Option<u64>,
    ) {
        let question = PlanQuestion {
            database: "shop".to_owned(),
            fingerprint: FingerprintId(fingerprint),
            sample: sample(value),
            candidates: Vec::new(),
            ranked: Vec::new(),
        };
        let variant =
            |shape| PlanVariant { rank: SampleRank::Earlier, took_ms: 1.0, plan: plan(shape) };
        let answer = PlanAnswer {
            asked_at: Timestamp::from_second(second).ok(),
            plan: Some(plan(shape)),
            variants: earlier.map(variant).into_iter().collect(),
            ..PlanAnswer::default()
        };
        remember_plan(database, &question, &answer);
    }

    fn seen(database: &DatabaseFacts) -> Vec<(i64, i64, u64)> {
        database.plan_history[&FingerprintId(7)]
            .iter()
            .map(|one| (one.since.as_second(), one.until.as_second(), one.plan.shape.0))
            .collect()
    }

    #[test]
    fn a_change_is_kept_with_its_time() {
        let mut database = DatabaseFacts::default();
        for (second, shape) in [(10, 1), (20, 1), (30, 2), (40, 2)] {
            note(&mut database, 7, (second, "a", shape), None);
        }
        assert_eq!(seen(&database), [(10, 20, 1), (30, 40, 2)]);
        let at = |second| Timestamp::from_second(second).expect("a time");
        assert_eq!(last_change(&database, FingerprintId(7)), Some((at(20), at(30))));
        assert_eq!(last_change(&database, FingerprintId(8)), None);
    }

    #[test]
    fn another_plan_of_other_values_is_no_change() {
        let mut database = DatabaseFacts::default();
        note(&mut database, 7, (10, "rare", 1), None);
        note(&mut database, 7, (20, "common", 2), Some(1));
        note(&mut database, 7, (30, "common", 2), None);
        assert_eq!(seen(&database), [(10, 20, 1)], "the last look could not tell");
        note(&mut database, 7, (40, "common", 2), Some(3));
        assert_eq!(seen(&database), [(10, 20, 1), (40, 40, 3)]);
    }

    #[test]
    fn few_are_kept() {
        let mut database = DatabaseFacts::default();
        note(&mut database, 7, (0, "a", 1), None);
        for turn in 0..2_000 {
            note(&mut database, 10_000 + turn, (turn as i64, "a", turn), None);
            note(&mut database, 9_999, (turn as i64, "a", turn), None);
        }
        assert_eq!(database.plan_history.len(), STATEMENTS);
        assert_eq!(database.plan_history[&FingerprintId(9_999)].len(), VERSIONS);
        assert!(!database.plan_history.contains_key(&FingerprintId(7)));
    }
}
