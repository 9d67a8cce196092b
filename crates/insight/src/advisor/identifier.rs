//! Names in SQL.

use model::{DatabaseFacts, IndexCandidate};

/// `NAMEDATALEN - 1`: the longest name, bytes.
const LONGEST: usize = 63;

/// Words that must be quoted to be names (PostgreSQL manual, appendix C, "reserved").
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// `name` as SQL: quoted only where it must be.
pub(crate) fn quoted(name: &str) -> String {
    let first_fits = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let rest_fits =
        name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    if first_fits && rest_fits && RESERVED.binary_search(&name).is_err() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A name for the index that nothing in its schema has, as PostgreSQL would choose it:
/// `table_column_column_idx`, cut to 63 bytes.
pub(crate) fn index_name(candidate: &IndexCandidate, database: &DatabaseFacts) -> String {
    let taken =
        |name: &str| {
            database.tables.iter().filter(|table| table.schema == candidate.schema).any(|table| {
                table.name == name || table.indexes.iter().any(|index| index.name == name)
            })
        };
    let keys: Vec<&str> = candidate
        .expression
        .iter()
        .map(|_| "expr")
        .chain(candidate.columns.iter().chain(&candidate.include).map(String::as_str))
        .collect();
    let stem = format!("{}_{}", candidate.table, keys.join("_"));
    let mut name = with_ending(&stem, "_idx");
    let mut number = 0u32;
    while taken(&name) {
        number += 1;
        name = with_ending(&stem, &format!("_idx{number}"));
    }
    name
}

fn with_ending(stem: &str, ending: &str) -> String {
    let room = LONGEST.saturating_sub(ending.len());
    let cut = stem.floor_char_boundary(room.min(stem.len()));
    format!("{}{ending}", &stem[..cut])
}

#[cfg(test)]
mod tests {
    use model::{IndexFacts, TableFacts};

    use super::*;

    fn candidate(table: &str, columns: &[&str]) -> IndexCandidate {
        IndexCandidate {
            schema: "public".to_owned(),
            table: table.to_owned(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            ..IndexCandidate::default()
        }
    }

    #[test]
    fn quotes_only_what_must_be() {
        assert!(RESERVED.is_sorted());
        let names = ["orders", "order", "Orders", "2nd", "a b", "a\"b", "größe", "_x$1", ""];
        let shown = names.map(quoted);
        let expected = [
            "orders",
            "\"order\"",
            "\"Orders\"",
            "\"2nd\"",
            "\"a b\"",
            "\"a\"\"b\"",
            "\"größe\"",
            "_x$1",
            "\"\"",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_name_is_short_enough_and_not_taken() {
        let taken = IndexFacts { name: "orders_a_idx".to_owned(), ..IndexFacts::default() };
        let table = TableFacts {
            schema: "public".to_owned(),
            name: "orders".to_owned(),
            indexes: vec![taken],
            ..TableFacts::default()
        };
        let database = DatabaseFacts { tables: vec![table], ..DatabaseFacts::default() };
        assert_eq!(index_name(&candidate("orders", &["b", "c"]), &database), "orders_b_c_idx");
        assert_eq!(index_name(&candidate("orders", &["a"]), &database), "orders_a_idx1");
        let long = index_name(&candidate("ä".repeat(40).as_str(), &["b"]), &database);
        assert!(long.len() <= 63 && long.ends_with("_idx"), "{long}");
    }
}
