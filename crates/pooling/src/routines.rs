//! What the functions of a pool's database do to the session, as far as it was looked up.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use sql::{Calls, RoutineBody};

/// Names remembered.
const MAX_NAMES: usize = 10_000;
/// A function may be replaced by somebody who does not come through pgweir: after this time it is
/// looked up again.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// What a function was found to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routine {
    /// Nothing to the session. That includes what is no function.
    Harmless,
    /// Anything, for all that can be seen.
    Opaque,
    /// What its body says.
    Body(RoutineBody),
}

impl Routine {
    /// The worse of two functions of one name.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Harmless, other) | (other, Self::Harmless) => other,
            (Self::Body(one), Self::Body(other)) => Self::Body(RoutineBody {
                calls: Calls {
                    names: union(&one.calls.names, &other.calls.names),
                    more: one.calls.more || other.calls.more,
                },
                leaves_state: one.leaves_state || other.leaves_state,
                settings: union(&one.settings, &other.settings),
            }),
            _ => Self::Opaque,
        }
    }
}

fn union(one: &[Box<str>], other: &[Box<str>]) -> Box<[Box<str>]> {
    let all: BTreeSet<_> = one.iter().chain(other).cloned().collect();
    all.into_iter().collect()
}

/// What is known of a statement's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// They may leave something in the session.
    pub leaves_state: bool,
    /// These must be looked up; until then they may do anything.
    pub unknown: Vec<Box<str>>,
    /// Settings that they may change, of those that must be asked for by name.
    pub settings: Vec<Box<str>>,
}

#[derive(Debug, Default)]
struct Known {
    routines: HashMap<Box<str>, Routine>,
    since: Option<Instant>,
}

/// The functions of one pool's database. Locked for reading when a statement ends that calls
/// functions which PostgreSQL does not bring.
#[derive(Debug, Default)]
pub struct KnownRoutines {
    known: RwLock<Known>,
}

impl KnownRoutines {
    /// What is known of these calls.
    #[must_use]
    pub fn standing(&self, calls: &Calls, now: Instant) -> Standing {
        if calls.is_empty() {
            return Standing::default();
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let is_old = |since| now.saturating_duration_since(since) >= LOOK_AGAIN;
        if known.since.is_none_or(is_old) {
            let unknown = calls.names.to_vec();
            return Standing { leaves_state: true, unknown, settings: Vec::new() };
        }
        known.standing(calls)
    }

    /// These were looked up. A name without an answer is no function's.
    pub fn learn(&self, asked: Vec<Box<str>>, found: Vec<(Box<str>, Routine)>, now: Instant) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_old = |since| now.saturating_duration_since(since) >= LOOK_AGAIN;
        if known.since.is_none_or(is_old) || known.routines.len() + asked.len() > MAX_NAMES {
            known.routines.clear();
            known.since = Some(now);
        }
        let mut answers: HashMap<_, _> =
            asked.into_iter().map(|name| (name, Routine::Harmless)).collect();
        for (name, routine) in found {
            if let Some(answer) = answers.get_mut(&name) {
                *answer = std::mem::replace(answer, Routine::Opaque).and(routine);
            }
        }
        known.routines.extend(answers);
    }

    /// Functions may have changed.
    pub fn forget(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known::default();
    }
}

impl Known {
    fn standing(&self, calls: &Calls) -> Standing {
        let mut found = Standing { leaves_state: calls.more, ..Standing::default() };
        let mut seen = BTreeSet::new();
        let mut due: Vec<&Box<str>> = calls.names.iter().collect();
        while let Some(name) = due.pop() {
            if !seen.insert(name) {
                continue;
            }
            match self.routines.get(name) {
                Some(Routine::Harmless) => {}
                Some(Routine::Opaque) => found.leaves_state = true,
                Some(Routine::Body(body)) => {
                    found.leaves_state |= body.leaves_state || body.calls.more;
                    found.settings.extend_from_slice(&body.settings);
                    due.extend(&body.calls.names);
                }
                None => {
                    found.leaves_state = true;
                    found.unknown.push(name.clone());
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(names: &[&str]) -> Calls {
        Calls { names: names.iter().map(|name| Box::from(*name)).collect(), more: false }
    }

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    fn body(called: &[&str]) -> Routine {
        Routine::Body(RoutineBody { calls: calls(called), ..RoutineBody::default() })
    }

    #[test]
    fn what_a_function_calls_counts_too() {
        let (known, now) = (KnownRoutines::default(), Instant::now());
        let standing = |called: &[&str]| known.standing(&calls(called), now);
        assert_eq!(standing(&[]), Standing::default());
        assert_eq!(standing(&["f"]).unknown, names(&["f"]));
        known.learn(names(&["f", "t"]), vec![("f".into(), body(&["g", "f"]))], now);
        assert_eq!(standing(&["t"]), Standing::default(), "no function at all");
        assert_eq!(standing(&["f"]).unknown, names(&["g"]));
        let overloaded = vec![("g".into(), Routine::Harmless), ("g".into(), Routine::Opaque)];
        known.learn(names(&["g"]), overloaded, now);
        assert!(standing(&["f"]).leaves_state && standing(&["f"]).unknown.is_empty());
        known.learn(names(&["g"]), vec![("g".into(), body(&[]))], now);
        assert_eq!(standing(&["f"]), Standing::default());
        let sets = sql::routine_body("select set_config('a.b', $1, false)");
        known.learn(names(&["g"]), vec![("g".into(), Routine::Body(sets))], now);
        assert_eq!(standing(&["f"]).settings, names(&["a.b"]));
        assert!(standing(&["f"]).leaves_state);
    }

    #[test]
    fn knowledge_ends() {
        let (known, now) = (KnownRoutines::default(), Instant::now());
        known.learn(names(&["f"]), Vec::new(), now);
        assert_eq!(known.standing(&calls(&["f"]), now), Standing::default());
        assert!(known.standing(&calls(&["f"]), now + LOOK_AGAIN).leaves_state);
        known.forget();
        assert!(known.standing(&calls(&["f"]), now).leaves_state);
        for n in 0..=MAX_NAMES {
            known.learn(names(&[&format!("f{n}")]), Vec::new(), now);
        }
        assert!(known.known.read().unwrap().routines.len() <= MAX_NAMES);
    }
}
