//! Tables by the words in front of them, for statements that the parser cannot read.

use crate::facts::TableRef;
use crate::keyword;
use crate::lexer::{Kind, Lexer, Token};

/// The tables that `text`, one statement, names behind FROM, JOIN, INTO, UPDATE, TABLE and the like,
/// and behind ON where something is made on a table; each once. Common table expressions are not
/// told apart from tables; functions are.
#[must_use]
pub fn tables_named(text: &str) -> Vec<TableRef> {
    let mut reader = Reader::new(text);
    let mut tables: Vec<TableRef> = Vec::new();
    while reader.token.kind != Kind::End && tables.len() < TABLES_LIMIT {
        let word = reader.word();
        let leads = reader.leads_to_table(&word);
        reader.pass(word);
        while leads && NOISE.contains(&reader.word().as_str()) {
            let noise = reader.word();
            reader.pass(noise);
        }
        while leads && let Some(table) = reader.table() {
            if !tables.contains(&table) {
                tables.push(table);
            }
            // `TRUNCATE a, b`
            if reader.token.kind != Kind::Comma {
                break;
            }
            reader.pass(String::new());
        }
    }
    tables
}

const TABLES_LIMIT: usize = 100;

/// Words between the leading one and the table's name.
const NOISE: &[&str] = &[
    "only",
    "if",
    "not",
    "exists",
    "lateral",
    "concurrently",
    "table",
    "full",
    "freeze",
    "verbose",
];

struct Reader<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    token: Token,
    /// The word before, if it was one.
    before: String,
    /// The statement makes something that may be on a table.
    on_table: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let mut lexer = Lexer::new(text.as_bytes(), 0);
        let token = lexer.next();
        Self { text, lexer, token, before: String::new(), on_table: false }
    }

    /// The keyword or unquoted name at hand, in lower case.
    fn word(&self) -> String {
        if self.token.kind == Kind::Name { self.name() } else { String::new() }
    }

    /// The name at hand as PostgreSQL folds it.
    fn name(&self) -> String {
        let name = self.text.get(self.token.start..self.token.end).unwrap_or_default();
        match name.strip_prefix('"') {
            Some(inside) => inside.strip_suffix('"').unwrap_or(inside).replace("\"\"", "\""),
            None => name.to_ascii_lowercase(),
        }
    }

    fn pass(&mut self, word: String) {
        self.on_table |=
            ["index", "trigger", "rule", "policy", "statistics"].contains(&word.as_str());
        self.before = word;
        self.token = self.lexer.next();
    }

    fn leads_to_table(&self, word: &str) -> bool {
        let after = |words: &[&str]| words.contains(&self.before.as_str());
        match word {
            "from" => !after(&["distinct"]),
            // `FOR UPDATE`, `DO UPDATE SET`, `ON UPDATE`, `BEFORE UPDATE`.
            "update" => !after(&["for", "do", "on", "key", "or", "before", "after", "then"]),
            "into" | "join" | "table" | "copy" | "truncate" | "vacuum" | "analyze" => true,
            "on" => self.on_table,
            _ => false,
        }
    }

    /// `name` or `schema.name`, unless it is a function that is called.
    fn table(&mut self) -> Option<TableRef> {
        let mut parts: Vec<String> = Vec::new();
        while self.is_name() {
            parts.push(self.name());
            let end = self.token.end;
            self.pass(String::new());
            if self.token.kind == Kind::OpenParenthesis && self.token.start == end {
                // `t(a, b)` of INSERT, ANALYZE or an index is written so too, but seldom.
                return None;
            }
            if self.token.kind != Kind::Dot {
                break;
            }
            self.pass(String::new());
        }
        let name = parts.pop()?;
        Some(TableRef { schema: parts.pop(), name, alias: None })
    }

    fn is_name(&self) -> bool {
        let traits = keyword::lookup(self.token.hash).1;
        self.token.kind == Kind::QuotedName
            || self.token.kind == Kind::Name && !traits.reserved() && !traits.before_operand()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_by_the_words_before_them() {
        for (text, expected) in [
            ("select f(variadic a) from S.t x join \"U\" on true", "s.t U"),
            ("select * from generate_series(1, 2) g, t", ""),
            ("insert into t overriding system value values (1)", "t"),
            ("update only t set a = 1 where b is distinct from c", "t"),
            ("select a from t for update", "t"),
            ("vacuum (analyze) t", ""),
            ("vacuum full verbose t", "t"),
            ("create unique index concurrently if not exists i on s.t (a)", "s.t"),
            ("truncate a, b cascade", "a b"),
            ("create statistics s (ndistinct) on a, b from t", "a b t"),
            ("reindex table t", "t"),
            ("lock table t in share mode", "t"),
            ("select 1", ""),
        ] {
            let found = tables_named(text);
            let shown: Vec<_> = found
                .iter()
                .map(|table| match &table.schema {
                    Some(schema) => format!("{schema}.{}", table.name),
                    None => table.name.clone(),
                })
                .collect();
            assert_eq!(shown.join(" "), expected, "{text}");
        }
    }
}
