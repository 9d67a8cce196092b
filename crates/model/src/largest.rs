//! Maps that keep what is largest and fold the rest.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// Folds all rows but the `keep` largest into that of `others`, which does not count. Of rows as large as
/// each other those with the least keys stay.
pub fn keep_largest<K: Clone + Ord + Hash, V: Default, H: BuildHasher, S: Ord>(
    rows: &mut HashMap<K, V, H>,
    keep: usize,
    others: K,
    size: impl Fn(&V) -> S,
    merge: impl Fn(&mut V, &V),
) {
    if rows.len() <= keep {
        return;
    }
    let mut folded = rows.remove(&others).unwrap_or_default();
    let mut order: Vec<_> =
        rows.iter().map(|(key, row)| (Reverse(size(row)), key.clone())).collect();
    order.sort_unstable();
    for (_, key) in order.iter().skip(keep) {
        if let Some(row) = rows.remove(key) {
            merge(&mut folded, &row);
        }
    }
    rows.insert(others, folded);
}
