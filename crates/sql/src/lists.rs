//! The lists open at a point of a statement whose elements may be squashed.

/// How many lists may be open at once; the ones inside are not squashed. Enough for a row of an
/// `IN` list in a row of `VALUES`, and an array in that.
pub(crate) const LISTS: usize = 4;

/// A word that a list follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListWord {
    In,
    Values,
    Array,
}

#[derive(Clone, Copy, Debug, Default)]
struct List {
    /// The depth of brackets at which its commas are.
    depth: u32,
    /// The elements are the rows of `VALUES`: the list has no bracket of its own.
    rows: bool,
}

/// The open lists, the innermost last.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    lists: [List; LISTS],
    open: usize,
}

impl Lists {
    #[inline(always)]
    fn innermost(&self) -> Option<List> {
        self.open.checked_sub(1).and_then(|last| self.lists.get(last)).copied()
    }

    /// Opens a list; false if too many are open.
    pub(crate) fn open(&mut self, depth: u32, rows: bool) -> bool {
        match self.lists.get_mut(self.open) {
            Some(list) => {
                *list = List { depth, rows };
                self.open += 1;
                true
            }
            None => false,
        }
    }

    /// Whether a comma at this depth stands between two elements.
    #[inline(always)]
    pub(crate) fn has_commas_at(&self, depth: u32) -> bool {
        self.innermost().is_some_and(|list| list.depth == depth)
    }

    /// Closes the innermost list if it is at this depth or deeper; says whether it did.
    #[inline(always)]
    pub(crate) fn close(&mut self, depth: u32) -> bool {
        let closes = self.innermost().is_some_and(|list| list.depth >= depth);
        self.open -= usize::from(closes);
        closes
    }

    /// The same for a list of rows at just this depth.
    #[inline(always)]
    pub(crate) fn close_rows(&mut self, depth: u32) -> bool {
        let closes = self.innermost().is_some_and(|list| list.rows && list.depth == depth);
        self.open -= usize::from(closes);
        closes
    }
}
