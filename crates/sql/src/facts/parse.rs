//! From text to tree, with bounds on what hostile text can cost.

use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::statement::Collector;
use super::{Facts, Unparsed};
use crate::keyword;
use crate::lexer::{Kind, Lexer, Token};

/// How deep brackets, and with them the parser's recursion, may nest.
const NESTING_LIMIT: usize = 50;
/// How many tokens a statement may have. The tree of `1 + 1 + …` is as deep as the text is long, and
/// dropping it recurses; so this bounds the stack, and the time as well.
const TOKEN_LIMIT: usize = 4_000;

/// Parses one statement, normalised or as sent.
///
/// # Errors
/// [`Unparsed`] where sqlparser cannot read it, it is too long or nested too deeply, or it is not one
/// statement.
pub fn facts(text: &str) -> Result<Facts, Unparsed> {
    refuse_excess(text)?;
    let statement = match parse(text) {
        Ok(statement) => statement,
        // `date '2026-01-01'` is normalised to `date $1`, which is not SQL.
        Err(first) => match literal_after_type(text) {
            Some(repaired) => parse(&repaired).map_err(|_| first)?,
            None => return Err(first),
        },
    };
    Ok(Collector::collect(&statement))
}

/// The parser is not ours, and texts are anybody's: a panic in it is a text that it cannot read.
fn parse(text: &str) -> Result<Statement, Unparsed> {
    std::panic::catch_unwind(|| parse_unguarded(text))
        .unwrap_or_else(|_| Err(refusal("the parser panicked")))
}

fn parse_unguarded(text: &str) -> Result<Statement, Unparsed> {
    let mut statements = Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(NESTING_LIMIT)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| Unparsed { reason: error.to_string() })?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(refusal("there is no statement")),
        (Some(_), false) => Err(refusal("there are several statements")),
    }
}

fn refusal(reason: &str) -> Unparsed {
    Unparsed { reason: reason.to_owned() }
}

fn refuse_excess(text: &str) -> Result<(), Unparsed> {
    let mut tokens = 0;
    let mut depth = 0usize;
    for token in tokens_of(text) {
        tokens += 1;
        match token.kind {
            Kind::OpenParenthesis | Kind::OpenBracket => depth += 1,
            Kind::CloseParenthesis | Kind::CloseBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        if tokens > TOKEN_LIMIT {
            return Err(refusal("it is too long"));
        }
        if depth > NESTING_LIMIT {
            return Err(refusal("it is nested too deeply"));
        }
    }
    Ok(())
}

fn tokens_of(text: &str) -> impl Iterator<Item = Token> {
    let mut lexer = Lexer::new(text.as_bytes(), 0);
    std::iter::from_fn(move || Some(lexer.next()).filter(|token| token.kind != Kind::End))
}

/// The text with `''` for each parameter that follows a name, if there is one: only a string can
/// stand there. Keywords before an operand are not names.
fn literal_after_type(text: &str) -> Option<String> {
    let mut repaired = String::new();
    let mut copied = 0;
    let mut after_name = false;
    for token in tokens_of(text) {
        if after_name && matches!(token.kind, Kind::Parameter(_)) {
            repaired.push_str(text.get(copied..token.start)?);
            repaired.push_str("''");
            copied = token.end;
        }
        after_name = token.kind == Kind::Name && !keyword::lookup(token.hash).1.before_operand();
    }
    repaired.push_str(text.get(copied..)?);
    (copied > 0).then_some(repaired)
}
