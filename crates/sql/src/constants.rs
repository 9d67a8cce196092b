//! Where a statement's constants stand.

use std::ops::Range;

/// Where the first few constants of a statement stand in its text, in order: noted by the pass that
/// tells its shape, so that no second one is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constants {
    /// From the sign, if there is one, to the end.
    spans: [(u32, u32); Self::LIMIT],
    /// How many there are, of which so many are kept.
    count: u32,
}

impl Constants {
    /// How many are kept.
    pub(crate) const LIMIT: usize = 8;

    /// The next one. Texts have less than 4 GiB: a message's length is 31 bits (manual, 55.7).
    #[inline(always)]
    pub(crate) fn push(&mut self, start: usize, end: usize) {
        if let Some(span) = self.spans.get_mut(self.count as usize) {
            *span = (start as u32, end as u32);
        }
        self.count = self.count.saturating_add(1);
    }

    /// All of them; none if there are more than are kept.
    pub(crate) fn all(&self) -> Option<impl Iterator<Item = Range<usize>> + '_> {
        let kept = self.spans.get(..self.count as usize)?;
        Some(kept.iter().map(|(start, end)| *start as usize..*end as usize))
    }
}
