//! Indexes as SQL, and which of them makes which needless.

use model::{DatabaseFacts, IndexCandidate, IndexFacts, IndexMethod, TableFacts, TableKind};

use super::expressions::{folded, is_expression};
use super::statistics::table_of;
use super::{index_name, quoted};

/// `CREATE INDEX` without a name, for HypoPG.
#[must_use]
pub fn definition(candidate: &IndexCandidate) -> String {
    format!("CREATE INDEX ON {}", target(candidate))
}

/// The DDL that builds the index without stopping writes, and the one that takes it back. The name
/// is one that nothing in `database` has.
///
/// Of a partitioned table PostgreSQL builds no index concurrently, and a plain CREATE INDEX stops the
/// writes to all partitions until it is done. So there it is the index of the partitioned table alone,
/// which is done at once and not valid, with what makes it valid as a comment (PostgreSQL manual,
/// 5.11.2.2).
#[must_use]
pub fn build_and_undo(candidate: &IndexCandidate, database: &DatabaseFacts) -> (String, String) {
    let name = quoted(&index_name(candidate, database));
    let schema = quoted(&candidate.schema);
    if table_of(database, candidate).is_some_and(is_partitioned) {
        let table = format!("{schema}.{}", quoted(&candidate.table));
        let on = target(candidate);
        let keys = on.strip_prefix(&table).unwrap_or_default().trim_start();
        return (
            format!(
                "CREATE INDEX {name} ON ONLY {table} {keys};\n\
                 -- The table is partitioned: this index is empty and not valid yet. For each of its \
                 partitions:\n\
                 -- CREATE INDEX CONCURRENTLY partition_idx ON partition {keys};\n\
                 -- ALTER INDEX {schema}.{name} ATTACH PARTITION partition_idx;"
            ),
            format!("DROP INDEX {schema}.{name};"),
        );
    }
    (
        format!("CREATE INDEX CONCURRENTLY {name} ON {};", target(candidate)),
        format!("DROP INDEX CONCURRENTLY {schema}.{name};"),
    )
}

/// The DDL that drops an index, and the one that builds it again, where its definition is known.
/// Statements on indexes of partitioned tables know no CONCURRENTLY.
pub(crate) fn drop_and_undo(table: &TableFacts, index: &IndexFacts) -> (String, Option<String>) {
    let partitioned = is_partitioned(table);
    let concurrently = if partitioned { "" } else { "CONCURRENTLY " };
    let (schema, name) = (quoted(&table.schema), quoted(&index.name));
    let undo = index.definition.as_ref().map(|definition| {
        let create = format!("CREATE INDEX {concurrently}");
        let definition = definition.replacen("CREATE INDEX ", &create, 1);
        // The server shows the index of a partitioned table without those of the partitions.
        let definition = match partitioned {
            true => definition.replacen(" ON ONLY ", " ON ", 1),
            false => definition,
        };
        format!("{definition};")
    });
    (format!("DROP INDEX {concurrently}{schema}.{name};"), undo)
}

/// Whether the table's rows are in partitions.
pub(crate) fn is_partitioned(table: &TableFacts) -> bool {
    table.upkeep.kind == TableKind::Partitioned
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
    let table = table_of(database, candidate);
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
    let matches = |(at, (have, want)): (usize, (&String, &String))| match candidate.expression {
        Some(_) if at == 0 => is_expression(have) && folded(have) == *want,
        _ => have == want,
    };
    let pairs = existing.columns.iter().zip(&keys).enumerate();
    let begins = existing.columns.len() >= keys.len() && pairs.clone().all(matches);
    // A unique key finds its one row whatever columns would come behind it.
    let unique_beginning = existing.unique
        && candidate.include.is_empty()
        && candidate.method == IndexMethod::Btree
        && keys.len() >= existing.columns.len()
        && pairs.clone().all(matches);
    let has =
        |column: &String| existing.columns.contains(column) || existing.include.contains(column);
    let shared = keys.len().min(existing.columns.len());
    has_clauses(existing, shared, candidate.operator_class.as_deref())
        && ((begins && candidate.include.iter().all(has)) || unique_beginning)
}

/// The same, an index that is being built counting as if it were done.
#[must_use]
pub(super) fn is_coming(existing: &IndexFacts, candidate: &IndexCandidate) -> bool {
    let done = || IndexFacts { valid: true, ..existing.clone() };
    is_there(existing, candidate) || (existing.building && is_there(&done(), candidate))
}

/// Whether the first keys, so many, are compared and sorted as those of an index with this operator
/// class (of the first key; the types' own elsewhere) would be.
fn has_clauses(existing: &IndexFacts, keys: usize, operator_class: Option<&str>) -> bool {
    let clauses = || (0..keys).map(|at| existing.key_clauses.get(at).map_or("", String::as_str));
    let wanted = |at: usize| operator_class.filter(|_| at == 0).unwrap_or_default();
    let same = clauses().enumerate().all(|(at, clause)| clause == wanted(at));
    // A B-tree is read from either end.
    let reverse = operator_class.is_none() && clauses().all(|clause| clause == "DESC");
    same || reverse
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

    #[test]
    fn an_index_that_compares_or_sorts_otherwise_is_not_there() {
        let existing = |columns: &[&str], clauses: &[&str]| IndexFacts {
            method: "btree".to_owned(),
            valid: true,
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            key_clauses: clauses.iter().map(|clause| (*clause).to_owned()).collect(),
            ..IndexFacts::default()
        };
        let class = Some("text_pattern_ops".to_owned());
        let pattern = IndexCandidate { operator_class: class, ..on(&["name"], &[]) };
        let patterns = existing(&["name"], &["text_pattern_ops"]);
        assert!(!is_there(&existing(&["name"], &[""]), &pattern));
        assert!(!is_there(&IndexFacts { unique: true, ..existing(&["name"], &[""]) }, &pattern));
        assert!(is_there(&patterns, &pattern));
        assert!(!is_there(&patterns, &on(&["name"], &[])));
        assert!(!is_there(&existing(&["name"], &["COLLATE \"C\""]), &on(&["name"], &[])));
        assert!(!is_there(&existing(&["a", "b"], &["", "DESC"]), &on(&["a", "b"], &[])));
        assert!(is_there(&existing(&["a", "b"], &["", "DESC"]), &on(&["a"], &[])));
        assert!(is_there(&existing(&["a", "b"], &["DESC", "DESC"]), &on(&["a", "b"], &[])));
        assert!(!is_there(&existing(&["a"], &["DESC NULLS LAST"]), &on(&["a"], &[])));
    }

    #[test]
    fn an_index_of_a_partitioned_table_is_built_part_by_part_and_made_again_whole() {
        let mut table = TableFacts {
            schema: "public".to_owned(),
            name: "order".to_owned(),
            ..TableFacts::default()
        };
        table.upkeep.kind = TableKind::Partitioned;
        let database = DatabaseFacts { tables: vec![table.clone()], ..DatabaseFacts::default() };
        let (sql, undo) = build_and_undo(&on(&["a"], &["b"]), &database);
        let first = "CREATE INDEX order_a_b_idx ON ONLY public.\"order\" (a) INCLUDE (b);";
        assert_eq!(sql.lines().next(), Some(first));
        assert!(sql.lines().skip(1).all(|line| line.starts_with("-- ")), "{sql}");
        assert_eq!(undo, "DROP INDEX public.order_a_b_idx;");
        let definition = "CREATE INDEX i ON ONLY public.\"order\" USING btree (a)".to_owned();
        let index = IndexFacts {
            name: "i".to_owned(),
            definition: Some(definition),
            ..IndexFacts::default()
        };
        let (drop, undo) = drop_and_undo(&table, &index);
        assert_eq!(drop, "DROP INDEX public.i;");
        let whole = "CREATE INDEX i ON public.\"order\" USING btree (a);";
        assert_eq!(undo.as_deref(), Some(whole));
    }
}
