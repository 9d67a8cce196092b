//! `NOT IN (SELECT column FROM table …)`, found by its words. The cold path.

use crate::lexer::{Kind, Lexer, Token};

/// The column that a subquery of NOT IN returns. Names are folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotIn {
    /// The table's schema, where the text gives it.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
}

/// Those in a text whose subquery returns a bare column of its first table, and does not itself say
/// that the column IS NOT NULL.
#[must_use]
pub fn not_in_subqueries(text: &str) -> Vec<NotIn> {
    let text = text.as_bytes();
    let mut lexer = Lexer::new(text, 0);
    let mut found = Vec::new();
    let mut negated = false;
    loop {
        let token = lexer.next();
        if token.kind == Kind::End {
            return found;
        }
        if negated && is_word(text, token, "in") {
            found.extend(subquery(text, lexer.clone()));
        }
        negated = is_word(text, token, "not");
    }
}

/// `( SELECT [q.]column FROM [schema.]table`
fn subquery(text: &[u8], mut lexer: Lexer<'_>) -> Option<NotIn> {
    if lexer.next().kind != Kind::OpenParenthesis || !is_word(text, lexer.next(), "select") {
        return None;
    }
    let (mut names, end) = path(text, &mut lexer)?;
    if !is_word(text, end, "from") {
        return None;
    }
    let column = names.pop()?;
    let (mut table, end) = path(text, &mut lexer)?;
    if rules_null_out(text, end, lexer, &column, names.last()) {
        return None;
    }
    Some(NotIn { column, table: table.pop()?, schema: table.pop() })
}

/// What stands between two parentheses.
#[derive(Clone, Copy, Default)]
struct Group {
    /// It is no condition that must hold: an argument, a list, another query, what NOT turns round.
    opaque: bool,
    /// It holds if one of several conditions does, or has more than one query.
    either: bool,
    /// It says that the column is not NULL.
    not_null: bool,
}

/// Whether the rest of a subquery, from `token` on, has `WHERE … [qualifier.]column IS NOT NULL` among
/// conditions that must all hold.
fn rules_null_out(
    text: &[u8],
    mut token: Token,
    mut lexer: Lexer<'_>,
    column: &str,
    qualifier: Option<&String>,
) -> bool {
    let mut around: Vec<Group> = Vec::new();
    let mut group = Group::default();
    let mut conditions = false;
    // What stands before may be a condition's beginning.
    let mut begins = false;
    loop {
        let word = |word| is_word(text, token, word);
        match token.kind {
            Kind::OpenParenthesis => {
                around.push(group);
                group = Group { opaque: !begins, ..Group::default() };
            }
            Kind::CloseParenthesis | Kind::End => {
                let not_null = group.not_null && !group.either && !group.opaque;
                match around.pop() {
                    Some(outer) if token.kind == Kind::CloseParenthesis => group = outer,
                    _ => return not_null,
                }
                group.not_null |= not_null;
            }
            _ if word("or") || word("union") => group.either = true,
            _ if word("where") => conditions = true,
            Kind::Name | Kind::QuotedName if conditions && begins => {
                group.not_null |= says_not_null(text, token, lexer.clone(), column, qualifier);
            }
            _ => {}
        }
        begins = match token.kind {
            Kind::OpenParenthesis => begins,
            _ => word("where") || word("and"),
        };
        token = lexer.next();
    }
}

/// Whether `[qualifier.]column IS NOT NULL` begins with `first`.
fn says_not_null(
    text: &[u8],
    first: Token,
    mut lexer: Lexer<'_>,
    column: &str,
    qualifier: Option<&String>,
) -> bool {
    let mut names = vec![name(text, first)];
    let mut behind = lexer.next();
    while behind.kind == Kind::Dot {
        names.push(name(text, lexer.next()));
        behind = lexer.next();
    }
    let mut names = names.into_iter().rev();
    let same = names.next().flatten().is_some_and(|last| last == column)
        && match (names.next().flatten(), qualifier) {
            (Some(one), Some(other)) => one == *other,
            _ => true,
        };
    same && is_word(text, behind, "is")
        && is_word(text, lexer.next(), "not")
        && is_word(text, lexer.next(), "null")
}

/// The name that a token is, folded.
fn name(text: &[u8], token: Token) -> Option<String> {
    let piece = String::from_utf8_lossy(text.get(token.start..token.end)?);
    match token.kind {
        Kind::Name => Some(piece.to_ascii_lowercase()),
        Kind::QuotedName => Some(piece.trim_matches('"').replace("\"\"", "\"")),
        _ => None,
    }
}

/// Names with dots between them, and the token behind.
fn path(text: &[u8], lexer: &mut Lexer<'_>) -> Option<(Vec<String>, Token)> {
    let mut names = Vec::new();
    loop {
        names.push(name(text, lexer.next())?);
        let behind = lexer.next();
        if behind.kind != Kind::Dot {
            return Some((names, behind));
        }
    }
}

fn is_word(text: &[u8], token: Token, word: &str) -> bool {
    token.kind == Kind::Name
        && text
            .get(token.start..token.end)
            .is_some_and(|piece| piece.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_columns_of_the_first_table() {
        let found = |text| {
            not_in_subqueries(text)
                .into_iter()
                .map(|one| (one.schema.unwrap_or_default(), one.table, one.column))
                .collect::<Vec<_>>()
        };
        let one = |s: &str, t: &str, c: &str| (s.to_owned(), t.to_owned(), c.to_owned());
        assert_eq!(
            found("SELECT a FROM b WHERE c NOT IN (SELECT x.D FROM s.\"E\" x) AND NOT (f IN (1))"),
            [one("s", "E", "d")]
        );
        assert_eq!(found("delete from b where c not in (select d from e where f = $1)").len(), 1);
        for text in [
            "SELECT a FROM b WHERE c NOT IN (1, 2)",
            "SELECT a FROM b WHERE c IN (SELECT d FROM e)",
            "SELECT a FROM b WHERE c NOT IN (SELECT max(d) FROM e)",
            "SELECT a FROM b WHERE c NOT IN (SELECT d, e FROM f)",
            "SELECT a FROM b WHERE c NOT IN (",
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e WHERE d IS NOT NULL)",
            "SELECT a FROM b WHERE c NOT IN (SELECT x.d FROM e x WHERE (f OR g) AND x.\"d\" is not null)",
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e WHERE (f = g AND (d IS NOT NULL)))",
            "SELECT a FROM b WHERE c NOT IN (SELECT x.d FROM e AS x WHERE d IS NOT NULL AND f = 1) OR g",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
        for text in [
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e WHERE d IS NOT NULL OR f)",
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e WHERE f IS NOT NULL)",
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e WHERE f AND (d IS NOT NULL OR g))",
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e WHERE NOT (d IS NOT NULL))",
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e WHERE f IN (SELECT d FROM g WHERE d IS NOT NULL))",
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e WHERE d IS NULL)",
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e) AND d IS NOT NULL",
            "SELECT a FROM b WHERE c NOT IN (SELECT x.d FROM e x, f y WHERE y.d IS NOT NULL)",
            "SELECT a FROM b WHERE c NOT IN (SELECT d FROM e WHERE d IS NOT NULL UNION SELECT d FROM e)",
        ] {
            assert_eq!(found(text).len(), 1, "{text}");
        }
    }
}
