//! What changed in the catalogue that is a finding's fix.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{CatalogFacts, Finding, IndexFacts, TableFacts};

/// What a fix may change of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct TableState {
    indexes: Vec<IndexFacts>,
    analyzed: Option<Timestamp>,
    vacuumed: Option<Timestamp>,
}

impl TableState {
    fn of(table: &TableFacts) -> Self {
        Self {
            indexes: table.indexes.clone(),
            analyzed: table.upkeep.last_analyze,
            vacuumed: table.upkeep.last_vacuum,
        }
    }

    fn has_valid(&self, name: &str) -> bool {
        self.indexes.iter().any(|index| index.name == name && index.valid)
    }
}

/// A finding's tables by name.
pub(super) type TableStates = BTreeMap<String, TableState>;

/// What changed, as a clause.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change(pub(super) String);

/// The finding's tables; none where its database was not read or it has no tables.
pub(super) fn states_of(finding: &Finding, catalog: &CatalogFacts) -> Option<TableStates> {
    let database = catalog.databases.get(finding.database.as_deref()?)?;
    let tables: TableStates = database
        .tables
        .iter()
        .map(|table| (format!("{}.{}", table.schema, table.name), table))
        .filter(|(name, _)| finding.tables.contains(name))
        .map(|(name, table)| (name, TableState::of(table)))
        .collect();
    (!tables.is_empty()).then_some(tables)
}

/// The finding's fix, where it was made between two looks at its tables.
pub(super) fn change_of(
    finding: &Finding,
    earlier: &TableStates,
    now: &TableStates,
) -> Option<Change> {
    let sql = finding.fix.sql.as_deref()?;
    let nothing = TableState::default();
    now.iter().find_map(|(table, state)| {
        let before = earlier.get(table).unwrap_or(&nothing);
        let of_index = index_change(sql, before, state)
            .map(|(name, what)| Change(format!("index {name} was {what} {table}")));
        of_index.or_else(|| upkeep_change(sql, table, before, state))
    })
}

/// The index that the fix makes or drops, and what was done.
fn index_change<'a>(
    sql: &str,
    before: &'a TableState,
    now: &'a TableState,
) -> Option<(&'a str, &'static str)> {
    let made = now
        .indexes
        .iter()
        .find(|index| index.valid && !before.has_valid(&index.name) && is_wanted(sql, index));
    if let Some(index) = made {
        let was_there = before.indexes.iter().any(|one| one.name == index.name);
        return Some((&index.name, if was_there { "made valid on" } else { "created on" }));
    }
    let gone = before.indexes.iter().find(|index| {
        !now.indexes.iter().any(|one| one.name == index.name) && drops(sql, &index.name)
    });
    gone.map(|index| (index.name.as_str(), "dropped from"))
}

/// The table was analysed or vacuumed, where that is all of the fix; by whom does not matter.
fn upkeep_change(sql: &str, table: &str, before: &TableState, now: &TableState) -> Option<Change> {
    let (_, name) = table.split_once('.')?;
    let mut all = statements(sql).filter(|one| !one.words.is_empty());
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let first = one.words.first().copied().unwrap_or_default();
    // `VACUUM (ANALYZE) t` is both.
    let wants = |word: &str| {
        (first == word || first == "VACUUM" && one.text.contains(word)) && one.mentions(name)
    };
    if wants("ANALYZE") && now.analyzed > before.analyzed {
        return Some(Change(format!("{table} was analysed")));
    }
    (wants("VACUUM") && now.vacuumed > before.vacuumed)
        .then(|| Change(format!("{table} was vacuumed")))
}

/// Whether the finding's index is being built: the time before the fix is over then.
pub(super) fn is_building(finding: &Finding, tables: &TableStates) -> bool {
    let Some(sql) = finding.fix.sql.as_deref() else { return false };
    let mut indexes = tables.values().flat_map(|state| &state.indexes);
    indexes.any(|index| !index.valid && is_wanted(sql, index))
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
