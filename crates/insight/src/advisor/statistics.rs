//! What a table's statistics say of its columns and indexes.

use model::{ColumnFacts, IndexCandidate, IndexFacts, TableFacts};

/// Rows that an index may leave to be read one by one before another index is worth having.
const FEW_ROWS: f64 = 50.0;
/// A better index must find the rows among so many times fewer.
const WORTHWHILE: f64 = 10.0;
/// Columns this wide, bytes, do not fit a B-tree well (a key has at most a third of a page).
const WIDEST: f64 = 500.0;

/// The column's facts.
pub(super) fn column<'a>(table: &'a TableFacts, name: &str) -> Option<&'a ColumnFacts> {
    table.columns.iter().find(|column| column.name == name)
}

/// Whether a B-tree on the column makes sense.
pub(super) fn indexable(table: &TableFacts, name: &str) -> bool {
    const NO_BTREE: [&str; 12] = [
        "json", "jsonb", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle",
        "tsvector", "tsquery",
    ];
    column(table, name).is_some_and(|column| {
        !NO_BTREE.contains(&column.type_name.as_str())
            && column.width.is_none_or(|width| width <= WIDEST)
    })
}

/// How many distinct values the column has; none without statistics.
pub(super) fn distinct(table: &TableFacts, name: &str) -> Option<f64> {
    if table.indexes.iter().any(|index| is_key(index) && index.columns == [name]) {
        return Some(table.rows.max(1.0));
    }
    let distinct = column(table, name)?.distinct?;
    Some(if distinct < 0.0 { -distinct * table.rows } else { distinct }.max(1.0))
}

/// Rows that equality on `columns` leaves on average, taking the columns as independent; none
/// where statistics lack for one of them.
pub(super) fn rows_left(table: &TableFacts, columns: &[&str]) -> Option<f64> {
    let mut rows = table.rows;
    for name in columns {
        rows /= distinct(table, name)?;
    }
    Some(rows.max(1.0))
}

/// Whether an index that exists finds the rows with given values of `columns` well enough.
pub(super) fn is_served(table: &TableFacts, columns: &[&str]) -> bool {
    let best = rows_left(table, columns).unwrap_or(1.0);
    table.indexes.iter().filter(|index| is_usable(index)).any(|index| {
        let matched: Vec<_> = index
            .columns
            .iter()
            .map(String::as_str)
            .take_while(|name| columns.contains(name))
            .collect();
        if matched.is_empty() {
            return false;
        }
        let whole = matched.len() == index.columns.len();
        if whole && index.unique {
            return true;
        }
        // A hash index answers only for all of its columns.
        if index.method == "hash" && !whole {
            return false;
        }
        // Without statistics the index at hand gets the benefit of the doubt.
        rows_left(table, &matched).is_none_or(|left| left <= FEW_ROWS || left <= best * WORTHWHILE)
    })
}

/// Whether `index` does all that a B-tree on `equalities`, in any order, and then `tail` could.
pub(super) fn covers(index: &IndexFacts, equalities: &[&str], tail: &[&str]) -> bool {
    let (head, rest) = index.columns.split_at(equalities.len().min(index.columns.len()));
    head.len() == equalities.len()
        && head.iter().all(|name| equalities.contains(&name.as_str()))
        && rest.len() >= tail.len()
        && rest.iter().zip(tail).all(|(have, want)| have == want)
        && index.predicate.is_none()
        && (index.method == "btree" || (index.method == "hash" && tail.is_empty()))
}

/// Whether queries may use the index for all rows.
pub(super) fn is_usable(index: &IndexFacts) -> bool {
    index.valid && index.predicate.is_none() && matches!(index.method.as_str(), "btree" | "hash")
}

fn is_key(index: &IndexFacts) -> bool {
    index.unique && is_usable(index)
}

/// A guess at the size of the index, bytes: 8 for each entry's header, 4 for its line pointer, the
/// columns at their average width, leaf pages nine tenths full (PostgreSQL manual, 70.6).
pub(crate) fn index_bytes(table: &TableFacts, candidate: &IndexCandidate) -> f64 {
    let width: f64 = candidate
        .columns
        .iter()
        .map(|name| column(table, name).and_then(|column| column.width).unwrap_or(8.0))
        .sum();
    let aligned = (width / 8.0).ceil() * 8.0;
    (table.rows.max(0.0) * (aligned + 12.0) / 0.9).max(16_384.0)
}
