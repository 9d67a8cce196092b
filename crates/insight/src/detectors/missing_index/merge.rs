//! One index for all statements that want it, or want a beginning of it.

use std::collections::BTreeSet;

use model::{FingerprintId, IndexCandidate};

use super::Wish;

/// Wishes that one index fulfils.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) candidate: IndexCandidate,
    /// How many leading columns may change places.
    equalities: usize,
    /// Never empty.
    pub(super) members: Vec<Wish<'a>>,
}

/// Joins wishes of one database into as few indexes as will do.
pub(super) fn merge(mut wishes: Vec<Wish<'_>>) -> Vec<Group<'_>> {
    // The widest first, so that the narrower find them.
    wishes.sort_by(|a, b| {
        let (a_columns, b_columns) = (&a.proposal.candidate.columns, &b.proposal.candidate.columns);
        b_columns
            .len()
            .cmp(&a_columns.len())
            .then(b.saved_ms.total_cmp(&a.saved_ms))
            .then_with(|| a.proposal.candidate.cmp(&b.proposal.candidate))
    });
    let mut groups: Vec<Group<'_>> = Vec::new();
    for wish in wishes {
        match groups.iter_mut().find_map(|group| group.fits(&wish).then_some(group)) {
            Some(group) => group.members.push(wish),
            None => groups.push(Group {
                candidate: wish.proposal.candidate.clone(),
                equalities: wish.proposal.equalities,
                members: vec![wish],
            }),
        }
    }
    groups
}

impl<'a> Group<'a> {
    /// The member that gains most: it speaks for the group.
    pub(super) fn lead(&self) -> &Wish<'a> {
        let mut members = self.members.iter();
        let first = members.next().unwrap_or_else(|| unreachable!("a group begins with a member"));
        members.fold(first, |best, one| if one.saved_ms > best.saved_ms { one } else { best })
    }

    pub(super) fn calls(&self) -> u64 {
        self.members.iter().map(|wish| wish.statement.stats.calls).sum()
    }

    pub(super) fn database_ms(&self) -> f64 {
        self.members.iter().map(|wish| wish.statement.database_ms()).sum()
    }

    pub(super) fn saved_ms(&self) -> f64 {
        self.members.iter().map(|wish| wish.saved_ms).sum()
    }

    /// The members' statements, those that gain most first.
    pub(super) fn fingerprints(&self) -> Vec<FingerprintId> {
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_by(|a, b| b.saved_ms.total_cmp(&a.saved_ms));
        members.iter().map(|wish| wish.statement.fingerprint).collect()
    }

    /// Whether the group's index fulfils `wish` too; where only the order of columns compared for
    /// equality stands in the way and nobody else relies on it, the order is changed.
    fn fits(&mut self, wish: &Wish<'_>) -> bool {
        let wanted = &wish.proposal.candidate;
        if (&wanted.schema, &wanted.table) != (&self.candidate.schema, &self.candidate.table) {
            return false;
        }
        if self.candidate.columns.starts_with(&wanted.columns) {
            return true;
        }
        let narrow = wanted.columns.len();
        if wish.proposal.equalities != narrow || narrow > self.equalities {
            return false;
        }
        let (head, _) = self.candidate.columns.split_at(self.equalities);
        let have: BTreeSet<_> = head.iter().collect();
        if !wanted.columns.iter().all(|column| have.contains(column)) {
            return false;
        }
        if narrow == self.equalities {
            return true;
        }
        if self.members.len() > 1 {
            return false;
        }
        let rest: Vec<_> = self
            .candidate
            .columns
            .iter()
            .filter(|column| !wanted.columns.contains(column))
            .cloned()
            .collect();
        self.candidate.columns = wanted.columns.iter().cloned().chain(rest).collect();
        true
    }
}

#[cfg(test)]
mod tests {
    use model::{Confidence, QueryStats, TableFacts};

    use super::*;
    use crate::StatementTotals;
    use crate::advisor::Proposal;

    /// Which indexes fulfil the wishes, each given as its columns and how many are equalities.
    fn merged(wishes: &[(&[&str], usize)]) -> Vec<String> {
        let table = TableFacts::default();
        let statement = StatementTotals {
            fingerprint: FingerprintId(1),
            database: "shop".into(),
            stats: QueryStats::default(),
        };
        let wish = |(columns, equalities): &(&[&str], usize)| Wish {
            proposal: Proposal {
                candidate: IndexCandidate {
                    schema: "public".to_owned(),
                    table: "t".to_owned(),
                    columns: columns.iter().map(|name| (*name).to_owned()).collect(),
                    ..IndexCandidate::default()
                },
                table: &table,
                equalities: *equalities,
                rows_left: None,
                ordered: false,
                joins: false,
                invalid: None,
            },
            statement: &statement,
            confidence: Confidence::High,
            cost_before: None,
            cost_after: None,
            saved_ms: 1.0,
            index_bytes: None,
        };
        let groups = merge(wishes.iter().map(wish).collect());
        groups.iter().map(|group| group.candidate.columns.join(",")).collect()
    }

    #[test]
    fn a_beginning_is_fulfilled_by_the_whole() {
        assert_eq!(merged(&[(&["a"], 1), (&["a", "b"], 1), (&["a", "b", "c"], 2)]), ["a,b,c"]);
        assert_eq!(merged(&[(&["a"], 1), (&["b", "a"], 1)]), ["b,a", "a"]);
    }

    #[test]
    fn columns_compared_for_equality_may_change_places() {
        assert_eq!(merged(&[(&["a", "b"], 2), (&["b", "a"], 2)]), ["a,b"]);
        assert_eq!(merged(&[(&["a", "b"], 2), (&["b"], 1)]), ["b,a"]);
        assert_eq!(merged(&[(&["a", "b", "c"], 2), (&["b"], 1)]), ["b,a,c"]);
        assert_eq!(merged(&[(&["a", "b", "c"], 2), (&["c"], 1)]), ["a,b,c", "c"]);
        // Once two rely on the order it stays.
        assert_eq!(merged(&[(&["a", "b"], 2), (&["a"], 1), (&["b"], 1)]), ["a,b", "b"]);
    }
}
