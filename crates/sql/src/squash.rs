//! Which lists of a statement are written once, in its normalised text.

use crate::hash;
use crate::lists::LISTS;

/// Any constant or parameter.
const PLACEHOLDER: u64 = hash::mark(1);

/// A list whose elements are still coming.
#[derive(Clone, Copy, Default)]
struct Elements {
    /// The hash in front of the list.
    before: u64,
    first: u64,
    count: u32,
    /// All elements so far are alike.
    alike: bool,
    /// There is a constant or a parameter in the first element.
    has_value: bool,
}

/// Compares the elements of lists as they come.
pub(crate) struct Squasher {
    /// Of the present element, or of what is outside lists.
    hash: u64,
    lists: [Elements; LISTS],
    open: usize,
}

impl Squasher {
    pub(crate) fn new() -> Self {
        Self { hash: hash::EMPTY, lists: [Elements::default(); LISTS], open: 0 }
    }

    /// A token that is kept.
    pub(crate) fn token(&mut self, token: u64) {
        self.hash = hash::append(self.hash, token);
    }

    /// A constant or a parameter.
    pub(crate) fn value(&mut self) {
        self.token(PLACEHOLDER);
        for list in self.lists.iter_mut().take(self.open) {
            list.has_value |= list.count == 0;
        }
    }

    pub(crate) fn open_list(&mut self) {
        if let Some(list) = self.lists.get_mut(self.open) {
            *list = Elements { before: self.hash, alike: true, ..Elements::default() };
            self.open += 1;
            self.hash = hash::EMPTY;
        }
    }

    /// Takes the element just read into its list.
    pub(crate) fn end_element(&mut self) {
        if let Some(list) = self.lists.get_mut(self.open.wrapping_sub(1)) {
            if list.count == 0 {
                list.first = self.hash;
            }
            list.alike &= self.hash == list.first;
            list.count = list.count.saturating_add(1);
            self.hash = hash::EMPTY;
        }
    }

    /// Ends the innermost list; true if its elements are to be squashed into the first.
    pub(crate) fn end_list(&mut self) -> bool {
        self.end_element();
        self.open = self.open.saturating_sub(1);
        let list = self.lists[self.open];
        let squash = list.count >= 2 && list.alike && list.has_value;
        let count = if squash { u64::MAX } else { u64::from(list.count) };
        self.hash = hash::append(hash::append(list.before, list.first), count);
        squash
    }
}
