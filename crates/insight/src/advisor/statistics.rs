//! What a table's statistics say of its columns and indexes.

use model::{ColumnFacts, DatabaseFacts, IndexCandidate, IndexFacts, TableFacts};

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
            .enumerate()
            .take_while(|(at, name)| columns.contains(name) && finds_equals(index, *at))
            .map(|(_, name)| name)
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
        && (0..head.len()).all(|at| finds_equals(index, at))
        // A B-tree is read from either end.
        && ["", "DESC"].iter().any(|way| {
            (head.len()..head.len() + tail.len()).all(|at| clause(index, at) == *way)
        })
        && index.predicate.is_none()
        && (index.method == "btree" || (index.method == "hash" && tail.is_empty()))
}

/// What the index's definition says of a key beyond its column.
fn clause(index: &IndexFacts, at: usize) -> &str {
    index.key_clauses.get(at).map_or("", String::as_str)
}

/// Whether the key finds equal values: in another collation than the column's it does not, in whatever
/// order and operator class it does.
fn finds_equals(index: &IndexFacts, at: usize) -> bool {
    !clause(index, at).starts_with("COLLATE")
}

/// Whether queries may use the index for all rows.
pub(super) fn is_usable(index: &IndexFacts) -> bool {
    index.valid && index.predicate.is_none() && matches!(index.method.as_str(), "btree" | "hash")
}

fn is_key(index: &IndexFacts) -> bool {
    index.unique && is_usable(index)
}

/// A candidate's table.
pub(super) fn table_of<'a>(
    database: &'a DatabaseFacts,
    candidate: &IndexCandidate,
) -> Option<&'a TableFacts> {
    database
        .tables
        .iter()
        .find(|table| table.name == candidate.table && table.schema == candidate.schema)
}

/// The size that the index will have, bytes, where HypoPG says `stated`.
///
/// For what statistics say nothing of, HypoPG's is divided by the least by which it overstates.
pub(super) fn built_bytes(table: &TableFacts, candidate: &IndexCandidate, stated: u64) -> u64 {
    let plain = candidate.expression.is_none() && candidate.predicate.is_none();
    if plain { index_bytes(table, candidate) as u64 } else { (stated as f64 / OVERSTATED) as u64 }
}

/// HypoPG 1.3 overstates B-trees by at least this much.
const OVERSTATED: f64 = 1.6;
/// Bytes of a leaf tuple's header and of its line pointer (`IndexTupleData`, `ItemIdData`).
const TUPLE: f64 = 8.0;
const POINTER: f64 = 4.0;
/// Bytes of a row's address in a posting list.
const ADDRESS: f64 = 6.0;
/// The most addresses that a posting list holds: a tuple has at most a sixth of a page when an index
/// is built.
const MOST_ADDRESSES: f64 = 200.0;
/// Leaf pages are filled to nine tenths; inner pages come on top.
const FILLED: f64 = 0.895;

/// A guess at the size of the index, bytes (PostgreSQL manual, 67.4.3: equal keys are kept once, with
/// a list of rows, where the type allows it and no column is only carried).
pub(crate) fn index_bytes(table: &TableFacts, candidate: &IndexCandidate) -> f64 {
    let rows = table.rows.max(0.0);
    let width: f64 = candidate
        .columns
        .iter()
        .chain(&candidate.include)
        .map(|name| column(table, name).and_then(|column| column.width).unwrap_or(8.0))
        .sum();
    let aligned = (width / 8.0).ceil() * 8.0;
    let single = aligned + TUPLE + POINTER;
    let deduplicates = candidate.include.is_empty()
        && candidate.columns.iter().all(|name| column(table, name).is_some_and(has_equal_images));
    let keys: Option<f64> =
        candidate.columns.iter().map(|name| distinct(table, name)).product::<Option<f64>>();
    let per_key = match keys {
        Some(keys) if deduplicates => (rows / keys.max(1.0)).clamp(1.0, MOST_ADDRESSES),
        _ => 1.0,
    };
    let each = if per_key > 1.5 { single / per_key + ADDRESS } else { single };
    (rows * each / FILLED).max(16_384.0)
}

/// Whether values that are equal are the same bytes, so that they need be kept only once.
fn has_equal_images(column: &ColumnFacts) -> bool {
    let name = column.type_name.as_str();
    !(name.starts_with("numeric")
        || name.ends_with("[]")
        || matches!(name, "real" | "double precision" | "jsonb" | "interval"))
}
