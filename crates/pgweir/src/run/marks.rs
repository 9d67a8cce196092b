//! What happened to the service itself, as SHOW EVENTS has it.

use std::collections::VecDeque;

use jiff::Timestamp;
use model::{Mark, MarkKind};
use parking_lot::Mutex;

/// The most that are kept; the oldest go first.
const KEPT: usize = 1_000;

/// The marks of late, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<VecDeque<Mark>>);

impl Marks {
    /// Something happened now; `text` has no bound values and no secrets.
    pub(super) fn add(&self, kind: MarkKind, text: String) {
        let mut marks = self.0.lock();
        if marks.len() == KEPT {
            marks.pop_front();
        }
        marks.push_back(Mark { at: Timestamp::now(), kind, text });
    }

    /// All that are kept.
    pub(super) fn all(&self) -> Vec<Mark> {
        self.0.lock().iter().cloned().collect()
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
