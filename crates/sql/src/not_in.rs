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

/// Those in a text whose subquery returns a bare column of its first table.
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
    let (mut table, _) = path(text, &mut lexer)?;
    Some(NotIn { column, table: table.pop()?, schema: table.pop() })
}

/// Names with dots between them, and the token behind.
fn path(text: &[u8], lexer: &mut Lexer<'_>) -> Option<(Vec<String>, Token)> {
    let mut names = Vec::new();
    loop {
        let token = lexer.next();
        let piece = String::from_utf8_lossy(text.get(token.start..token.end)?);
        names.push(match token.kind {
            Kind::Name => piece.to_ascii_lowercase(),
            Kind::QuotedName => piece.trim_matches('"').replace("\"\"", "\""),
            _ => return None,
        });
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
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
