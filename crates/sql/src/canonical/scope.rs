//! What names of FROM mean.

use super::result::Written;
use super::tree::mark;

/// The items of a block's FROM, and the blocks around it.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) outer: Option<&'a Scope<'a>>,
    /// What each item's columns are qualified with.
    pub(super) relations: Vec<Vec<u64>>,
    /// There may be others that were not understood.
    pub(super) open: bool,
}

/// Relations that a name is looked for among, so that time grows with the length only.
const RELATIONS_LIMIT: usize = 200;
const RELATION: u64 = mark(80);
const WHOLE: u64 = mark(81);

impl<'a> Scope<'a> {
    pub(super) fn within(outer: &'a Self) -> Self {
        Self { outer: Some(outer), relations: Vec::new(), open: false }
    }

    /// The tokens that stand for the relation called `name` in front of a column's name: none for
    /// the block's only one.
    pub(super) fn qualifier(&self, name: &[u64]) -> Option<Vec<Written>> {
        let (level, index, only) = self.find(name)?;
        if level == 0 && only {
            return Some(Vec::new());
        }
        Some(vec![position(RELATION, level, index)])
    }

    /// The token for a row of the relation called `name`.
    pub(super) fn whole_row(&self, name: u64) -> Option<Written> {
        let (level, index, _) = self.find(&[name])?;
        Some(position(WHOLE, level, index))
    }

    /// Level of the block, index in its FROM, and whether there is nothing else.
    fn find(&self, name: &[u64]) -> Option<(u64, u64, bool)> {
        let mut scope = Some(self);
        let mut level = 0;
        while let Some(block) = scope {
            let matches = |relation: &Vec<u64>| relation.ends_with(name);
            if let Some(index) = block.relations.iter().take(RELATIONS_LIMIT).position(matches) {
                return Some((level, index as u64, block.relations.len() == 1 && !block.open));
            }
            scope = block.outer;
            level += 1;
        }
        None
    }
}

fn position(kind: u64, level: u64, index: u64) -> Written {
    Written::Token(kind.wrapping_add(level << 32).wrapping_add(index))
}
