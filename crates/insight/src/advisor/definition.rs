//! Indexes as SQL, and which of them makes which needless.

use model::{DatabaseFacts, IndexCandidate, IndexFacts, IndexMethod};

use super::{index_name, quoted};

/// `CREATE INDEX` without a name, for HypoPG.
#[must_use]
pub fn definition(candidate: &IndexCandidate) -> String {
    format!("CREATE INDEX ON {}", target(candidate))
}

/// The DDL that builds the index without stopping writes, and the one that takes it back. The name
/// is one that nothing in `database` has.
#[must_use]
pub fn build_and_undo(candidate: &IndexCandidate, database: &DatabaseFacts) -> (String, String) {
    let name = quoted(&index_name(candidate, database));
    let schema = quoted(&candidate.schema);
    (
        format!("CREATE INDEX CONCURRENTLY {name} ON {};", target(candidate)),
        format!("DROP INDEX CONCURRENTLY {schema}.{name};"),
    )
}

/// Table, method, keys and so on, as they follow ON.
#[must_use]
pub fn target(candidate: &IndexCandidate) -> String {
    let mut keys: Vec<String> = Vec::new();
    if let Some(expression) = &candidate.expression {
        keys.push(format!("({expression})"));
    }
    keys.extend(candidate.columns.iter().map(|column| quoted(column)));
    if let (Some(class), Some(first)) = (&candidate.operator_class, keys.first_mut()) {
        first.push(' ');
        first.push_str(class);
    }
    let mut text = format!("{}.{}", quoted(&candidate.schema), quoted(&candidate.table));
    if candidate.method == IndexMethod::Gin {
        text.push_str(" USING gin");
    }
    text.push_str(&format!(" ({})", keys.join(", ")));
    if !candidate.include.is_empty() {
        let columns: Vec<_> = candidate.include.iter().map(|column| quoted(column)).collect();
        text.push_str(&format!(" INCLUDE ({})", columns.join(", ")));
    }
    if let Some(predicate) = &candidate.predicate {
        text.push_str(&format!(" WHERE {predicate}"));
    }
    text
}

/// Whether whoever has `wide` does not need `narrow`.
#[must_use]
pub fn makes_needless(wide: &IndexCandidate, narrow: &IndexCandidate) -> bool {
    let same_kind = (&wide.schema, &wide.table, wide.method, &wide.expression)
        == (&narrow.schema, &narrow.table, narrow.method, &narrow.expression)
        && wide.operator_class == narrow.operator_class;
    let has = |column: &String| wide.columns.contains(column) || wide.include.contains(column);
    same_kind
        && (wide.predicate.is_none() || wide.predicate == narrow.predicate)
        && wide.columns.starts_with(&narrow.columns)
        && narrow.include.iter().all(has)
}

/// Whether an index that exists in `database` does all that the candidate could.
#[must_use]
pub fn is_built(database: &DatabaseFacts, candidate: &IndexCandidate) -> bool {
    let table = database
        .tables
        .iter()
        .find(|table| table.name == candidate.table && table.schema == candidate.schema);
    table.is_some_and(|table| table.indexes.iter().any(|index| is_there(index, candidate)))
}

/// Whether the index that exists does all that the candidate could.
#[must_use]
pub(super) fn is_there(existing: &IndexFacts, candidate: &IndexCandidate) -> bool {
    let method = match candidate.method {
        IndexMethod::Btree => "btree",
        IndexMethod::Gin => "gin",
    };
    if !existing.valid || existing.method != method || existing.predicate.is_some() {
        return false;
    }
    let mut keys: Vec<String> = Vec::new();
    keys.extend(candidate.expression.as_ref().map(|text| folded(text)));
    keys.extend(candidate.columns.iter().cloned());
    let matches = |(have, want): (&String, &String)| {
        have == want || (candidate.expression.is_some() && folded(have) == *want)
    };
    let begins =
        existing.columns.len() >= keys.len() && existing.columns.iter().zip(&keys).all(matches);
    // A unique key finds its one row whatever columns would come behind it.
    let unique_beginning = existing.unique
        && candidate.include.is_empty()
        && candidate.method == IndexMethod::Btree
        && keys.len() >= existing.columns.len()
        && keys.iter().zip(&existing.columns).all(|(have, want)| have == want);
    let has =
        |column: &String| existing.columns.contains(column) || existing.include.contains(column);
    (begins && candidate.include.iter().all(has)) || unique_beginning
}

/// An expression without what the server writes differently: parentheses, spaces and casts of
/// constants to text.
fn folded(expression: &str) -> String {
    expression
        .replace("::text", "")
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')'))
        .collect::<String>()
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(columns: &[&str], include: &[&str]) -> IndexCandidate {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        IndexCandidate {
            schema: "public".to_owned(),
            table: "order".to_owned(),
            columns: owned(columns),
            include: owned(include),
            ..IndexCandidate::default()
        }
    }

    #[test]
    fn every_part_is_written_and_quoted() {
        let candidate = IndexCandidate {
            expression: Some("lower(mail)".to_owned()),
            operator_class: Some("text_pattern_ops".to_owned()),
            predicate: Some("\"deleted at\" IS NULL".to_owned()),
            ..on(&["Shop"], &["a b"])
        };
        assert_eq!(
            definition(&candidate),
            "CREATE INDEX ON public.\"order\" ((lower(mail)) text_pattern_ops, \"Shop\") \
             INCLUDE (\"a b\") WHERE \"deleted at\" IS NULL"
        );
        let gin = IndexCandidate { method: IndexMethod::Gin, ..on(&["tags"], &[]) };
        assert_eq!(target(&gin), "public.\"order\" USING gin (tags)");
    }

    #[test]
    fn the_wider_makes_the_narrower_needless() {
        assert!(makes_needless(&on(&["a", "b"], &[]), &on(&["a"], &[])));
        assert!(makes_needless(&on(&["a"], &["b", "c"]), &on(&["a"], &["c"])));
        assert!(makes_needless(&on(&["a", "c"], &[]), &on(&["a"], &["c"])));
        assert!(!makes_needless(&on(&["b", "a"], &[]), &on(&["a"], &[])));
        assert!(!makes_needless(&on(&["a"], &["b"]), &on(&["a", "b"], &[])));
        let partial = IndexCandidate { predicate: Some("x".to_owned()), ..on(&["a"], &[]) };
        assert!(makes_needless(&on(&["a"], &[]), &partial));
        assert!(!makes_needless(&partial, &on(&["a"], &[])));
    }

    #[test]
    fn what_is_there_is_seen() {
        let existing = |columns: &[&str], unique| IndexFacts {
            method: "btree".to_owned(),
            valid: true,
            unique,
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            ..IndexFacts::default()
        };
        assert!(is_there(&existing(&["a", "b"], false), &on(&["a"], &[])));
        assert!(is_there(&existing(&["a", "b"], false), &on(&["a"], &["b"])));
        assert!(is_there(&existing(&["id"], true), &on(&["id", "x"], &[])));
        assert!(!is_there(&existing(&["id"], false), &on(&["id", "x"], &[])));
        assert!(!is_there(&existing(&["id"], true), &on(&["id"], &["x"])));
        let lower = IndexCandidate { expression: Some("lower(mail)".into()), ..on(&[], &[]) };
        assert!(is_there(&existing(&["(lower(mail))"], false), &lower));
        assert!(is_there(&existing(&["(lower((mail)::text))"], false), &lower));
    }
}
