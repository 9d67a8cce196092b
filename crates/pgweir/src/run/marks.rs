//! What happened to the service itself, as SHOW EVENTS has it.

use std::collections::VecDeque;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use model::{Mark, MarkKind};
use parking_lot::Mutex;

/// The most that are kept; the oldest go first.
const KEPT: usize = 1_000;

/// How far back the history is asked at the start.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The marks of late, the oldest first.
#[derive(Default)]
pub(super) struct Marks {
    of_late: Mutex<VecDeque<Mark>>,
    history: OnceLock<store::History>,
}

impl Marks {
    /// Something happened now; `text` has no bound values and no secrets.
    pub(super) fn add(&self, kind: MarkKind, text: String) {
        let mark = Mark { at: Timestamp::now(), kind, text };
        let mut marks = self.of_late.lock();
        if marks.len() == KEPT {
            marks.pop_front();
        }
        marks.push_back(mark.clone());
        // With the lock held, so that none is written twice or not at all while history comes.
        if let Some(history) = self.history.get() {
            history.note(mark);
        }
    }

    /// All that are kept.
    pub(super) fn all(&self) -> Vec<Mark> {
        self.of_late.lock().iter().cloned().collect()
    }

    /// From now on marks are kept in `history` too, and those of earlier processes are known. To be
    /// called once. Cancel-safe: they are then not known.
    pub(super) async fn keep_in(&self, history: &store::History) {
        let now = Timestamp::now();
        let from = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::UNIX_EPOCH);
        let earlier = history.marks(from, now).await.unwrap_or_else(|error| {
            tracing::warn!("earlier events cannot be read: {error}");
            Vec::new()
        });
        let mut marks = self.of_late.lock();
        for mark in marks.iter() {
            history.note(mark.clone());
        }
        for mark in earlier.into_iter().rev() {
            if marks.len() == KEPT {
                break;
            }
            marks.push_front(mark);
        }
        let _ = self.history.set(history.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_in_their_order() {
        let marks = Marks::default();
        for number in 0..KEPT + 2 {
            marks.add(MarkKind::Note, number.to_string());
        }
        let all = marks.all();
        assert_eq!((all.len(), all[0].text.as_str()), (KEPT, "2"));
        assert!(all.is_sorted_by_key(|mark| mark.at));
    }
}
