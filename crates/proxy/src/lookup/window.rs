//! How often the server is asked about one user.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Answer, Told};

/// The time that the counting of questions is about, and the age of the oldest answer used again.
const WINDOW: Duration = Duration::from_secs(1);
/// Questions about one user within a window. Below that each login asks for itself, so that a
/// password that has just been changed is the right one.
const QUESTIONS: u32 = 3;
/// Users kept at most, known or not.
const CAPACITY: usize = 10_000;

/// Answers of the last second, by user; that there is no such user is one of them.
#[derive(Debug, Default)]
pub(super) struct Windows(HashMap<String, Window>);

#[derive(Debug)]
struct Window {
    since: Instant,
    asked: u32,
    answer: watch::Receiver<Option<Answer>>,
}

/// What a login is to do.
pub(super) enum Turn {
    /// Ask, and leave the answer for all.
    Ask(Told, watch::Receiver<Option<Answer>>),
    /// Take the answer that is there or on its way.
    Wait(watch::Receiver<Option<Answer>>),
}

impl Windows {
    pub(super) fn turn(&mut self, user: &str, now: Instant) -> Turn {
        if let Some(window) = self.0.get(user)
            && now.duration_since(window.since) < WINDOW
            && window.asked >= QUESTIONS
        {
            return Turn::Wait(window.answer.clone());
        }
        self.make_room(user, now);
        let (told, answer) = watch::channel(None);
        let window = self.0.entry(user.to_owned()).or_insert_with(|| Window {
            since: now,
            asked: 0,
            answer: answer.clone(),
        });
        if now.duration_since(window.since) >= WINDOW {
            (window.since, window.asked) = (now, 0);
        }
        window.asked += 1;
        window.answer = answer.clone();
        Turn::Ask(told, answer)
    }

    fn make_room(&mut self, user: &str, now: Instant) {
        if self.0.len() >= CAPACITY && !self.0.contains_key(user) {
            self.0.retain(|_, window| now.duration_since(window.since) < WINDOW);
            if self.0.len() >= CAPACITY {
                self.0.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_asks_a_few_times_a_second() {
        let mut windows = Windows::default();
        let start = Instant::now();
        let asked = (0..2_000).filter(|number| {
            let now = start + Duration::from_millis(*number);
            matches!(windows.turn("amy", now), Turn::Ask(..))
        });
        assert_eq!(asked.count(), 6);
    }

    #[test]
    fn users_have_windows_of_their_own_and_no_more_than_fit() {
        let mut windows = Windows::default();
        let now = Instant::now();
        for number in 0..3 * CAPACITY {
            assert!(matches!(windows.turn(&number.to_string(), now), Turn::Ask(..)));
        }
        assert!(windows.0.len() <= CAPACITY);
    }
}
