//! Indexes on expressions: where the server takes them, and whether one is there.

use model::TableFacts;
use sql::ComputedPredicate;

use super::statistics::column;

/// Whether the server takes an index on what is computed from columns of `table`.
pub(crate) fn is_immutable(computed: &ComputedPredicate, table: &TableFacts) -> bool {
    let name = computed.columns.first();
    let found = name.and_then(|name| column(table, name));
    computed.stability.holds_for(found.map(|column| column.type_name.as_str()))
}

/// Whether an index begins with the expression. A parameter in it may be any constant, because the
/// constant was taken out of the statement and not out of the index.
pub(crate) fn is_indexed(table: &TableFacts, expression: &str) -> bool {
    let wanted = folded(expression);
    table.indexes.iter().any(|index| {
        (index.valid || index.building)
            && index.predicate.is_none()
            && index
                .columns
                .first()
                .is_some_and(|key| is_expression(key) && matches(&wanted, &folded(key)))
    })
}

/// Whether an index's key is an expression, not a column.
pub(super) fn is_expression(key: &str) -> bool {
    key.starts_with('(')
}

/// An expression without what the server writes differently: parentheses, spaces, quotes of names and
/// casts of constants to text.
pub(super) fn folded(expression: &str) -> String {
    expression
        .to_lowercase()
        .replace("::text", "")
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"'))
        .collect()
}

/// Whether `text` is `pattern` with something in the place of each parameter.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('$');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut ended = false;
    for part in parts {
        let part = part.trim_start_matches(|c: char| c.is_ascii_digit());
        ended = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    ended || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{index, table};

    #[test]
    fn an_index_is_recognised_as_the_server_writes_it() {
        let has = |key: &str, expression: &str| {
            let mut one = table("t", 1.0, &[("id", -1.0)]);
            one.indexes.push(index(&[key]));
            is_indexed(&one, expression)
        };
        assert!(has("(doc ->> 'k'::text)", "doc ->> 'k'"));
        assert!(has("(doc ->> 'k'::text)", "doc ->> $1"));
        assert!(has("(date_trunc('day'::text, at))", "date_trunc($1, at)"));
        assert!(has("(\"left\"(name, 3))", "left(name, $1)"));
        assert!(!has("(\"left\"(name, 3))", "left(name, 2)"));
        assert!(!has("(\"left\"(other, 3))", "left(name, $1)"));
        assert!(!has("(lower(name))", "lower(name || $1)"));
        assert!(!has("(lower(names))", "lower(name)"));
        assert!(has("(lower((mail)::text))", "lower(mail)"));
        assert!(has("(id::text)", "id::TEXT") && !has("id", "id::TEXT"));
    }
}
