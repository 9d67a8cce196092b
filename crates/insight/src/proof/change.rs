//! What changed in the catalogue that is a finding's fix.

use std::collections::BTreeMap;

use model::{CatalogFacts, Finding, IndexFacts};

/// The indexes of a finding's tables, by table.
pub(super) type TableIndexes = BTreeMap<String, Vec<IndexFacts>>;

/// What changed, as a clause.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change(pub(super) String);

/// The indexes of the finding's tables; none where its database was not read or it has no tables.
pub(super) fn indexes_of(finding: &Finding, catalog: &CatalogFacts) -> Option<TableIndexes> {
    let database = catalog.databases.get(finding.database.as_deref()?)?;
    let tables: TableIndexes = database
        .tables
        .iter()
        .map(|table| (format!("{}.{}", table.schema, table.name), table))
        .filter(|(name, _)| finding.tables.contains(name))
        .map(|(name, table)| (name, table.indexes.clone()))
        .collect();
    (!tables.is_empty()).then_some(tables)
}

/// The finding's fix, where it was made between two looks at the indexes.
pub(super) fn change_of(
    finding: &Finding,
    earlier: &TableIndexes,
    now: &TableIndexes,
) -> Option<Change> {
    let sql = finding.fix.sql.as_deref()?;
    let valid = |indexes: &TableIndexes, table: &str, name: &str| {
        let mut found = indexes.get(table).into_iter().flatten();
        found.any(|index| index.name == name && index.valid)
    };
    for (table, indexes) in now {
        for index in indexes.iter().filter(|index| index.valid) {
            if !valid(earlier, table, &index.name) && is_wanted(sql, index) {
                return Some(Change(format!("index {} was created on {table}", index.name)));
            }
        }
        for index in earlier.get(table).into_iter().flatten() {
            let gone = !indexes.iter().any(|one| one.name == index.name);
            if gone && drops(sql, &index.name) {
                return Some(Change(format!("index {} was dropped from {table}", index.name)));
            }
        }
    }
    None
}

/// Whether the finding's index is being built: the time before the fix is over then.
pub(super) fn is_building(finding: &Finding, indexes: &TableIndexes) -> bool {
    let Some(sql) = finding.fix.sql.as_deref() else { return false };
    indexes.values().flatten().any(|index| !index.valid && is_wanted(sql, index))
}

/// Whether an index is the one that a statement creates or rebuilds, or one that begins with the
/// same column: somebody may have called it otherwise or added a column.
fn is_wanted(sql: &str, index: &IndexFacts) -> bool {
    statements(sql).any(|statement| match statement.words.as_slice() {
        ["CREATE", ..] => {
            let same_name = statement.mentions(&index.name);
            let same_start = first_column(statement.text)
                .zip(index.columns.first())
                .is_some_and(|(wanted, first)| wanted == unquoted(first));
            same_name || same_start
        }
        ["REINDEX", ..] => statement.mentions(&index.name),
        _ => false,
    })
}

/// Whether the fix drops the index.
fn drops(sql: &str, name: &str) -> bool {
    statements(sql)
        .any(|statement| statement.words.first() == Some(&"DROP") && statement.mentions(name))
}

struct Statement<'a> {
    text: &'a str,
    words: Vec<&'a str>,
}

impl Statement<'_> {
    /// Whether the name stands in it as a word, quoted or not.
    fn mentions(&self, name: &str) -> bool {
        let named = |word: &str| {
            let last = word.rsplit('.').next().unwrap_or(word);
            unquoted(last.trim_end_matches(';')) == name
        };
        self.words.iter().any(|word| named(word))
    }
}

/// The statements of a fix, comments left out. A fix is SQL that we have written: one statement a
/// line, or several lines up to a semicolon.
fn statements(sql: &str) -> impl Iterator<Item = Statement<'_>> {
    sql.split(";\n").map(|text| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
        let start = lines.clone().next().map_or("", str::trim_start);
        let text = &text[text.find(start).unwrap_or(0)..];
        Statement { text, words: text.split_whitespace().collect() }
    })
}

/// The first key column of a CREATE INDEX, as catalogues write it.
fn first_column(create: &str) -> Option<String> {
    let (_, rest) = create.split_once(" ON ")?;
    let (_, columns) = rest.split_once('(')?;
    let mut depth = 0u32;
    let end = columns.find(|c| {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ',' | ')' => return depth == 0,
            _ => {}
        }
        false
    })?;
    // Order and operator class are not in the catalogue's names of columns.
    let column = columns[..end].trim();
    let name = if column.starts_with(['"', '(']) { column } else { column.split(' ').next()? };
    Some(unquoted(name))
}

fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::index;

    const CREATE: &str = "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id, placed_at);";

    #[test]
    fn the_index_that_was_recommended_and_its_like() {
        let named =
            |name: &str, columns: &[&str]| IndexFacts { name: name.to_owned(), ..index(columns) };
        assert!(is_wanted(CREATE, &named("orders_customer_id_idx", &["x"])));
        assert!(is_wanted(CREATE, &named("mine", &["customer_id"])));
        assert!(!is_wanted(CREATE, &named("mine", &["placed_at", "customer_id"])));
        assert!(!is_wanted("DROP INDEX CONCURRENTLY public.mine;", &named("mine", &["a"])));
        assert!(is_wanted("REINDEX INDEX CONCURRENTLY public.mine;", &named("mine", &["a"])));
        let both = format!("-- Takes a minute.\nDROP INDEX public.old;\n{CREATE}");
        assert!(is_wanted(&both, &named("mine", &["customer_id"])));
        assert!(!drops("DROP INDEX CONCURRENTLY public.\"My Index\";", "old"));
        assert!(drops(&both, "old"));
    }

    #[test]
    fn the_first_column_is_found() {
        let column = |on: &str| first_column(&format!("CREATE INDEX i ON t {on};"));
        assert_eq!(column("(a, b)").as_deref(), Some("a"));
        assert_eq!(column("USING gin (tags gin_trgm_ops)").as_deref(), Some("tags"));
        assert_eq!(column("(\"Odd, name\")").as_deref(), Some("\"Odd"), "commas in names are rare");
        assert_eq!(column("((lower(a)))").as_deref(), Some("(lower(a))"));
        assert_eq!(column("(a DESC) INCLUDE (b)").as_deref(), Some("a"));
        assert_eq!(first_column("ANALYZE t"), None);
    }
}
